//! A host on the far side of a device that opens connections to a server: for benchmarks and tests
//! over devices that no kernel can speak through.
//!
//! Not part of the exchange. Its connections are few, so they share one socket set.

use std::net::SocketAddrV4;

use smoltcp::iface::{Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer};
use smoltcp::wire::IpAddress;

use super::clock::{ACK_DELAY, engine_time};
use super::link::Link;
use super::{engine, send_arp};
use crate::net::arp::{ArpPacket, Neighbours};
use crate::net::device::{Device, FrameBurst};
use crate::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::net::ipv4::Ipv4Network;
use crate::types::Nanos;

/// A host that speaks to one server.
pub struct ClientHost<D> {
    device: D,
    server: SocketAddrV4,
    neighbours: Neighbours,
    interface: Interface,
    sockets: SocketSet<'static>,
    now: Nanos,
}

/// A connection of a [`ClientHost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientConnection(SocketHandle);

/// Bytes of each buffer of a connection.
const BUFFER_BYTES: usize = 16 * 1024;

impl<D: Device> ClientHost<D> {
    /// A host with the address of `network`, which holds `server` too.
    pub fn new(mut device: D, network: Ipv4Network, server: SocketAddrV4, now: Nanos) -> Self {
        let interface = engine(&mut device, network, now.0, now);
        let neighbours = Neighbours::new(device.mac(), network);
        Self { device, server, neighbours, interface, sockets: SocketSet::new(Vec::new()), now }
    }

    /// Begins a connection from `port`. The server's neighbour address is asked for as long as it is
    /// not known.
    ///
    /// # Panics
    /// If the port is 0.
    pub fn connect(&mut self, port: u16) -> ClientConnection {
        let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(Some(ACK_DELAY));
        let server = (IpAddress::from(*self.server.ip()), self.server.port());
        let connected = socket.connect(self.interface.context(), server, port);
        connected.expect("a fresh socket, and two ports that are not zero");
        ClientConnection(self.sockets.add(socket))
    }

    /// Whether the handshake is done and the connection stands.
    pub fn is_open(&self, connection: ClientConnection) -> bool {
        self.sockets.get::<Socket<'_>>(connection.0).may_send()
    }

    /// Takes what has arrived, runs timers, and sends what is due.
    pub fn poll(&mut self, now: Nanos) {
        self.now = now;
        while let Some(mut burst) = self.device.receive() {
            while let Some(frame) = burst.next_frame() {
                self.take_frame(frame);
            }
        }
        self.egress();
    }

    /// Sends as much of `bytes` as the connection takes now, and says how much that is.
    pub fn send(&mut self, connection: ClientConnection, bytes: &[u8]) -> usize {
        let socket = self.sockets.get_mut::<Socket<'_>>(connection.0);
        let taken = socket.send_slice(bytes).unwrap_or(0);
        self.egress();
        taken
    }

    /// Takes what [`ClientHost::poll`] received, and says how much that is.
    pub fn receive(&mut self, connection: ClientConnection, into: &mut [u8]) -> usize {
        let socket = self.sockets.get_mut::<Socket<'_>>(connection.0);
        socket.recv_slice(into).unwrap_or(0)
    }

    fn take_frame(&mut self, frame: &[u8]) {
        let Some((header, payload)) = EthernetHeader::parse(frame) else { return };
        match header.ether_type {
            ETHER_TYPE_ARP => {
                let packet = ArpPacket::parse(payload);
                if let Some(reply) = packet.and_then(|arp| self.neighbours.take(&arp, self.now)) {
                    send_arp(&mut self.device, reply.target_mac, &reply);
                }
            }
            ETHER_TYPE_IPV4 if header.destination == self.device.mac() => {
                let mut link = Link::with(&mut self.device, header.source, payload);
                let now = engine_time(self.now);
                self.interface.poll_ingress_single(now, &mut link, &mut self.sockets);
            }
            _ => {}
        }
    }

    fn egress(&mut self) {
        let (known, question) = self.neighbours.find(*self.server.ip(), self.now);
        if let Some(question) = question {
            send_arp(&mut self.device, MacAddress::BROADCAST, &question);
        }
        if let Some(server) = known {
            let mut link = Link::to(&mut self.device, server);
            let now = engine_time(self.now);
            while self.interface.poll_egress(now, &mut link, &mut self.sockets) != PollResult::None
            {
            }
        }
        self.device.flush();
    }
}

impl<D> std::fmt::Debug for ClientHost<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientHost").field("server", &self.server).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::counters::CounterBlock;
    use crate::net::{MemoryDevice, NetEvent, Stack, StackConfig, Transport};

    #[test]
    fn it_finds_the_server_and_talks_to_it() {
        let ours = Ipv4Addr::new(10, 9, 0, 1);
        let (near, far) = MemoryDevice::pair(64);
        let mut server =
            Stack::new(StackConfig::new(ours, 24, 7001), near, CounterBlock::none()).unwrap();
        let network = Ipv4Network::new(Ipv4Addr::new(10, 9, 0, 2), 24).unwrap();
        let mut now = Nanos::from_secs(1);
        let mut host = ClientHost::new(far, network, SocketAddrV4::new(ours, 7001), now);
        let [first, second] = [40_000, 40_001].map(|port| host.connect(port));
        let mut received = [0; 8];
        for _ in 0..1_000 {
            now = now.after(Nanos::from_micros(100));
            host.poll(now);
            server.poll(now);
            while let Some(event) = server.next_event() {
                if let NetEvent::Readable(id) = event {
                    let bytes = server.received(id).to_vec();
                    assert!(server.send(id, &bytes));
                    server.consume(id, bytes.len());
                }
            }
            server.flush(now);
            if host.is_open(first) && host.send(first, b"x") == 1 && received[0] == b'x' {
                break;
            }
            host.receive(first, &mut received);
        }
        assert_eq!(received[0], b'x');
        assert!(host.is_open(second));
        assert_eq!(host.receive(second, &mut received), 0);
    }
}
