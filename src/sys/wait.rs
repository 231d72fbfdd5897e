//! Waiting for a socket with a deadline finer than a socket's own timeout, which counts clock ticks.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;
use std::time::Duration;

/// Waits until `socket` has something to read, at most `timeout`.
///
/// # Errors
/// The operating system's, except an interruption by a signal, which is an early return.
pub fn readable(socket: impl AsFd, timeout: Duration) -> io::Result<()> {
    ready(socket, libc::POLLIN, timeout)
}

/// Waits until `socket` has room for something to send, at most `timeout`.
///
/// # Errors
/// As [`readable`].
pub fn writable(socket: impl AsFd, timeout: Duration) -> io::Result<()> {
    ready(socket, libc::POLLOUT, timeout)
}

fn ready(socket: impl AsFd, events: libc::c_short, timeout: Duration) -> io::Result<()> {
    let mut polled = libc::pollfd { fd: socket.as_fd().as_raw_fd(), events, revents: 0 };
    let seconds = libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX);
    let limit = libc::timespec { tv_sec: seconds, tv_nsec: timeout.subsec_nanos().into() };
    // SAFETY: one descriptor, which is open since it is borrowed, and a time limit; both live through
    // the call. No signal mask is given.
    let count = unsafe { libc::ppoll(&raw mut polled, 1, &raw const limit, ptr::null()) };
    if count < 0 {
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use super::*;

    #[test]
    fn bytes_end_the_wait_and_so_does_the_deadline() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let start = Instant::now();
        readable(&here, Duration::from_micros(300)).unwrap();
        assert!(start.elapsed() >= Duration::from_micros(300));
        there.write_all(b"x").unwrap();
        let start = Instant::now();
        readable(&here, Duration::from_mins(1)).unwrap();
        writable(&there, Duration::from_mins(1)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
