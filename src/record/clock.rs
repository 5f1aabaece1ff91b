use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::units::{Instant, Time};

/// The run's clock: nanoseconds of `CLOCK_MONOTONIC` since the start of load.
///
/// Changes of the wall clock do not affect it. All processes of a machine that share `origin` read the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The start of load, in ns of `CLOCK_MONOTONIC`.
    origin: u64,
}

impl Clock {
    /// A clock whose zero is `lead` from now.
    pub fn starting_in(lead: Time) -> Clock {
        Clock { origin: read_monotonic_ns() + lead.0 }
    }

    /// The current instant; zero before the start of load.
    #[inline]
    pub fn now(&self) -> Instant {
        Instant(read_monotonic_ns().saturating_sub(self.origin))
    }

    /// An instant of this clock in ns of `CLOCK_MONOTONIC`, as a timerfd needs it.
    #[inline]
    pub fn monotonic_ns(&self, at: Instant) -> u64 {
        self.origin.saturating_add(at.0)
    }
}

#[inline]
fn read_monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
