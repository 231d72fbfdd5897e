//! The stack with smoltcp clients over a wire in memory: what decent peers see of it.
//!
//! `by_hand` makes frames, for what no decent peer does: `frames` one at a time, `hostile` in crowds,
//! `forged` in another's name; `admission` has who is let in, and how often.
//! `presence` has when it is there at all, `loss` what a lost frame costs, `scale` what ten thousand
//! connections do, `shards` what several stacks of one device do.

mod admission;
pub(super) mod by_hand;
mod datagrams;
mod forged;
mod frames;
mod groups;
mod hostile;
mod loss;
mod lossy;
mod offload;
mod presence;
mod scale;
mod shards;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress};

use self::lossy::Lossy;
use super::*;
use crate::net::MemoryDevice;
use crate::net::behaviour::{Seen, World, behaviours};
use crate::net::device::FrameBurst;
use crate::net::ethernet::ETHER_TYPE_IPV4;

pub(super) const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
pub(super) const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
const PORT: u16 = 7001;
const STEP: Nanos = Nanos::from_micros(100);
const SHORT: Nanos = Nanos::from_millis(5);

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

fn world_of<D: Device>(config: StackConfig, near: D, far: MemoryDevice) -> StackWorld<D> {
    let clients = Clients::new(far, near.mac());
    let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
    StackWorld { stack, clients, now: Nanos::from_secs(100) }
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

    /// As if the clients' cable were pulled.
    fn without_clients(&mut self, span: Nanos) {
        let end = self.now.after(span);
        while self.now < end {
            self.now = self.now.after(STEP);
            self.stack.poll(self.now);
            self.stack.flush(self.now);
            while self.clients.device.receive().is_some() {}
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
        self.stack.flush(self.now);
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
fn a_peer_that_lost_power_connects_at_once_from_the_port_it_had() {
    for in_flight in [false, true] {
        let mut world = world();
        let client = world.connect();
        let id = world.opened();
        let lost = world.clients.handles[client];
        world.clients.sockets.remove(lost);
        if in_flight {
            assert!(world.stack.send(id, b"heartbeat"));
        }
        // Long enough for the stack to have all but given up repeating it.
        world.without_clients(Nanos::from_secs(8));
        world.clients.next_port -= 1;
        world.connect();
        world.steps(Nanos::from_millis(1));
        assert_eq!(world.stack.next_event(), Some(NetEvent::Closed(id)), "in flight: {in_flight}");
        // The client's engine asks again after a second; a kernel does so at once.
        world.steps(Nanos::from_millis(1_100));
        assert_eq!(world.opened().slot, id.slot);
    }
}

#[test]
fn a_connection_in_time_wait_is_no_peer_that_did_not_part() {
    let mut world = world();
    let client = world.connect();
    let id = world.opened();
    world.stack.close(id);
    world.steps(Nanos::from_millis(3_800));
    world.client_close(client);
    world.steps(Nanos::from_millis(600));
    assert_eq!((world.stack.connection_count(), world.stack.counters.linger_expired), (0, 0));
}

#[test]
fn settings_that_cannot_work_are_refused_by_name() {
    type Spoil = fn(&mut StackConfig);
    let spoils: [(Spoil, &str); 10] = [
        (|config| config.address = Ipv4Addr::new(239, 0, 0, 1), "239.0.0.1/24"),
        (|config| config.prefix = 33, "10.9.0.1/33"),
        (|config| config.gateway = Some(Ipv4Addr::new(10, 8, 0, 1)), "10.8.0.1"),
        (|config| config.listen_port = 0, "listening port is 0"),
        (|config| config.receive_port = Some(0), "receiving port is 0"),
        (|config| config.connections_max = 0, "connections_max 0"),
        (|config| config.connections_per_source_max = 0, "connections_per_source_max 0"),
        (
            |config| config.frames_per_second_per_source_max = 0,
            "frames_per_second_per_source_max is 0",
        ),
        (|config| config.rx_buffer_bytes = 65_536, "rx_buffer_bytes 65536"),
        (|config| config.tx_buffer_bytes = 1, "tx_buffer_bytes 1"),
    ];
    for (spoil, names) in spoils {
        let mut config = config();
        spoil(&mut config);
        let error = Stack::new(config, MemoryDevice::pair(1).0, CounterBlock::none());
        let error = error.unwrap_err().to_string();
        assert!(error.contains(names), "{error}");
    }
}

#[test]
fn a_device_too_narrow_for_the_feeds_datagrams_is_refused_with_what_to_do() {
    assert!(check(&config(), 1_500).is_ok());
    assert_eq!(
        check(&config(), 1_499).unwrap_err().to_string(),
        "the device's MTU of 1499 is below 1500, which the feed's datagrams need: \
         use ip link set dev INTERFACE mtu 1500"
    );
}
