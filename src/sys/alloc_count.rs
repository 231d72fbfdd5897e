//! An allocator that counts what a piece of code asks of the heap: for tests of loops that must not.
//!
//! It gives what the system's gives. Made the global allocator of a test or a bench, never of a node.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, counting on threads that asked for it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

thread_local! {
    /// Whether this thread counts, and what it has counted. Constant and without a destructor, so that
    /// looking at them neither allocates nor ever comes too late.
    static COUNTS: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

/// Runs `code` and returns what it returns, and how often it allocated on this thread, counting only
/// if [`CountingAllocator`] is the global one. Freeing counts nothing.
pub fn counted<R>(code: impl FnOnce() -> R) -> (R, u64) {
    let before = COUNT.get();
    let counted = COUNTS.replace(true);
    let result = code();
    COUNTS.set(counted);
    (result, COUNT.get() - before)
}

/// The same, with the bytes that were asked for: what was freed again counts as well.
pub fn counted_bytes<R>(code: impl FnOnce() -> R) -> (R, usize) {
    let before = BYTES.get();
    let (result, _) = counted(code);
    (result, BYTES.get() - before)
}

/// The same, with the bytes that it holds more than before; fewer, if it is negative.
pub fn counted_held<R>(code: impl FnOnce() -> R) -> (R, i64) {
    let before = HELD.get();
    let (result, _) = counted(code);
    (result, HELD.get() - before)
}

/// Runs `code` without counting, within code that is counted.
pub fn uncounted<R>(code: impl FnOnce() -> R) -> R {
    let counted = COUNTS.replace(false);
    let result = code();
    COUNTS.set(counted);
    result
}

fn count(bytes: usize) {
    if COUNTS.get() {
        COUNT.set(COUNT.get() + 1);
        BYTES.set(BYTES.get().saturating_add(bytes));
        HELD.set(HELD.get().saturating_add_unsigned(bytes as u64));
    }
}

fn uncount(bytes: usize) {
    if COUNTS.get() {
        HELD.set(HELD.get().saturating_sub_unsigned(bytes as u64));
    }
}

// SAFETY: every method hands its arguments to the same method of the system's allocator, which fulfils
// the contract, and returns its answer. Counting touches four thread-local cells and cannot unwind.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is that of the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        uncount(layout.size());
        // SAFETY: as for `alloc`; the pointer came from the system's allocator, since all do.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        uncount(layout.size());
        // SAFETY: as for `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}
