//! The kernel transport with kernel clients on loopback.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::SockRef;

use super::*;
use crate::agent::Publisher;
use crate::net::behaviour::{Seen, World, behaviours};

struct KernelWorld {
    transport: KernelTransport,
    address: SocketAddr,
    clients: Vec<Client>,
}

struct Client {
    stream: Option<TcpStream>,
    received: Vec<u8>,
    seen: Seen,
}

fn config() -> KernelConfig {
    let mut config = KernelConfig::new(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    config.connections_max = 64;
    config
}

fn world() -> KernelWorld {
    let transport = KernelTransport::new(&config(), CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    KernelWorld { transport, address, clients: Vec::new() }
}

fn now() -> Nanos {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Nanos(u64::try_from(now.as_nanos()).unwrap())
}

impl KernelWorld {
    fn read(&mut self, client: usize) {
        let client = &mut self.clients[client];
        let Some(stream) = client.stream.as_mut().filter(|_| client.seen == Seen::Open) else {
            return;
        };
        let mut bytes = [0; 4096];
        match stream.read(&mut bytes) {
            Ok(0) => client.seen = Seen::End,
            Ok(count) => client.received.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => client.seen = Seen::Reset,
            Err(error) => panic!("{error}"),
        }
    }
}

impl World for KernelWorld {
    fn server(&mut self) -> &mut dyn Transport {
        &mut self.transport
    }

    fn step(&mut self) {
        if self.transport.poll(now()) == 0 {
            std::thread::sleep(Duration::from_micros(20));
        }
    }

    fn connect(&mut self) -> usize {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream.set_nodelay(true).unwrap();
        self.clients.push(Client { stream: Some(stream), received: Vec::new(), seen: Seen::Open });
        self.clients.len() - 1
    }

    fn client_send(&mut self, client: usize, bytes: &[u8]) -> usize {
        match self.clients[client].stream.as_mut().unwrap().write(bytes) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => panic!("{error}"),
        }
    }

    fn client_receive(&mut self, client: usize) -> Vec<u8> {
        self.read(client);
        std::mem::take(&mut self.clients[client].received)
    }

    fn client_close(&mut self, client: usize) {
        self.clients[client].stream.as_ref().unwrap().shutdown(Shutdown::Write).unwrap();
    }

    fn client_abort(&mut self, client: usize) {
        let stream = self.clients[client].stream.take().unwrap();
        SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    fn client_sees(&mut self, client: usize) -> Seen {
        self.read(client);
        self.clients[client].seen
    }
}

behaviours!(world());

#[test]
fn a_connection_beyond_the_limit_is_refused_and_counted() {
    let mut world = world();
    for _ in 0..65 {
        world.connect();
    }
    for _ in 0..20_000 {
        world.step();
        if world.client_sees(64) != Seen::Open {
            break;
        }
    }
    assert_ne!(world.client_sees(64), Seen::Open);
    assert_eq!((world.transport.counters.opened, world.transport.counters.refused), (64, 1));
    assert_eq!(world.transport.connection_count(), 64);
}

#[test]
fn one_host_has_its_share_of_connections_and_the_others_get_in() {
    let config = KernelConfig { connections_per_source_max: 3, ..config() };
    let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    let mut world = KernelWorld { transport, address, clients: Vec::new() };
    for _ in 0..4 {
        world.connect();
    }
    for _ in 0..20_000 {
        world.step();
        if world.client_sees(3) != Seen::Open {
            break;
        }
    }
    assert_eq!((world.transport.counters.opened, world.transport.counters.source_full), (3, 1));
    connect_from(&mut world, Ipv4Addr::new(127, 0, 0, 2));
    world.client_abort(0);
    for _ in 0..20_000 {
        world.step();
        if world.transport.connection_count() == 3 {
            break;
        }
    }
    world.connect();
    for _ in 0..100 {
        world.step();
    }
    assert_eq!((world.transport.counters.opened, world.transport.counters.source_full), (5, 1));
}

/// Connects from an address of this host: all of 127.0.0.0/8 are.
fn connect_from(world: &mut KernelWorld, source: Ipv4Addr) -> usize {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).unwrap();
    socket.bind(&SocketAddrV4::new(source, 0).into()).unwrap();
    socket.connect(&world.address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nonblocking(true).unwrap();
    world.clients.push(Client { stream: Some(stream), received: Vec::new(), seen: Seen::Open });
    world.clients.len() - 1
}

#[test]
fn only_allowed_networks_get_in_and_others_are_hung_up_on_at_once_and_counted() {
    let allow = vec!["127.0.0.16/28".parse().unwrap(), "127.0.0.4/32".parse().unwrap()];
    let config = KernelConfig { allow, receive_port: Some(0), ..config() };
    let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    let at = transport.datagrams.receiving().unwrap().local_addr().unwrap();
    let mut world = KernelWorld { transport, address, clients: Vec::new() };
    let mut outcomes = Vec::new();
    for host in [2, 4, 5, 17, 32] {
        let source = Ipv4Addr::new(127, 0, 0, host);
        let client = connect_from(&mut world, source);
        let before = world.transport.counters;
        for _ in 0..20_000 {
            world.step();
            let KernelCounters { opened, denied, .. } = world.transport.counters;
            if (opened, denied) != (before.opened, before.denied) {
                break;
            }
        }
        if world.transport.counters.denied > before.denied {
            let hung_up = (0..20_000).any(|_| {
                world.step();
                world.client_sees(client) != Seen::Open
            });
            assert!(hung_up, "{source}");
        } else {
            outcomes.push(host);
        }
        UdpSocket::bind((source, 0)).unwrap().send_to(&[host], at).unwrap();
    }
    assert_eq!(outcomes, [4, 17]);
    assert_eq!((world.transport.connection_count(), world.transport.counters.opened), (2, 2));
    assert_eq!([taken(&mut world).1, taken(&mut world).1], [[4], [17]]);
    while world.transport.counters.denied < 6 {
        assert!(world.transport.next_datagram().is_none());
        world.step();
    }
}

#[test]
fn a_peer_that_does_not_part_is_reset_when_its_time_is_over() {
    let mut world = world();
    let client = world.connect();
    let opened = loop {
        world.step();
        if let Some(NetEvent::Opened { connection, .. }) = world.transport.next_event() {
            break connection;
        }
    };
    world.transport.close(opened);
    let mut now = now();
    for _ in 0..50 {
        world.transport.poll(now);
        now = now.after(Nanos::from_millis(100));
    }
    assert_eq!(world.transport.connection_count(), 0);
    assert_eq!(world.transport.counters.linger_expired, 1);
    drop(world.clients.remove(client));
}

#[test]
fn a_multicast_datagram_reaches_a_member_on_the_interface() {
    let group = Ipv4Addr::new(239, 255, 77, 1);
    let member = UdpSocket::bind(SocketAddrV4::new(group, 0)).unwrap();
    member.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
    member.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let port = member.local_addr().unwrap().port();
    let mut world = world();
    assert!(world.transport.send_datagram(SocketAddrV4::new(group, port), b"prices"));
    let mut bytes = [0; 16];
    let (count, _) = member.recv_from(&mut bytes).unwrap();
    assert_eq!(&bytes[..count], b"prices");
}

/// A world that receives datagrams, and where.
fn receiving() -> (KernelWorld, SocketAddr) {
    let config = KernelConfig { receive_port: Some(0), ..config() };
    let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    let at = transport.datagrams.receiving().unwrap().local_addr().unwrap();
    (KernelWorld { transport, address, clients: Vec::new() }, at)
}

/// The next datagram that the world is given.
fn taken(world: &mut KernelWorld) -> (SocketAddr, Vec<u8>) {
    for _ in 0..200_000 {
        if let Some((from, payload)) = world.transport.next_datagram() {
            return (from.into(), payload.to_vec());
        }
        world.step();
    }
    panic!("no datagram came: {:?}", world.transport.counters);
}

#[test]
fn a_datagram_is_handed_over_with_its_sender_and_the_answer_leaves_from_where_it_came() {
    let (mut world, at) = receiving();
    let broker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    broker.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let from = broker.local_addr().unwrap();
    let SocketAddr::V4(to) = from else { panic!("{from}") };
    for message in [&b"order"[..], b"", &[7; crate::net::DATAGRAM_BYTES_MAX]] {
        broker.send_to(message, at).unwrap();
        assert_eq!(taken(&mut world), (from, message.to_vec()));
        assert!(world.transport.next_datagram().is_none());
        assert!(world.transport.send_datagram(to, message));
        let mut bytes = [0; 2048];
        let (count, answered_from) = broker.recv_from(&mut bytes).unwrap();
        assert_eq!((&bytes[..count], answered_from), (message, at));
    }
    assert_eq!(world.transport.counters.datagrams_received, 3);
}

#[test]
fn datagrams_that_are_too_long_are_dropped_and_those_behind_them_come() {
    let (mut world, at) = receiving();
    let broker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    for _ in 0..40 {
        broker.send_to(&[7; crate::net::DATAGRAM_BYTES_MAX + 1], at).unwrap();
    }
    broker.send_to(b"order", at).unwrap();
    assert_eq!(taken(&mut world).1, b"order");
    let counters = &world.transport.counters;
    assert_eq!((counters.datagrams_received, counters.datagrams_lost), (1, 40));
}

#[test]
fn a_port_for_datagrams_that_is_taken_is_named() {
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let config = KernelConfig { receive_port: Some(address.port()), ..config() };
    let error = KernelTransport::new(&config, CounterBlock::none()).unwrap_err().to_string();
    assert!(error.contains(&address.to_string()), "{error}");
}

#[test]
fn an_interface_that_is_not_there_is_named_before_anybody_is_let_in() {
    let network = crate::net::ipv4::Ipv4Network::new(Ipv4Addr::new(10, 9, 0, 1), 24).unwrap();
    let service = Some(("nosuch0".to_owned(), network));
    let config = KernelConfig { shut: true, service, ..config() };
    let error = KernelTransport::new(&config, CounterBlock::none()).unwrap_err().to_string();
    assert!(error.starts_with("cannot change the addresses of interface nosuch0"), "{error}");
}

#[test]
fn an_address_that_is_not_this_hosts_is_named() {
    let config = KernelConfig::new(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 7000));
    let error = KernelTransport::new(&config, CounterBlock::none()).unwrap_err().to_string();
    assert!(error.contains("192.0.2.1:7000"), "{error}");
}

#[test]
fn who_is_blocked_while_connected_is_reset_and_hung_up_on_until_it_is_let_in_again() {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let (allow, block): (Vec<_>, Vec<_>) = (networks(&["127.0.0.0/8"]), networks(&["127.0.0.3"]));
    let publisher = Publisher::new(AccessList::new(&allow, &[]));
    let mut world = world();
    world.transport = world.transport.watching(Some(publisher.watch()));
    let [blocked, other] =
        [3, 2].map(|host| connect_from(&mut world, Ipv4Addr::new(127, 0, 0, host)));
    let mut id = None;
    for _ in 0..20_000 {
        world.step();
        while let Some(event) = world.transport.next_event() {
            if let NetEvent::Opened { connection, peer } = event
                && peer.ip().octets()[3] == 3
            {
                id = Some(connection);
            }
        }
        if id.is_some() && world.transport.connection_count() == 2 {
            break;
        }
    }
    publisher.publish(AccessList::new(&allow, &block));
    world.step();
    assert_eq!(world.transport.next_event(), id.map(NetEvent::Closed));
    assert_eq!((world.transport.connection_count(), world.transport.counters.expelled), (1, 1));
    assert!((0..20_000).any(|_| {
        world.step();
        world.client_sees(blocked) == Seen::Reset
    }));
    assert_eq!(world.client_sees(other), Seen::Open);

    connect_from(&mut world, Ipv4Addr::new(127, 0, 0, 3));
    assert!((0..20_000).any(|_| {
        world.step();
        world.transport.counters.denied == 1
    }));
    publisher.publish(AccessList::new(&allow, &[]));
    connect_from(&mut world, Ipv4Addr::new(127, 0, 0, 3));
    assert!((0..20_000).any(|_| {
        world.step();
        world.transport.connection_count() == 2
    }));
}

#[test]
fn who_sends_more_datagrams_than_its_rate_is_not_heard_and_another_is() {
    let config = KernelConfig { frames_per_second_per_source_max: 10, ..config() };
    let config = KernelConfig { receive_port: Some(0), ..config };
    let transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
    let address = transport.local_address().unwrap();
    let at = transport.datagrams.receiving().unwrap().local_addr().unwrap();
    let mut world = KernelWorld { transport, address, clients: Vec::new() };
    let [noisy, other] =
        [3, 4].map(|host| UdpSocket::bind((Ipv4Addr::new(127, 0, 0, host), 0)).unwrap());
    for _ in 0..20 {
        noisy.send_to(b"noise", at).unwrap();
    }
    other.send_to(b"word", at).unwrap();
    assert_eq!(taken(&mut world).1, b"noise");
    let mut heard = taken(&mut world).1;
    // One more of it at most, if this took a tenth of a second.
    while heard == b"noise" {
        heard = taken(&mut world).1;
    }
    assert_eq!(heard, b"word");
    assert!(world.transport.counters.source_flood > 10);
}

#[test]
fn one_that_is_shut_takes_nobody_and_hangs_up_on_who_was_there() {
    let config = KernelConfig { shut: true, ..config() };
    let mut transport = KernelTransport::new(&config, CounterBlock::none()).unwrap();
    assert!(transport.local_address().is_err());
    for _ in 0..2 {
        transport.open().unwrap();
        let address = transport.local_address().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        let opened = loop {
            transport.poll(now());
            if let Some(event) = transport.next_event() {
                break event;
            }
        };
        assert!(matches!(opened, NetEvent::Opened { .. }), "{opened:?}");
        transport.shut();
        assert_eq!(transport.connection_count(), 0);
        let ended = client.read(&mut [0; 1]).map_err(|error| error.kind());
        assert!(matches!(ended, Ok(0) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
        let refused = TcpStream::connect(address).map_err(|error| error.kind());
        assert_eq!(refused.unwrap_err(), ErrorKind::ConnectionRefused);
    }
}
