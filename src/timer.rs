//! A timer with a resolution of microseconds: a timerfd in the epoll of the runtime. (tokio's timer has a resolution of
//! 1 ms.)

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
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
        let value = Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: never, it_value: value })?;
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
