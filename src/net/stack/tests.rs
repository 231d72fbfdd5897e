//! The stack with smoltcp clients over a wire in memory, and frames made by hand.

use std::collections::HashSet;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use super::*;
use crate::net::MemoryDevice;
use crate::net::arp::ArpOperation;
use crate::net::behaviour::{Seen, World, behaviours};
use crate::net::device::{FrameBurst, Lossy};
use crate::net::ipv4::{PROTOCOL_TCP, checksum, sum};

pub(super) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PORT: u16 = 7001;
const STEP: Nanos = Nanos::from_micros(100);

pub(super) fn config() -> StackConfig {
    let mut config = StackConfig::new(OURS, 24, PORT);
    config.connections_max = 64;
    config
}

/// Hosts behind the far end of the wire, as one smoltcp interface with real timers.
struct Clients {
    device: MemoryDevice,
    server_mac: MacAddress,
    interface: Interface,
    sockets: SocketSet<'static>,
    handles: Vec<SocketHandle>,
    next_port: u16,
}

impl Clients {
    fn new(mut device: MemoryDevice, server_mac: MacAddress) -> Self {
        let mut link = Link::to(&mut device, server_mac);
        let config = Config::new(HardwareAddress::Ip);
        let mut interface = Interface::new(config, &mut link, instant(Nanos::ZERO));
        interface.update_ip_addrs(|addresses| {
            addresses.push(IpCidr::new(THEIRS.into(), 24)).unwrap();
        });
        Self {
            device,
            server_mac,
            interface,
            sockets: SocketSet::new(Vec::new()),
            handles: Vec::new(),
            next_port: 40_000,
        }
    }

    fn poll(&mut self, now: Nanos) {
        while let Some(mut burst) = self.device.receive() {
            while let Some(frame) = burst.next_frame() {
                let (header, packet) = EthernetHeader::parse(frame).unwrap();
                if header.ether_type == ETHER_TYPE_IPV4 && header.destination == self.device.mac() {
                    let mut link = Link::with(&mut self.device, self.server_mac, packet);
                    self.interface.poll_ingress_single(instant(now), &mut link, &mut self.sockets);
                }
            }
        }
        let mut link = Link::to(&mut self.device, self.server_mac);
        while self.interface.poll_egress(instant(now), &mut link, &mut self.sockets)
            != PollResult::None
        {}
        self.device.flush();
    }

    fn connect(&mut self) -> usize {
        let buffer = || SocketBuffer::new(vec![0; 8192]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        let to = (IpAddress::from(OURS), PORT);
        socket.connect(self.interface.context(), to, self.next_port).unwrap();
        self.next_port += 1;
        self.handles.push(self.sockets.add(socket));
        self.handles.len() - 1
    }

    fn socket(&mut self, client: usize) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handles[client])
    }
}

fn instant(now: Nanos) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.0 / 1000).unwrap())
}

struct StackWorld<D> {
    stack: Stack<D>,
    clients: Clients,
    now: Nanos,
}

fn stack<D: Device>(config: StackConfig, device: D) -> Result<Stack<D>, StackError> {
    Stack::new(config, device, CounterBlock::none())
}

fn world_of<D: Device>(config: StackConfig, near: D, far: MemoryDevice) -> StackWorld<D> {
    let clients = Clients::new(far, near.mac());
    StackWorld { stack: stack(config, near).unwrap(), clients, now: Nanos::from_secs(100) }
}

fn world() -> StackWorld<MemoryDevice> {
    let (near, far) = MemoryDevice::pair(256);
    world_of(config(), near, far)
}

impl<D: Device> StackWorld<D> {
    fn steps(&mut self, span: Nanos) {
        let end = self.now.after(span);
        while self.now < end {
            self.step();
        }
    }

    fn opened(&mut self) -> ConnectionId {
        for _ in 0..100_000 {
            match self.stack.next_event() {
                Some(NetEvent::Opened { connection, .. }) => return connection,
                Some(other) => panic!("{other:?}"),
                None => self.step(),
            }
        }
        panic!("nobody connected");
    }
}

impl<D: Device> World for StackWorld<D> {
    fn server(&mut self) -> &mut dyn Transport {
        &mut self.stack
    }

    fn step(&mut self) {
        self.now = self.now.after(STEP);
        self.stack.poll(self.now);
        self.clients.poll(self.now);
    }

    fn connect(&mut self) -> usize {
        self.clients.connect()
    }

    fn client_send(&mut self, client: usize, bytes: &[u8]) -> usize {
        self.clients.socket(client).send_slice(bytes).unwrap()
    }

    fn client_receive(&mut self, client: usize) -> Vec<u8> {
        let mut bytes = vec![0; 8192];
        let count = self.clients.socket(client).recv_slice(&mut bytes).unwrap_or(0);
        bytes.truncate(count);
        bytes
    }

    fn client_close(&mut self, client: usize) {
        self.clients.socket(client).close();
    }

    fn client_abort(&mut self, client: usize) {
        self.clients.socket(client).abort();
    }

    fn client_sees(&mut self, client: usize) -> Seen {
        match self.clients.socket(client).state() {
            State::CloseWait | State::LastAck | State::TimeWait | State::Closing => Seen::End,
            State::Closed => Seen::Reset,
            _ => Seen::Open,
        }
    }
}

behaviours!(world());

mod over_a_wire_that_loses_every_seventh_frame {
    use super::*;

    fn world() -> StackWorld<impl Device> {
        let (near, far) = MemoryDevice::pair(256);
        let mut sent = 0;
        let near = Lossy::new(near, move |_: &[u8]| {
            sent += 1;
            sent % 7 == 0
        });
        world_of(config(), near, far)
    }

    #[test]
    fn what_a_client_sends_comes_back() {
        crate::net::behaviour::what_a_client_sends_comes_back(&mut world());
    }

    #[test]
    fn nothing_is_lost_when_the_peer_reads_slowly() {
        crate::net::behaviour::a_peer_that_does_not_read_fills_the_queue_and_nothing_is_lost(
            &mut world(),
        );
    }
}

#[test]
fn a_lost_last_segment_is_sent_again_after_fifty_milliseconds() {
    let (near, far) = MemoryDevice::pair(256);
    let mut lost = 0;
    let near = Lossy::new(near, move |frame: &[u8]| {
        let loses = frame.ends_with(b"the only answer") && lost == 0;
        lost += u32::from(loses);
        loses
    });
    let mut world = world_of(config(), near, far);
    let client = world.connect();
    let id = world.opened();
    let sent = world.now;
    assert!(world.stack.send(id, b"the only answer"));
    while world.client_receive(client).is_empty() {
        world.step();
        assert!(world.now.since(sent) < Nanos::from_millis(70));
    }
    assert!(world.now.since(sent) > Nanos::from_millis(40));
}

#[test]
fn connections_beyond_the_limit_wait_until_a_slot_is_free() {
    let mut world = world();
    let first = world.connect();
    let first_id = world.opened();
    for _ in 1..64 {
        world.connect();
        world.opened();
    }
    world.connect();
    world.steps(Nanos::from_millis(500));
    assert_eq!(world.stack.next_event(), None);
    assert_eq!(world.stack.counters.syn_dropped, 1);
    world.client_abort(first);
    world.steps(Nanos::from_millis(10));
    assert_eq!(world.stack.next_event(), Some(NetEvent::Closed(first_id)));
    assert_eq!(world.opened().slot, first_id.slot);
}

#[test]
fn a_closed_connection_is_forgotten_after_time_wait() {
    let mut world = world();
    let client = world.connect();
    let id = world.opened();
    world.stack.close(id);
    world.steps(Nanos::from_millis(5));
    world.client_close(client);
    world.steps(Nanos::from_millis(400));
    assert_eq!(world.stack.connection_count(), 1);
    world.steps(Nanos::from_millis(200));
    assert_eq!((world.stack.connection_count(), world.stack.counters.linger_expired), (0, 0));
}

#[test]
fn a_peer_that_does_not_part_is_reset_when_its_time_is_over() {
    let mut world = world();
    let client = world.connect();
    let id = world.opened();
    world.stack.close(id);
    world.steps(Nanos::from_millis(4_200));
    assert_eq!((world.stack.connection_count(), world.stack.counters.linger_expired), (0, 1));
    assert_eq!(world.client_sees(client), Seen::Reset);
}

#[test]
fn an_idle_connection_stays() {
    let mut world = world();
    let client = world.connect();
    let id = world.opened();
    for _ in 0..40 {
        // Steps of the caller's clock larger than any timer.
        world.now = world.now.after(Nanos::from_secs(1));
        world.step();
    }
    assert_eq!(world.stack.next_event(), None);
    world.client_send(client, b"still here");
    world.steps(Nanos::from_millis(1));
    assert_eq!(world.stack.received(id), b"still here");
}

// Frames by hand, for what no decent client does.

pub(super) struct Bench {
    pub(super) stack: Stack<MemoryDevice>,
    far: MemoryDevice,
    now: Nanos,
}

pub(super) fn bench(config: StackConfig) -> Bench {
    let (near, far) = MemoryDevice::pair(4096);
    Bench { stack: stack(config, near).unwrap(), far, now: Nanos::from_secs(100) }
}

impl Bench {
    pub(super) fn put(&mut self, frame: &[u8]) {
        self.far.transmit(frame.len(), |sent| sent.copy_from_slice(frame)).unwrap();
    }

    pub(super) fn put_packet(&mut self, source: Ipv4Addr, protocol: u8, payload: &[u8]) {
        let header = EthernetHeader {
            destination: self.stack.mac,
            source: self.far.mac(),
            ether_type: ETHER_TYPE_IPV4,
        };
        let ip = Ipv4Header {
            source,
            destination: OURS,
            protocol,
            ttl: 64,
            payload_len: u16::try_from(payload.len()).unwrap(),
        };
        self.put(&[&header.emit()[..], &ip.emit(), payload].concat());
    }

    pub(super) fn put_segment(&mut self, source: SocketAddrV4, repr: &TcpRepr<'_>) {
        let segment = segment(*source.ip(), &TcpRepr { src_port: source.port(), ..*repr });
        self.put_packet(*source.ip(), PROTOCOL_TCP, &segment);
    }

    pub(super) fn put_arp(&mut self, operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) {
        let header = EthernetHeader {
            destination: MacAddress::BROADCAST,
            source: self.far.mac(),
            ether_type: ETHER_TYPE_ARP,
        };
        let packet = ArpPacket {
            operation,
            sender_mac: self.far.mac(),
            sender,
            target_mac: MacAddress::default(),
            target,
        };
        self.put(&[&header.emit()[..], &packet.emit()].concat());
    }

    /// Lets the stack take all and returns the frames it sent.
    pub(super) fn answers(&mut self, span: Nanos) -> Vec<Vec<u8>> {
        self.answers_at(span, STEP)
    }

    /// The same, with a duty cycle each `step`.
    pub(super) fn answers_at(&mut self, span: Nanos, step: Nanos) -> Vec<Vec<u8>> {
        self.far.flush();
        let end = self.now.after(span);
        let mut frames = Vec::new();
        while self.now < end {
            self.now = self.now.after(step);
            self.stack.poll(self.now);
            frames.extend(received(&mut self.far));
        }
        frames
    }

    /// What was put and the stack did not take.
    pub(super) fn sent(mut self) -> Vec<Vec<u8>> {
        self.far.flush();
        received(&mut self.stack.device)
    }
}

fn received(device: &mut MemoryDevice) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(mut burst) = device.receive() {
        while let Some(frame) = burst.next_frame() {
            frames.push(frame.to_vec());
        }
    }
    frames
}

pub(super) fn syn() -> TcpRepr<'static> {
    TcpRepr {
        src_port: 1,
        dst_port: PORT,
        control: TcpControl::Syn,
        seq_number: TcpSeqNumber(1000),
        ack_number: None,
        window_len: 8192,
        window_scale: None,
        max_seg_size: Some(1460),
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    }
}

fn segment(source: Ipv4Addr, repr: &TcpRepr<'_>) -> Vec<u8> {
    let mut bytes = vec![0; repr.buffer_len()];
    repr.emit(
        &mut TcpPacket::new_unchecked(&mut bytes),
        &source.into(),
        &OURS.into(),
        &smoltcp::phy::ChecksumCapabilities::default(),
    );
    bytes
}

pub(super) fn parsed(frame: &[u8]) -> (Ipv4Header, TcpPacket<&[u8]>) {
    let (_, packet) = EthernetHeader::parse(frame).unwrap();
    let (ip, payload) = Ipv4Header::parse(packet).unwrap();
    assert_eq!(checksum(sum(ip.pseudo_sum(), payload)), 0, "checksum of what we sent");
    (ip, TcpPacket::new_checked(payload).unwrap())
}

pub(super) fn peer(host: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, host), port)
}

const SHORT: Nanos = Nanos::from_millis(5);

#[test]
fn half_open_connections_are_bounded_and_given_up_after_a_second() {
    let mut config = config();
    config.half_open_max = 8;
    let mut bench = bench(config);
    for port in 1..=20 {
        bench.put_segment(peer(2, port), &syn());
    }
    assert_eq!(bench.answers(SHORT).len(), 8, "one SYN|ACK each");
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.syn_dropped), (8, 12));
    let answers = bench.answers(Nanos::from_millis(1_100));
    let resets = answers.iter().filter(|frame| parsed(frame).1.rst()).count();
    assert_eq!(resets, 8);
    assert!(answers.len() - resets <= 8 * 5, "a SYN|ACK is repeated a few times only");
    assert_eq!((bench.stack.connection_count(), bench.stack.half_open), (0, 0));
    assert_eq!(bench.stack.counters.half_open_expired, 8);
    assert_eq!(bench.stack.next_event(), None, "nobody opened");
}

#[test]
fn initial_sequence_numbers_do_not_follow_from_each_other() {
    let sequence_numbers = || {
        let mut bench = bench(config());
        for port in 1..=32 {
            bench.put_segment(peer(2, port), &syn());
        }
        let answers = bench.answers(SHORT);
        answers.iter().map(|frame| parsed(frame).1.seq_number().0).collect::<Vec<_>>()
    };
    let (one, other) = (sequence_numbers(), sequence_numbers());
    let all: HashSet<_> = one.iter().chain(&other).collect();
    assert_eq!(all.len(), 64, "a number came twice: {one:?} {other:?}");
    let steps: HashSet<_> = one.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    assert_eq!(steps.len(), 31, "numbers at equal steps: {one:?}");
}

#[test]
fn a_segment_of_no_connection_is_answered_with_a_reset_within_the_limit() {
    let mut bench = bench(config());
    let stray = TcpRepr {
        control: TcpControl::None,
        ack_number: Some(TcpSeqNumber(77)),
        payload: b"order",
        ..syn()
    };
    bench.put_segment(peer(2, 5000), &stray);
    let answers = bench.answers(SHORT);
    let (ip, reset) = parsed(&answers[0]);
    assert!(reset.rst() && reset.seq_number().0 == 77 && *peer(2, 0).ip() == ip.destination);
    bench.put_segment(peer(2, 5000), &TcpRepr { control: TcpControl::Rst, ..stray });
    assert!(bench.answers(SHORT).is_empty(), "a reset is never answered");
    for _ in 0..4000 {
        bench.put_segment(peer(2, 5000), &stray);
    }
    let answers = bench.answers(Nanos::from_millis(13)).len();
    assert!((2_000..2_400).contains(&answers), "{answers}");
    assert!(bench.stack.counters.rst_suppressed > 1_500);
}

#[test]
fn a_closed_port_refuses() {
    let mut bench = bench(config());
    bench.put_segment(peer(2, 5000), &TcpRepr { dst_port: 22, ..syn() });
    assert!(parsed(&bench.answers(SHORT)[0]).1.rst());
    assert_eq!(bench.stack.connection_count(), 0);
}

#[test]
fn only_allowed_networks_are_answered() {
    let mut config = config();
    config.allow = vec!["10.9.0.16/28".parse().unwrap(), "10.9.0.4/32".parse().unwrap()];
    let mut bench = bench(config);
    for host in [2, 4, 5, 17, 32] {
        bench.put_segment(peer(host, 5000), &syn());
    }
    let answered: Vec<u8> =
        bench.answers(SHORT).iter().map(|frame| parsed(frame).0.destination.octets()[3]).collect();
    assert_eq!(answered, [4, 17]);
    assert_eq!(bench.stack.counters.denied, 3);
}

#[test]
fn a_ping_is_answered() {
    let mut bench = bench(config());
    let mut ping = vec![8, 0, 0, 0, 0, 1, 0, 2, b'h', b'i'];
    let check = checksum(sum(0, &ping));
    ping[2..4].copy_from_slice(&check.to_be_bytes());
    bench.put_packet(THEIRS, 1, &ping);
    let answers = bench.answers(SHORT);
    let (_, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let (ip, echo) = Ipv4Header::parse(packet).unwrap();
    assert_eq!((ip.destination, echo[0], &echo[4..]), (THEIRS, 0, &ping[4..]));
    assert_eq!(bench.stack.counters.echo_replies, 1);
}

#[test]
fn our_address_is_announced_and_told_to_those_who_ask() {
    let mut bench = bench(config());
    assert!(bench.stack.announce());
    bench.put_arp(ArpOperation::Request, THEIRS, OURS);
    let answers = bench.answers(SHORT);
    let packets: Vec<_> = answers
        .iter()
        .map(|frame| {
            let (header, packet) = EthernetHeader::parse(frame).unwrap();
            (header.destination, ArpPacket::parse(packet).unwrap())
        })
        .collect();
    let (to, announcement) = packets[0];
    assert_eq!((to, announcement.sender, announcement.target), (MacAddress::BROADCAST, OURS, OURS));
    let (to, reply) = packets[1];
    assert_eq!((to, reply.sender_mac, reply.sender), (bench.far.mac(), bench.stack.mac, OURS));
}

#[test]
fn a_multicast_datagram_goes_to_the_groups_address_at_once() {
    let mut bench = bench(config());
    let group = SocketAddrV4::new(Ipv4Addr::new(239, 129, 0, 1), 26_400);
    assert!(bench.stack.send_datagram(group, b"prices"));
    let answers = bench.answers(SHORT);
    let (header, packet) = EthernetHeader::parse(&answers[0]).unwrap();
    let (ip, payload) = Ipv4Header::parse(packet).unwrap();
    let (udp, payload) = UdpHeader::parse(&ip, payload).unwrap();
    assert_eq!(header.destination.to_string(), "01:00:5e:01:00:01");
    assert_eq!((ip.source, ip.destination, ip.ttl), (OURS, *group.ip(), 8));
    assert_eq!((udp.destination_port, payload), (26_400, &b"prices"[..]));
}

#[test]
fn a_unicast_datagram_waits_until_its_neighbour_is_known() {
    let mut config = config();
    config.gateway = Some(Ipv4Addr::new(10, 9, 0, 254));
    let mut bench = bench(config);
    for (to, hop) in [(THEIRS, THEIRS), (Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(10, 9, 0, 254))] {
        let to = SocketAddrV4::new(to, 9000);
        assert!(!bench.stack.send_datagram(to, b"unknown yet"));
        let answers = bench.answers(SHORT);
        let (_, packet) = EthernetHeader::parse(&answers[0]).unwrap();
        assert_eq!(ArpPacket::parse(packet).unwrap().target, hop);
        bench.put_arp(ArpOperation::Reply, hop, OURS);
        bench.answers(SHORT);
        assert!(bench.stack.send_datagram(to, b"known"));
        let (header, _) = EthernetHeader::parse(&bench.answers(SHORT)[0]).unwrap();
        assert_eq!(header.destination, bench.far.mac());
    }
}

#[test]
fn a_port_used_again_before_time_wait_is_over_connects() {
    let mut world = world();
    let client = world.connect();
    let id = world.opened();
    world.stack.close(id);
    world.steps(SHORT);
    world.client_close(client);
    world.steps(SHORT);
    assert_eq!(world.stack.connection_count(), 1, "in TIME_WAIT");
    world.clients.socket(client).abort();
    world.clients.next_port -= 1;
    world.connect();
    let again = world.opened();
    assert_eq!(again, ConnectionId { slot: id.slot, generation: id.generation + 1 });
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    type Spoil = fn(&mut StackConfig);
    let spoils: [(Spoil, &str); 7] = [
        (|config| config.address = Ipv4Addr::new(239, 0, 0, 1), "239.0.0.1/24"),
        (|config| config.prefix = 33, "10.9.0.1/33"),
        (|config| config.gateway = Some(Ipv4Addr::new(10, 8, 0, 1)), "10.8.0.1"),
        (|config| config.listen_port = 0, "port is 0"),
        (|config| config.connections_max = 0, "connections_max 0"),
        (|config| config.rx_buffer_bytes = 65_536, "rx_buffer_bytes 65536"),
        (|config| config.tx_buffer_bytes = 1, "tx_buffer_bytes 1"),
    ];
    for (spoil, names) in spoils {
        let mut config = config();
        spoil(&mut config);
        let error = stack(config, MemoryDevice::pair(1).0).unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    }
}
