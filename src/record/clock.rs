use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::units::{Instant, Time};

/// The run's clock: nanoseconds of `CLOCK_MONOTONIC` since the start of load.
///
/// Steps of the wall clock change nothing; every process on the machine that is told `origin` reads the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// The start of load, in ns of `CLOCK_MONOTONIC`.
    origin: u64,
}

impl Clock {
    /// A clock whose zero is `lead` from now.
    pub fn starting_in(lead: Time) -> Clock {
        Clock { origin: monotonic() + lead.0 }
    }

    /// Now, on this clock; zero before the start.
    #[inline]
    pub fn now(&self) -> Instant {
        Instant(monotonic().saturating_sub(self.origin))
    }

    /// An instant of this clock as a time of `CLOCK_MONOTONIC`, in ns: what a timerfd takes.
    #[inline]
    pub fn monotonic_ns(&self, at: Instant) -> u64 {
        self.origin.saturating_add(at.0)
    }
}

#[inline]
fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
