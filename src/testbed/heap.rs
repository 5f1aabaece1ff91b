//! A heap that `RLIMIT_DATA` does not count.
//!
//! compose-post limits its private memory, and a Rust program aborts if even a small allocation fails. Therefore this role
//! keeps its heap in a shared mapping, which the kernel does not count as data. Only the memory of requests is limited: see
//! [`super::limited_memory`]. All other roles and commands never call [`enter`]. For them, this is the system allocator
//! behind one atomic load.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// The `#[global_allocator]` of a program that runs roles of the testbed.
pub struct Heap;

/// Size of the heap's address space. Pages are allocated on first use.
const REGION: usize = 4 << 30;

/// Address of the region. 0 until [`enter`] is called.
static BASE: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: Mutex<BlockLists> = Mutex::new(BlockLists { used: 0, free: [0; CLASSES] });

/// Number of block sizes: powers of two from 16 bytes to the whole region. Allocating and freeing take constant time.
const CLASSES: usize = 29;
/// Binary logarithm of the smallest block size.
const SMALLEST: u32 = 4;

/// One linked list of free blocks per size. A free block holds the address of the next one, or 0, in its first bytes.
struct BlockLists {
    /// Size of the part of the region that has been used.
    used: usize,
    free: [usize; CLASSES],
}

fn class_of(layout: Layout) -> usize {
    let bytes = layout.size().max(layout.align()).max(1 << SMALLEST).next_power_of_two();
    (bytes.trailing_zeros() - SMALLEST) as usize
}

impl BlockLists {
    /// Allocates a block of the region at `base`. Returns 0 if no block is left.
    ///
    /// # Safety
    /// `base` is a mapping of [`REGION`] bytes that only these blocks use.
    unsafe fn allocate(&mut self, base: usize, class: usize) -> usize {
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
    /// `block` came from [`Self::allocate`] with this class, and is no longer in use.
    unsafe fn free(&mut self, block: usize, class: usize) {
        if let Some(head) = self.free.get_mut(class) {
            // SAFETY: the block belongs to the heap again; see `allocate`.
            unsafe { *(block as *mut usize) = *head };
            *head = block;
        }
    }
}

fn lock() -> std::sync::MutexGuard<'static, BlockLists> {
    BLOCKS.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn contains(base: usize, block: *mut u8) -> bool {
    base != 0 && (block as usize).wrapping_sub(base) < REGION
}

// SAFETY: a block is handed out once until it is freed. Its size is a power of two that is no smaller than the size and the
// alignment of the layout, in a mapping that is aligned to a page. Greater alignments are refused. The mutex does not
// allocate.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match BASE.load(Ordering::Relaxed) {
            // SAFETY: the caller's guarantees are passed on.
            0 => unsafe { System.alloc(layout) },
            _ if layout.align() > 4096 => std::ptr::null_mut(),
            // SAFETY: `BASE` is only ever set to a mapping of ours.
            base => unsafe { lock().allocate(base, class_of(layout)) as *mut u8 },
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if contains(BASE.load(Ordering::Relaxed), block) {
            // SAFETY: it is in the region, so `alloc` returned it for this layout.
            unsafe { lock().free(block as usize, class_of(layout)) };
        } else {
            // SAFETY: it was allocated before the heap was entered.
            unsafe { System.dealloc(block, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let base = BASE.load(Ordering::Relaxed);
        if base == 0 {
            // SAFETY: the caller's guarantees are passed on.
            return unsafe { System.realloc(block, layout, size) };
        }
        // SAFETY: the caller guarantees that `size` fits an allocation of this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if contains(base, block) && class_of(wanted) == class_of(layout) {
            return block;
        }
        // Blocks from before `enter` are moved into the region: the limit could refuse to let them grow in place.
        // SAFETY: two different blocks, each at least as large as the copied bytes. The caller owns the old one.
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

/// From now on, this process allocates from memory that `RLIMIT_DATA` does not count.
///
/// # Errors
/// If the address space cannot be reserved, or the allocator of this program is not [`Heap`].
pub fn enter() -> io::Result<()> {
    if BASE.load(Ordering::Relaxed) == 0 {
        let flags = MapFlags::SHARED | MapFlags::NORESERVE;
        // SAFETY: a fresh mapping at an address of the kernel's choice. It is never unmapped.
        let base = unsafe { mmap_anonymous(std::ptr::null_mut(), REGION, ProtFlags::READ | ProtFlags::WRITE, flags)? };
        // If two threads enter at once, each maps a region, and the first one is used.
        let _ = BASE.compare_exchange(0, base as usize, Ordering::Relaxed, Ordering::Relaxed);
    }
    let probe = Box::into_raw(Box::new(0u8));
    let in_region = contains(BASE.load(Ordering::Relaxed), probe);
    // SAFETY: it came from `Box::into_raw` above.
    drop(unsafe { Box::from_raw(probe) });
    if in_region {
        Ok(())
    } else {
        Err(io::Error::other("this program was built without the testbed's heap as its global allocator"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_power_of_two_that_fits_the_layout() {
        for (size, align, bytes) in [(1, 1, 16), (16, 8, 16), (17, 8, 32), (5, 64, 64), (4097, 1, 8192), (0, 1, 16)] {
            let class = class_of(Layout::from_size_align(size, align).unwrap());
            assert_eq!(1usize << (class as u32 + SMALLEST), bytes, "{size} aligned to {align}");
        }
        assert!(class_of(Layout::from_size_align(REGION, 1).unwrap()) < CLASSES);
    }

    #[test]
    fn blocks_are_distinct_aligned_and_reused() {
        let mut memory = vec![0u128; 4096];
        let base = (memory.as_mut_ptr() as usize).next_multiple_of(4096);
        let mut blocks = BlockLists { used: 0, free: [0; CLASSES] };
        // SAFETY: the few blocks taken here lie within `memory`.
        unsafe {
            let small = blocks.allocate(base, 0);
            let page = blocks.allocate(base, 8);
            let other = blocks.allocate(base, 0);
            assert_eq!((small, page, other), (base, base + 4096, base + 8192));
            blocks.free(small, 0);
            blocks.free(other, 0);
            assert_eq!((blocks.allocate(base, 0), blocks.allocate(base, 0)), (other, small));
        }
    }

    #[test]
    fn a_full_region_has_no_more_blocks() {
        let mut blocks = BlockLists { used: REGION - 16, free: [0; CLASSES] };
        // SAFETY: no block is written to.
        unsafe {
            assert_eq!(blocks.allocate(4096, 1), 0);
            assert_eq!(blocks.allocate(4096, CLASSES), 0);
            assert_ne!(blocks.allocate(4096, 0), 0);
        }
    }
}
