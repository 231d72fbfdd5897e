//! The feed's agent: from the event log to datagrams.
//!
//! After a restart nobody can know which of the last messages left before the crash, so the publisher
//! repeats the last [`REPEAT_MAX`]; a subscriber that has them drops them by their number.

use std::collections::VecDeque;
use std::net::SocketAddrV4;

use tracing::info;

use crate::agent::{Agent, AgentError, Leads, ReadyFlag, WorkResult};
use crate::counters::{CounterBlock, CounterSet as _, counter_set};
use crate::event_store::{CHECKED_AGAIN_BYTES, Frame, Reader, StoreError};
use crate::net::Datagram;
use crate::ring::Producer;
use crate::types::event::{Event, EventHeader};
use crate::types::{Nanos, Position, SessionId, Standing, Symbol};
use crate::wire::{itch, mold};

/// Feed messages repeated after a start: more than can wait in the ring and the device together.
pub const REPEAT_MAX: u64 = 32 * 1024;
/// A heartbeat, or the end of the session, is sent after this much silence.
pub const HEARTBEAT_INTERVAL: Nanos = Nanos::SECOND;
/// How often the end of a session is told.
const END_OF_SESSION_TIMES: u32 = 30;
/// The most event frames a duty cycle reads.
const FRAMES_PER_CYCLE_MAX: usize = 8;
/// The same before it publishes: nobody waits for anything else.
const PAST_FRAMES_PER_CYCLE_MAX: usize = 1_024;
/// Ring room that the messages of the longest event frame can need: 1,024 records of at most 50 bytes
/// in datagrams of at most 23 lines.
const FRAME_ROOM: usize = 1024;

/// What a feed is told at the start.
#[derive(Clone, Debug)]
pub struct MarketDataConfig {
    /// The multicast group and port.
    pub group: SocketAddrV4,
    /// The term whose start must be in the event log before anything is sent.
    pub term: u32,
    /// Set when it publishes.
    pub ready: ReadyFlag,
}

counter_set! {
    /// What the feed has done.
    pub struct FeedCounters {
        /// Messages sent, repeats included.
        messages,
        /// Datagrams sent, heartbeats included.
        datagrams,
        /// Duty cycles that waited for room in the ring.
        ring_full,
        /// Lines in the ring of datagrams now.
        ring_lines,
    }
}

/// The stage that publishes the feed.
#[derive(Debug)]
pub struct MarketData {
    /// The term in which it publishes; 0 = none.
    term: u32,
    /// The term that has begun last.
    begun: u32,
    /// Whether it may have to catch up again.
    may_follow: bool,
    /// Position and first feed number of the last frames.
    recent: VecDeque<(Position, u64)>,
    ready: ReadyFlag,
    events: Reader,
    stage: Stage,
    feed: Feed,
    published: CounterBlock,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Reading what was before this term.
    CatchingUp,
    /// Publishing what has at least this number.
    Publishing { from: u64 },
}

/// What is published, and what is needed to say it.
#[derive(Debug)]
struct Feed {
    group: SocketAddrV4,
    out: Producer,
    day: Option<Day>,
    symbols: Vec<Symbol>,
    /// Messages that wait to leave; `None` until the first of a day.
    packet: Option<mold::PacketBuilder>,
    message: [u8; itch::OUT_MAX],
    datagram: Datagram,
    sent_at: Nanos,
    counters: FeedCounters,
}

#[derive(Clone, Copy, Debug)]
struct Day {
    session: SessionId,
    midnight: Nanos,
    /// The number of the feed's next message.
    next: u64,
    /// Times that its end is still to be told; `None` while it is open.
    ending: Option<u32>,
}

impl MarketData {
    /// Publishes the feed of `events` through `out`, and what it counts in `published`.
    #[must_use]
    pub fn new(
        config: MarketDataConfig,
        events: Reader,
        out: Producer,
        published: CounterBlock,
    ) -> Self {
        let feed = Feed {
            group: config.group,
            out,
            day: None,
            symbols: Vec::new(),
            packet: None,
            message: [0; itch::OUT_MAX],
            datagram: Datagram::new(),
            sent_at: Nanos::ZERO,
            counters: FeedCounters::default(),
        };
        Self {
            term: config.term,
            begun: 0,
            may_follow: false,
            recent: VecDeque::new(),
            ready: config.ready,
            events,
            stage: Stage::CatchingUp,
            feed,
            published,
        }
    }

    /// Whether the term that has begun last is the one in which it publishes.
    const fn may_publish(&self) -> bool {
        self.term != 0 && self.begun == self.term
    }

    /// Publishes from now on, the last messages once more.
    fn begin_to_publish(&mut self) -> Result<(), AgentError> {
        let next = self.feed.day.map_or(1, |day| day.next);
        if let Some(&(position, first)) = self.recent.front() {
            self.events.seek(position)?;
            self.feed.go_back(first);
        }
        self.recent = VecDeque::new();
        self.stage = Stage::Publishing { from: next.saturating_sub(REPEAT_MAX) };
        self.ready.set();
        Ok(())
    }

    /// Has it read on from near a place where all that it must know of what lies before is known: from as far
    /// before it as the log was checked again, for what it repeats.
    ///
    /// # Errors
    /// The log's, if it has no such place.
    pub fn resume(mut self, standing: &Standing) -> Result<Self, StoreError> {
        let Standing { position, session, midnight, feed_sequence, symbols, .. } = standing;
        let back = Position(position.0.saturating_sub(CHECKED_AGAIN_BYTES));
        self.events.seek(back.max(self.events.beginning().end))?;
        let (session, midnight, next) = (*session, *midnight, feed_sequence + 1);
        self.feed.day = Some(Day { session, midnight, next, ending: None });
        self.feed.symbols.clone_from(symbols);
        Ok(self)
    }

    fn publish(&mut self, now: Nanos) {
        if self.published.is_due(now) {
            self.feed.counters.ring_lines = self.feed.out.waiting() as u64;
            self.feed.counters.publish(&mut self.published);
        }
    }

    /// What it has done so far.
    #[must_use]
    pub fn counters(&self) -> FeedCounters {
        self.feed.counters
    }
}

impl Agent for MarketData {
    fn name(&self) -> &'static str {
        "market_data"
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let mut work = 0;
        if matches!(self.stage, Stage::CatchingUp) && self.may_publish() {
            self.begin_to_publish()?;
        }
        let frames_max = match self.stage {
            Stage::Publishing { .. } => FRAMES_PER_CYCLE_MAX,
            Stage::CatchingUp => PAST_FRAMES_PER_CYCLE_MAX,
        };
        for _ in 0..frames_max {
            if self.feed.out.room() < FRAME_ROOM {
                self.feed.counters.ring_full += 1;
                break;
            }
            let Some(frame) = self.events.next_frame()? else { break };
            work += 1;
            match self.stage {
                Stage::Publishing { from } => {
                    self.feed.publish(&frame, from, now);
                    if self.may_follow {
                        self.feed.note(&frame, &mut self.recent);
                    }
                }
                Stage::CatchingUp => {
                    self.begun = self.feed.catch_up(&frame).unwrap_or(self.begun);
                    self.feed.note(&frame, &mut self.recent);
                    if self.may_publish() {
                        self.begin_to_publish()?;
                    }
                }
            }
        }
        if let Stage::Publishing { .. } = self.stage {
            self.feed.send_packet(now);
            self.feed.keep_alive(now);
        }
        self.publish(now);
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        self.publish(Nanos::MAX);
        info!(counters = ?self.feed.counters, "feed closed");
        Ok(())
    }
}

impl Leads for MarketData {
    fn lead(&mut self, term: u32) {
        self.term = term;
        self.may_follow = true;
    }

    fn follow(&mut self) {
        self.term = 0;
        self.stage = Stage::CatchingUp;
        self.feed.packet = None;
    }
}

impl Feed {
    /// Learns from a frame of the past. Says which term begins in it, if one does.
    fn catch_up(&mut self, frame: &Frame<'_>) -> Option<u32> {
        let mut begun = None;
        for record in frame.records().map_while(Result::ok) {
            let (event, header) = (Event::parse(record.lines), EventHeader::view(record.lines));
            let (Ok(event), Some(header)) = (event, header) else {
                continue;
            };
            if let Event::TermStarted(started) = event {
                begun = Some(started.term);
            }
            self.learn(&event, header);
        }
        begun
    }

    /// Notes a frame whose messages may have to be repeated.
    fn note(&self, frame: &Frame<'_>, recent: &mut VecDeque<(Position, u64)>) {
        let mut first = 0;
        for record in frame.records().map_while(Result::ok) {
            if let Ok(Event::DayStarted(_)) = Event::parse(record.lines) {
                recent.clear();
                first = 0;
            }
            if first == 0 {
                first = EventHeader::view(record.lines).map_or(0, |header| header.feed_sequence);
            }
        }
        if first > 0 {
            recent.push_back((frame.header.start, first));
            let next = self.day.map_or(1, |day| day.next);
            while recent.get(1).is_some_and(|&(_, second)| second + REPEAT_MAX <= next) {
                recent.pop_front();
            }
        }
    }

    /// Forgets what is about to be read again: a heartbeat must not tell of messages, nor of the
    /// session's end, before they were repeated.
    fn go_back(&mut self, next: u64) {
        if next == 1 {
            // The day begins in the frame that is read again, perhaps behind another day's end.
            self.day = None;
        } else if let Some(day) = &mut self.day {
            day.next = next;
            day.ending = None;
        }
    }

    fn publish(&mut self, frame: &Frame<'_>, from: u64, now: Nanos) {
        for record in frame.records().map_while(Result::ok) {
            let (event, header) = (Event::parse(record.lines), EventHeader::view(record.lines));
            let (Ok(event), Some(header)) = (event, header) else {
                continue;
            };
            if let Event::DayStarted(_) | Event::DayEnded(_) = event {
                self.send_packet(now);
                self.packet = None;
            }
            self.learn(&event, header);
            if header.feed_sequence == 0 || header.feed_sequence < from {
                continue;
            }
            let Some(day) = self.day else { continue };
            let symbol = usize::from(header.instrument.0).checked_sub(1);
            let symbol = symbol.and_then(|index| self.symbols.get(index)).copied();
            let time = frame.header.time.since(day.midnight).0;
            let symbol = symbol.unwrap_or_default();
            // An event that the feed numbers but cannot say is an empty message, which is legal:
            // leaving it out would shift the numbers of all that follow.
            let size =
                itch::emit(&event, record.sequence, time, symbol, &mut self.message).unwrap_or(0);
            let first = header.feed_sequence;
            let packet =
                self.packet.get_or_insert_with(|| mold::PacketBuilder::new(day.session, first));
            assert_eq!(packet.next_sequence(), first, "the engine numbers the feed without gaps");
            if packet.push(&self.message[..size]).is_err() {
                self.send_packet(now);
                let packet = self.packet.as_mut().expect("made above");
                let pushed = packet.push(&self.message[..size]);
                pushed.expect("an empty packet takes any message");
            }
            self.counters.messages += 1;
        }
    }

    fn learn(&mut self, event: &Event<'_>, header: &EventHeader) {
        match event {
            Event::DayStarted(day) => {
                let (session, midnight) = (day.session, day.midnight);
                self.day = Some(Day { session, midnight, next: 1, ending: None });
            }
            Event::DayEnded(_) => {
                if let Some(day) = &mut self.day {
                    day.ending = Some(END_OF_SESSION_TIMES);
                }
            }
            Event::InstrumentDefined(instrument) => {
                let index = usize::from(header.instrument.0).saturating_sub(1);
                if self.symbols.len() <= index {
                    self.symbols.resize(index + 1, Symbol::BLANK);
                }
                self.symbols[index] = instrument.symbol;
            }
            _ => {}
        }
        if let Some(day) = &mut self.day
            && header.feed_sequence > 0
        {
            day.next = header.feed_sequence + 1;
        }
    }

    fn send_packet(&mut self, now: Nanos) {
        let Some(packet) = self.packet.as_mut().filter(|packet| !packet.is_empty()) else { return };
        let message = self.datagram.fill(self.group, packet.packet());
        self.out.push(message).expect("FRAME_ROOM was free before the frame");
        packet.clear();
        self.counters.datagrams += 1;
        self.sent_at = now;
    }

    fn keep_alive(&mut self, now: Nanos) {
        if now.since(self.sent_at) < HEARTBEAT_INTERVAL {
            return;
        }
        let Some(day) = &mut self.day else { return };
        let packet = match &mut day.ending {
            None => mold::heartbeat(day.session, day.next),
            Some(0) => return,
            Some(times) => {
                *times -= 1;
                mold::end_of_session(day.session, day.next)
            }
        };
        if self.out.push(self.datagram.fill(self.group, &packet)).is_ok() {
            self.counters.datagrams += 1;
            self.sent_at = now;
        }
    }
}
