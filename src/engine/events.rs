//! The event writer: stamps each event with its place in every stream, and cuts the event frames.
//!
//! It is the only place that counts outbound messages. Cuts follow the commands and the size of what
//! they cause, never timing, so every node writes the same frames.

use serde::{Deserialize, Serialize};

use crate::order_manager::FILLS_MAX;
use crate::sys::memory::prefetch;
use crate::sys::prefault::{prefaulted, prefaulted_room};
use crate::types::command::VenueLimits;
use crate::types::event::EventHeader;
use crate::types::{
    Cause, FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, FirmId, FrameChain, FrameHeader, FrameKind,
    FrameSink, LINE_BYTES, Line, Nanos, PortId, Position, Record, StreamEnd,
};

mod snapshot;

/// Which streams an event is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    port: PortId,
    in_port_stream: bool,
    /// The firm whose stream it is in, or none.
    firm: FirmId,
    in_feed: bool,
}

impl Route {
    /// In no stream.
    pub(super) const NONE: Self = Self::about(PortId::NONE);
    /// In the feed only.
    pub(super) const FEED: Self = Self::NONE.and_feed(true);

    /// About a port, but no message of its stream.
    pub(super) const fn about(port: PortId) -> Self {
        Self { port, in_port_stream: false, firm: FirmId::NONE, in_feed: false }
    }

    /// In the stream of a port only; in none if it is the node itself that is answered.
    pub(super) const fn port(port: PortId) -> Self {
        Self { in_port_stream: !port.is_none(), ..Self::about(port) }
    }

    /// In the stream of a firm only.
    pub(super) const fn firm(firm: FirmId) -> Self {
        Self { firm, ..Self::NONE }
    }

    /// In the streams of an order entry port and of its firm.
    pub(super) const fn order_entry(port: PortId, firm: FirmId) -> Self {
        Self { port, in_port_stream: true, firm, in_feed: false }
    }

    /// The same, in the feed or not.
    pub(super) const fn and_feed(self, in_feed: bool) -> Self {
        Self { in_feed, ..self }
    }
}

/// Takes sealed frames. Hides the sink's own type, so that what a command does is compiled once.
pub(super) trait Outlet {
    /// Takes the next frame.
    fn frame(&mut self, header: &FrameHeader, payload: &[Line]);
}

/// A sink whose first error is kept until the command frame is done; it gets no frame after that.
pub(super) struct FirstError<'a, S: FrameSink> {
    pub(super) sink: &'a mut S,
    pub(super) result: Result<(), S::Error>,
}

impl<S: FrameSink> Outlet for FirstError<'_, S> {
    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) {
        // A result that is moved whole is read before all of it is written: the processor would wait for it,
        // and for all that was written before.
        if self.result.is_ok()
            && let Err(error) = self.sink.frame(header, payload)
        {
            self.result = Err(error);
        }
    }
}

/// The frame that is being filled, and the ends of all streams.
#[derive(Debug)]
pub(super) struct EventWriter {
    chain: FrameChain,
    /// The frame's records, room for the longest.
    payload: Box<[Line]>,
    /// Lines of it in use.
    used: usize,
    /// Records in it.
    count: u16,
    cause: Cause,
    /// The command's place in its frame.
    ordinal: u16,
    /// Where the current command's last event lies in the payload.
    last: Option<usize>,
    /// By number.
    ports: Vec<Stream>,
    /// By number.
    firms: Vec<Stream>,
    feed: u64,
    /// A port's or firm's stream that has come this far is full until the next day.
    stream_end: u32,
    /// Streams that became full and are not yet closed.
    full: Vec<Owner>,
}

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Port(PortId),
    Firm(FirmId),
}

/// The end of a port's or a firm's stream.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Stream {
    /// The number of its last event, 0 before the day's first.
    sequence: u32,
    /// Where that event lies.
    position: Position,
}

const FRAME_LINES_MAX: usize = FRAME_PAYLOAD_BYTES_MAX / LINE_BYTES;

impl EventWriter {
    /// At the start of an empty event log, for a venue of these limits.
    ///
    /// A stream is full when its numbers suffice for the worst that can still come: a command that
    /// fills every resting order in an auction, on both sides, or moves every instrument, an order that
    /// meets as many others as one may, told on both sides with what each shows next, and the cancels
    /// that close the port or the firm.
    pub(super) fn new(limits: &VenueLimits) -> Self {
        let moves = u64::from(limits.ports) + u64::from(limits.instruments);
        let fills = 3 * FILLS_MAX as u64;
        let reserve = 4 * u64::from(limits.orders) + moves + fills + 1_024;
        let reserve = u32::try_from(reserve).expect("OrderManager::new bounds orders and ports");
        // Their numbers begin with 1.
        let (ports, firms) = (limits.ports as usize + 1, usize::from(limits.firms) + 1);
        Self {
            chain: FrameChain::empty(limits.event_segment_bytes),
            payload: prefaulted(Line::ZERO, FRAME_LINES_MAX).into_boxed_slice(),
            used: 0,
            count: 0,
            cause: Cause { index: 0, term: 0, time: Nanos::ZERO },
            ordinal: 0,
            last: None,
            ports: prefaulted(Stream::default(), ports),
            firms: prefaulted(Stream::default(), firms),
            feed: 0,
            stream_end: u32::MAX - reserve,
            full: prefaulted_room(Owner::Port(PortId::NONE), ports + firms),
        }
    }

    /// The end of the log.
    pub(super) const fn chain(&self) -> &FrameChain {
        &self.chain
    }

    /// The sequence the next event will have.
    pub(super) fn next_sequence(&self) -> u64 {
        self.chain.next_sequence + u64::from(self.count)
    }

    /// The number of the feed's last message.
    pub(super) const fn feed_sequence(&self) -> u64 {
        self.feed
    }

    /// The number of the last message of a port's stream.
    pub(super) fn port_sequence(&self, port: PortId) -> u32 {
        self.ports.get(port.0 as usize).map_or(0, |stream| stream.sequence)
    }

    /// The number of the last message of a firm's stream.
    pub(super) fn firm_sequence(&self, firm: FirmId) -> u32 {
        self.firms.get(usize::from(firm.0)).map_or(0, |stream| stream.sequence)
    }

    /// The last message of a port's stream.
    pub(super) fn port_end(&self, port: PortId) -> StreamEnd {
        self.ports.get(port.0 as usize).map_or_else(StreamEnd::default, Stream::end)
    }

    /// The last message of a firm's stream.
    pub(super) fn firm_end(&self, firm: FirmId) -> StreamEnd {
        self.firms.get(usize::from(firm.0)).map_or_else(StreamEnd::default, Stream::end)
    }

    /// Brings near the ends of the streams of a port and a firm.
    pub(super) fn expect(&self, port: PortId, firm: FirmId) {
        if let Some(stream) = self.ports.get(port.0 as usize) {
            prefetch(stream);
        }
        if let Some(stream) = self.firms.get(usize::from(firm.0)) {
            prefetch(stream);
        }
    }

    /// Whether the streams of a port and its firm have numbers left for a day's business.
    pub(super) fn has_numbers(&self, port: PortId, firm: FirmId) -> bool {
        self.port_sequence(port).max(self.firm_sequence(firm)) < self.stream_end
    }

    /// Takes a stream that became full, to be closed.
    pub(super) fn take_full(&mut self) -> Option<Owner> {
        self.full.pop()
    }

    /// Begins every stream anew.
    pub(super) fn start_day(&mut self) {
        self.ports.fill(Stream::default());
        self.firms.fill(Stream::default());
        self.feed = 0;
    }

    /// Begins the events of a command frame.
    pub(super) fn begin_frame(&mut self, cause: Cause) {
        self.cause = cause;
    }

    /// Begins the events of a command.
    pub(super) fn begin_command(&mut self, ordinal: u16) {
        self.ordinal = ordinal;
        self.last = None;
    }

    /// Appends an event, in the streams of `route`, and returns its sequence.
    ///
    /// What is compiled for each kind of event is only its copy, where it is made if the compiler can.
    #[inline]
    pub(super) fn emit<R: Record + Copy>(
        &mut self,
        route: Route,
        event: &R,
        out: &mut dyn Outlet,
    ) -> u64 {
        let record = Line::bytes_mut(self.next(R::LINES.into(), out));
        *R::mut_from_bytes(record).expect("as many lines") = *event;
        self.stamp(route)
    }

    /// Room for the next event.
    fn next(&mut self, lines: usize, out: &mut dyn Outlet) -> &mut [Line] {
        if self.used + lines > self.payload.len() {
            self.seal(out);
        }
        let at = self.used;
        self.used += lines;
        self.last = Some(at);
        &mut self.payload[at..self.used]
    }

    /// Gives the event that was just written its place in the streams of `route`.
    fn stamp(&mut self, route: Route) -> u64 {
        let sequence = self.next_sequence();
        self.count += 1;
        let at = self.last.expect("just written");
        let offset = (FRAME_HEADER_BYTES + at * LINE_BYTES) as u64;
        let position = self.chain.next_start().plus(offset);
        let header = EventHeader::view_mut(&mut self.payload[at..]);
        let header = header.expect("a record begins with its header");
        header.cause = self.ordinal;
        header.port = route.port;
        header.firm = route.firm;
        if route.in_port_stream {
            (header.port_sequence, header.port_distance) =
                self.ports[route.port.0 as usize].extend(position);
            if header.port_sequence == self.stream_end {
                self.full.push(Owner::Port(route.port));
            }
        }
        if !route.firm.is_none() {
            (header.firm_sequence, header.firm_distance) =
                self.firms[usize::from(route.firm.0)].extend(position);
            if header.firm_sequence == self.stream_end {
                self.full.push(Owner::Firm(route.firm));
            }
        }
        if route.in_feed {
            self.feed += 1;
            header.feed_sequence = self.feed;
        }
        sequence
    }

    /// Ends the events of a command: marks the last. It is still here, because a frame is sealed only
    /// when the next record does not fit.
    pub(super) fn end_command(&mut self) {
        if let Some(last) = self.last {
            let header = EventHeader::view_mut(&mut self.payload[last..]).expect("a whole record");
            header.flags |= EventHeader::LAST;
        }
    }

    /// Ends the events of a command frame.
    pub(super) fn end_frame(&mut self, out: &mut dyn Outlet) {
        if self.count > 0 {
            self.seal(out);
        }
    }

    /// Leaves a stream so many numbers before it is full.
    #[cfg(test)]
    pub(super) fn leave(&mut self, owner: Owner, numbers: u32) {
        let stream = match owner {
            Owner::Port(port) => &mut self.ports[port.0 as usize],
            Owner::Firm(firm) => &mut self.firms[usize::from(firm.0)],
        };
        stream.sequence = self.stream_end - numbers;
    }

    fn seal(&mut self, out: &mut dyn Outlet) {
        let payload = &self.payload[..self.used];
        let header = self.chain.seal(FrameKind::Normal, self.cause, self.count, payload);
        out.frame(&header, payload);
        self.used = 0;
        self.count = 0;
    }
}

impl Stream {
    fn end(&self) -> StreamEnd {
        StreamEnd { sequence: self.sequence, position: self.position }
    }

    /// Adds an event at `position`: its number, and the lines back to the one before.
    fn extend(&mut self, position: Position) -> (u32, u32) {
        let lines = (position.0 - self.position.0) / LINE_BYTES as u64;
        let distance =
            if self.sequence == 0 { 0 } else { u32::try_from(lines).unwrap_or_default() };
        self.sequence = self.sequence.checked_add(1).expect("a stream is closed before its end");
        self.position = position;
        (self.sequence, distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_beyond_32_bits_is_zero() {
        let mut stream = Stream::default();
        assert_eq!(stream.extend(Position(128)), (1, 0));
        assert_eq!(stream.extend(Position(256)), (2, 2));
        assert_eq!(stream.extend(Position(256 + 64 * u64::from(u32::MAX))), (3, u32::MAX));
        assert_eq!(stream.extend(Position(512 + 128 * u64::from(u32::MAX))), (4, 0));
    }
}
