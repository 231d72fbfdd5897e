//! Participants that take no messages, or send without end, on the whole path over our own TCP on a
//! wire in memory: what each costs is counted, and the others are answered as if they were alone.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod pipeline;

use std::net::{Ipv4Addr, SocketAddrV4};

use rialto::agent::{Agent, Publisher};
use rialto::counters::CounterBlock;
use rialto::net::device::{Device, FrameBurst};
use rialto::net::ipv4::Ipv4Network;
use rialto::net::{
    AccessList, ClientConnection, ClientHost, MemoryDevice, PortNetworks, Stack, StackConfig,
};
use rialto::sys::cpu_time::thread_cpu_time;
use rialto::types::{Nanos, PortName, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::soup::{self, Packet};

use pipeline::{Pipeline, port_name, ports};

const OURS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 7_001);
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// Messages that a gateway takes of one session before it is another's turn.
const MESSAGES_PER_TURN: u64 = 16;
/// Cycles in which an order is answered on an idle exchange, and some.
const CYCLES_MAX: usize = 12;
/// Long enough that no segment is made while it is counted.
const SEGMENT_BYTES: u64 = 16 << 20;

/// An exchange and the host of its participants.
struct World {
    pipeline: Pipeline<Stack<MemoryDevice>>,
    host: ClientHost<MemoryDevice>,
}

/// A participant.
struct Client {
    connection: ClientConnection,
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// Messages of its stream so far.
    heard: usize,
    next: u32,
}

impl World {
    fn new() -> Self {
        Self::throttled(None)
    }

    /// With ports for so many sessions more.
    fn with_ports(count: usize) -> Self {
        let mut config = StackConfig::new(*OURS.ip(), 24, OURS.port());
        config.connections_per_source_max = config.connections_max;
        let (near, far) = MemoryDevice::pair(1_024);
        let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
        Self::over(Pipeline::open(stack, SEGMENT_BYTES, &ports(count)), far)
    }

    /// With a limit of messages a second for each session.
    fn throttled(messages_per_second_max: Option<u32>) -> Self {
        let (near, far) = MemoryDevice::pair(1_024);
        let stack =
            Stack::new(StackConfig::new(*OURS.ip(), 24, OURS.port()), near, CounterBlock::none())
                .unwrap();
        let pipeline = Pipeline::open_throttled(stack, SEGMENT_BYTES, messages_per_second_max);
        Self::over(pipeline, far)
    }

    fn over(pipeline: Pipeline<Stack<MemoryDevice>>, far: MemoryDevice) -> Self {
        let network = Ipv4Network::new(THEIRS, 24).unwrap();
        let host = ClientHost::new(far, network, OURS, pipeline.core.now);
        Self { pipeline, host }
    }

    fn login(&mut self, port: &str, source_port: u16) -> Client {
        let connection = self.host.connect(source_port);
        let unsent = self.pipeline.login(port);
        let mut client = Client { connection, unsent, received: Vec::new(), heard: 0, next: 1 };
        for _ in 0..1_000 {
            self.cycle();
            client.push(&mut self.host);
            if client.takes(&mut self.host) {
                return client;
            }
        }
        panic!("{port} is not let in");
    }

    /// One cycle of the exchange and of the host; participants read and write when told.
    fn cycle(&mut self) {
        self.pipeline.cycle(&mut |agent: &mut dyn Agent, now| {
            agent.do_work(now).unwrap();
        });
        self.host.poll(self.pipeline.core.now);
    }

    /// Time passes in which nobody does anything.
    fn wait(&mut self, span: Nanos) {
        let now = &mut self.pipeline.core.now;
        *now = now.after(span);
    }

    /// Cycles until the client has heard `count` more messages; how many that took.
    fn hears(&mut self, client: &mut Client, count: usize) -> usize {
        let target = client.heard + count;
        for cycle in 1..=10 * CYCLES_MAX {
            client.push(&mut self.host);
            self.cycle();
            client.takes(&mut self.host);
            if client.heard >= target {
                assert_eq!(client.heard, target, "it heard what it did not expect");
                return cycle;
            }
        }
        panic!("{} of {target} messages, {:?}", client.heard, self.pipeline.gateway.counters());
    }
}

impl Client {
    /// Queues an order of 100 ACME at 25.00.
    fn enters(&mut self, side: Side) {
        let (symbol, price) = (Symbol::new("ACME").unwrap(), Price(250_000));
        let number = UserRefNum(self.next);
        self.next += 1;
        let order = Enter::new(number, side, Quantity(100), symbol, price, TimeInForce::Day);
        let mut message = [0; ENTER_BYTES_MAX];
        let length = order.emit(&Options::default(), &mut message);
        self.unsent.extend(soup::unsequenced_header(length).unwrap());
        self.unsent.extend(&message[..length]);
    }

    /// Sends what its connection takes.
    fn push(&mut self, host: &mut ClientHost<MemoryDevice>) {
        let sent = host.send(self.connection, &self.unsent);
        self.unsent.drain(..sent);
    }

    /// Reads all there is; whether it was let in.
    fn takes(&mut self, host: &mut ClientHost<MemoryDevice>) -> bool {
        let mut bytes = [0; 16 * 1024];
        let count = host.receive(self.connection, &mut bytes);
        self.received.extend_from_slice(&bytes[..count]);
        let (mut at, mut accepted) = (0, false);
        while let Some((packet, size)) = soup::parse(&self.received[at..], 65_535).unwrap() {
            match packet {
                Packet::SequencedData(_) => self.heard += 1,
                Packet::LoginAccepted(_) => accepted = true,
                Packet::ServerHeartbeat => {}
                other => panic!("{other:?}"),
            }
            at += size;
        }
        self.received.drain(..at);
        accepted
    }
}

#[test]
fn a_session_that_takes_no_messages_costs_nothing_and_misses_none() {
    const TRADES: usize = 3_000;
    let mut world = World::new();
    let mut slow = world.login("BETA01", 40_001);
    let mut honest = world.login("ALFA01", 40_002);
    for _ in 0..TRADES {
        slow.enters(Side::Sell);
        world.hears(&mut slow, 1);
    }

    // From now on nobody takes what comes for the slow one: an execution for each trade.
    let (heard, mut refused_halfway) = (slow.heard, 0);
    for trade in 0..TRADES {
        honest.enters(Side::Buy);
        let cycles = world.hears(&mut honest, 2);
        assert!(cycles <= CYCLES_MAX, "trade {trade} took {cycles} cycles");
        if trade == TRADES * 9 / 10 {
            refused_halfway = world.pipeline.gateway.counters().messages_refused;
        }
    }
    // Once its window is closed it is not even tried: nothing tells that there is room.
    let counters = *world.pipeline.gateway.counters();
    assert_eq!(counters.messages_refused, refused_halfway);
    assert!((1..500).contains(&counters.messages_refused), "{counters:?}");

    // It reads on, and gets every message from the log.
    for _ in 0..100_000 {
        world.cycle();
        slow.takes(&mut world.host);
        if slow.heard == heard + TRADES {
            break;
        }
    }
    assert_eq!(slow.heard, heard + TRADES, "{:?}", world.pipeline.gateway.counters());
    honest.enters(Side::Sell);
    world.hears(&mut honest, 1);
}

#[test]
fn a_session_that_sends_without_end_has_its_turns_and_others_theirs() {
    const ROUNDS: usize = 200;
    let mut world = World::new();
    let mut noisy = world.login("BETA01", 40_001);
    let mut honest = world.login("ALFA01", 40_002);
    let mut taken = 0;
    for round in 0..ROUNDS {
        honest.enters(Side::Buy);
        let (target, mut cycles) = (honest.heard + 1, 0);
        while honest.heard < target {
            while noisy.unsent.len() < 64 * 1024 {
                noisy.enters(Side::Buy);
            }
            let before = world.pipeline.gateway.counters().messages_in;
            honest.push(&mut world.host);
            noisy.push(&mut world.host);
            world.cycle();
            honest.takes(&mut world.host);
            noisy.takes(&mut world.host);
            let messages = world.pipeline.gateway.counters().messages_in - before;
            // The gateway has two turns in a cycle.
            assert!(messages <= 2 * MESSAGES_PER_TURN + 1, "{messages} in a cycle");
            taken += messages;
            cycles += 1;
            assert!(cycles <= CYCLES_MAX, "round {round} took more than {CYCLES_MAX} cycles");
        }
    }
    let rounds = ROUNDS as u64;
    assert!(taken > rounds + MESSAGES_PER_TURN * rounds, "the noise was faint: {taken} messages");
}

#[test]
fn packets_that_ask_for_nothing_are_read_in_turns_as_well() {
    // What a session's turn takes, and the packet that may begin within it.
    const BYTES_PER_TURN: u64 = 4_096;
    const ROUNDS: usize = 100;
    let mut world = World::new();
    let mut noisy = world.login("BETA01", 40_001);
    let mut honest = world.login("ALFA01", 40_002);
    let heartbeat = [0, 1, b'R'];
    let mut debug = vec![b'+'; 1_002];
    debug[..2].copy_from_slice(&1_000_u16.to_be_bytes());
    for noise in [&heartbeat[..], &debug] {
        let start = world.pipeline.gateway.counters().bytes_in;
        for round in 0..ROUNDS {
            honest.enters(Side::Buy);
            let (target, mut cycles) = (honest.heard + 1, 0);
            while honest.heard < target {
                while noisy.unsent.len() < 64 * 1024 {
                    noisy.unsent.extend(noise);
                }
                let before = world.pipeline.gateway.counters().bytes_in;
                honest.push(&mut world.host);
                noisy.push(&mut world.host);
                world.cycle();
                honest.takes(&mut world.host);
                let bytes = world.pipeline.gateway.counters().bytes_in - before;
                // The gateway has two turns in a cycle, and the honest one sends an order.
                assert!(bytes <= 2 * BYTES_PER_TURN + 100, "{bytes} in a cycle");
                cycles += 1;
                assert!(cycles <= CYCLES_MAX, "round {round} took more than {CYCLES_MAX} cycles");
            }
        }
        let bytes = world.pipeline.gateway.counters().bytes_in - start;
        assert!(bytes > BYTES_PER_TURN * ROUNDS as u64, "the noise was faint: {bytes} bytes");
    }
    assert_eq!(world.pipeline.gateway.counters().violations, 0);
}

#[test]
fn those_who_never_finish_their_login_are_let_go_and_until_then_cost_what_they_send() {
    const STRANGERS: u16 = 200;
    let mut world = World::new();
    let mut honest = world.login("ALFA01", 40_000);
    let strangers: Vec<_> = (1..=STRANGERS).map(|n| world.host.connect(40_000 + n)).collect();
    for _ in 0..100 {
        world.cycle();
    }
    assert_eq!(world.pipeline.gateway.counters().connections, 1 + u64::from(STRANGERS));
    // A byte each second: a login request that comes to its end too late.
    let login = world.pipeline.login("BETA01");
    let timers = world.pipeline.gateway.counters().timers;
    for (second, byte) in login.iter().enumerate().take(28) {
        for &stranger in &strangers {
            assert_eq!(world.host.send(stranger, &[*byte]), 1);
        }
        for _ in 0..20 {
            world.cycle();
        }
        world.wait(Nanos::from_millis(500));
        honest.enters(Side::Buy);
        let cycles = world.hears(&mut honest, 1);
        assert!(cycles <= CYCLES_MAX, "an order took {cycles} cycles in second {second}");
        world.wait(Nanos::from_millis(499));
        world.cycle();
    }
    // The honest one's each second, and each stranger's where the wheel has turned.
    let counters = *world.pipeline.gateway.counters();
    let looks = counters.timers - timers;
    assert!(looks <= 60 + 8 * u64::from(STRANGERS), "{looks} looks");
    assert_eq!((counters.silent, counters.logins, counters.violations), (0, 1, 0));

    for _ in 0..4_000 {
        world.wait(Nanos::from_millis(1));
        world.cycle();
        honest.unsent.clear();
    }
    let counters = *world.pipeline.gateway.counters();
    assert_eq!(counters.silent, u64::from(STRANGERS), "{counters:?}");
    honest.enters(Side::Buy);
    world.hears(&mut honest, 1);
}

#[test]
fn those_who_log_in_all_at_once_are_let_in_by_the_turns_of_a_cycle() {
    const SESSIONS: usize = 200;
    // Sessions that have their turn in a cycle of the gateway, which has two.
    const TURNS: usize = 2 * 64;
    let mut world = World::with_ports(SESSIONS);
    let connect = |number: u16| world.host.connect(40_000 + number);
    let connections: Vec<_> = (0..u16::try_from(SESSIONS).unwrap()).map(connect).collect();
    for _ in 0..100 {
        world.cycle();
    }
    assert_eq!(world.pipeline.gateway.counters().connections, SESSIONS as u64);
    for (number, &connection) in connections.iter().enumerate() {
        let login = world.pipeline.login(&port_name(number));
        assert_eq!(world.host.send(connection, &login), login.len());
    }
    let mut cycles = 0;
    while world.pipeline.gateway.counters().logins < SESSIONS as u64 {
        world.cycle();
        cycles += 1;
        assert!(cycles <= SESSIONS / TURNS + CYCLES_MAX, "{:?}", world.pipeline.gateway.counters());
    }
    let mut packet = [0; 64];
    for _ in 0..CYCLES_MAX {
        world.cycle();
    }
    for connection in connections {
        assert!(world.host.receive(connection, &mut packet) > 0);
        assert!(matches!(soup::parse(&packet, 64), Ok(Some((Packet::LoginAccepted(_), _)))));
    }
}

/// Frames from one wire to another.
fn relay(from: &mut MemoryDevice, to: &mut MemoryDevice) {
    while let Some(mut burst) = from.receive() {
        while let Some(frame) = burst.next_frame() {
            to.transmit(frame.len(), |sent| sent.copy_from_slice(frame)).unwrap();
        }
    }
    to.flush();
}

#[test]
fn ten_thousand_sessions_log_in_for_less_than_two_seconds_of_a_core() {
    const SESSIONS: usize = 10_000;
    /// Of one host; each host is there until its sessions have been let in.
    const PER_HOST: usize = 250;
    const CORE_TIME_MAX: Nanos = Nanos::from_secs(2);
    let (near, mut far) = MemoryDevice::pair(8_192);
    let mut config = StackConfig::new(*OURS.ip(), 16, OURS.port());
    (config.connections_max, config.connections_per_source_max) = (SESSIONS, PER_HOST);
    (config.rx_buffer_bytes, config.tx_buffer_bytes) = (4_096, 4_096);
    let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
    let mut pipeline = Pipeline::open(stack, 4 * SEGMENT_BYTES, &ports(SESSIONS));
    let (start, mut gateway, mut others) = (pipeline.core.now, Nanos::ZERO, Nanos::ZERO);
    for host_number in 0..SESSIONS / PER_HOST {
        let numbers = host_number * PER_HOST..(host_number + 1) * PER_HOST;
        let logins: Vec<_> = numbers.map(|number| pipeline.login(&port_name(number))).collect();
        let (mut wire, end) = MemoryDevice::pair(8_192);
        let address = Ipv4Addr::new(10, 9, 1, u8::try_from(host_number).unwrap());
        let network = Ipv4Network::new(address, 16).unwrap();
        let mut host = ClientHost::new(end, network, OURS, pipeline.core.now);
        let mut clients: Vec<_> =
            (40_000..).zip(&logins).map(|(port, login)| (host.connect(port), &login[..])).collect();
        let (mut accepted, mut cycles) = (0, 0);
        while accepted < PER_HOST {
            pipeline.cycle(&mut |agent: &mut dyn Agent, now| {
                let start = thread_cpu_time();
                agent.do_work(now).unwrap();
                let took = thread_cpu_time().since(start);
                let sum = if agent.name() == "order_entry" { &mut gateway } else { &mut others };
                *sum = Nanos(sum.0 + took.0);
            });
            relay(&mut far, &mut wire);
            host.poll(pipeline.core.now);
            for (connection, unsent) in &mut clients {
                *unsent = &unsent[host.send(*connection, unsent)..];
                let mut packet = [0; 64];
                let size = host.receive(*connection, &mut packet);
                if size > 0 {
                    let packet = soup::parse(&packet[..size], 64).unwrap();
                    assert!(matches!(packet, Some((Packet::LoginAccepted(_), _))), "{packet:?}");
                    accepted += 1;
                }
            }
            relay(&mut wire, &mut far);
            cycles += 1;
            assert!(cycles < 10_000, "{accepted}: {:?}", pipeline.gateway.counters());
        }
        // What was received is acknowledged.
        pipeline.core.now = pipeline.core.now.after(Nanos::from_millis(11));
        host.poll(pipeline.core.now);
        relay(&mut wire, &mut far);
    }
    let counters = *pipeline.gateway.counters();
    let sessions = SESSIONS as u64;
    assert_eq!((counters.connections, counters.logins), (sessions, sessions), "{counters:?}");
    // So long it took by the clock of the exchange, whose limits would have had them wait.
    let elapsed = pipeline.core.now.since(start);
    assert!(elapsed < Nanos::from_secs(2), "{elapsed:?}");
    let core_time = Nanos(gateway.0 + others.0);
    assert!(core_time < CORE_TIME_MAX, "{core_time:?}, the gateway {gateway:?}");
}

/// Of a session, in the stories of the throttle; a second's worth may come at once.
const LIMIT: u32 = 1_000;

#[test]
fn a_session_over_its_limit_is_left_unread_and_loses_nothing_and_others_do_not_notice() {
    const ORDERS: usize = 5_000;
    let mut world = World::throttled(Some(LIMIT));
    let mut noisy = world.login("BETA01", 40_001);
    let mut honest = world.login("ALFA01", 40_002);
    for _ in 0..ORDERS {
        noisy.enters(Side::Buy);
    }
    let (heard, start) = (noisy.heard, world.pipeline.core.now);
    let (mut seconds, mut rounds) = (0, 0);
    while noisy.heard < heard + ORDERS {
        noisy.push(&mut world.host);
        honest.enters(Side::Buy);
        let cycles = world.hears(&mut honest, 1);
        assert!(cycles <= CYCLES_MAX, "an order took {cycles} cycles");
        noisy.takes(&mut world.host);
        world.wait(Nanos::from_millis(5));
        let elapsed = world.pipeline.core.now.since(start);
        seconds = elapsed.0 / Nanos::SECOND.0;
        // The first second's worth comes at once.
        let bound = u64::from(LIMIT) * (seconds + 2) + 1;
        assert!((noisy.heard - heard) as u64 <= bound, "{} after {seconds} s", noisy.heard);
        rounds += 1;
        assert!(rounds < 4_000, "{} of {ORDERS}", noisy.heard - heard);
    }
    assert!((3..=6).contains(&seconds), "{seconds} s");
    let counters = *world.pipeline.gateway.counters();
    assert!(counters.throttled > 0, "{counters:?}");
    assert_eq!((counters.floods, counters.violations), (0, 0), "{counters:?}");
}

#[test]
fn a_session_that_remains_over_its_limit_is_disconnected() {
    let mut world = World::throttled(Some(LIMIT));
    let mut noisy = world.login("BETA01", 40_001);
    let mut honest = world.login("ALFA01", 40_002);
    let start = world.pipeline.core.now;
    while world.pipeline.gateway.counters().floods == 0 {
        while noisy.unsent.len() < 64 * 1024 {
            noisy.enters(Side::Buy);
        }
        noisy.push(&mut world.host);
        honest.enters(Side::Buy);
        world.hears(&mut honest, 1);
        noisy.takes(&mut world.host);
        world.wait(Nanos::from_millis(10));
        let elapsed = world.pipeline.core.now.since(start);
        assert!(elapsed < Nanos::from_secs(40), "{:?}", world.pipeline.gateway.counters());
    }
    let elapsed = world.pipeline.core.now.since(start);
    assert!(elapsed >= Nanos::from_secs(30), "{elapsed:?}");
    let counters = *world.pipeline.gateway.counters();
    assert_eq!((counters.floods, counters.throttled), (1, 1), "{counters:?}");
    honest.enters(Side::Buy);
    world.hears(&mut honest, 1);
}

#[test]
fn a_login_that_is_in_the_log_when_its_port_is_tied_elsewhere_comes_to_nothing() {
    let told = Publisher::new(PortNetworks::default());
    let (near, far) = MemoryDevice::pair(1_024);
    let config = StackConfig::new(*OURS.ip(), 24, OURS.port());
    let stack = Stack::new(config, near, CounterBlock::none()).unwrap();
    let mut world = World::over(Pipeline::open_told(stack, SEGMENT_BYTES, told.watch()), far);
    let mut honest = world.login("ALFA01", 40_002);
    let connection = world.host.connect(40_001);
    while !world.host.is_open(connection) {
        world.cycle();
    }
    let login = world.pipeline.login("BETA01");
    assert_eq!(world.host.send(connection, &login), login.len());
    // The gateway takes the login; before the log says what became of it, the networks change.
    let gateway = &mut world.pipeline.gateway;
    for _ in 0..CYCLES_MAX {
        gateway.do_work(world.pipeline.core.now).unwrap();
    }
    let elsewhere = "10.9.0.66".parse().unwrap();
    let everybody = AccessList::new(&[], &[]);
    told.publish(PortNetworks::new(
        everybody,
        [(PortName::new("BETA01").unwrap(), vec![elsewhere])],
    ));
    gateway.do_work(world.pipeline.core.now).unwrap();
    assert_eq!(gateway.counters().logins, 1, "only the honest one's");
    for _ in 0..CYCLES_MAX {
        world.cycle();
    }
    assert_eq!(world.pipeline.gateway.counters().expelled, 1);
    honest.enters(Side::Buy);
    world.hears(&mut honest, 1);
}
