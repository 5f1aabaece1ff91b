//! The pacer's sleep: until an instant, or until somebody has something for it to look at.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// What wakes the pacer of a thread.
#[derive(Default)]
pub struct WakeFlag {
    nudged: Cell<bool>,
    /// The pacer sleeps just until an instant: neither a free connection nor the last answer changes that.
    instant: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl WakeFlag {
    /// Lets the pacer look again.
    pub fn nudge(&self) {
        self.nudged.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// [`WakeFlag::nudge`], where a free connection, or the last answer, can make a difference: most answers come while the
    /// pacer just waits for an instant.
    pub fn nudge_if_it_waits(&self) {
        if !self.instant.get() {
            self.nudge();
        }
    }

    /// The pacer goes to sleep, and says for what: a connection (or nothing in flight), or just an instant.
    pub fn waits(&self, for_connections: bool) {
        self.instant.set(!for_connections);
    }

    /// Ready once after each [`WakeFlag::nudge`].
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.nudged.replace(false) {
            return Poll::Ready(());
        }
        let mut own = self.waker.borrow_mut();
        if !own.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *own = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
