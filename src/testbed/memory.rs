//! Memory that is really limited: blocks that the kernel refuses beyond `RLIMIT_DATA`.
#![allow(unsafe_code)]

use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::scenario::Memory;
use crate::procfs;

/// The process's own limited memory.
#[derive(Clone, Copy, Debug)]
pub struct Limited;

/// A private mapping, all its pages touched; unmapped when dropped.
pub struct Block {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping belongs to the block alone, and is only ever unmapped.
unsafe impl Send for Block {}

impl Memory for Limited {
    type Block = Block;

    fn take(&self, bytes: usize) -> Option<Block> {
        let flags = MapFlags::PRIVATE;
        // SAFETY: a fresh mapping, wherever the kernel likes.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, flags) }.ok()?;
        let block = Block { start: NonNull::new(start.cast())?, bytes };
        // Where the kernel gives them, large pages take a fraction of the CPU to touch, and the scenario is to be short of
        // memory, not of CPU. The limit counts the same. Where it gives none, nothing is lost.
        // SAFETY: advice on a mapping of our own.
        let _ = unsafe { madvise(block.start.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
        for page in (0..bytes).step_by(4096) {
            // SAFETY: within the mapping, which nobody else knows of.
            unsafe { block.start.add(page).write_volatile(1) };
        }
        Some(block)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the mapping is the block's own and goes with it. Unmapping a whole mapping cannot fail.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

/// Lets this process's private data grow by `budget` bytes and no further; gives the limit that was set, in bytes.
///
/// # Errors
/// If `/proc` does not say what the process has now, or the hard limit is lower.
pub fn limit(budget: u64) -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let data = procfs::status_bytes(&status, "VmData").ok_or_else(|| io::Error::other("no VmData in /proc"))?;
    let limit = data.saturating_add(budget);
    let maximum = getrlimit(Resource::Data).maximum;
    if maximum.is_some_and(|most| most < limit) {
        return Err(io::Error::other(format!("the hard limit on data (ulimit -Hd) is below {limit} bytes")));
    }
    setrlimit(Resource::Data, Rlimit { current: Some(limit), maximum })?;
    Ok(limit)
}
