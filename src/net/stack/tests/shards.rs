//! Several stacks of one device, whatever queue it brings a frame to: hosts notice nothing of it, and what
//! is counted of a host is counted once.

use super::by_hand::datagram;
use super::*;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_UDP};
use crate::net::steering::{PLACES, Spread};

const SHARDS: u8 = 3;
const UDP_PORT: u16 = 7_002;
const HOSTS: u8 = 12;

/// Stacks, hosts, and what lies between them.
struct Sharded {
    stacks: Vec<Stack<MemoryDevice>>,
    /// The far ends of the stacks' queues, and of the hosts' wires.
    queues: Vec<MemoryDevice>,
    wires: Vec<MemoryDevice>,
    hosts: Vec<ClientHost<MemoryDevice>>,
    spread: Spread,
    /// The device knows the rule by which hosts are spread.
    is_told: bool,
    frames: usize,
    now: Nanos,
}

impl Sharded {
    fn new(config: &StackConfig) -> Self {
        let spread = Spread::new(SHARDS, OURS, PLACES);
        let parts = Steering::mesh(&spread, None);
        let stack = |part| {
            let (near, far) = MemoryDevice::pair(4_096);
            let stack = Stack::new(config.clone(), near, CounterBlock::none()).unwrap();
            (stack.steered(part), far)
        };
        let (stacks, queues) = parts.into_iter().map(stack).unzip();
        let now = Nanos::from_secs(100);
        let host = |last| {
            let (near, far) = MemoryDevice::pair(4_096);
            let network = Ipv4Network::new(address(last), 24).unwrap();
            (near, ClientHost::new(far, network, SocketAddrV4::new(OURS, PORT), now))
        };
        let (wires, hosts) = (0..HOSTS).map(host).unzip();
        Self { stacks, queues, wires, hosts, spread, is_told: false, frames: 0, now }
    }

    /// The shard of a host.
    fn shard_of(&self, host: u8) -> usize {
        self.spread.shard_of(address(host)).into()
    }

    /// A duty cycle of all; what the stacks' users receive they send back.
    fn cycle(&mut self) {
        self.now = self.now.after(STEP);
        for host in &mut self.hosts {
            host.poll(self.now);
        }
        for host in 0..HOSTS {
            for frame in frames(&mut self.wires[usize::from(host)]) {
                self.frames += 1;
                let right = self.shard_of(host);
                let queue = if self.is_told { right } else { self.frames % self.queues.len() };
                put(&mut self.queues[queue], &frame);
            }
        }
        for stack in &mut self.stacks {
            stack.poll(self.now);
            stack.flush(self.now);
            while let Some(event) = stack.next_event() {
                if let NetEvent::Readable(id) = event {
                    let bytes = stack.received(id).to_vec();
                    assert!(stack.send(id, &bytes));
                    stack.consume(id, bytes.len());
                }
            }
            stack.flush(self.now);
        }
        for queue in &mut self.queues {
            for frame in frames(queue) {
                self.wires.iter_mut().for_each(|wire| put(wire, &frame));
            }
        }
    }

    fn counted(&self, count: impl Fn(&Counters) -> u64) -> Vec<u64> {
        self.stacks.iter().map(|stack| count(stack.counters())).collect()
    }
}

fn address(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 9, 0, 2 + host)
}

fn put(device: &mut MemoryDevice, frame: &[u8]) {
    device.transmit(frame.len(), |sent| sent.copy_from_slice(frame)).unwrap();
    device.flush();
}

fn frames(device: &mut MemoryDevice) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let Some(mut burst) = device.receive() {
        while let Some(frame) = burst.next_frame() {
            frames.push(frame.to_vec());
        }
    }
    frames
}

#[test]
fn hosts_are_served_by_their_shards_whatever_queue_the_device_brings_a_frame_to() {
    for is_told in [false, true] {
        let mut world = Sharded { is_told, ..Sharded::new(&config()) };
        let ports = [40_000, 40_001, 40_002];
        let connections: Vec<_> =
            world.hosts.iter_mut().map(|host| ports.map(|port| host.connect(port))).collect();
        let mut heard = vec![[0_usize; 3]; connections.len()];
        for _ in 0..2_000 {
            world.cycle();
            for (host, connections) in connections.iter().enumerate() {
                let heard = &mut heard[host];
                let host = &mut world.hosts[host];
                for (heard, &connection) in heard.iter_mut().zip(connections) {
                    if host.is_open(connection) {
                        host.send(connection, b"x");
                    }
                    *heard += host.receive(connection, &mut [0; 64]);
                }
            }
        }
        assert!(heard.iter().flatten().all(|&count| count > 500), "{heard:?}");
        // What is on its way arrives.
        for stack in &mut world.stacks {
            stack.poll(world.now);
            stack.flush(world.now);
        }
        for stack in &mut world.stacks {
            stack.poll(world.now);
            stack.flush(world.now);
        }
        // Each where it belongs, and no segment ever came to another.
        let mut expected = vec![0; SHARDS.into()];
        (0..HOSTS).for_each(|host| expected[world.shard_of(host)] += 3);
        assert!(expected.iter().all(|&count| count > 0), "{expected:?}");
        assert_eq!(world.counted(|counters| counters.opened), expected);
        assert_eq!(world.counted(|counters| counters.rst_sent), [0; SHARDS as usize]);
        let [on, here, lost] = [
            world.counted(|counters| counters.passed_on),
            world.counted(|counters| counters.passed_here),
            world.counted(|counters| counters.passed_lost),
        ];
        assert_eq!(lost, [0; SHARDS as usize]);
        assert_eq!(on.iter().sum::<u64>(), here.iter().sum::<u64>());
        assert_eq!(on.iter().all(|&count| count > 1_000), !is_told, "{on:?}");
        assert_eq!(on.iter().all(|&count| count == 0), is_told, "{on:?}");
    }
}

#[test]
fn a_hosts_share_of_connections_is_the_same_whatever_queue_its_requests_come_to() {
    let mut world = Sharded::new(&StackConfig { connections_per_source_max: 4, ..config() });
    for host in &mut world.hosts {
        for port in 40_000..40_012 {
            host.connect(port);
        }
    }
    for _ in 0..500 {
        world.cycle();
    }
    let opened: u64 = world.counted(|counters| counters.opened).iter().sum();
    assert_eq!(opened, 4 * u64::from(HOSTS));
    assert!(world.counted(|counters| counters.source_full).iter().sum::<u64>() > 0);
}

#[test]
fn who_is_not_let_in_is_dropped_where_he_comes() {
    let allow = vec!["10.8.0.0/16".parse().unwrap()];
    let mut world = Sharded::new(&StackConfig { allow, ..config() });
    for host in &mut world.hosts {
        host.connect(40_000);
    }
    for _ in 0..100 {
        world.cycle();
    }
    let passed = world.counted(|counters| counters.passed_on);
    for _ in 0..100 {
        for host in &mut world.hosts {
            host.connect(40_001);
        }
        world.cycle();
    }
    // What was passed on are questions for our address.
    assert_eq!(world.counted(|counters| counters.passed_on), passed);
    assert!(world.counted(|counters| counters.denied).iter().all(|&count| count > 0));
}

#[test]
fn the_address_is_announced_once_for_all() {
    let mut world = Sharded::new(&config());
    let mut announced = 0;
    for _ in 0..20_000 {
        world.now = world.now.after(STEP);
        for (stack, queue) in world.stacks.iter_mut().zip(&mut world.queues) {
            stack.poll(world.now);
            stack.flush(world.now);
            announced += frames(queue).len();
        }
    }
    assert_eq!(announced, usize::from(ANNOUNCEMENTS));
}

#[test]
fn datagrams_and_who_sent_them_are_known_to_their_shard_whatever_queue_they_come_to() {
    let mut world = Sharded::new(&StackConfig { receive_port: Some(UDP_PORT), ..config() });
    for host in 0..HOSTS {
        let from = SocketAddrV4::new(address(host), 5_000);
        let shard = world.shard_of(host);
        let udp = datagram(from, UDP_PORT, b"order");
        let ip = Ipv4Header {
            source: *from.ip(),
            destination: OURS,
            protocol: PROTOCOL_UDP,
            ttl: 64,
            payload_len: u16::try_from(udp.len()).unwrap(),
        };
        let header = EthernetHeader {
            destination: world.stacks[0].mac,
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            ether_type: ETHER_TYPE_IPV4,
        };
        let frame = [&header.emit()[..], &ip.emit(), &udp].concat();
        put(&mut world.queues[(shard + 1) % usize::from(SHARDS)], &frame);
        for _ in 0..10 {
            world.cycle();
        }
        assert!(world.stacks[shard].send_datagram(from, b"accepted"));
        let taken = world.stacks[shard].next_datagram();
        assert_eq!(
            taken.map(|(from, payload)| (from, payload.to_vec())),
            Some((from, b"order".to_vec()))
        );
    }
}
