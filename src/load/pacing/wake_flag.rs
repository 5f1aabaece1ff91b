//! The flag that ends a wait of the pacer before its timer fires.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};

/// What the pacer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitFor {
    /// An instant only. A free connection or the last response changes nothing.
    DueTime,
    /// A free connection, or the last response in flight.
    Connection,
}

/// Wakes the pacer of a worker. The tasks of the worker share it.
#[derive(Default)]
pub struct WakeFlag {
    is_set: Cell<bool>,
    waits_for_due_time: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl WakeFlag {
    /// Makes the pacer ask for its next action again.
    pub fn wake(&self) {
        self.is_set.set(true);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Like [`WakeFlag::wake`], but only if the pacer waits for a connection. Most responses arrive while it waits for a
    /// due time, and waking it then would cost CPU for nothing.
    pub fn wake_for_connection(&self) {
        if !self.waits_for_due_time.get() {
            self.wake();
        }
    }

    /// The pacer begins a wait.
    pub fn begin_wait(&self, wait_for: WaitFor) {
        self.waits_for_due_time.set(wait_for == WaitFor::DueTime);
    }

    /// Ready once after each [`WakeFlag::wake`].
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_set.replace(false) {
            return Poll::Ready(());
        }
        let mut own = self.waker.borrow_mut();
        if !own.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *own = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
