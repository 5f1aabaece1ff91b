use crate::units::Instant;

/// Number i of a schedule at a constant rate is due at i over the rate: in closed form, so that nothing drifts.
#[derive(Clone, Debug)]
pub struct FixedGaps {
    rate: f64,
}

impl FixedGaps {
    pub fn new(rate: f64) -> FixedGaps {
        FixedGaps { rate }
    }

    /// A double holds every ns of 104 days.
    #[inline]
    pub fn due(&self, number: u64) -> Instant {
        Instant((number as f64 * 1e9 / self.rate) as u64)
    }
}
