//! Hints about memory: what will be touched soon, and what is large. They change time, never a value.

/// Asks the processor to bring the start of `place` near. Costs an instruction, waits for nothing.
#[inline]
pub fn prefetch<T>(place: &T) {
    prefetch_at(std::ptr::from_ref(place));
}

/// The same of an address, which need not be that of a value.
#[inline]
pub fn prefetch_at<T>(place: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that the program could see and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}

/// Asks the kernel to back the room of `memory`, all of its capacity, with huge pages. A kernel that has
/// none, or will not, uses small ones.
pub fn prefer_huge_pages<T>(memory: &Vec<T>) {
    const PAGE_BYTES: usize = 2 << 20;
    let start = memory.as_ptr() as usize;
    let end = start + memory.capacity() * size_of::<T>();
    let (from, to) = (start.next_multiple_of(PAGE_BYTES), end / PAGE_BYTES * PAGE_BYTES);
    if from >= to {
        return;
    }
    let from: *const T = memory.as_ptr().wrapping_byte_add(from - start);
    let bytes = to - (from as usize);
    // SAFETY: the range lies within an allocation of ours, and this advice leaves what is in it as it
    // is. Whether the kernel follows it makes no difference to the program, so its answer is not asked.
    unsafe { libc::madvise(from.cast_mut().cast(), bytes, libc::MADV_HUGEPAGE) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_leave_memory_as_it_is() {
        let mut numbers: Vec<u64> = Vec::with_capacity(1 << 20);
        prefer_huge_pages(&numbers);
        numbers.extend(0..1 << 20);
        prefer_huge_pages(&numbers);
        prefetch(&numbers[7]);
        prefetch_at(std::ptr::dangling::<u64>());
        assert!(numbers.iter().zip(0..).all(|(&number, expected)| number == expected));
        prefer_huge_pages(&Vec::<u64>::new());
    }
}
