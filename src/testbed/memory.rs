//! Memory that is really limited: blocks that the kernel refuses beyond `RLIMIT_DATA`.
//!
//! The scenario is to be short of memory, not of CPU, and fresh memory costs CPU: ms for each 5 MiB, and ten times that
//! in a virtual machine whose host only gives memory as it is first touched, which would hold a healthy system up until
//! it is stuck. So the physical memory is taken once, and parked: an inaccessible private mapping keeps its pages, and
//! is not counted as data. Making it accessible counts, and is refused beyond the limit, as a new mapping is.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::scenario::memory::{Memory, REQUEST_BYTES};
use crate::procfs;

/// What is parked, and taken, at once; every block is a multiple of it.
const UNIT: usize = REQUEST_BYTES;

/// This process's limited memory, for one thread to take from.
#[derive(Clone)]
pub struct Limited {
    /// Units that are free, and inaccessible; those parked last are taken first.
    parked: Arc<Mutex<Vec<Parked>>>,
    /// How many there are.
    units: usize,
}

struct Parked {
    address: usize,
    since: Instant,
    /// Its pages are kept.
    resident: bool,
}

impl Parked {
    fn now(address: usize) -> Parked {
        Parked { address, since: Instant::now(), resident: true }
    }
}

/// Units that are accessible, and count; parked when dropped.
pub struct Block {
    home: Limited,
    units: Vec<usize>,
}

impl Limited {
    /// Lets this process's private data grow by `budget` bytes and no further; also gives the limit that was set, in bytes.
    ///
    /// # Errors
    /// If there is not that much memory, the hard limit is lower, or the kernel does not keep to limits.
    pub fn new(budget: u64) -> io::Result<(Limited, u64)> {
        let fit = budget / UNIT as u64;
        // One more than the limit lets us have, so that the limit is what refuses.
        let units = usize::try_from(fit + 1).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping, wherever the kernel likes, that is never unmapped.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), units * UNIT, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        // Only faster: where the kernel has no large pages to give, small ones do.
        // SAFETY: advice on a mapping of our own.
        let _ = unsafe { madvise(start, units * UNIT, Advice::LinuxHugepage) };
        let limited = Limited { parked: Arc::default(), units };
        let all: Vec<usize> = (0..units).map(|unit| start as usize + unit * UNIT).collect();
        all.iter().for_each(|unit| touch(*unit));
        // Taken here, and parked by the drop.
        drop(Block { home: limited.clone(), units: all });

        let status = std::fs::read_to_string("/proc/self/status")?;
        let data = procfs::status_bytes(&status, "VmData").ok_or_else(|| io::Error::other("no VmData in /proc"))?;
        let limit = data.saturating_add(budget);
        let maximum = getrlimit(Resource::Data).maximum;
        if maximum.is_some_and(|most| most < limit) {
            return Err(io::Error::other(format!("the hard limit on data (ulimit -Hd) is below {limit} bytes")));
        }
        setrlimit(Resource::Data, Rlimit { current: Some(limit), maximum })?;

        let taken: Vec<Block> = std::iter::from_fn(|| limited.take(UNIT)).collect();
        if taken.len() as u64 != fit {
            let got = taken.len();
            return Err(io::Error::other(format!("the kernel gives {got} x 5 MiB within a limit for {fit}")));
        }
        drop(taken);
        Ok((limited, limit))
    }

    /// Gives the pages of units that nobody took for `idle` back to the system, which then sees what requests hold. Half
    /// of all units keep theirs: fresh memory is slow, and a burst that meets none but fresh is a trigger of its own.
    pub fn give_back(&self, idle: Duration) {
        let mut parked = self.parked();
        let mut resident = self.units - parked.iter().filter(|unit| !unit.resident).count();
        for unit in parked.iter_mut().filter(|unit| unit.resident && unit.since.elapsed() >= idle) {
            if resident <= self.units / 2 {
                return;
            }
            // SAFETY: a unit of our own mapping, that nobody uses while it is parked, and whose contents nobody reads.
            let gone = unsafe { madvise(unit.address as *mut c_void, UNIT, Advice::LinuxDontNeed) };
            unit.resident = gone.is_err();
            resident -= usize::from(gone.is_ok());
        }
    }

    fn parked(&self) -> std::sync::MutexGuard<'_, Vec<Parked>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for Limited {
    type Block = Block;

    fn take(&self, bytes: usize) -> Option<Block> {
        // Whether all of it fits is asked at once, with a mapping that nobody touches: many ask, and few get.
        // SAFETY: a fresh mapping, gone before anybody knows of it.
        unsafe {
            let asked =
                mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            munmap(asked.ok()?, bytes).ok()?;
        }
        let mut block = Block { home: self.clone(), units: Vec::new() };
        for _ in 0..bytes.div_ceil(UNIT) {
            let unit = self.parked().pop()?.address;
            // SAFETY: a unit of our own mapping, that is on no other list.
            if unsafe { mprotect(unit as *mut c_void, UNIT, MprotectFlags::READ | MprotectFlags::WRITE) }.is_err() {
                self.parked().push(Parked::now(unit));
                return None;
            }
            touch(unit);
            block.units.push(unit);
        }
        Some(block)
    }
}

/// Writes to every page of an accessible unit.
fn touch(unit: usize) {
    for page in (0..UNIT).step_by(4096) {
        // SAFETY: within the unit, which only its block uses.
        unsafe { ((unit + page) as *mut u8).write_volatile(1) };
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        for unit in self.units.drain(..) {
            // A unit that could not be parked would still count, and taking it again be no surprise to the kernel.
            // SAFETY: a unit of our own mapping, that nobody uses any more.
            let _ = unsafe { mprotect(unit as *mut c_void, UNIT, MprotectFlags::empty()) };
            self.home.parked().push(Parked::now(unit));
        }
    }
}
