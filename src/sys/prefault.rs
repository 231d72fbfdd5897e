//! Memory that is there before it is needed. The system maps a page when it is first written, and that
//! takes longer than an order may.

use std::hint::black_box;

use super::memory::prefer_huge_pages;

/// `count` times `value`, in memory whose every page has been written, and is large if the system will.
#[must_use]
pub fn prefaulted<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut memory = Vec::with_capacity(count);
    prefer_huge_pages(&memory);
    // Whoever could see that zeroes are written to new memory would ask the system for zeroed pages
    // instead, which are not there yet.
    black_box(&mut memory);
    memory.resize(count, value);
    memory
}

/// Room for `count` of `T`, in memory whose every page has been written; `value` is any.
#[must_use]
pub fn prefaulted_room<T: Clone>(value: T, count: usize) -> Vec<T> {
    let mut memory = prefaulted(value, count);
    memory.clear();
    memory
}

/// The same of which only the part for the first `count` has been written. The rest is as the system gives
/// it: whoever comes so far waits for his pages.
#[must_use]
pub fn prefaulted_part<T: Clone>(value: T, count: usize, room: usize) -> Vec<T> {
    let mut memory = Vec::with_capacity(room);
    prefer_huge_pages(&memory);
    black_box(&mut memory);
    memory.resize(count.min(room), value);
    black_box(&mut memory);
    memory.clear();
    memory
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Page faults of this thread so far that needed no disk.
    fn faults() -> u64 {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, behind_the_name) = stat.rsplit_once(") ").unwrap();
        behind_the_name.split(' ').nth(7).unwrap().parse().unwrap()
    }

    #[test]
    fn zeroes_are_written_before_they_are_asked_for() {
        const PAGE_BYTES: usize = 4_096;
        const PAGES: usize = 16_384;
        let made = faults();
        let mut memory = prefaulted([0_u64; PAGE_BYTES / 8], PAGES);
        let before = faults();
        for page in &mut memory {
            page[7] = black_box(1);
        }
        let touched = faults() - before;
        // Pages may be large: 2 MiB of them at once.
        assert!(before - made >= 16, "{} faults as it was made", before - made);
        assert!(touched < 8, "{touched} faults as it was used");
    }
}
