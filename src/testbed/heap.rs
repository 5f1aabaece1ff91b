//! A heap that `RLIMIT_DATA` does not count.
//!
//! compose-post limits its private memory, and an allocation of a few bytes that fails aborts a Rust program. So that
//! role keeps all that it allocates in a shared mapping, which the kernel does not count as data; what the limit is
//! meant for is mapped privately by [`super::memory`]. Every other role, and every other command, never calls
//! [`enter`]: for it this is the system's allocator behind one load of a flag.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// To be the `#[global_allocator]` of a program whose roles may `enter` it.
pub struct Heap;

/// Address space, not memory: pages come as they are touched.
const REGION: usize = 4 << 30;

/// Where the region begins; 0 until it is entered.
static BASE: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: Mutex<Blocks> = Mutex::new(Blocks { used: 0, free: [0; CLASSES] });

/// Sizes are powers of two from 16 bytes to the whole region, so a block is found, and freed, in one step.
const CLASSES: usize = 29;
const SMALLEST: u32 = 4;

/// Free blocks by size: each holds the address of the next one in its first bytes. Zero ends a list.
struct Blocks {
    /// Bytes of the region that were ever handed out.
    used: usize,
    free: [usize; CLASSES],
}

fn class_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST).next_power_of_two();
    (bytes.trailing_zeros() - SMALLEST) as usize
}

impl Blocks {
    /// A block of the region at `base`, or 0 if there is none left.
    ///
    /// # Safety
    /// `base` is a mapping of [`REGION`] bytes that only these blocks use.
    unsafe fn take(&mut self, base: usize, class: usize) -> usize {
        let Some(head) = self.free.get_mut(class) else { return 0 };
        if *head != 0 {
            let block = *head;
            // SAFETY: a block on the list is free, at least 16 bytes, aligned to them, and holds the next one's address.
            *head = unsafe { *(block as *const usize) };
            return block;
        }
        // Blocks are aligned to their size, up to a page, as `base` is.
        let size = 1usize << (class as u32 + SMALLEST);
        let start = self.used.next_multiple_of(size.min(4096));
        match start.checked_add(size).filter(|end| *end <= REGION) {
            Some(end) => {
                self.used = end;
                base + start
            }
            None => 0,
        }
    }

    /// # Safety
    /// `block` came from [`Self::take`] with this class, and nobody uses it any more.
    unsafe fn give(&mut self, block: usize, class: usize) {
        if let Some(head) = self.free.get_mut(class) {
            // SAFETY: the block is the heap's own again; see `take`.
            unsafe { *(block as *mut usize) = *head };
            *head = block;
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, Blocks> {
    BLOCKS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn holds(base: usize, block: *mut u8) -> bool {
    base != 0 && (block as usize).wrapping_sub(base) < REGION
}

// SAFETY: a block is handed out once until it is freed, with its layout's size and alignment (a power of two that is
// no smaller than either, on a mapping aligned to a page; greater alignments are refused). The mutex allocates nothing.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match BASE.load(Ordering::Relaxed) {
            // SAFETY: the caller's promises are passed on.
            0 => unsafe { System.alloc(layout) },
            _ if layout.align() > 4096 => std::ptr::null_mut(),
            // SAFETY: `BASE` is only ever set to a mapping of ours.
            base => unsafe { lock().take(base, class_of(layout)) as *mut u8 },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if holds(BASE.load(Ordering::Relaxed), block) {
            // SAFETY: it lies in the region, so `alloc` gave it, with this layout.
            unsafe { lock().give(block as usize, class_of(layout)) };
        } else {
            // SAFETY: it was allocated before the heap was entered.
            unsafe { System.dealloc(block, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let base = BASE.load(Ordering::Relaxed);
        if base == 0 {
            // SAFETY: the caller's promises are passed on.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller promises that `size` fits an allocation of this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if holds(base, block) && class_of(wanted) == class_of(layout) {
            return block;
        }
        // Blocks from before are moved in: growing them where they are is what the limit would refuse.
        // SAFETY: two different blocks, each at least as large as what is copied; the old one is the caller's to give.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                std::ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

/// From here on this process allocates from memory that `RLIMIT_DATA` does not count.
///
/// # Errors
/// If the system gives no address space, or this program's allocator is not [`Heap`].
pub fn enter() -> io::Result<()> {
    if BASE.load(Ordering::Relaxed) == 0 {
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping, wherever the kernel likes; it is never unmapped.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), REGION, ProtFlags::READ | ProtFlags::WRITE, flags)? };
        // Two threads entering at once would each map a region; the first one's counts.
        let _ = BASE.compare_exchange(0, base as usize, Ordering::Relaxed, Ordering::Relaxed);
    }
    let probe = Box::into_raw(Box::new(0u8));
    let ours = holds(BASE.load(Ordering::Relaxed), probe);
    // SAFETY: it was a box a moment ago.
    drop(unsafe { Box::from_raw(probe) });
    if ours {
        Ok(())
    } else {
        Err(io::Error::other("this program was built without the testbed's heap as its global allocator"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_their_layouts() {
        for (size, align, bytes) in [(1, 1, 16), (16, 8, 16), (17, 8, 32), (5, 64, 64), (4097, 1, 8192), (0, 1, 16)] {
            let class = class_of(Layout::from_size_align(size, align).unwrap());
            assert_eq!(1usize << (class as u32 + SMALLEST), bytes, "{size} aligned to {align}");
        }
        assert!(class_of(Layout::from_size_align(REGION, 1).unwrap()) < CLASSES);
    }

    #[test]
    fn blocks_are_apart_aligned_and_used_again() {
        let mut memory = vec![0u128; 4096];
        let base = (memory.as_mut_ptr() as usize).next_multiple_of(4096);
        let mut blocks = Blocks { used: 0, free: [0; CLASSES] };
        // SAFETY: the few blocks taken here lie within `memory`.
        unsafe {
            let small = blocks.take(base, 0);
            let page = blocks.take(base, 8);
            let other = blocks.take(base, 0);
            assert_eq!((small, page, other), (base, base + 4096, base + 8192));
            blocks.give(small, 0);
            blocks.give(other, 0);
            assert_eq!((blocks.take(base, 0), blocks.take(base, 0)), (other, small));
        }
    }

    #[test]
    fn a_full_region_gives_nothing() {
        let mut blocks = Blocks { used: REGION - 16, free: [0; CLASSES] };
        // SAFETY: nothing is written to.
        unsafe {
            assert_eq!(blocks.take(4096, 1), 0);
            assert_eq!(blocks.take(4096, CLASSES), 0);
            assert_ne!(blocks.take(4096, 0), 0);
        }
    }
}
