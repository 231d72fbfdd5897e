//! The logs of a node, read from outside, and what an engine of one's own makes of its commands.

use std::path::Path;

use rialto::engine::{Engine, FrameList, IndexSeed};
use rialto::event_store::Reader;
use rialto::matching::BookSide;
use rialto::types::command::Command;
use rialto::types::event::{Event, EventHeader};
use rialto::types::{
    BookDumpHeader, BookDumpOrder, FrameHeader, FrameSink as _, Line, Nanos, PortId, PortName,
    write_book_dump,
};
use rialto::wire::ouch;

use crate::harness::Site;

/// All that is committed of the log in `directory`.
pub(crate) fn read_log(directory: &Path) -> FrameList {
    let mut reader = Reader::open(directory).unwrap();
    let mut frames = FrameList::default();
    while let Some(frame) = reader.next_frame().unwrap() {
        let Ok(()) = frames.frame(frame.header, frame.payload);
    }
    frames
}

/// An engine that has applied the commands, and the events it derived.
pub(crate) struct Replay {
    pub(crate) engine: Engine,
    pub(crate) events: FrameList,
}

/// An engine like that of the node whose commands these are.
pub(crate) fn new_engine(commands: &FrameList) -> Engine {
    let mut records = commands.records();
    let limits = records.find_map(|(_, record)| match Command::parse(record) {
        Ok(Command::VenueLimits(limits)) => Some(*limits),
        _ => None,
    });
    let seed = IndexSeed::new([0; IndexSeed::BYTES]);
    Engine::new(&limits.expect("a log begins with its limits"), seed)
}

/// Applies commands to a fresh engine.
pub(crate) fn replay(commands: &FrameList) -> Replay {
    let mut engine = new_engine(commands);
    let mut events = FrameList::default();
    for (header, payload) in &commands.0 {
        engine.apply(header, payload, &mut events).unwrap();
    }
    Replay { engine, events }
}

impl Replay {
    /// Replays the command log of a node that does not run, and proves that its event log holds the
    /// same, byte for byte.
    #[track_caller]
    pub(crate) fn equal_to_event_log(site: &Site) -> Self {
        let commands = read_log(&site.commands());
        let replay = replay(&commands);
        assert_same_frames(&read_log(&site.events()), &replay.events);
        replay
    }

    /// The books as `--books-out` writes them.
    pub(crate) fn books(&self) -> String {
        let engine = &self.engine;
        let mut orders = Vec::new();
        for instrument in engine.order_manager().instruments.rows() {
            for (side, buy) in [(BookSide::Bids, true), (BookSide::Asks, false)] {
                let orders_of_side = engine.books().orders(instrument.id, side);
                let shown = orders_of_side.filter(|order| order.shown.0 > 0);
                orders.extend(shown.map(|order| BookDumpOrder {
                    symbol: instrument.symbol,
                    buy,
                    price: order.price,
                    order: order.shown_as,
                    quantity: order.shown,
                }));
            }
        }
        let sequence = engine.feed_sequence();
        let header = BookDumpHeader { sequence, gaps: 0, complete: true };
        let mut text = String::new();
        write_book_dump(&mut text, header, orders).unwrap();
        text
    }
}

/// Compares frame by frame: a difference in two whole logs would fill the screen.
#[track_caller]
pub(crate) fn assert_same_frames(ours: &FrameList, theirs: &FrameList) {
    for (number, (a, b)) in ours.0.iter().zip(&theirs.0).enumerate() {
        assert_eq!(bytes(a), bytes(b), "frame {number}");
    }
    assert_eq!(ours.0.len(), theirs.0.len(), "one log is longer");
}

fn bytes((header, payload): &(FrameHeader, Vec<Line>)) -> (&FrameHeader, &[u8]) {
    (header, Line::bytes(payload))
}

/// The messages of a port's stream in the latest day, as the event log says they must be.
pub(crate) fn port_stream(events: &FrameList, name: &str) -> Vec<Vec<u8>> {
    let name = PortName::new(name).unwrap();
    let (mut port, mut midnight) = (PortId::NONE, Nanos::ZERO);
    let mut stream: Vec<Vec<u8>> = Vec::new();
    for (header, payload) in &events.0 {
        let frame = FrameList(vec![(*header, payload.clone())]);
        for (sequence, record) in frame.records() {
            let event = Event::parse(record).unwrap();
            match event {
                Event::PortDefined(defined) if defined.name == name => port = defined.port,
                Event::DayStarted(day) => {
                    midnight = day.midnight;
                    stream.clear();
                }
                _ => {}
            }
            let place = EventHeader::view(record).unwrap();
            if place.port == port && place.port_sequence > 0 {
                assert_eq!(place.port_sequence as usize, stream.len() + 1, "a gap in the stream");
                let mut message = [0; ouch::OUT_MAX];
                let timestamp = header.time.since(midnight).0;
                let stamp = ouch::Stamp { sequence, timestamp, copy_of: None };
                let size = ouch::emit(&event, &stamp, &mut message).unwrap();
                stream.push(message[..size].to_vec());
            }
        }
    }
    stream
}

/// The number of the latest message of the feed.
pub(crate) fn last_feed_sequence(events: &FrameList) -> u64 {
    let numbers =
        events.records().map(|(_, record)| EventHeader::view(record).unwrap().feed_sequence);
    numbers.filter(|&number| number > 0).last().unwrap()
}

/// The terms that began, in their order.
pub(crate) fn terms(events: &FrameList) -> Vec<u32> {
    let terms = events.records().filter_map(|(_, record)| match Event::parse(record) {
        Ok(Event::TermStarted(started)) => Some(started.term),
        _ => None,
    });
    terms.collect()
}

/// The bytes that the hexadecimal digits of another program stand for.
pub(crate) fn bytes_of(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
