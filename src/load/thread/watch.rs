//! Whether the sockets of a worker must be watched.

use std::cell::Cell;

/// Counts the connections that must act as soon as their socket is ready: they connect, write, or have read a part of a
/// response. While there is one, the worker does not sleep without watching its sockets.
#[derive(Debug, Default)]
pub struct WatchCount(Cell<usize>);

/// A connection that must act as soon as its socket is ready, until this is dropped.
#[derive(Debug)]
pub struct Watch<'a>(&'a WatchCount);

impl WatchCount {
    pub fn begin(&self) -> Watch<'_> {
        self.0.set(self.0.get() + 1);
        Watch(self)
    }

    pub fn is_zero(&self) -> bool {
        self.0.get() == 0
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.0.set(self.0.0.get() - 1);
    }
}
