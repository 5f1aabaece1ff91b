use super::random_stream::RandomStream;
use crate::units::{Instant, Time};

/// Exponential gaps: -ln(1-u) times the mean, rounded to whole ns and then summed. Whole numbers make the stream the
/// same on every machine.
///
/// Rounding changes the mean gap by a share of 1/(24 mean^2), with the mean in ns: 4e-8 at a million requests/s.
#[derive(Clone, Debug)]
pub struct ExponentialGaps {
    mean_ns: f64,
    random: RandomStream,
    due: Instant,
}

impl ExponentialGaps {
    pub fn new(mean_ns: f64, random: RandomStream) -> ExponentialGaps {
        ExponentialGaps { mean_ns, random, due: Instant::START }
    }

    /// The next due time. The first one is a gap after the start.
    #[inline]
    pub fn advance(&mut self) -> Instant {
        let gap = -(1.0 - self.random.draw_unit()).ln() * self.mean_ns;
        self.due = self.due.plus(Time(gap.round() as u64));
        self.due
    }
}
