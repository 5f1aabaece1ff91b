//! What a script frees is kept for what it allocates next. LuaJIT frees and allocates small objects by the thousand, and
//! brings an allocator that is made for it; mlua has it use the program's, whose caches hold seven of a size (glibc's).
//! With this before it DeathStarBench's compose-post takes a fifth less CPU (docs/performance.md).
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::mem::replace;
use std::ptr::null_mut;

use mlua::{Lua, ffi};

/// Lua's objects have sizes by the word of 4 bytes.
const WORD: usize = 4;
/// Blocks of as many words, or more, are not kept.
const SIZES: usize = 256;
/// Bytes that are kept at most.
const MOST: usize = 1 << 20;

/// Keeps what a state frees, until it is dropped; the state then goes on without it.
pub struct FreeListAllocator {
    lua: Lua,
    lists: *mut FreeLists,
}

impl FreeListAllocator {
    /// # Errors
    /// Where Lua has no room on its stack.
    pub fn install(lua: &Lua) -> mlua::Result<FreeListAllocator> {
        let mut lists = null_mut();
        // SAFETY: Lua gives each block back with the size that it asked for, and so must a C module that allocates with
        // `lua_getallocf`, in the state's own thread. The lists outlives its use as the state's allocator: `drop` frees it
        // only once the state has its former one again.
        unsafe {
            lua.exec_raw::<()>((), |state| {
                let mut data = null_mut();
                let below = ffi::lua_getallocf(state, &mut data);
                lists =
                    Box::into_raw(Box::new(FreeLists { free: [null_mut(); SIZES], kept: 0, giving: 0, below, data }));
                ffi::lua_setallocf(state, allocate, lists.cast());
            })?;
        }
        Ok(FreeListAllocator { lua: lua.clone(), lists })
    }
}

impl Drop for FreeListAllocator {
    fn drop(&mut self) {
        let (lists, mut restored) = (self.lists, false);
        // SAFETY: all blocks are from the former allocator, with the sizes that they were asked for. Where it cannot be set,
        // or a C module has put another before this one, the lists stays: it may still be asked.
        unsafe {
            let _ = self.lua.exec_raw::<()>((), |state| {
                let mut data = null_mut();
                ffi::lua_getallocf(state, &mut data);
                restored = data == lists.cast();
                if restored {
                    ffi::lua_setallocf(state, (*lists).below, (*lists).data);
                }
            });
            if restored {
                drop(Box::from_raw(lists));
            }
        }
    }
}

/// Free blocks by size, before another allocator.
struct FreeLists {
    /// The first of each size.
    free: [*mut Block; SIZES],
    /// Bytes in them.
    kept: usize,
    /// The size that gives way where there is no room.
    giving: usize,
    below: ffi::lua_Alloc,
    data: *mut c_void,
}

/// A free block begins with the address of the next.
struct Block {
    next: *mut Block,
}

/// [`ffi::lua_Alloc`], with a [`FreeLists`] for its data.
unsafe extern "C" fn allocate(lists: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    // SAFETY: Lua calls it with the data that was set beside it, and with what it got from here.
    unsafe { (*lists.cast::<FreeLists>()).resize(block, old, new) }
}

impl FreeLists {
    /// # Safety
    /// As `realloc`: a `block` has `old` bytes, and is no more afterwards, unless null is returned for a `new` above 0.
    unsafe fn resize(&mut self, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        if block.is_null()
            && let Some(kept) = self.take(new)
        {
            return kept;
        }
        if new == 0 && !block.is_null() && self.place(old).is_some() {
            self.make_room(old);
            self.keep(block.cast(), old);
            return null_mut();
        }
        // SAFETY: as the caller says.
        unsafe { (self.below)(self.data, block, old, new) }
    }

    fn keep(&mut self, block: *mut Block, bytes: usize) {
        if let Some(first) = self.place(bytes) {
            // SAFETY: it has room for its head, and nobody else has it.
            unsafe { (*block).next = replace(first, block) };
            self.kept += bytes;
        }
    }

    fn take(&mut self, bytes: usize) -> Option<*mut c_void> {
        let first = self.place(bytes).filter(|first| !first.is_null())?;
        // SAFETY: it was kept with its head.
        let block = replace(first, unsafe { (**first).next });
        self.kept -= bytes;
        Some(block.cast())
    }

    /// Gives back what is needed to keep `bytes` more: of one size until nothing of it is left, then of the next. So what a
    /// script asks for no more goes in the end, and what it does ask for is soon there again.
    fn make_room(&mut self, bytes: usize) {
        while self.kept + bytes > MOST {
            self.give_back_one();
        }
    }

    fn give_back_one(&mut self) {
        let bytes = self.giving * WORD;
        match self.take(bytes) {
            Some(block) => {
                // SAFETY: the allocator below knows the block by the size that it was asked for.
                unsafe { (self.below)(self.data, block, bytes, 0) };
            }
            None => self.giving = (self.giving + 1) % SIZES,
        }
    }

    /// Where blocks of this size are kept, if they are.
    fn place(&mut self, bytes: usize) -> Option<&mut *mut Block> {
        let kept = bytes >= size_of::<Block>() && bytes.is_multiple_of(WORD);
        self.free.get_mut(bytes / WORD).filter(|_| kept)
    }
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        while self.kept > 0 {
            self.give_back_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::{Layout, alloc, dealloc, realloc};
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// What the allocator below has given out, by address.
    #[derive(Default)]
    struct LiveBlocks {
        sizes: HashMap<usize, usize>,
        asked: usize,
    }

    unsafe extern "C" fn below(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: `data` is the one that stands beside it in a `FreeLists`; sizes are compared with what was given.
        unsafe {
            let given = &mut *data.cast::<LiveBlocks>();
            let layout = |size| Layout::from_size_align(size, 16).unwrap();
            if !block.is_null() {
                assert_eq!(given.sizes.remove(&(block as usize)), Some(old));
            }
            let got = match (block.is_null(), new) {
                (true, 0) => return null_mut(),
                (true, _) => {
                    given.asked += 1;
                    alloc(layout(new))
                }
                (false, 0) => {
                    dealloc(block.cast(), layout(old));
                    return null_mut();
                }
                (false, _) => realloc(block.cast(), layout(old), new),
            };
            given.sizes.insert(got as usize, new);
            got.cast()
        }
    }

    fn lists(given: &mut LiveBlocks) -> FreeLists {
        FreeLists { free: [null_mut(); SIZES], kept: 0, giving: 0, below, data: (&raw mut *given).cast() }
    }

    #[test]
    fn what_was_freed_serves_the_next_of_its_size() {
        let mut given = LiveBlocks::default();
        let mut lists = lists(&mut given);
        // SAFETY: sizes are as they were asked for.
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
        assert_eq!((given.asked, given.sizes.len()), (2, 0));
    }

    #[test]
    fn no_more_than_a_mib_is_kept_and_what_is_asked_for_no_more_gives_way() {
        let mut given = LiveBlocks::default();
        let mut lists = lists(&mut given);
        // SAFETY: sizes are as they were asked for.
        unsafe {
            let blocks: Vec<_> = (0..5000).map(|_| lists.resize(null_mut(), 0, 1000)).collect();
            for block in blocks {
                lists.resize(block, 1000, 0);
            }
        }
        assert_eq!(lists.kept, MOST / 1000 * 1000);
        // SAFETY: sizes are as they were asked for.
        unsafe {
            let blocks: Vec<_> = (0..50_000).map(|_| lists.resize(null_mut(), 0, 40)).collect();
            for block in blocks {
                lists.resize(block, 40, 0);
            }
        }
        assert!(lists.take(1000).is_none() && lists.kept > MOST - 40);
        drop(lists);
        assert_eq!(given.sizes.len(), 0);
    }

    proptest! {
        #[test]
        fn no_block_is_given_twice_and_none_is_lost(steps in prop::collection::vec((0..3, 0..20usize, 1..1200usize), 1..300)) {
            let mut given = LiveBlocks::default();
            let mut lists = lists(&mut given);
            let mut mine: Vec<(*mut c_void, usize)> = Vec::new();
            let mark = |block: *mut c_void, size: usize| {
                // SAFETY: it has that many bytes.
                unsafe { block.cast::<u8>().write_bytes(block as u8 ^ size as u8, size) };
            };
            for (step, which, size) in steps {
                // SAFETY: sizes are as they were asked for.
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
                // SAFETY: the same.
                unsafe { lists.resize(block, size, 0) };
            }
            drop(lists);
            prop_assert!(given.sizes.is_empty());
        }
    }

    #[test]
    fn a_state_outlives_it_and_closes_as_it_was_opened() {
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

    /// What a C module may put before it: its data is the address of the data that it found.
    unsafe extern "C" fn before(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: what it found was a `FreeLists`.
        unsafe { allocate(*data.cast::<*mut c_void>(), block, old, new) }
    }

    #[test]
    fn it_stays_where_a_c_module_has_put_another_before_it() {
        let lua = Lua::new();
        let memory = FreeListAllocator::install(&lua).unwrap();
        let found: *mut *mut c_void = Box::into_raw(Box::new(null_mut()));
        let mut left = null_mut();
        // SAFETY: `before` asks the one that it found, which is there for as long as the state.
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
