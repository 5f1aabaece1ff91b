//! What passes a link: which connections are probes of a fault, and how much of the rest met the fault.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The traffic of a link.
#[derive(Default)]
pub struct Traffic {
    /// Where probes will come from. The data of a probe comes back.
    probes: Mutex<HashSet<SocketAddr>>,
    /// Chunks and connections of the system that met a link that was not perfect, since its last command.
    met: AtomicU64,
}

impl Traffic {
    /// The answer to `echo IP:PORT`, which announces a probe from this address, and to `met`. `None` for another line.
    pub fn answer(&self, line: &str) -> Option<String> {
        if line.trim() == "met" {
            return Some(format!("met {}", self.met.load(Ordering::Relaxed)));
        }
        let from = line.trim().strip_prefix("echo ")?.parse().ok()?;
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).insert(from);
        Some(line.trim().to_owned())
    }

    /// Whether a connection from `peer` is a probe. Another connection from there is none.
    pub fn take_probe(&self, peer: SocketAddr) -> bool {
        self.probes.lock().unwrap_or_else(PoisonError::into_inner).remove(&peer)
    }

    /// The link has another state from now on.
    pub fn start_counting(&self) {
        self.met.store(0, Ordering::Relaxed);
    }

    pub fn count_met(&self) {
        self.met.fetch_add(1, Ordering::Relaxed);
    }
}
