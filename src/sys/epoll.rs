//! epoll: which of many sockets have something to say.
//!
//! Edge-triggered, so a socket is told of once per change and never has to be asked to be quiet.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// An epoll instance. A socket leaves it by being closed.
#[derive(Debug)]
pub struct Epoll(OwnedFd);

/// What changed on a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read: bytes, an end, or an error.
    pub readable: bool,
    /// There is room to write, or an error to find.
    pub writable: bool,
    /// How far it has come to its end.
    pub hangup: Hangup,
}

/// Who has sent their last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hangup {
    /// Nobody.
    #[default]
    No,
    /// The peer.
    Peer,
    /// Both ends, or the connection is broken.
    Both,
}

const EVENTS: libc::c_int = 64;

impl Epoll {
    /// The most changes that one [`Epoll::poll`] tells.
    pub const EVENTS_MAX: usize = EVENTS as usize;

    /// An instance that watches nothing yet.
    ///
    /// # Errors
    /// The operating system's.
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a flag and returns a new descriptor or -1.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new, so nobody else owns it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches `socket` under `token` until it is closed.
    ///
    /// # Errors
    /// The operating system's.
    pub fn add(&self, socket: impl AsFd, token: u64) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: events.cast_unsigned(), u64: token };
        let fd = socket.as_fd().as_raw_fd();
        // SAFETY: both descriptors are open, since they are borrowed; the event lives through the
        // call and is copied by it.
        let result =
            unsafe { libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Tells what changed since the last call, by the numbers that [`Epoll::add`] was given, at most
    /// [`Epoll::EVENTS_MAX`] changes. Does not wait.
    pub fn poll(&self, mut tell: impl FnMut(u64, Readiness)) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; Self::EVENTS_MAX];
        // SAFETY: `events` has room for as many events as the call is told.
        let count = unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), EVENTS, 0) };
        // Less than zero is an interruption by a signal: nothing is lost, the next call tells.
        for event in &events[..usize::try_from(count).unwrap_or(0)] {
            let bits = event.events.cast_signed();
            let failed = bits & (libc::EPOLLERR | libc::EPOLLHUP) != 0;
            let hangup = match bits & libc::EPOLLRDHUP {
                _ if failed => Hangup::Both,
                0 => Hangup::No,
                _ => Hangup::Peer,
            };
            let readiness = Readiness {
                readable: failed || bits & (libc::EPOLLIN | libc::EPOLLRDHUP) != 0,
                writable: failed || bits & libc::EPOLLOUT != 0,
                hangup,
            };
            tell(event.u64, readiness);
        }
    }
}
