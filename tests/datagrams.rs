//! UFO on the whole path over our own stack on a wire in memory: floods, spoofed addresses and guesses,
//! what they cost is counted, and the others are answered as if they were alone. Nothing is allocated.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod pipeline;

use std::net::{Ipv4Addr, SocketAddrV4};

use rialto::agent::Agent;
use rialto::counters::CounterBlock;
use rialto::net::device::{Device, FrameBurst};
use rialto::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use rialto::net::ipv4::{Ipv4Header, PROTOCOL_UDP};
use rialto::net::udp::UdpHeader;
use rialto::net::{MemoryDevice, Stack, StackConfig};
use rialto::sys::alloc_count::{CountingAllocator, counted};
use rialto::types::{Nanos, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::soup::{self, Packet};
use rialto::wire::ufo::{Downstream, LoginRequest, RetransmissionRequest, Upstream};

use pipeline::Pipeline;
use pipeline::uncounted::Uncounted;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const OURS: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), 7_001);
/// As a wire in memory has it.
const OUR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
/// The host of the brokers, whose Ethernet address the exchange is told.
const ALFA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 5_001);
const BETA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 2), 5_002);
/// A host that does not know that somebody sends in its name, and answers nothing.
const VICTIM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 99), 5_001);
/// What the market data sends.
const FEED: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);
const SEGMENT_BYTES: u64 = 16 << 20;
/// Cycles in which an order is answered on an idle exchange, and some.
const CYCLES_MAX: usize = 12;

/// An exchange, and the far end of its wire.
struct World {
    pipeline: Pipeline<Stack<Uncounted>>,
    far: MemoryDevice,
    /// Whether somebody at the far end says where the victim is.
    tells_victim: bool,
}

/// What was heard of a stream.
#[derive(Debug, Default)]
struct Heard {
    accepted: usize,
    rejected: usize,
    messages: usize,
    /// Bytes of payload.
    bytes: usize,
}

impl World {
    fn new(messages_per_second_max: Option<u32>) -> Self {
        let (near, far) = MemoryDevice::pair(4_096);
        let config = StackConfig {
            receive_port: Some(OURS.port()),
            neighbours: vec![(*ALFA.ip(), far.mac())],
            ..StackConfig::new(*OURS.ip(), 24, OURS.port())
        };
        let device = Uncounted::new(near);
        let stack = Stack::new(config, device, CounterBlock::none()).unwrap();
        let pipeline = Pipeline::open_throttled(stack, SEGMENT_BYTES, messages_per_second_max);
        let mut world = Self { pipeline, far, tells_victim: false };
        world.cycle();
        world
    }

    /// One cycle of the exchange; how often it asked the heap for something.
    fn cycle(&mut self) -> u64 {
        let mut allocated = 0;
        self.pipeline.cycle(&mut |agent: &mut dyn Agent, now| {
            let (done, count) = counted(|| agent.do_work(now).is_ok());
            assert!(done, "{} failed", agent.name());
            allocated += count;
        });
        allocated
    }

    fn cycles(&mut self, count: usize) {
        for _ in 0..count {
            self.cycle();
        }
    }

    /// Time passes in which nobody does anything.
    fn wait(&mut self, span: Nanos) {
        let now = &mut self.pipeline.core.now;
        *now = now.after(span);
    }

    /// Puts a datagram in somebody's name on the wire.
    fn sends(&mut self, from: SocketAddrV4, messages: &[Upstream<'_>]) -> usize {
        let (mut datagram, mut end) = ([0; 1_472], 0);
        for message in messages {
            end = message.emit(&mut datagram, end).unwrap();
        }
        self.sends_bytes(from, &datagram[..end])
    }

    fn sends_bytes(&mut self, from: SocketAddrV4, payload: &[u8]) -> usize {
        let ethernet = EthernetHeader {
            destination: OUR_MAC,
            source: self.far.mac(),
            ether_type: ETHER_TYPE_IPV4,
        };
        let ip = Ipv4Header {
            source: *from.ip(),
            destination: *OURS.ip(),
            protocol: PROTOCOL_UDP,
            ttl: 64,
            payload_len: u16::try_from(UdpHeader::LEN + payload.len()).unwrap(),
        };
        let udp = UdpHeader { source_port: from.port(), destination_port: OURS.port() };
        let frame = [&ethernet.emit()[..], &ip.emit(), &udp.emit(&ip, payload), payload].concat();
        self.far.transmit(frame.len(), |out| out.copy_from_slice(&frame)).unwrap();
        self.far.flush();
        payload.len()
    }

    /// What was sent to an address; what was sent to others is forgotten.
    fn heard_by(&mut self, to: SocketAddrV4) -> Heard {
        let mut heard = Heard::default();
        let mut asked = Vec::new();
        while let Some(mut burst) = self.far.receive() {
            while let Some(frame) = burst.next_frame() {
                let (ethernet, packet) = EthernetHeader::parse(frame).unwrap();
                if ethernet.ether_type == ETHER_TYPE_ARP {
                    asked.push(packet.to_vec());
                    continue;
                }
                let (ip, packet) = Ipv4Header::parse(packet).unwrap();
                let (udp, payload) = UdpHeader::parse(&ip, packet).unwrap();
                if ip.destination != FEED
                    && (ip.destination, udp.destination_port) == (*to.ip(), to.port())
                {
                    heard.take(payload);
                }
            }
        }
        if self.tells_victim {
            for question in asked {
                self.answers(&question);
            }
        }
        heard
    }

    /// The far end says that it has the address that an ARP packet asks for.
    fn answers(&mut self, question: &[u8]) {
        let mac = self.far.mac();
        let mut packet = question[..28].to_vec();
        packet[7] = 2;
        packet.copy_within(24..28, 14);
        packet[8..14].copy_from_slice(&mac.0);
        packet[18..28].copy_from_slice(&question[8..18]);
        let header =
            EthernetHeader { destination: OUR_MAC, source: mac, ether_type: ETHER_TYPE_ARP };
        let frame = [&header.emit()[..], &packet].concat();
        self.far.transmit(frame.len(), |out| out.copy_from_slice(&frame)).unwrap();
        self.far.flush();
    }

    fn login_of(&self, port: &str) -> LoginRequest {
        let packet = self.pipeline.login(port);
        let Ok(Some((Packet::LoginRequest(login), _))) = soup::parse(&packet, 100) else {
            panic!()
        };
        LoginRequest { name: login.name, secret: login.secret, session: login.session }
    }

    fn logs_in(&mut self, from: SocketAddrV4, port: &str) {
        let login = self.login_of(port);
        self.sends(from, &[Upstream::Login(login)]);
        self.cycles(CYCLES_MAX);
        assert_eq!(self.heard_by(from).accepted, 1);
    }

    /// Enters an order, which must be answered as on an idle exchange.
    fn is_served(&mut self, from: SocketAddrV4, number: u32) {
        self.sends(from, &[Upstream::Unsequenced(&enter(number, Side::Buy))]);
        self.cycles(CYCLES_MAX);
        assert_eq!(self.heard_by(from).messages, 1, "order {number} of {from}");
    }

    fn counters(&self) -> &rialto::gateway::GatewayCounters {
        self.pipeline.gateway.counters()
    }
}

impl Heard {
    fn take(&mut self, payload: &[u8]) {
        self.bytes += payload.len();
        match Downstream::parse(payload).unwrap() {
            Downstream::LoginAccepted(_) => self.accepted += 1,
            Downstream::LoginRejected(_) => self.rejected += 1,
            Downstream::Sequenced { messages, .. } => self.messages += usize::from(messages.left()),
            Downstream::EndOfSession(_) => panic!("no day ends here"),
        }
    }
}

fn enter(number: u32, side: Side) -> Vec<u8> {
    let (symbol, price) = (Symbol::new("ACME").unwrap(), Price(250_000));
    let number = UserRefNum(number);
    let order = Enter::new(number, side, Quantity(100), symbol, price, TimeInForce::Day);
    let mut message = [0; ENTER_BYTES_MAX];
    let length = order.emit(&Options::default(), &mut message);
    message[..length].to_vec()
}

fn cancel(number: u32) -> Vec<u8> {
    let mut message = [0; CANCEL_BYTES_MAX];
    let cancel = Cancel::new(UserRefNum(number), Quantity::ZERO);
    let size = cancel.emit(&Options::default(), &mut message);
    message[..size].to_vec()
}

fn again(sequence: u32, count: u16) -> Upstream<'static> {
    Upstream::Retransmission(RetransmissionRequest { sequence, count })
}

#[test]
fn who_sends_too_much_is_read_at_its_limit_and_the_others_do_not_wait() {
    let mut world = World::new(Some(100));
    world.logs_in(ALFA, "ALFA01");
    world.logs_in(BETA, "BETA01");
    let mut heard = 0;
    for number in 1..=1_000 {
        world.sends(ALFA, &[Upstream::Unsequenced(&enter(number, Side::Buy))]);
        world.cycle();
        heard += world.heard_by(ALFA).messages;
        if number % 100 == 0 {
            world.is_served(BETA, number);
        }
    }
    world.cycles(CYCLES_MAX);
    heard += world.heard_by(ALFA).messages;
    // A second's worth at once, and what some milliseconds bring.
    assert!((95..=110).contains(&heard), "{heard}");
    assert!(world.counters().datagrams_throttled >= 890);
    // The rest is lost; the session is not, and has room again.
    world.wait(Nanos::SECOND);
    world.is_served(ALFA, 2_000);
    assert_eq!((world.counters().floods, world.counters().violations), (0, 0));
}

/// Messages that a gateway takes of one session before it is another's turn; it has two turns in a cycle.
const MESSAGES_PER_TURN: u64 = 16;

#[test]
fn who_sends_without_end_has_its_turns_and_who_sends_little_is_served_in_every_cycle() {
    const ROUNDS: u32 = 200;
    const ORDERS_PER_DATAGRAM: u32 = 25;
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    world.logs_in(BETA, "BETA01");
    let (mut noise, mut taken) = (0, 0);
    for round in 1..=ROUNDS {
        for _ in 0..10 {
            let orders: Vec<_> =
                (1..=ORDERS_PER_DATAGRAM).map(|n| enter(noise + n, Side::Buy)).collect();
            let orders: Vec<_> = orders.iter().map(|order| Upstream::Unsequenced(order)).collect();
            world.sends(BETA, &orders);
            noise += ORDERS_PER_DATAGRAM;
        }
        // Behind all that.
        world.sends(ALFA, &[Upstream::Unsequenced(&enter(round, Side::Buy))]);
        let before = world.counters().messages_in;
        world.cycle();
        let messages = world.counters().messages_in - before;
        assert!(messages <= 2 * MESSAGES_PER_TURN + 1, "{messages} in cycle {round}");
        taken += messages;
        assert_eq!(world.heard_by(ALFA).messages, 1, "in cycle {round}");
    }
    let counters = *world.counters();
    assert!(taken > u64::from(ROUNDS) * 2 * MESSAGES_PER_TURN, "the noise was faint: {taken}");
    assert!(counters.datagrams_unread > 1_000, "{counters:?}");
    assert_eq!((counters.datagrams_refused, counters.ring_full), (0, 0), "{counters:?}");
    // What waited is read, and what comes then is served as ever.
    world.cycles(CYCLES_MAX);
    world.heard_by(BETA);
    world.is_served(BETA, noise + 1);
}

#[test]
fn what_is_more_than_a_turn_takes_waits_in_its_order_and_nothing_of_it_is_lost() {
    const DATAGRAMS: u32 = 5;
    const ORDERS_PER_DATAGRAM: u32 = 25;
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    let mut number = 0;
    for round in 1..=10 {
        for _ in 0..DATAGRAMS {
            let mut orders = Vec::new();
            for _ in 0..ORDERS_PER_DATAGRAM {
                number += 1;
                orders.push(enter(number, Side::Buy));
            }
            let orders: Vec<_> = orders.iter().map(|order| Upstream::Unsequenced(order)).collect();
            world.sends(ALFA, &orders);
        }
        world.cycles(CYCLES_MAX);
        // An order that came behind one with a higher number would not be answered.
        let all = (DATAGRAMS * ORDERS_PER_DATAGRAM) as usize;
        assert_eq!(world.heard_by(ALFA).messages, all, "round {round}");
    }
    assert_eq!(world.counters().datagrams_unread, 0);
}

#[test]
fn messages_that_ask_for_nothing_are_read_in_turns_as_well() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    let noise = [Upstream::Heartbeat; 300];
    let order = enter(1, Side::Buy);
    world.sends(ALFA, &noise);
    world.sends(ALFA, &[Upstream::Unsequenced(&order)]);
    // Two turns in a cycle, and the order is in the next.
    for _ in 0..noise.len() as u64 / (2 * MESSAGES_PER_TURN) {
        world.cycle();
    }
    assert_eq!(world.counters().messages_in, 0);
    world.cycle();
    assert_eq!(world.counters().messages_in, 1);
    // Long ones by their bytes: two in a turn.
    let long = [b'?'; 1_469];
    for _ in 0..5 {
        world.sends(ALFA, &[Upstream::Unsequenced(&long)]);
    }
    world.cycle();
    assert_eq!(world.counters().datagrams_refused, 4);
    world.cycle();
    assert_eq!(world.counters().datagrams_refused, 5);
}

#[test]
fn a_flood_of_strangers_is_not_answered_and_those_who_trade_do_not_wait() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    let order = enter(1, Side::Buy);
    for round in 1..=50 {
        for port in 101..=140 {
            let from = SocketAddrV4::new(*VICTIM.ip(), 1_000 * round + port);
            let stranger = SocketAddrV4::new(*ALFA.ip(), 1_000 * round + port);
            world.sends(from, &[Upstream::Unsequenced(&order), Upstream::Logoff]);
            world.sends_bytes(stranger, &[0xFF; 300]);
        }
        world.is_served(ALFA, round.into());
    }
    assert_eq!(world.counters().datagrams_of_strangers, 4_000);
    assert_eq!(world.heard_by(VICTIM).bytes, 0);
}

#[test]
fn logins_that_fail_are_answered_with_less_than_was_sent_and_only_so_many_a_second() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    world.tells_victim = true;
    let wrong = LoginRequest { secret: *b"GUESS00001", ..world.login_of("BETA01") };
    let (mut sent, mut answered) = (0, Heard::default());
    for round in 0..100 {
        for port in 0..60 {
            let from = SocketAddrV4::new(*VICTIM.ip(), 1_024 + 60 * round + port);
            sent += world.sends(from, &[Upstream::Login(wrong)]);
        }
        let probe = SocketAddrV4::new(*VICTIM.ip(), 1_024 + 60 * round);
        world.cycles(3);
        let heard = world.heard_by(probe);
        answered.bytes += 60 * heard.bytes;
        answered.rejected += heard.rejected;
        // Guesses in the name of who has a session change nothing for it.
        world.sends(ALFA, &[Upstream::Login(wrong)]);
        world.is_served(ALFA, u32::from(round) + 1);
    }
    assert!(answered.rejected > 0 && answered.bytes * 10 < sent, "{answered:?} for {sent} bytes");
    let counters = world.counters();
    // A burst, and what the time brings; the others were not even looked at.
    assert!(counters.logins_rejected < 2_300, "{counters:?}");
    assert!(counters.logins_dropped > 3_000, "{counters:?}");
    assert_eq!(counters.logins, 1);
}

#[test]
fn a_login_in_anothers_name_brings_no_more_than_a_bounded_stream_for_a_bounded_time() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    for number in 1..=2_000 {
        world.sends(ALFA, &[Upstream::Unsequenced(&enter(number, Side::Buy))]);
        world.sends(ALFA, &[Upstream::Unsequenced(&cancel(number))]);
        world.cycle();
        world.heard_by(ALFA);
    }
    world.wait(Nanos::SECOND);
    // Whoever knows a port's secret can have its stream sent to another: at the stated rate.
    world.tells_victim = true;
    let login = world.login_of("ALFA01");
    for _ in 0..3 {
        world.sends(VICTIM, &[Upstream::Login(login)]);
        world.cycles(CYCLES_MAX);
        world.heard_by(VICTIM);
    }
    let mut heard = 0;
    for _ in 0..80 {
        world.sends(VICTIM, &[again(3_000, u16::MAX)]);
        world.cycles(30);
        heard += world.heard_by(VICTIM).messages;
    }
    // A burst, the last request beyond it, and what 24 ms bring.
    assert!((10_000..=16_384 + 512 + 1_300).contains(&heard), "{heard}");
    assert!(world.counters().retransmissions_refused > 30, "{:?}", world.counters());
    world.wait(Nanos::from_secs(15));
    world.cycles(CYCLES_MAX);
    assert_eq!(world.heard_by(VICTIM).rejected, 1);
    for _ in 0..5 {
        world.wait(Nanos::SECOND);
        world.cycles(CYCLES_MAX);
        assert_eq!(world.heard_by(VICTIM).bytes, 0);
    }
}

#[test]
fn what_cannot_be_sent_to_one_delays_no_other_and_comes_when_it_can() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    // Nobody says where this host is, so nothing leaves for it.
    let login = world.login_of("BETA01");
    world.sends(VICTIM, &[Upstream::Login(login)]);
    for number in 1..=100 {
        let order = enter(number, Side::Buy);
        world.sends(VICTIM, &[Upstream::Unsequenced(&order)]);
        world.is_served(ALFA, number);
    }
    assert_eq!(world.heard_by(VICTIM).bytes, 0);
    assert!(world.counters().messages_refused > 0, "{:?}", world.counters());
    world.tells_victim = true;
    let mut heard = 0;
    for _ in 0..200 {
        world.wait(Nanos::from_millis(20));
        world.cycle();
        heard += world.heard_by(VICTIM).messages;
    }
    // The first of the orders came before the login was decided, if not more.
    assert!((90..=100).contains(&heard), "{heard}");
}

#[test]
fn no_more_peers_have_a_session_than_there_is_room_for_and_one_has_the_port() {
    let mut world = World::new(None);
    let login = world.login_of("ALFA01");
    let peers = (1..=30).map(|port| SocketAddrV4::new(*ALFA.ip(), 2_000 + port));
    let peers: Vec<_> = peers.collect();
    for &peer in &peers {
        world.sends(peer, &[Upstream::Login(login)]);
    }
    world.cycles(CYCLES_MAX);
    // The pipeline has room for eight.
    assert_eq!(world.counters().logins_dropped, 22, "{:?}", world.counters());
    assert_eq!(world.counters().logins, 8);
    let mut served = 0;
    for (number, &peer) in (1..).zip(&peers) {
        world.heard_by(peer);
        world.sends(peer, &[Upstream::Unsequenced(&enter(number, Side::Buy))]);
        world.cycles(CYCLES_MAX);
        served += world.heard_by(peer).messages;
    }
    assert_eq!(served, 1);
    world.logs_in(BETA, "BETA01");
}

#[test]
fn nothing_is_allocated_while_orders_and_what_is_asked_for_again_are_served() {
    let mut world = World::new(None);
    world.logs_in(ALFA, "ALFA01");
    world.logs_in(BETA, "BETA01");
    let mut allocated = 0;
    for step in 0..1_200 {
        let (one, other) = (enter(step + 1, Side::Buy), enter(step + 1, Side::Sell));
        let nonsense = cancel(step + 1);
        world.sends(ALFA, &[Upstream::Unsequenced(&one), Upstream::Heartbeat]);
        world.sends(BETA, &[Upstream::Unsequenced(&other)]);
        world.sends(ALFA, &[again(2 * step + 1, 20)]);
        world.sends_bytes(ALFA, &nonsense[1..]);
        world.sends_bytes(VICTIM, &nonsense);
        for _ in 0..6 {
            let count = world.cycle();
            allocated += if step < 600 { 0 } else { count };
        }
        world.heard_by(ALFA);
    }
    assert!(world.counters().messages_retransmitted > 1_000);
    assert_eq!(allocated, 0);
}
