//! Memory with a hard limit: the kernel refuses blocks beyond `RLIMIT_DATA`.
//!
//! The scenario needs a shortage of memory, not of CPU, and fresh memory costs CPU: some ms for each 5 MiB, and ten times
//! that in a virtual machine whose host provides memory on first use. That would overload a healthy system. Therefore all
//! physical memory is allocated once and then parked: a private mapping without access rights keeps its pages, but does not
//! count as data. Making it accessible counts, and the kernel refuses it beyond the limit, as it refuses a new mapping.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags, madvise, mmap_anonymous, mprotect, munmap};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::scenario::Memory;
use super::scenario::memory::REQUEST_BYTES;
use crate::procfs;

/// Memory is parked and taken in units of this size. All blocks are multiples of it.
const UNIT: usize = REQUEST_BYTES;

/// The limited memory of this process. Clones share it. Only one thread may take from it.
#[derive(Clone)]
pub struct LimitedMemory {
    /// Free units, without access rights. The unit that was parked last is taken first.
    parked: Arc<Mutex<Vec<ParkedUnit>>>,
    /// Number of all units.
    units: usize,
}

struct ParkedUnit {
    address: usize,
    since: Instant,
    /// The unit still has its physical pages.
    resident: bool,
}

impl ParkedUnit {
    fn new(address: usize) -> ParkedUnit {
        ParkedUnit { address, since: Instant::now(), resident: true }
    }
}

/// Accessible units, which count as data. They are parked when dropped.
pub struct MemoryBlock {
    memory: LimitedMemory,
    units: Vec<usize>,
}

impl LimitedMemory {
    /// Limits the growth of this process's private data to `budget` bytes. Also returns the resulting limit, in bytes.
    ///
    /// # Errors
    /// If the system does not have that much memory, if the hard limit is lower, or if the kernel does not enforce limits.
    pub fn new(budget: u64) -> io::Result<(LimitedMemory, u64)> {
        let fit = budget / UNIT as u64;
        // One more than fits, so that the kernel refuses, not the list.
        let units = usize::try_from(fit + 1).map_err(io::Error::other)?;
        // SAFETY: a fresh mapping at an address of the kernel's choice. It is never unmapped.
        let start = unsafe {
            mmap_anonymous(std::ptr::null_mut(), units * UNIT, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)?
        };
        // Large pages are only faster. If the kernel has none, small pages work too.
        // SAFETY: advice on a mapping that this function owns.
        let _ = unsafe { madvise(start, units * UNIT, Advice::LinuxHugepage) };
        let memory = LimitedMemory { parked: Arc::default(), units };
        let all: Vec<usize> = (0..units).map(|unit| start as usize + unit * UNIT).collect();
        all.iter().for_each(|unit| touch(*unit));
        // Dropping the block parks its units.
        drop(MemoryBlock { memory: memory.clone(), units: all });

        let status = std::fs::read_to_string("/proc/self/status")?;
        let data = procfs::status_bytes(&status, "VmData")
            .ok_or_else(|| io::Error::other("/proc/self/status has no VmData"))?;
        let limit = data.saturating_add(budget);
        let maximum = getrlimit(Resource::Data).maximum;
        if maximum.is_some_and(|maximum| maximum < limit) {
            return Err(io::Error::other(format!(
                "the hard limit on data is below {limit} bytes. Raise it with ulimit -Hd."
            )));
        }
        setrlimit(Resource::Data, Rlimit { current: Some(limit), maximum })?;

        let taken: Vec<MemoryBlock> = std::iter::from_fn(|| memory.take(UNIT)).collect();
        if taken.len() as u64 != fit {
            let got = taken.len();
            return Err(io::Error::other(format!(
                "the kernel does not enforce RLIMIT_DATA: it allows {got} blocks of 5 MiB, and the limit is {fit}"
            )));
        }
        drop(taken);
        Ok((memory, limit))
    }

    /// Returns the pages of units that were parked for `idle` or longer to the system, so that it sees how much memory
    /// requests hold. Half of all units keep their pages: fresh memory is slow, and a burst that finds only fresh memory
    /// could trigger the failure.
    pub fn give_back(&self, idle: Duration) {
        let mut parked = self.parked();
        let mut resident = self.units - parked.iter().filter(|unit| !unit.resident).count();
        for unit in parked.iter_mut().filter(|unit| unit.resident && unit.since.elapsed() >= idle) {
            if resident <= self.units / 2 {
                return;
            }
            // SAFETY: a unit of our own mapping. It is not in use while it is parked, and its contents are never read.
            let released = unsafe { madvise(unit.address as *mut c_void, UNIT, Advice::LinuxDontNeed) };
            unit.resident = released.is_err();
            resident -= usize::from(released.is_ok());
        }
    }

    fn parked(&self) -> std::sync::MutexGuard<'_, Vec<ParkedUnit>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for LimitedMemory {
    type Block = MemoryBlock;

    fn take(&self, bytes: usize) -> Option<MemoryBlock> {
        // A short-lived mapping shows at once whether the whole block fits: most attempts fail.
        // SAFETY: a fresh mapping, which is unmapped before its address is used.
        unsafe {
            let probe =
                mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
            munmap(probe.ok()?, bytes).ok()?;
        }
        let mut block = MemoryBlock { memory: self.clone(), units: Vec::new() };
        for _ in 0..bytes.div_ceil(UNIT) {
            let unit = self.parked().pop()?.address;
            // SAFETY: a unit of our own mapping, which is in no other list.
            if unsafe { mprotect(unit as *mut c_void, UNIT, MprotectFlags::READ | MprotectFlags::WRITE) }.is_err() {
                self.parked().push(ParkedUnit::new(unit));
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

impl Drop for MemoryBlock {
    fn drop(&mut self) {
        for unit in self.units.drain(..) {
            // If this fails, the unit still counts as data, and a later `take` still works.
            // SAFETY: a unit of our own mapping that is no longer in use.
            let _ = unsafe { mprotect(unit as *mut c_void, UNIT, MprotectFlags::empty()) };
            self.memory.parked().push(ParkedUnit::new(unit));
        }
    }
}
