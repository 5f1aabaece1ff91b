//! A timer with a resolution of microseconds: a timerfd in the epoll of the runtime. (tokio's timer has a resolution of
//! 1 ms.)

use std::io;
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::thread::{clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// A timer on `CLOCK_MONOTONIC`.
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    /// The deadline in ns of `CLOCK_MONOTONIC`; 0 when the timer has expired.
    deadline_ns: u64,
}

impl Timer {
    /// A timer that is not set. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the timer cannot be created.
    pub fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the timer alone owns the fd, and does not close or replace it while it is registered.
        #[allow(unsafe_code)]
        let fd = unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) }
            .map_err(|refused| refused.into_parts().1)?;
        Ok(Timer { fd, deadline_ns: 0 })
    }

    /// Sets the deadline, in ns of `CLOCK_MONOTONIC`. A deadline in the past expires at once.
    ///
    /// # Errors
    /// If the timer cannot be set.
    pub fn set(&mut self, deadline_ns: u64) -> io::Result<()> {
        // Zero would disarm the timer.
        let at = deadline_ns.max(1);
        if at == self.deadline_ns {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Itimerspec { it_interval: never, it_value: timespec(at) };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &value)?;
        self.deadline_ns = at;
        Ok(())
    }

    /// Ready when the timer has expired. The fd is never read: each expiry is a new edge for epoll.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = ready!(self.fd.poll_read_ready(cx))?;
        guard.clear_ready();
        self.deadline_ns = 0;
        Poll::Ready(Ok(()))
    }
}

/// Lets [`block_until`] on this thread end as exactly as a [`Timer`]. By default the kernel may add 50 us to a sleep.
pub fn sleep_exactly() {
    // It fails only on systems that never add anything.
    let _ = set_current_timer_slack(NonZeroU64::new(1));
}

/// Blocks the thread until `at_ns` of `CLOCK_MONOTONIC`, or until a signal arrives.
pub fn block_until(at_ns: u64) {
    let _ = clock_nanosleep_absolute(ClockId::Monotonic, &timespec(at_ns));
}

fn timespec(ns: u64) -> Timespec {
    Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}
