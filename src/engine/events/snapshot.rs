//! The event writer in a snapshot: the end of the log, and where each stream has come to.

use super::{EventWriter, LINE_BYTES, Position, Stream};
use crate::types::{FrameChain, Nanos, SnapshotError, SnapshotReader, SnapshotWriter, consistent};

impl EventWriter {
    /// Writes the streams of so many ports and firms; others have none.
    pub(in crate::engine) fn write(&self, ports: u32, firms: u32, out: &mut SnapshotWriter<'_>) {
        let Self {
            chain,
            payload: _,
            used,
            count,
            // These three are of the command being applied.
            cause: _,
            ordinal: _,
            last: _,
            ports: port_streams,
            firms: firm_streams,
            feed,
            // The venue's limits say it.
            stream_end: _,
            full,
        } = self;
        let between = (*used, *count) == (0, 0) && full.is_empty();
        assert!(between, "a snapshot within a command frame");
        out.put(chain);
        out.put(&port_streams[1..=ports as usize]);
        out.put(&firm_streams[1..=firms as usize]);
        out.put(feed);
    }

    /// Continues what [`EventWriter::write`] wrote at `now`.
    pub(in crate::engine) fn read(
        &mut self,
        ports: u32,
        firms: u32,
        now: Nanos,
        input: &mut SnapshotReader<'_>,
    ) -> Result<(), SnapshotError> {
        let chain: FrameChain = input.take()?;
        let begun = chain.end > Position::FIRST && chain.next_sequence > 1;
        let blank = FrameChain::empty(self.chain.segment_bytes);
        let sound = chain.segment_bytes == self.chain.segment_bytes
            && is_aligned(chain.end)
            && chain.end.0 < u64::MAX / 2
            && chain.next_sequence < u64::MAX / 2
            && chain.time <= now;
        consistent(sound && (begun || chain == blank), "the end of no event log")?;
        self.chain = chain;
        let streams: Vec<Stream> = input.take()?;
        consistent(streams.len() == ports as usize, "streams of other ports")?;
        consistent(streams.iter().all(|stream| stream.ends_before(&chain)), "a stream of nothing")?;
        self.ports[1..=ports as usize].copy_from_slice(&streams);
        let streams: Vec<Stream> = input.take()?;
        consistent(streams.len() == firms as usize, "streams of other firms")?;
        consistent(streams.iter().all(|stream| stream.ends_before(&chain)), "a stream of nothing")?;
        self.firms[1..=firms as usize].copy_from_slice(&streams);
        self.feed = input.take()?;
        consistent(self.feed < chain.next_sequence, "a feed longer than the log")
    }
}

impl Stream {
    fn ends_before(&self, chain: &FrameChain) -> bool {
        let &Self { sequence, position } = self;
        let is_blank = sequence == 0 && position == Position::default();
        let lies = Position::FIRST < position && position < chain.end && is_aligned(position);
        is_blank || sequence > 0 && u64::from(sequence) < chain.next_sequence && lies
    }
}

const fn is_aligned(position: Position) -> bool {
    position.0.is_multiple_of(LINE_BYTES as u64)
}
