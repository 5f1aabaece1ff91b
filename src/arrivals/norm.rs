use super::random_stream::RandomStream;
use crate::units::{Instant, Time};

/// Gaps with sigma = mean/4, negative ones drawn again, summed in whole ns.
#[derive(Clone, Debug)]
pub struct NormalGaps {
    mean_ns: f64,
    numbers: RandomStream,
    due: Instant,
}

/// What drawing again makes of a mean of 1: 1 + sigma phi(4)/Phi(4). Gaps are divided by it.
const MEAN: f64 = 1.000_033_458_616_117;

impl NormalGaps {
    /// The first is due at `offset` of a gap.
    pub fn new(mean_ns: f64, offset: f64, numbers: RandomStream) -> NormalGaps {
        NormalGaps { mean_ns, numbers, due: Instant((offset * mean_ns) as u64) }
    }

    #[inline]
    pub fn advance(&mut self) -> Instant {
        let due = self.due;
        self.due = due.plus(Time((self.gap() * self.mean_ns).round() as u64));
        due
    }

    fn gap(&mut self) -> f64 {
        loop {
            let gap = 1.0 + self.normal() / 4.0;
            if gap > 0.0 {
                return gap / MEAN;
            }
        }
    }

    /// Standard normal, by Marsaglia's polar method (SIAM Review 6, 1964).
    fn normal(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.numbers.unit() - 1.0, 2.0 * self.numbers.unit() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }
}
