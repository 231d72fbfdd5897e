//! The time a thread has had a core: what a piece of code cost, whoever else wanted the machine.
//!
//! For benches. Reading it is a system call of some 200 ns: once for many operations, never for each.

use crate::types::Nanos;

/// How long this thread has run so far.
///
/// # Panics
/// If the kernel has no such clock; every Linux has.
#[must_use]
pub fn thread_cpu_time() -> Nanos {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one `timespec`, which is there for as long as the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "CLOCK_THREAD_CPUTIME_ID: {}", std::io::Error::last_os_error());
    let whole = Nanos::from_secs(time.tv_sec.cast_unsigned());
    Nanos(whole.0 + time.tv_nsec.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_time_and_sleep_does_not() {
        let start = thread_cpu_time();
        std::thread::sleep(std::time::Duration::from_millis(50));
        let slept = thread_cpu_time();
        let mut sum = 0_u64;
        while thread_cpu_time().0 < slept.0 + 1_000_000 {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
        assert!(slept.since(start).0 < 50_000_000, "{} ns", slept.since(start).0);
    }
}
