//! The guest's allocator: dlmalloc over the memory that the module starts with, `memory.grow` only past it. A stock
//! allocator grows memory in every fresh instance, which costs the host a system call each time and another at reset.
//!
//! A component has one thread: the build never enables wasm threads, and the host calls an instance from one place at a
//! time. That is the reason behind every `unsafe` here.
#![expect(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::{Cell, UnsafeCell};
use std::ptr::null_mut;

use dlmalloc::Dlmalloc;

/// A wasm page, in bytes.
const PAGE: usize = 65536;

/// What dlmalloc wants its chunks aligned to.
const ALIGNMENT: usize = 16;

// SAFETY: the linker defines it in every module
unsafe extern "C" {
    /// Set by the linker to the end of the stack and the static data; only its address means anything.
    static __heap_base: u8;
}

/// Hands dlmalloc the rest of the initial memory once, then whole new pages.
struct Pages {
    initial_taken: Cell<bool>,
}

impl Pages {
    /// The bytes between the static data and the end of memory. Right before the first `memory.grow` only, which is
    /// where it is called.
    fn initial(&self) -> Option<(usize, usize)> {
        if self.initial_taken.replace(true) {
            return None;
        }
        let start = (&raw const __heap_base as usize).next_multiple_of(ALIGNMENT);
        let end = memory_size(0) * PAGE;
        (end > start).then(|| (start, end - start))
    }
}

// SAFETY: see the file's head, there is one thread.
unsafe impl Send for Pages {}

// SAFETY: both sources are memory that nobody else uses: the linker puts nothing past `__heap_base`, and grown pages are
// new. They are never given back, so the functions that would do it say no. New wasm memory is zero.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if let Some((start, length)) = self.initial()
            && length >= size
        {
            return (start as *mut u8, length, 0);
        }
        let pages = size.div_ceil(PAGE);
        let before = memory_grow(0, pages);
        if before == usize::MAX {
            return (null_mut(), 0, 0);
        }
        (((before * PAGE) as *mut u8), pages * PAGE, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

struct Arena(UnsafeCell<Dlmalloc<Pages>>);

// SAFETY: see the file's head, there is one thread.
unsafe impl Sync for Arena {}

// SAFETY: dlmalloc keeps the contract of `GlobalAlloc`; the exclusive borrow ends before each function returns, and
// none of them calls back into the allocator.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above, and the caller keeps the contract of `GlobalAlloc::alloc`
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above, and the caller hands back what this allocator gave
        unsafe { (*self.0.get()).free(at, layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above, and the caller keeps the contract of `GlobalAlloc::alloc_zeroed`
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above, and the caller hands back what this allocator gave
        unsafe { (*self.0.get()).realloc(at, layout.size(), layout.align(), size) }
    }
}

#[global_allocator]
static ARENA: Arena = Arena(UnsafeCell::new(Dlmalloc::new_with_allocator(Pages {
    initial_taken: Cell::new(false),
})));
