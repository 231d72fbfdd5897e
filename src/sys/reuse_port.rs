//! Sockets that share a port: the kernel gives each of them the connections and datagrams of some hosts.
//!
//! Which host goes to which socket, a few instructions in the kernel say (classic BPF). No privilege is
//! needed; the sockets must be one user's.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};

/// Instructions of the choice.
const INSTRUCTIONS: usize = 5;
/// The address of a packet's sender, from the beginning of its IPv4 header.
const SOURCE_ADDRESS: u32 = libc::SKF_NET_OFF.cast_unsigned() + 12;
/// Spreads addresses that lie side by side (Knuth's multiplicative hash).
const MULTIPLIER: u32 = 0x9E37_79B1;
/// The multiplier's better bits.
const SHIFT: u32 = 16;

/// Has the kernel choose among the `count` sockets of this one's port by the sender's address, so that
/// all of a host goes to the same. Each must have been told to share the port before it was bound, and
/// listen, if it is one of connections.
///
/// # Errors
/// The operating system's.
///
/// # Panics
/// If there is nothing to choose from.
pub fn choose_by_source(socket: impl AsFd, count: u32) -> io::Result<()> {
    assert!(count > 0, "a port has a socket");
    let mut instructions: [libc::sock_filter; INSTRUCTIONS] = [
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, SOURCE_ADDRESS),
        instruction(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K, MULTIPLIER),
        instruction(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, SHIFT),
        instruction(libc::BPF_ALU | libc::BPF_MOD | libc::BPF_K, count),
        instruction(libc::BPF_RET | libc::BPF_A, 0),
    ];
    let program = libc::sock_fprog {
        len: u16::try_from(INSTRUCTIONS).expect("a few"),
        filter: instructions.as_mut_ptr(),
    };
    let size = libc::socklen_t::try_from(size_of_val(&program)).expect("a few bytes");
    // SAFETY: the descriptor is open, since it is borrowed. `program` is what this option takes, of `size`
    // bytes, and names as many instructions as there are; both live through the call, which copies them.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_REUSEPORT_CBPF,
            (&raw const program).cast(),
            size,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn instruction(code: u32, k: u32) -> libc::sock_filter {
    let code = u16::try_from(code).expect("an instruction's code is of 16 bits");
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn sharing(address: SocketAddr) -> TcpListener {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(64).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.into()
    }

    fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        socket.into()
    }

    #[test]
    fn all_connections_of_a_host_come_to_one_socket_and_hosts_to_all() {
        let first = sharing((Ipv4Addr::LOCALHOST, 0).into());
        let address = first.local_addr().unwrap();
        let listeners = [first, sharing(address), sharing(address)];
        for listener in &listeners {
            choose_by_source(listener, 3).unwrap();
        }
        let mut hosts = [0; 3];
        for last in 1..=30 {
            let _streams: Vec<_> =
                (0..4).map(|_| connect(Ipv4Addr::new(127, 0, 0, last), address)).collect();
            let counts: Vec<_> = listeners
                .iter()
                .map(|listener| std::iter::from_fn(|| listener.accept().ok()).count())
                .collect();
            let chosen = counts.iter().position(|&count| count == 4);
            hosts[chosen.unwrap_or_else(|| panic!("{counts:?}"))] += 1;
        }
        assert!(hosts.iter().all(|&count| count > 3), "{hosts:?}");
    }
}
