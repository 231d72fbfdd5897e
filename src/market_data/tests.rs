//! Stories of the feed, from an event log in memory to datagrams.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use zerocopy::FromZeros as _;

use super::*;
use crate::agent::{Agent as _, Leads as _, ReadyFlag};
use crate::counters::CounterBlock;
use crate::event_store::{LogKind, Options, Writer};
use crate::net::{DATAGRAM_LINES_MAX, Datagram};
use crate::ring::{Consumer, ring};
use crate::types::event::{
    DayEnded, DayStarted, EventHeader, InstrumentDefined, Rested, TermStarted,
};
use crate::types::{
    Cause, FrameKind, InstrumentId, Line, Nanos, OrderRef, Price, Quantity, Record, SessionId,
    Symbol,
};
use crate::wire::mold::{Body, Packet};

const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 1, 2, 3), 9100);
const START: Nanos = Nanos::from_secs(1_000);

/// An event log, and feeds over it.
struct World {
    events: Writer,
    directory: PathBuf,
    index: u64,
    feed_sequence: u64,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl World {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("rialto-feed-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let options = Options::new(LogKind::Events, 1 << 20);
        let (events, _) = Writer::open(&directory, options).unwrap();
        Self { events, directory, index: 0, feed_sequence: 0 }
    }

    /// A feed that begins with `term`, and the ring its datagrams leave by.
    fn feed(&self, term: u32) -> (MarketData, Consumer) {
        let (producer, consumer) = ring(8 * 1024, DATAGRAM_LINES_MAX);
        let config = MarketDataConfig { group: GROUP, term, ready: ReadyFlag::default() };
        (MarketData::new(config, self.events.reader(), producer, CounterBlock::none()), consumer)
    }

    /// Appends and commits a frame of these records.
    fn frame(&mut self, records: &[&[Line]]) {
        self.index += 1;
        let mut chain = *self.events.chain();
        let cause = Cause { index: self.index, term: 1, time: Nanos(START.0 + self.index) };
        let count = u16::try_from(records.len()).unwrap();
        let payload = records.concat();
        let header = chain.seal(FrameKind::Normal, cause, count, &payload);
        self.events.append(&header, &payload).unwrap();
        self.events.commit(chain.end);
    }

    fn term(&mut self, term: u32) {
        let header = EventHeader::new::<TermStarted>();
        self.frame(&[TermStarted { header, term, ..TermStarted::new_zeroed() }.lines()]);
    }

    /// A day with one instrument: feed messages 1 and 2.
    fn day(&mut self) {
        self.feed_sequence = 2;
        let on_feed = |feed_sequence, header| EventHeader { feed_sequence, ..header };
        let day = DayStarted {
            header: on_feed(1, EventHeader::new::<DayStarted>()),
            session: SessionId::new("2611220001").unwrap(),
            ..DayStarted::new_zeroed()
        };
        let mut header = on_feed(2, EventHeader::new::<InstrumentDefined>());
        header.instrument = InstrumentId(1);
        let symbol = Symbol::new("ACME").unwrap();
        let instrument = InstrumentDefined { header, symbol, ..InstrumentDefined::new_zeroed() };
        self.frame(&[day.lines(), instrument.lines()]);
    }

    /// So many more orders on the feed, in one frame.
    fn orders(&mut self, count: u64) {
        let orders: Vec<_> = (0..count)
            .map(|_| {
                self.feed_sequence += 1;
                let header = EventHeader {
                    feed_sequence: self.feed_sequence,
                    instrument: InstrumentId(1),
                    ..EventHeader::new::<Rested>()
                };
                let (order, quantity) = (OrderRef(self.feed_sequence), Quantity(10));
                let price = Price(100);
                Rested { header, order, price, quantity, side: b'B', reserved: [0; 3] }
            })
            .collect();
        let records: Vec<&[Line]> = orders.iter().map(Record::lines).collect();
        self.frame(&records);
    }

    fn day_end(&mut self) {
        let header = EventHeader::new::<DayEnded>();
        self.frame(&[DayEnded { header, request: 0, reserved: [0; 16] }.lines()]);
    }
}

/// What left, in short: the numbers of each packet's messages, or what else the packet was.
fn sent(ring: &mut Consumer) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(message) = ring.peek() {
        let (to, payload) = Datagram::read(message).unwrap();
        assert_eq!(to, GROUP);
        assert!(payload.len() <= 1_400, "{} bytes", payload.len());
        let packet = Packet::parse(payload).unwrap();
        assert_eq!(&packet.session.0, b"2611220001");
        all.push(match packet.body {
            Body::Messages(messages) => {
                let last = packet.sequence + messages.into_iter().count() as u64 - 1;
                format!("{}-{last}", packet.sequence)
            }
            Body::Heartbeat => format!("heartbeat {}", packet.sequence),
            Body::EndOfSession => format!("end {}", packet.sequence),
        });
        ring.pop();
    }
    all
}

#[test]
fn nothing_leaves_before_the_start_of_this_term_is_in_the_log() {
    let mut world = World::new();
    world.term(1);
    world.day();
    world.orders(3);
    let (mut feed, mut ring) = world.feed(2);
    feed.do_work(START).unwrap();
    feed.do_work(START.after(Nanos::from_secs(9))).unwrap();
    assert_eq!(sent(&mut ring), [""; 0]);
    world.term(2);
    feed.do_work(START).unwrap();
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["1-5"], "what may not have left before is repeated");
}

#[test]
fn a_feed_that_follows_is_silent_and_one_that_leads_repeats_what_may_not_have_left() {
    let mut world = World::new();
    world.term(1);
    world.day();
    world.orders(3);
    let (mut feed, mut ring) = world.feed(0);
    feed.do_work(START).unwrap();
    feed.lead(2);
    feed.do_work(START.after(Nanos::from_secs(9))).unwrap();
    assert_eq!(sent(&mut ring), [""; 0], "its term has not begun");
    world.term(2);
    feed.do_work(START).unwrap();
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["1-5"]);
    world.orders(1);
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["6-6"]);
    feed.follow();
    world.term(3);
    world.orders(1);
    world.term(4);
    feed.do_work(START.after(Nanos::from_secs(20))).unwrap();
    assert_eq!(sent(&mut ring), [""; 0]);
    // It is told that it leads when the start of its term is long read.
    feed.lead(4);
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["1-7"]);
}

#[test]
fn messages_are_packed_and_leave_at_the_end_of_the_duty_cycle() {
    let mut world = World::new();
    world.term(1);
    world.day();
    let (mut feed, mut ring) = world.feed(1);
    feed.do_work(START).unwrap();
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["1-2"]);
    world.orders(1);
    world.orders(1);
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["3-4"]);
    world.orders(100);
    feed.do_work(START).unwrap();
    assert_eq!(sent(&mut ring), ["5-40", "41-76", "77-104"]);
}

#[test]
fn a_restart_repeats_the_last_messages_and_no_more() {
    let mut world = World::new();
    world.term(1);
    world.day();
    for _ in 0..40 {
        world.orders(1_000);
    }
    world.term(2);
    let (mut feed, mut ring) = world.feed(2);
    let mut packets = Vec::new();
    for _ in 0..200 {
        feed.do_work(START).unwrap();
        packets.extend(sent(&mut ring));
    }
    let first: u64 = packets[0].split('-').next().unwrap().parse().unwrap();
    let repeated = 40_002 - first + 1;
    assert!((REPEAT_MAX..REPEAT_MAX + 2).contains(&repeated), "{repeated} repeated");
    assert!(packets.last().unwrap().ends_with("-40002"));
}

#[test]
fn silence_is_filled_with_heartbeats_and_the_end_is_told_again_and_again() {
    let mut world = World::new();
    world.term(1);
    world.day();
    let (mut feed, mut ring) = world.feed(1);
    let after = |millis| START.after(Nanos::from_millis(millis));
    for millis in (0..=2_900).step_by(100) {
        feed.do_work(after(millis)).unwrap();
    }
    assert_eq!(sent(&mut ring), ["1-2", "heartbeat 3", "heartbeat 3"]);
    world.day_end();
    for millis in (3_000..=100_000).step_by(100) {
        feed.do_work(after(millis)).unwrap();
    }
    assert_eq!(sent(&mut ring), ["end 3"; 30]);
}

#[test]
fn a_full_ring_makes_the_feed_wait_and_loses_nothing() {
    let mut world = World::new();
    world.term(1);
    world.day();
    let (producer, mut ring) = ring(1_200, DATAGRAM_LINES_MAX);
    let ready = ReadyFlag::default();
    let config = MarketDataConfig { group: GROUP, term: 1, ready };
    let mut feed = MarketData::new(config, world.events.reader(), producer, CounterBlock::none());
    for _ in 0..5 {
        world.orders(1_000);
    }
    for _ in 0..10 {
        feed.do_work(START).unwrap();
    }
    assert!(feed.counters().ring_full > 0);
    let mut packets = Vec::new();
    for _ in 0..20 {
        packets.extend(sent(&mut ring));
        feed.do_work(START).unwrap();
    }
    let mut next = 1;
    for packet in packets {
        let (first, last) = packet.split_once('-').unwrap();
        assert_eq!(first.parse::<u64>().unwrap(), next);
        next = last.parse::<u64>().unwrap() + 1;
    }
    assert_eq!(next, 5_003);
}
