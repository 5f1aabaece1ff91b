use super::random_stream::RandomStream;
use crate::units::Instant;

/// Gaps of k steps, k = 1..100 with P(k) ~ k^-3, as the wrk2 of DeathStarBench draws them: most gaps are one short step,
/// and a few are long pauses.
///
/// The number of steps is summed, not their length in ns. A step is not a whole number of ns, so the schedule does not
/// drift.
#[derive(Clone, Debug)]
pub struct ZipfGaps {
    step_ns: f64,
    offset: f64,
    random: RandomStream,
    steps: u64,
}

const MOST: usize = 100;

/// P(k <= i + 1) for each index i, and the mean of k.
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
    /// The first request is due at `offset` (0 to 1) of a step. All gaps are whole steps, so two streams with different
    /// offsets are never due at the same instant.
    pub fn new(mean_ns: f64, offset: f64, random: RandomStream) -> ZipfGaps {
        ZipfGaps { step_ns: mean_ns / TABLE.1, offset, random, steps: 0 }
    }

    /// The next due time.
    #[inline]
    pub fn advance(&mut self) -> Instant {
        let due = Instant(((self.steps as f64 + self.offset) * self.step_ns) as u64);
        let u = self.random.draw_unit();
        // k is 1 in five cases of six, so a linear search is the fastest.
        let k = 1 + BELOW.iter().take_while(|below| u >= **below).count();
        self.steps += k as u64;
        due
    }
}
