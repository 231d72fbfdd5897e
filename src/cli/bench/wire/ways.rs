//! Ways from a bench's client to the node: the kernel's sockets, or a DPDK port of its own where no kernel is
//! on the way. None of them waits.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::BenchError;
use super::client::ANSWER_MAX;
use crate::client::ClientError;

/// A connection, or what stands for one.
pub(super) trait Wire {
    /// Sends what finds room, and says how many bytes that are.
    fn send_some(&mut self, bytes: &[u8]) -> Result<usize, BenchError>;
    /// What has come, 0 bytes if nothing.
    fn receive(&mut self, into: &mut [u8]) -> Result<usize, BenchError>;

    /// Sends all of `bytes`, for which there must be room.
    fn send(&mut self, bytes: &[u8]) -> Result<(), BenchError> {
        if self.send_some(bytes)? == bytes.len() { Ok(()) } else { Err(ClientError::Closed.into()) }
    }
}

/// A socket of the kernel. Its end is a reset: ten thousand ports that wait (`TIME_WAIT`) have the
/// kernel search milliseconds for a free one, and until the next client had connected so often, its
/// first connections would have stood for longer than a login may take.
pub(super) struct KernelWire(TcpStream);

impl KernelWire {
    pub(super) fn connect(to: SocketAddrV4, from: Option<u16>) -> Result<Self, BenchError> {
        let connect = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.set_linger(Some(Duration::ZERO))?;
            if let Some(port) = from {
                socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into())?;
            }
            socket.connect_timeout(&to.into(), ANSWER_MAX)?;
            socket.set_tcp_nodelay(true)?;
            socket.set_nonblocking(true)?;
            Ok(Self(socket.into()))
        };
        connect().map_err(BenchError::Connection)
    }
}

impl Wire for KernelWire {
    fn send_some(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
        match self.0.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            sent => sent.map_err(BenchError::Connection),
        }
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<usize, BenchError> {
        match self.0.read(into) {
            Ok(0) => Err(ClientError::Closed.into()),
            Ok(count) => Ok(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(BenchError::Connection(error)),
        }
    }
}

/// Datagrams between two ports. A lost one is not sent again: the bench ends.
pub(super) struct KernelDatagrams(UdpSocket);

impl KernelDatagrams {
    pub(super) fn bind(to: SocketAddrV4, from: u16) -> Result<Self, BenchError> {
        let bind = || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, from))?;
            socket.connect(to)?;
            socket.set_nonblocking(true)?;
            Ok(Self(socket))
        };
        bind().map_err(BenchError::Connection)
    }
}

impl Wire for KernelDatagrams {
    fn send_some(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
        self.0.send(bytes).map_err(BenchError::Connection)
    }

    fn receive(&mut self, into: &mut [u8]) -> Result<usize, BenchError> {
        match self.0.recv(into) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            received => received.map_err(BenchError::Connection),
        }
    }
}

#[cfg(feature = "dpdk")]
pub(super) use dpdk::{DpdkWire, open};

#[cfg(feature = "dpdk")]
mod dpdk {
    //! The client's own DPDK port, with its own TCP.

    use std::cell::RefCell;
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::rc::Rc;
    use std::time::Instant;

    use super::super::client::{ANSWER_MAX, silence};
    use super::{BenchError, Wire};
    use crate::agent::real_time;
    use crate::counters::CounterBlock;
    use crate::net::ipv4::Ipv4Network;
    use crate::net::{ClientConnection, ClientHost, DpdkConfig, DpdkDevice};

    const EAL: &str = "--no-pci --no-telemetry --no-huge -m 128 --no-shconf";

    type Host = Rc<RefCell<ClientHost<DpdkDevice>>>;

    /// Opens the port, which is to have this address.
    pub(in super::super) fn open(
        device: &str,
        address: Ipv4Addr,
        node: SocketAddrV4,
    ) -> Result<Host, BenchError> {
        let arguments = format!("{EAL} --vdev={device}");
        let arguments = arguments.split(' ').map(str::to_owned).collect();
        let device = DpdkDevice::open(&DpdkConfig::new(arguments), CounterBlock::none())?;
        let network = Ipv4Network::new(address, 24).expect("a prefix of 24 bits");
        Ok(Rc::new(RefCell::new(ClientHost::new(device, network, node, real_time()))))
    }

    /// A connection over it.
    pub(in super::super) struct DpdkWire {
        host: Host,
        connection: ClientConnection,
    }

    impl DpdkWire {
        /// Connects from a port that no other connection has.
        pub(in super::super) fn connect(host: &Host, from: u16) -> Result<Self, BenchError> {
            let connection = host.borrow_mut().connect(from);
            let start = Instant::now();
            while !host.borrow().is_open(connection) {
                host.borrow_mut().poll(real_time());
                if start.elapsed() > ANSWER_MAX {
                    return Err(silence("connection"));
                }
            }
            Ok(Self { host: Rc::clone(host), connection })
        }
    }

    impl Wire for DpdkWire {
        fn send_some(&mut self, bytes: &[u8]) -> Result<usize, BenchError> {
            Ok(self.host.borrow_mut().send(self.connection, bytes))
        }

        fn receive(&mut self, into: &mut [u8]) -> Result<usize, BenchError> {
            let mut host = self.host.borrow_mut();
            host.poll(real_time());
            Ok(host.receive(self.connection, into))
        }
    }
}
