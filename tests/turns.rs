//! Who has a turn in a duty cycle of the gateway, and how much of it: counted over a transport that takes
//! and brings whatever is asked, so that nothing but the gateway's own turns holds anybody back.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

mod pipeline;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, MutexGuard};

use rialto::agent::Agent;
use rialto::net::{ConnectionId, NetEvent, Transport};
use rialto::types::{Nanos, Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::soup::{self, Packet};

use pipeline::{Pipeline, port_name, ports};

/// Sessions that have a turn in a duty cycle, in each direction.
const TURNS: usize = 64;
/// Messages of the past in a turn.
const REPLAYED_PER_TURN: usize = 64;
/// Bytes that are read in a turn.
const BYTES_PER_TURN: usize = 4_096;
/// More sessions than have a turn in one duty cycle.
const MANY: usize = 100;
/// Slots that others take over, all over the queue of turns.
const REUSED: [usize; 10] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90];
const SEGMENT_BYTES: u64 = 16 << 20;
const CYCLES_MAX: usize = 10_000;

/// What the transport and the test share: connections by slot, and what happened on them.
#[derive(Debug, Default)]
struct Wire {
    events: VecDeque<NetEvent>,
    lines: Vec<Line>,
}

/// A slot, and the connection that has it.
#[derive(Clone, Debug, Default)]
struct Line {
    generation: u32,
    is_open: bool,
    sent: Vec<u8>,
    /// Bytes of it that the gateway has read.
    read: usize,
    is_accepted: bool,
    /// Messages of its stream.
    heard: usize,
}

/// A transport without bounds.
#[derive(Debug)]
struct Boundless {
    wire: Arc<Mutex<Wire>>,
    shown: Vec<u8>,
}

fn lock(wire: &Mutex<Wire>) -> MutexGuard<'_, Wire> {
    wire.lock().expect("nobody panics while holding the wire")
}

impl Wire {
    fn line(&mut self, id: ConnectionId) -> Option<&mut Line> {
        let line = self.lines.get_mut(id.slot as usize)?;
        (line.is_open && line.generation == id.generation).then_some(line)
    }

    fn id(&self, slot: usize) -> ConnectionId {
        let generation = self.lines[slot].generation;
        ConnectionId { slot: u32::try_from(slot).unwrap(), generation }
    }
}

impl Transport for Boundless {
    fn poll(&mut self, _: Nanos) -> usize {
        0
    }

    fn next_event(&mut self) -> Option<NetEvent> {
        lock(&self.wire).events.pop_front()
    }

    fn received(&mut self, connection: ConnectionId) -> &[u8] {
        self.shown.clear();
        if let Some(line) = lock(&self.wire).line(connection) {
            let unread = &line.sent[line.read..];
            self.shown.extend_from_slice(&unread[..unread.len().min(BYTES_PER_TURN)]);
        }
        &self.shown
    }

    fn consume(&mut self, connection: ConnectionId, count: usize) {
        lock(&self.wire).line(connection).unwrap().read += count;
    }

    fn send(&mut self, connection: ConnectionId, bytes: &[u8]) -> bool {
        let mut wire = lock(&self.wire);
        let Some(line) = wire.line(connection) else { return false };
        match soup::parse(bytes, bytes.len()).unwrap() {
            Some((Packet::LoginAccepted(_), _)) => line.is_accepted = true,
            Some((Packet::SequencedData(_), _)) => line.heard += 1,
            Some((Packet::ServerHeartbeat, _)) => {}
            other => panic!("{other:?}"),
        }
        true
    }

    fn send_room(&self, _: ConnectionId) -> usize {
        usize::MAX
    }

    fn close(&mut self, connection: ConnectionId) {
        self.abort(connection);
    }

    fn abort(&mut self, connection: ConnectionId) {
        panic!("nobody is to be let go: {connection:?}");
    }

    fn flush(&mut self, _: Nanos) -> usize {
        0
    }

    fn publish(&mut self, _: Nanos) {}

    fn send_datagram(&mut self, _: SocketAddrV4, _: &[u8]) -> bool {
        true
    }

    fn next_datagram(&mut self) -> Option<(SocketAddrV4, &[u8])> {
        None
    }
}

/// An exchange with as many ports of one firm as are asked for, and BETA01 of another.
struct World {
    pipeline: Pipeline<Boundless>,
    wire: Arc<Mutex<Wire>>,
}

impl World {
    fn with_ports(count: usize) -> Self {
        let wire = Arc::<Mutex<Wire>>::default();
        lock(&wire).lines.resize(count + 1, Line::default());
        let transport = Boundless { wire: Arc::clone(&wire), shown: Vec::new() };
        Self { pipeline: Pipeline::open(transport, SEGMENT_BYTES, &ports(count)), wire }
    }

    /// With so many messages in the stream of each port, and nobody there.
    fn with_past(count: usize, messages: usize) -> Self {
        let mut world = Self::with_ports(count);
        for slot in 0..count {
            world.connects(slot, &port_name(slot), 0);
            // The day's beginning is a message too.
            world.sends(slot, &(1..messages).flat_map(order).collect::<Vec<_>>());
        }
        world.until(|lines| lines[..count].iter().all(|line| line.heard == messages - 1));
        for slot in 0..count {
            world.breaks(slot);
        }
        // Their sessions are over in the log too.
        for _ in 0..20 {
            world.cycle(&mut |_| ());
        }
        world
    }

    /// Connects in a free slot and logs in.
    fn connects(&self, slot: usize, port: &str, sequence: u64) {
        let login = self.pipeline.login_from(port, sequence);
        let mut wire = lock(&self.wire);
        let generation = wire.lines[slot].generation + 1;
        wire.lines[slot] = Line { generation, is_open: true, ..Line::default() };
        let (connection, peer) = (wire.id(slot), SocketAddrV4::new(Ipv4Addr::LOCALHOST, 40_000));
        wire.events.push_back(NetEvent::Opened { connection, peer });
        drop(wire);
        self.sends(slot, &login);
    }

    fn sends(&self, slot: usize, bytes: &[u8]) {
        let mut wire = lock(&self.wire);
        wire.lines[slot].sent.extend_from_slice(bytes);
        let id = wire.id(slot);
        wire.events.push_back(NetEvent::Readable(id));
    }

    /// The connection is reset.
    fn breaks(&self, slot: usize) {
        let mut wire = lock(&self.wire);
        wire.lines[slot].is_open = false;
        let id = wire.id(slot);
        wire.events.push_back(NetEvent::Closed(id));
    }

    /// One cycle of the exchange, in which the gateway has two duty cycles; the lines are shown after each.
    fn cycle(&mut self, seen: &mut dyn FnMut(&[Line])) {
        let Self { pipeline, wire } = self;
        pipeline.cycle(&mut |agent: &mut dyn Agent, now| {
            agent.do_work(now).unwrap();
            if agent.name() == "order_entry" {
                seen(&lock(wire).lines);
            }
        });
    }

    fn until(&mut self, has_happened: impl Fn(&[Line]) -> bool) {
        for _ in 0..CYCLES_MAX {
            if has_happened(&lock(&self.wire).lines) {
                return;
            }
            self.cycle(&mut |_| ());
        }
        panic!("never: {:?}", self.pipeline.gateway.counters());
    }

    fn heard(&self, slot: usize) -> usize {
        lock(&self.wire).lines[slot].heard
    }
}

/// What each of some sessions has had since it was first looked at: each at most a turn in a duty cycle,
/// and none more than a turn more than another.
struct Shares {
    first: Vec<usize>,
    last: Vec<usize>,
    turn: usize,
}

impl Shares {
    fn since(first: Vec<usize>, turn: usize) -> Self {
        Self { last: first.clone(), first, turn }
    }

    /// A duty cycle has passed.
    fn note(&mut self, now: Vec<usize>) {
        let took: Vec<_> = now.iter().zip(&self.last).map(|(now, last)| now - last).collect();
        assert!(took.iter().all(|&took| took <= self.turn), "in one duty cycle: {took:?}");
        let turns = took.iter().filter(|&&took| took > 0).count();
        assert!(turns <= TURNS, "{turns} turns in one duty cycle");
        self.last = now;
    }

    #[track_caller]
    fn must_be_equal(&self) {
        let all: Vec<_> =
            self.last.iter().zip(&self.first).map(|(last, first)| last - first).collect();
        let (least, most) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        let allowed = if all.len() <= TURNS { 0 } else { self.turn };
        assert!(most - least <= allowed, "{all:?}");
    }
}

/// What the first so many sessions have heard.
fn heard(lines: &[Line], count: usize) -> Vec<usize> {
    lines[..count].iter().map(|line| line.heard).collect()
}

/// An order of what is not traded: a message that is answered by one.
fn order(number: usize) -> Vec<u8> {
    let (symbol, price) = (Symbol::new("NOSUCH").unwrap(), Price(250_000));
    let number = UserRefNum(u32::try_from(number).unwrap());
    let order = Enter::new(number, Side::Buy, Quantity(100), symbol, price, TimeInForce::Day);
    let mut message = [0; ENTER_BYTES_MAX];
    let length = order.emit(&Options::default(), &mut message);
    [&soup::unsequenced_header(length).unwrap(), &message[..length]].concat()
}

#[test]
fn those_who_read_up_the_past_advance_equally_and_who_is_live_is_told_in_the_same_cycle() {
    const PAST: usize = 1_000;
    for count in [5, MANY] {
        let mut world = World::with_past(count, PAST);
        let live = count;
        world.connects(live, "BETA01", 0);
        world.until(|lines| lines[live].is_accepted);
        for slot in 0..count {
            world.connects(slot, &port_name(slot), 1);
        }
        world.until(|lines| lines[..count].iter().all(|line| line.is_accepted && line.heard > 0));

        let mut shares = Shares::since(heard(&lock(&world.wire).lines, count), REPLAYED_PER_TURN);
        let (mut cycles, mut together) = (0, 0);
        while shares.last.iter().any(|&heard| heard < PAST) {
            cycles += 1;
            assert!(cycles < CYCLES_MAX, "{:?}", shares.last);
            world.sends(live, &order(cycles));
            world.cycle(&mut |lines| {
                shares.note(heard(lines, count));
                if shares.last.iter().all(|&heard| heard < PAST) {
                    shares.must_be_equal();
                    together += 1;
                }
            });
            assert_eq!(world.heard(live), cycles, "{count} others read up the past");
        }
        assert!(together > 5, "the past was short: {together} duty cycles");
        assert_eq!(shares.last, vec![PAST; count], "each message once");
    }
}

#[test]
fn whoever_gets_the_slot_of_one_who_waited_to_read_up_the_past_has_no_turns_of_both() {
    const PAST: usize = 1_500;
    let mut world = World::with_past(MANY + REUSED.len(), PAST);
    for slot in 0..MANY {
        world.connects(slot, &port_name(slot), 1);
    }
    world.until(|lines| lines[..MANY].iter().all(|line| line.is_accepted && line.heard > 0));
    for (slot, port) in REUSED.into_iter().zip(MANY..) {
        world.breaks(slot);
        world.connects(slot, &port_name(port), 1);
    }
    world.until(|lines| lines[..MANY].iter().all(|line| line.is_accepted && line.heard > 0));

    let mut shares = Shares::since(heard(&lock(&world.wire).lines, MANY), REPLAYED_PER_TURN);
    let mut together = 0;
    while shares.last.iter().all(|&heard| heard < PAST) {
        world.cycle(&mut |lines| {
            shares.note(heard(lines, MANY));
            if shares.last.iter().all(|&heard| heard < PAST) {
                shares.must_be_equal();
                together += 1;
            }
        });
    }
    assert!(together > 5, "the past was short: {together} duty cycles");
}

#[test]
fn whoever_gets_the_slot_of_one_who_sent_without_end_has_no_turns_of_both() {
    const ROUNDS: usize = 20;
    let heartbeats = [0, 1, b'R'].repeat(BYTES_PER_TURN);
    let mut world = World::with_ports(MANY + REUSED.len());
    let read = |lines: &[Line]| lines[..MANY].iter().map(|line| line.read).collect::<Vec<_>>();
    // They have always more to say than a turn takes.
    let goes_on = |world: &mut World| {
        for slot in 0..MANY {
            let unread = |line: &Line| line.sent.len() - line.read;
            if unread(&lock(&world.wire).lines[slot]) < 2 * BYTES_PER_TURN {
                world.sends(slot, &heartbeats);
            }
        }
    };
    for slot in 0..MANY {
        world.connects(slot, &port_name(slot), 0);
    }
    for _ in 0..ROUNDS {
        goes_on(&mut world);
        world.cycle(&mut |_| ());
    }
    for (slot, port) in REUSED.into_iter().zip(MANY..) {
        world.breaks(slot);
        world.connects(slot, &port_name(port), 0);
    }
    for _ in 0..ROUNDS {
        goes_on(&mut world);
        world.cycle(&mut |_| ());
    }
    assert!(lock(&world.wire).lines[..MANY].iter().all(|line| line.is_accepted));

    let mut shares = Shares::since(read(&lock(&world.wire).lines), BYTES_PER_TURN);
    for _ in 0..ROUNDS {
        goes_on(&mut world);
        world.cycle(&mut |lines| {
            shares.note(read(lines));
            shares.must_be_equal();
        });
    }
    let counters = world.pipeline.gateway.counters();
    assert_eq!((counters.ring_full, counters.violations), (0, 0), "{counters:?}");
}
