//! An allocator for Lua states with free lists. LuaJIT frees and allocates thousands of small objects. Its own allocator is
//! made for that, but mlua replaces it with the allocator of the program, and the caches of glibc hold only seven blocks
//! of a size. Free lists reduce the CPU time of DeathStarBench's compose-post by 20 % (docs/performance.md).
//!
//! mlua's allocator also ends the process if the system has no memory. This one makes it an error of the script, and keeps
//! a reserve for what must be allocated until the error is reported.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::{CStr, c_void};
use std::mem::replace;
use std::ptr::null_mut;

use mlua::{Lua, ffi};

/// The sizes of Lua objects are multiples of a word, in bytes.
const WORD: usize = 4;
/// The number of free lists: blocks of this many words or more are not cached.
const SIZES: usize = 256;
/// The most bytes in all free lists.
const MOST_CACHED: usize = 1 << 20;

/// The memory that a script gets when the system has no more, until it reaches a line where the error can be raised.
/// Nothing touches it before, so it is only address space.
const RESERVE: usize = 12 << 20;
/// The memory that is set free if that is not enough, so that the rest of the program can go on.
const LAST_RESERVE: usize = 4 << 20;

/// The free lists of a state. When this is dropped, the state gets its former allocator back.
pub struct FreeListAllocator {
    lua: Lua,
    lists: *mut FreeLists,
    reserve: *mut Reserve,
}

impl FreeListAllocator {
    /// Puts free lists in front of the allocator of `lua`.
    ///
    /// # Errors
    /// If the Lua stack is full.
    pub fn install(lua: &Lua) -> mlua::Result<FreeListAllocator> {
        let mut reserve = Reserve { memory: Vec::new(), last: Vec::new(), is_released: false, lua: null_mut() };
        // Without a reserve, only the report of the error may fail.
        let _ = reserve.memory.try_reserve_exact(RESERVE);
        let _ = reserve.last.try_reserve_exact(LAST_RESERVE);
        let reserve = Box::into_raw(Box::new(reserve));
        let mut lists = null_mut();
        // SAFETY: Lua frees each block with the size that it requested, and so must a C module that allocates with
        // `lua_getallocf`, in the thread of the state. The lists outlive their use by the state: `drop` frees them only
        // after the state has its former allocator back.
        unsafe {
            lua.exec_raw::<()>((), |state| {
                let mut data = null_mut();
                let below = ffi::lua_getallocf(state, &mut data);
                (*reserve).lua = state;
                lists = Box::into_raw(Box::new(FreeLists {
                    heads: [null_mut(); SIZES],
                    cached: 0,
                    evicted: 0,
                    below: allocate_in_system,
                    data: reserve.cast(),
                    former: (below, data),
                }));
                ffi::lua_setallocf(state, allocate, lists.cast());
            })?;
        }
        Ok(FreeListAllocator { lua: lua.clone(), lists, reserve })
    }
}

impl Drop for FreeListAllocator {
    fn drop(&mut self) {
        let (lists, mut restored) = (self.lists, false);
        // SAFETY: all blocks are like those of the former allocator, with their requested sizes. If it cannot be restored, or a C
        // module has put another allocator in front of this one, the lists are leaked, because they may still be used.
        unsafe {
            let _ = self.lua.exec_raw::<()>((), |state| {
                let mut data = null_mut();
                ffi::lua_getallocf(state, &mut data);
                restored = data == lists.cast();
                if restored {
                    let (below, data) = (*lists).former;
                    ffi::lua_setallocf(state, below, data);
                }
            });
            if restored {
                drop(Box::from_raw(lists));
                drop(Box::from_raw(self.reserve));
            }
        }
    }
}

/// Lists of free blocks by size, in front of another allocator.
struct FreeLists {
    /// The first block of each list. The index is the size in words.
    heads: [*mut Block; SIZES],
    /// Bytes in all lists.
    cached: usize,
    /// The list from which blocks are released when the lists are full.
    evicted: usize,
    /// The other allocator.
    below: ffi::lua_Alloc,
    /// The argument of `below`.
    data: *mut c_void,
    /// mlua's allocator and its argument. It allocates like [`allocate_in_system`].
    former: (ffi::lua_Alloc, *mut c_void),
}

/// What [`allocate_in_system`] knows.
struct Reserve {
    memory: Vec<u8>,
    last: Vec<u8>,
    is_released: bool,
    lua: *mut ffi::lua_State,
}

impl Reserve {
    /// Sets the reserve free, and lets the script fail at its next line. An error that Lua raises here would not have a
    /// line.
    ///
    /// # Safety
    /// The state is open, and is used in this thread.
    unsafe fn release(&mut self) {
        self.memory = Vec::new();
        self.is_released = true;
        // SAFETY: this only sets fields of the state. Signal handlers of Lua programs do the same.
        unsafe { ffi::lua_sethook(self.lua, Some(raise_memory_error), ffi::LUA_MASKCOUNT, 1) };
    }

    /// Makes a whole cycle of the garbage collector due. Compiled code has no hooks, and this ends it.
    ///
    /// # Safety
    /// As for [`Reserve::release`].
    unsafe fn end_compiled_code(&self) {
        // SAFETY: both only set fields of the state.
        unsafe {
            ffi::lua_gc(self.lua, ffi::LUA_GCSETSTEPMUL, 1_000_000);
            ffi::lua_gc(self.lua, ffi::LUA_GCRESTART, 0);
        }
    }
}

/// The hook that ends a script for lack of memory.
unsafe extern "C-unwind" fn raise_memory_error(state: *mut ffi::lua_State, running: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls the hook with a state that may raise errors, and with the function that runs.
    unsafe {
        ffi::lua_sethook(state, None, 0, 0);
        ffi::lua_gc(state, ffi::LUA_GCSETSTEPMUL, 200);
        ffi::lua_getinfo(state, c"Sl".as_ptr(), running);
        let (file, line) = ((*running).short_src.as_ptr(), (*running).currentline);
        ffi::lua_pushfstring(state, c"%s:%d: %s".as_ptr(), file, line, NOT_ENOUGH_MEMORY.as_ptr());
        ffi::lua_error(state);
    }
}

const NOT_ENOUGH_MEMORY: &CStr =
    c"not enough memory. Make the script need less, or raise the limit on memory (ulimit -v)";

/// The system's allocator, with the layout of mlua's. Null if there is no memory.
///
/// # Safety
/// `reserve` is a [`Reserve`]; otherwise as for `realloc`.
unsafe extern "C" fn allocate_in_system(
    reserve: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    let layout = |size| Layout::from_size_align(size, ffi::SYS_MIN_ALIGN);
    // SAFETY: a block has `old` bytes, and was allocated with this layout here or by mlua.
    unsafe {
        if new == 0 {
            if let (false, Ok(layout)) = (block.is_null(), layout(old)) {
                dealloc(block.cast(), layout);
            }
            return null_mut();
        }
        let Ok(wanted) = layout(new) else { return null_mut() };
        let try_once = || match layout(old) {
            Ok(before) if !block.is_null() => realloc(block.cast(), before, new),
            _ => alloc(wanted),
        };
        let mut found = try_once();
        let reserve = reserve.cast::<Reserve>();
        if found.is_null() && !(*reserve).is_released && new <= RESERVE / 2 {
            (*reserve).release();
            found = try_once();
        }
        if (*reserve).is_released {
            (*reserve).end_compiled_code();
        }
        if found.is_null() {
            (*reserve).last = Vec::new();
        }
        found.cast()
    }
}

/// A free block contains the address of the next one.
struct Block {
    next: *mut Block,
}

/// The [`ffi::lua_Alloc`] of [`FreeLists`].
unsafe extern "C" fn allocate(lists: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: Lua passes the data that was set with this function, and blocks that it got from this function.
    unsafe { (*lists.cast::<FreeLists>()).resize(block, old, new) }
}

impl FreeLists {
    /// # Safety
    /// As for `realloc`: `block` is null or has `old` bytes. It is freed, unless the result is null and `new` is above 0.
    unsafe fn resize(&mut self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        if block.is_null()
            && let Some(cached) = self.pop(new)
        {
            return cached;
        }
        if new == 0 && !block.is_null() && self.list_of(old).is_some() {
            self.make_room(old);
            self.push(block.cast(), old);
            return null_mut();
        }
        // SAFETY: the caller guarantees it.
        unsafe { (self.below)(self.data, block, old, new) }
    }

    fn push(&mut self, block: *mut Block, bytes: usize) {
        if let Some(first) = self.list_of(bytes) {
            // SAFETY: the block is large enough for `Block`, and nothing else uses it.
            unsafe { (*block).next = replace(first, block) };
            self.cached += bytes;
        }
    }

    fn pop(&mut self, bytes: usize) -> Option<*mut c_void> {
        let first = self.list_of(bytes).filter(|first| !first.is_null())?;
        // SAFETY: `push` wrote the `Block`.
        let block = replace(first, unsafe { (**first).next });
        self.cached -= bytes;
        Some(block.cast())
    }

    /// Releases blocks until `bytes` more fit: from one list until it is empty, then from the next. So sizes that a script
    /// no longer uses are released in the end, and lists of the others soon fill again.
    fn make_room(&mut self, bytes: usize) {
        while self.cached + bytes > MOST_CACHED {
            self.release_one();
        }
    }

    fn release_one(&mut self) {
        let bytes = self.evicted * WORD;
        match self.pop(bytes) {
            Some(block) => {
                // SAFETY: `below` allocated the block with this size.
                unsafe { (self.below)(self.data, block, bytes, 0) };
            }
            None => self.evicted = (self.evicted + 1) % SIZES,
        }
    }

    /// The list for blocks of this size, if they are cached.
    fn list_of(&mut self, bytes: usize) -> Option<&mut *mut Block> {
        let is_cached = bytes >= size_of::<Block>() && bytes.is_multiple_of(WORD);
        self.heads.get_mut(bytes / WORD).filter(|_| is_cached)
    }
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        while self.cached > 0 {
            self.release_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The sizes of allocated blocks by address, and the number of allocations.
    #[derive(Default)]
    struct LiveBlocks {
        sizes: HashMap<usize, usize>,
        allocations: usize,
    }

    unsafe extern "C" fn below(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: `data` comes from `FreeLists`, and the sizes are checked.
        unsafe {
            let live = &mut *data.cast::<LiveBlocks>();
            let layout = |size| Layout::from_size_align(size, 16).unwrap();
            if !block.is_null() {
                assert_eq!(live.sizes.remove(&(block as usize)), Some(old));
            }
            let got = match (block.is_null(), new) {
                (true, 0) => return null_mut(),
                (true, _) => {
                    live.allocations += 1;
                    alloc(layout(new))
                }
                (false, 0) => {
                    dealloc(block.cast(), layout(old));
                    return null_mut();
                }
                (false, _) => realloc(block.cast(), layout(old), new),
            };
            live.sizes.insert(got as usize, new);
            got.cast()
        }
    }

    fn lists(live: &mut LiveBlocks) -> FreeLists {
        FreeLists {
            heads: [null_mut(); SIZES],
            cached: 0,
            evicted: 0,
            below,
            data: (&raw mut *live).cast(),
            former: (below, null_mut()),
        }
    }

    #[test]
    fn a_freed_block_is_reused_for_its_size() {
        let mut live = LiveBlocks::default();
        let mut lists = lists(&mut live);
        // SAFETY: blocks are freed with their requested sizes.
        unsafe {
            let first = lists.resize(null_mut(), 0, 40);
            lists.resize(first, 40, 0);
            let other = lists.resize(null_mut(), 0, 44);
            let again = lists.resize(null_mut(), 0, 40);
            assert!(first == again && other != again);
            lists.resize(other, 44, 0);
            lists.resize(again, 40, 0);
        }
        drop(lists);
        assert_eq!((live.allocations, live.sizes.len()), (2, 0));
    }

    #[test]
    fn at_most_a_mib_is_cached_and_unused_sizes_are_released() {
        let mut live = LiveBlocks::default();
        let mut lists = lists(&mut live);
        // SAFETY: blocks are freed with their requested sizes.
        unsafe {
            let blocks: Vec<_> = (0..5000).map(|_| lists.resize(null_mut(), 0, 1000)).collect();
            for block in blocks {
                lists.resize(block, 1000, 0);
            }
        }
        assert_eq!(lists.cached, MOST_CACHED / 1000 * 1000);
        // SAFETY: blocks are freed with their requested sizes.
        unsafe {
            let blocks: Vec<_> = (0..50_000).map(|_| lists.resize(null_mut(), 0, 40)).collect();
            for block in blocks {
                lists.resize(block, 40, 0);
            }
        }
        assert!(lists.pop(1000).is_none() && lists.cached > MOST_CACHED - 40);
        drop(lists);
        assert_eq!(live.sizes.len(), 0);
    }

    proptest! {
        #[test]
        fn no_block_is_allocated_twice_and_none_is_lost(steps in prop::collection::vec((0..3, 0..20usize, 1..1200usize), 1..300)) {
            let mut live = LiveBlocks::default();
            let mut lists = lists(&mut live);
            let mut mine: Vec<(*mut c_void, usize)> = Vec::new();
            let mark = |block: *mut c_void, size: usize| {
                // SAFETY: the block has that many bytes.
                unsafe { block.cast::<u8>().write_bytes(block as u8 ^ size as u8, size) };
            };
            for (step, which, size) in steps {
                // SAFETY: blocks are freed with their requested sizes.
                unsafe {
                    if step == 0 || mine.is_empty() {
                        let block = lists.resize(null_mut(), 0, size);
                        mark(block, size);
                        mine.push((block, size));
                        continue;
                    }
                    let (block, old) = mine.swap_remove(which % mine.len());
                    let bytes = std::slice::from_raw_parts(block.cast::<u8>(), old);
                    prop_assert!(bytes.iter().all(|byte| *byte == block as u8 ^ old as u8));
                    if step == 1 {
                        lists.resize(block, old, 0);
                    } else {
                        let grown = lists.resize(block, old, size);
                        mark(grown, size);
                        mine.push((grown, size));
                    }
                }
            }
            for (block, size) in mine {
                // SAFETY: blocks are freed with their requested sizes.
                unsafe { lists.resize(block, size, 0) };
            }
            drop(lists);
            prop_assert!(live.sizes.is_empty());
        }
    }

    #[test]
    fn a_state_outlives_its_free_lists() {
        let lua = Lua::new();
        let memory = FreeListAllocator::install(&lua).unwrap();
        let rubbish = "local t = {} for i = 1, 10000 do t[i] = ('x'):rep(i % 300) .. i end return #t";
        for _ in 0..3 {
            assert_eq!(lua.load(rubbish).eval::<u32>().unwrap(), 10_000);
            lua.gc_collect().unwrap();
        }
        drop(memory);
        assert_eq!(lua.load(rubbish).eval::<u32>().unwrap(), 10_000);
    }

    /// An allocator of a C module. Its data is the address of the data that it found.
    unsafe extern "C" fn before(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: the data that it found is a `FreeLists`.
        unsafe { allocate(*data.cast::<*mut c_void>(), block, old, new) }
    }

    #[test]
    fn free_lists_stay_if_a_c_module_has_put_another_allocator_before_them() {
        let lua = Lua::new();
        let memory = FreeListAllocator::install(&lua).unwrap();
        let found: *mut *mut c_void = Box::into_raw(Box::new(null_mut()));
        let mut left = null_mut();
        // SAFETY: `before` calls the allocator that it found, which lives as long as the state.
        unsafe {
            lua.exec_raw::<()>((), |state| {
                ffi::lua_getallocf(state, found);
                ffi::lua_setallocf(state, before, found.cast());
            })
            .unwrap();
            drop(memory);
            lua.exec_raw::<()>((), |state| {
                ffi::lua_getallocf(state, &mut left);
            })
            .unwrap();
        }
        assert_eq!(left, found.cast());
        assert_eq!(lua.load("return #('x'):rep(1000)").eval::<u32>().unwrap(), 1000);
    }
}
