//! The time source of the pacer: a clock, and a timer that is set on that clock.

use std::io;
use std::task::{Context, Poll};

use crate::record::Clock;
use crate::timer::Timer;
use crate::units::Instant;

/// A clock and a timer on it. Tests of the pacer use one on simulated time.
pub trait PacerTimer {
    /// Now, on the run's clock.
    fn now(&self) -> Instant;

    /// Sets the timer. It fires at `at` or somewhat later; an instant in the past fires at once.
    ///
    /// # Errors
    /// If the timer cannot be set.
    fn set(&mut self, at: Instant) -> io::Result<()>;

    /// Blocks the thread until `at` or somewhat later. Nothing else ends this sleep.
    fn block_until(&self, at: Instant);

    /// Ready once after the timer has fired.
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The run's clock and a timerfd.
pub struct RunTimer {
    clock: Clock,
    timer: Timer,
}

impl RunTimer {
    pub fn new(clock: Clock, timer: Timer) -> RunTimer {
        RunTimer { clock, timer }
    }
}

impl PacerTimer for RunTimer {
    #[inline]
    fn now(&self) -> Instant {
        self.clock.now()
    }

    #[inline]
    fn set(&mut self, at: Instant) -> io::Result<()> {
        self.timer.set(self.clock.monotonic_ns(at))
    }

    fn block_until(&self, at: Instant) {
        crate::timer::block_until(self.clock.monotonic_ns(at));
    }

    #[inline]
    fn poll_fired(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.timer.poll(cx)
    }
}
