//! Kernel timestamps: the kernel notes when it received a segment (`SO_TIMESTAMPING`), and a read returns the timestamp of
//! the last segment that it read. Linux documents them in `Documentation/networking/timestamping.rst`.

mod control;
mod receive;
mod socket;

use std::cell::Cell;
use std::rc::Rc;

pub use receive::are_available;
pub use socket::Socket;

/// When the kernel received a segment, in ns of `CLOCK_REALTIME`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelTimestamp(pub u64);

/// The timestamp of a socket's last read. `None` if that read had none, or if the socket has no timestamps.
#[derive(Clone, Debug, Default)]
pub struct LastTimestamp(Rc<Cell<Option<KernelTimestamp>>>);

impl LastTimestamp {
    #[inline]
    pub fn get(&self) -> Option<KernelTimestamp> {
        self.0.get()
    }

    fn set(&self, timestamp: Option<KernelTimestamp>) {
        self.0.set(timestamp);
    }
}
