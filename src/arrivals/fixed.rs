use crate::units::Instant;

/// Fixed gaps: request i of a schedule at a constant rate is due at i / rate. The closed form does not drift.
#[derive(Clone, Debug)]
pub struct FixedGaps {
    rate: f64,
}

impl FixedGaps {
    pub fn new(rate: f64) -> FixedGaps {
        FixedGaps { rate }
    }

    /// The due time of request `number`. A double is exact to the ns for 104 days.
    #[inline]
    pub fn due(&self, number: u64) -> Instant {
        Instant((number as f64 * 1e9 / self.rate) as u64)
    }
}
