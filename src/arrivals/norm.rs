use super::random_stream::RandomStream;
use crate::units::{Instant, Time};

/// Normal gaps with sigma = mean/4, rounded to whole ns and then summed. Negative gaps are drawn again.
#[derive(Clone, Debug)]
pub struct NormalGaps {
    mean_ns: f64,
    random: RandomStream,
    due: Instant,
}

/// The mean of normal gaps of mean 1 and sigma 1/4 after negative ones are drawn again: 1 + sigma phi(4)/Phi(4).
/// Gaps are divided by it.
const MEAN: f64 = 1.000_033_458_616_117;

impl NormalGaps {
    /// The first request is due at `offset` (0 to 1) of a mean gap.
    pub fn new(mean_ns: f64, offset: f64, random: RandomStream) -> NormalGaps {
        NormalGaps { mean_ns, random, due: Instant((offset * mean_ns) as u64) }
    }

    /// The next due time.
    #[inline]
    pub fn advance(&mut self) -> Instant {
        let due = self.due;
        self.due = due.plus(Time((self.draw_gap() * self.mean_ns).round() as u64));
        due
    }

    fn draw_gap(&mut self) -> f64 {
        loop {
            let gap = 1.0 + self.random.draw_normal() / 4.0;
            if gap > 0.0 {
                return gap / MEAN;
            }
        }
    }
}
