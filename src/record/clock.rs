use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::units::{Instant, Time};

/// The wall clock (`CLOCK_REALTIME`), read between two readings of the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WallReading {
    /// The run's clock before the reading.
    pub before: Instant,
    /// ns since the epoch.
    pub wall_ns: u64,
    /// The run's clock after the reading.
    pub after: Instant,
}

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
        Clock { origin: read_ns(ClockId::Monotonic) + lead.0 }
    }

    /// A clock whose zero is at `monotonic_ns` of `CLOCK_MONOTONIC`.
    pub fn starting_at(monotonic_ns: u64) -> Clock {
        Clock { origin: monotonic_ns }
    }

    /// `CLOCK_MONOTONIC` of this machine, in ns.
    pub fn read_monotonic() -> u64 {
        read_ns(ClockId::Monotonic)
    }

    /// The current instant; zero before the start of load.
    #[inline]
    pub fn now(&self) -> Instant {
        Instant(read_ns(ClockId::Monotonic).saturating_sub(self.origin))
    }

    /// Reads this clock, the wall clock, and this clock again.
    #[inline]
    pub fn read_wall(&self) -> WallReading {
        let before = self.now();
        let wall_ns = read_ns(ClockId::Realtime);
        WallReading { before, wall_ns, after: self.now() }
    }

    /// An instant of this clock in ns of `CLOCK_MONOTONIC`, as a timerfd needs it.
    #[inline]
    pub fn monotonic_ns(&self, at: Instant) -> u64 {
        self.origin.saturating_add(at.0)
    }
}

#[inline]
fn read_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
