//! Counts the heap that a thread takes, so that a test can bound it.

#![allow(
    unsafe_code,
    reason = "a global allocator can only be written so; it wraps the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// What this thread has taken and not given back; below 0 if it frees what others took.
    static USED: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The most bytes of heap that `action` has taken at a time.
pub fn peak_of<T>(action: impl FnOnce() -> T) -> (T, usize) {
    let before = USED.get();
    PEAK.set(before);
    let result = action();
    let peak = PEAK.get() - before;
    (
        result,
        usize::try_from(peak).expect("the peak is not below the start"),
    )
}

struct Counting;

impl Counting {
    fn add(size: usize) {
        // Layouts are smaller than `isize::MAX`.
        let used = USED.get() + size as isize;
        USED.set(used);
        PEAK.set(PEAK.get().max(used));
    }

    fn subtract(size: usize) {
        USED.set(USED.get() - size as isize);
    }
}

// SAFETY: every call goes to the system's allocator as it came; the counters are plain cells.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        Self::subtract(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::add(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Both are there while the bytes move.
        Self::add(new_size);
        Self::subtract(layout.size());
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn the_peak_counts_what_was_given_back() {
    let (_, peak) = peak_of(|| {
        drop(Vec::<u8>::with_capacity(5_000));
        Vec::<u8>::with_capacity(1_000)
    });

    assert_eq!(peak, 5_000);
}
