//! A network interface of the kernel's: an address lent to it for some seconds, and frames sent as they
//! are. What they are for, its user knows.

use std::ffi::CString;
use std::io::{self, Read as _};
use std::net::Ipv4Addr;

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

/// An interface, and what changes it: takes the capabilities `CAP_NET_ADMIN` and `CAP_NET_RAW`.
#[derive(Debug)]
pub struct Interface {
    index: u32,
    mac: [u8; 6],
    /// Where the kernel is told what to change.
    netlink: Socket,
    /// Where frames leave; none is received.
    frames: Socket,
}

/// The head of a message to the kernel, and of one that answers it.
const HEAD_BYTES: usize = 16;
/// The longest request: its head, 8 bytes of an address, and three attributes.
const REQUEST_BYTES_MAX: usize = HEAD_BYTES + 8 + 2 * 8 + 20;
/// Longer than an answer, which repeats the request.
const ANSWER_BYTES_MAX: usize = 1_024;

impl Interface {
    /// The interface of this name, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// The operating system's: there is none, or this process may not.
    pub fn open(name: &str) -> io::Result<Self> {
        let name = CString::new(name)?;
        // SAFETY: a string with a zero at its end, which lives through the call.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        if index == 0 {
            return Err(io::Error::last_os_error());
        }
        let frames = Socket::new(Domain::PACKET, Type::RAW, None)?;
        frames.set_nonblocking(true)?;
        frames.bind(&link_address(index))?;
        let mac = mac(frames.local_addr()?);
        let protocol = Protocol::from(libc::NETLINK_ROUTE);
        let netlink = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol))?;
        netlink.set_nonblocking(true)?;
        Ok(Self { index, mac, netlink, frames })
    }

    /// Its Ethernet address.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Gives it an address, which the kernel takes away after so many seconds unless it is given again.
    ///
    /// # Errors
    /// The operating system's.
    pub fn lend(&self, address: Ipv4Addr, prefix: u8, seconds: u32) -> io::Result<()> {
        // Preferred and valid for; the other two the kernel fills in.
        let lifetime = [seconds, seconds, 0, 0];
        let again = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;
        self.change(libc::RTM_NEWADDR, again, (address, prefix), Some(lifetime))
    }

    /// Takes the address away, if it is there.
    ///
    /// # Errors
    /// The operating system's.
    pub fn take_back(&self, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        match self.change(libc::RTM_DELADDR, 0, (address, prefix), None) {
            Err(error) if error.raw_os_error() == Some(libc::EADDRNOTAVAIL) => Ok(()),
            done => done,
        }
    }

    /// Sends a frame, Ethernet header included.
    ///
    /// # Errors
    /// The operating system's.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.frames.send(frame).map(drop)
    }

    /// Asks the kernel for a change (rtnetlink(7)), which it has done or refused when this returns.
    fn change(
        &self,
        kind: u16,
        flags: libc::c_int,
        (address, prefix): (Ipv4Addr, u8),
        lifetime: Option<[u32; 4]>,
    ) -> io::Result<()> {
        const FAMILY: u8 = 2; // AF_INET
        let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags);
        let mut request = Request::default();
        // Its length comes last. Its number, and who asks, are for the answer, of which there is one.
        request.put(&[0; 4]);
        request.put(&kind.to_ne_bytes());
        request.put(&flags.expect("bits of a half word").to_ne_bytes());
        request.put(&[0; 8]);
        request.put(&[FAMILY, prefix, 0, 0]);
        request.put(&self.index.to_ne_bytes());
        for attribute in [libc::IFA_LOCAL, libc::IFA_ADDRESS] {
            request.put_attribute(attribute, &[address.octets()]);
        }
        if let Some(lifetime) = lifetime {
            request.put_attribute(libc::IFA_CACHEINFO, &lifetime.map(u32::to_ne_bytes));
        }
        self.netlink.send(request.finish())?;
        let mut answer = [0; ANSWER_BYTES_MAX];
        let length = (&self.netlink).read(&mut answer)?;
        let code = answer[..length].get(HEAD_BYTES..HEAD_BYTES + 4);
        let code = code.and_then(|code| code.try_into().ok()).map(i32::from_ne_bytes);
        match code {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(-code)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A message to the kernel (rtnetlink(7)) as it is made.
struct Request {
    bytes: [u8; REQUEST_BYTES_MAX],
    length: usize,
}

impl Default for Request {
    fn default() -> Self {
        Self { bytes: [0; REQUEST_BYTES_MAX], length: 0 }
    }
}

impl Request {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..][..bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn put_attribute(&mut self, kind: u16, words: &[[u8; 4]]) {
        let length = u16::try_from(4 + 4 * words.len()).expect("a few words");
        self.put(&length.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(words.as_flattened());
    }

    fn finish(&mut self) -> &[u8] {
        let length = u32::try_from(self.length).expect("a few bytes");
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
        &self.bytes[..self.length]
    }
}

/// The interface as a socket's address. Without a protocol nothing is received by it.
fn link_address(index: u32) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    let size = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("20 bytes");
    // SAFETY: the storage has room for an address of any family, this one among them, which is made of
    // numbers: zero is a value.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    link.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("a small number");
    link.sll_ifindex = i32::try_from(index).expect("the kernel numbers interfaces by an int");
    // SAFETY: initialised above, in its whole length.
    unsafe { SockAddr::new(storage, size) }
}

/// The Ethernet address of the interface that a socket is bound to.
fn mac(bound_to: SockAddr) -> [u8; 6] {
    let mut storage = bound_to.as_storage();
    // SAFETY: as above: the kernel wrote an address of this family, or the rest is zero.
    let link = unsafe { storage.view_as::<libc::sockaddr_ll>() };
    *link.sll_addr.first_chunk().expect("eight bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        assert!(Interface::open("no such one").is_err());
    }
}
