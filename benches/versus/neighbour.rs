//! A neighbour: a process that fills the caches with its own data.

use std::hint::black_box;
use std::io;
use std::process::{Child, Command};

use crate::server::pin_to_core;

/// More than the caches of most machines hold.
const BYTES: usize = 128 << 20;
const LINE: usize = 64;

/// Writes to random cache lines until it is killed.
pub fn thrash(core: usize) -> ! {
    pin_to_core(core);
    let mut memory = vec![0_u8; BYTES];
    let mut state = 1_u64;
    loop {
        // The generator of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let line = (state >> 33) as usize % (BYTES / LINE);
        memory[line * LINE] = memory[line * LINE].wrapping_add(1);
        black_box(&memory);
    }
}

/// A neighbour that runs until it is dropped.
pub struct Neighbour(Child);

impl Neighbour {
    /// Starts this program as a neighbour on `core`.
    pub fn start(core: usize) -> io::Result<Neighbour> {
        Command::new(std::env::current_exe()?).args(["thrash", &core.to_string()]).spawn().map(Neighbour)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
