use super::random_stream::RandomStream;
use crate::units::Instant;

/// Gaps of k steps, k = 1..100 with P(k) ~ k^-3, as wrk2's fork in DeathStarBench draws them: most arrivals one short
/// step apart, now and then a long pause.
///
/// The steps are summed, not their ns: a step has no whole number of them, and nothing drifts.
#[derive(Clone, Debug)]
pub struct ZipfGaps {
    step_ns: f64,
    offset: f64,
    numbers: RandomStream,
    steps: u64,
}

const MOST: usize = 100;

/// P(k <= i + 1), and the mean of k.
const TABLE: ([f64; MOST], f64) = {
    let (mut below, mut total, mut mean) = ([0.0; MOST], 0.0, 0.0);
    let mut i = 0;
    while i < MOST {
        let k = (i + 1) as f64;
        total += 1.0 / (k * k * k);
        mean += 1.0 / (k * k);
        below[i] = total;
        i += 1;
    }
    while i > 0 {
        i -= 1;
        below[i] /= total;
    }
    (below, mean / total)
};
static BELOW: [f64; MOST] = TABLE.0;

impl ZipfGaps {
    /// The first is due at `offset` of a step. All gaps are whole steps: streams whose offsets differ never coincide.
    pub fn new(mean_ns: f64, offset: f64, numbers: RandomStream) -> ZipfGaps {
        ZipfGaps { step_ns: mean_ns / TABLE.1, offset, numbers, steps: 0 }
    }

    #[inline]
    pub fn advance(&mut self) -> Instant {
        let due = Instant(((self.steps as f64 + self.offset) * self.step_ns) as u64);
        let u = self.numbers.unit();
        // Five times in six the first one is it.
        let k = 1 + BELOW.iter().take_while(|below| u >= **below).count();
        self.steps += k as u64;
        due
    }
}
