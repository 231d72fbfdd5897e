//! The two logs in memory: makes command frames and keeps event frames, for use as a library and in
//! tests.
//!
//! The same bytes as the event store's, without its files.

use std::convert::Infallible;

use crate::types::{
    Cause, FRAME_COMMANDS_MAX, FrameChain, FrameHeader, FrameKind, FrameSink, Line, Nanos, Record,
    split_record,
};

/// Bytes in a segment of the logs in memory.
pub const MEMORY_SEGMENT_BYTES: u64 = 64 << 20;

/// Cuts commands into frames as the sequencer does.
#[derive(Clone, Debug)]
pub struct CommandFrames {
    chain: FrameChain,
    payload: Vec<Line>,
    count: u16,
}

impl CommandFrames {
    /// An empty command log.
    #[must_use]
    pub fn new() -> Self {
        Self { chain: FrameChain::empty(MEMORY_SEGMENT_BYTES), payload: Vec::new(), count: 0 }
    }

    /// Adds a command to the next frame and returns the sequence it will have.
    ///
    /// # Panics
    /// If the frame is full.
    pub fn push<C: Record>(&mut self, command: &C) -> u64 {
        self.push_lines(command.lines())
    }

    /// Adds the lines of a command, whatever they are.
    ///
    /// # Panics
    /// If the frame is full.
    pub fn push_lines(&mut self, command: &[Line]) -> u64 {
        assert!(usize::from(self.count) < FRAME_COMMANDS_MAX, "the frame is full: seal it first");
        self.payload.extend_from_slice(command);
        self.count += 1;
        self.chain.next_sequence + u64::from(self.count) - 1
    }

    /// Ends the frame, with `time` as the log time of its commands.
    pub fn seal(&mut self, time: Nanos) -> (FrameHeader, Vec<Line>) {
        let cause = Cause { index: self.chain.index + 1, term: 1, time };
        let payload = std::mem::take(&mut self.payload);
        let header = self.chain.seal(FrameKind::Normal, cause, self.count, &payload);
        self.count = 0;
        (header, payload)
    }
}

impl Default for CommandFrames {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps every frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameList(pub Vec<(FrameHeader, Vec<Line>)>);

impl FrameList {
    /// Every record: its sequence and its lines.
    pub fn records(&self) -> impl Iterator<Item = (u64, &[Line])> {
        self.0.iter().flat_map(|(header, payload)| {
            let mut rest = payload.as_slice();
            (header.first_sequence..).map_while(move |sequence| {
                let (record, behind) = split_record(rest).ok()?;
                rest = behind;
                Some((sequence, record))
            })
        })
    }
}

impl FrameSink for FrameList {
    type Error = Infallible;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), Infallible> {
        self.0.push((*header, payload.to_vec()));
        Ok(())
    }
}
