//! Sleeping to the microsecond: a timerfd on the runtime's epoll. (tokio's own timer ticks in milliseconds.)

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// An alarm on `CLOCK_MONOTONIC`.
pub struct Timer {
    fd: AsyncFd<OwnedFd>,
    /// What it is set to, in ns; 0 when it has rung.
    set: u64,
}

impl Timer {
    /// # Errors
    /// Where the system gives no timer.
    pub fn new() -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // SAFETY: the OwnedFd is the timer's alone: nobody else closes it, or takes it out, while it is registered.
        #[allow(unsafe_code)]
        let fd = unsafe { AsyncFd::register_with_interest(fd, tokio::io::Interest::READABLE) }
            .map_err(|refused| refused.into_parts().1)?;
        Ok(Timer { fd, set: 0 })
    }

    /// Sets the alarm to an instant of `CLOCK_MONOTONIC`, in ns; one in the past rings at once.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn set(&mut self, at: u64) -> io::Result<()> {
        // Zero would disarm it.
        let at = at.max(1);
        if at == self.set {
            return Ok(());
        }
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let value = Timespec { tv_sec: (at / 1_000_000_000) as i64, tv_nsec: (at % 1_000_000_000) as i64 };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &Itimerspec { it_interval: never, it_value: value })?;
        self.set = at;
        Ok(())
    }

    /// Ready when it has rung. It is never read: every new ring is an edge, and an edge is all that epoll needs.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut guard = ready!(self.fd.poll_read_ready(cx))?;
        guard.clear_ready();
        self.set = 0;
        Poll::Ready(Ok(()))
    }
}
