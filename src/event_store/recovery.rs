//! Where a log ends: a walk over every frame from the first, and a look at what lies behind the last.
//!
//! Reads only; the writer cuts what this finds torn. Never calls damage torn when a sound frame
//! follows it, or when it lies below a position that was acknowledged.

use std::path::PathBuf;

use zerocopy::FromBytes;

use super::log::{Log, LogSegment, SegmentError, segment_numbers};
use super::{Damage, StoreError};
use crate::types::{
    FrameChain, FrameError, FrameHeader, LINE_BYTES, Line, Position, SEGMENT_HEADER_BYTES,
};

/// What a log held when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Frames in it.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// What was left of a write that did not finish, and was cut off.
    pub torn: Option<Torn>,
    /// Its end, where the next frame goes.
    pub chain: FrameChain,
}

/// The end of a log that was never wholly written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The segment where it begins.
    pub path: PathBuf,
    /// Where the first frame of it would start.
    pub position: Position,
    /// Bytes in lines that were not blank.
    pub bytes: u64,
    /// What is wrong with the first frame of it.
    pub damage: Damage,
}

/// Walks a frozen log and finds its end. `acknowledged` is a position that it must reach; `see` is
/// shown each sound frame's header.
///
/// # Errors
/// [`StoreError::Damaged`] if the log ends before sound frames or before `acknowledged`, and the
/// operating system's.
pub(super) fn recover(
    log: &Log,
    acknowledged: Position,
    see: &mut dyn FnMut(&FrameHeader),
) -> Result<Recovered, StoreError> {
    let mut walk = Walk::new(log);
    let stopped = loop {
        match walk.step() {
            Ok(header) => see(&header),
            Err(SegmentError::Damage(damage)) => break damage,
            Err(error) => return Err(walk.error(error)),
        }
    };
    let chain = walk.chain;
    let behind = look_behind(log, chain.end)?;
    if behind.sound_frames || chain.end < acknowledged {
        return Err(walk.error(SegmentError::Damage(stopped)));
    }
    let torn = (behind.bytes > 0).then(|| Torn {
        path: walk.path(),
        position: chain.next_start(),
        bytes: behind.bytes,
        damage: stopped,
    });
    let records = chain.next_sequence - 1;
    Ok(Recovered { frames: walk.frames, records, torn, chain })
}

/// Walks the log that another process writes up to `committed`, its commit position at some moment,
/// and shows `see` each frame's header.
///
/// # Errors
/// [`StoreError::Damaged`] if the log ends before, and the operating system's.
pub(super) fn check_committed(
    log: &Log,
    committed: Position,
    see: &mut dyn FnMut(&FrameHeader),
) -> Result<(), StoreError> {
    let mut walk = Walk::new(log);
    while walk.chain.end < committed {
        match walk.step() {
            Ok(header) => see(&header),
            Err(error) => return Err(walk.error(error)),
        }
    }
    Ok(())
}

/// A walk over frames in their order, each checked in full.
struct Walk<'a> {
    log: &'a Log,
    segment: Option<(u64, LogSegment)>,
    chain: FrameChain,
    frames: u64,
}

impl<'a> Walk<'a> {
    fn new(log: &'a Log) -> Self {
        let chain = FrameChain::empty(log.memory.segment_bytes());
        Self { log, segment: None, chain, frames: 0 }
    }

    /// Goes over the next frame, or says why there is none.
    fn step(&mut self) -> Result<FrameHeader, SegmentError> {
        let start = self.chain.next_start();
        let number = self.log.segment_number(start);
        let segment = match self.segment.take() {
            Some((mapped, segment)) if mapped == number => segment,
            _ => self.log.segment(number)?,
        };
        let (_, segment) = self.segment.insert((number, segment));
        let header = segment.header(start).map_err(SegmentError::Damage)?;
        let payload = segment.payload(header).map_err(SegmentError::Damage)?;
        check(header, payload, &mut self.chain).map_err(|e| SegmentError::Damage(e.into()))?;
        segment.hints.note(start);
        self.frames += 1;
        Ok(*header)
    }

    /// What to say of why there is no next frame.
    fn error(&self, error: SegmentError) -> StoreError {
        let (path, chain) = (self.path(), &self.chain);
        match error {
            SegmentError::Io(error) => StoreError::io("map", &path)(error),
            SegmentError::Damage(damage) => StoreError::Damaged {
                path,
                position: chain.next_start(),
                index: chain.index,
                sequence: chain.next_sequence,
                damage,
            },
        }
    }

    /// The segment in which the next frame lies, or should.
    fn path(&self) -> PathBuf {
        self.log.segment_path(self.log.segment_number(self.chain.next_start()))
    }
}

fn check(header: &FrameHeader, payload: &[Line], chain: &mut FrameChain) -> Result<(), FrameError> {
    header.check_payload(payload)?;
    chain.follow(header, payload)
}

/// What lies behind the last frame.
struct Behind {
    /// A frame that is whole.
    sound_frames: bool,
    /// Bytes in lines that are not blank.
    bytes: u64,
}

/// Looks at every line behind `end`, in every segment file there is. Blank ones are the rule there:
/// segments are prepared ahead.
fn look_behind(log: &Log, end: Position) -> Result<Behind, StoreError> {
    let segment_bytes = log.memory.segment_bytes();
    let mut behind = Behind { sound_frames: false, bytes: 0 };
    for number in segment_numbers(log.memory.directory())? {
        let segment_start = number.saturating_mul(segment_bytes);
        if segment_start.saturating_add(segment_bytes) <= end.0 {
            continue;
        }
        let path = log.segment_path(number);
        let memory = log.memory.segment(number).map_err(StoreError::io("map", &path))?;
        let first = end.max(Position(segment_start + SEGMENT_HEADER_BYTES));
        let lines = memory.lines_from(first);
        for (place, line) in lines.iter().enumerate() {
            if *line == Line::ZERO {
                continue;
            }
            behind.bytes += LINE_BYTES as u64;
            behind.sound_frames |= begins_with_frame(&lines[place..]);
        }
    }
    Ok(behind)
}

/// Whether these lines begin with a whole frame. One that belongs elsewhere counts: no unfinished
/// write leaves that.
fn begins_with_frame(lines: &[Line]) -> bool {
    let header = FrameHeader::ref_from_bytes(Line::bytes(&lines[..1])).expect("a line is a header");
    if header.check().is_err() {
        return false;
    }
    let payload = lines.get(1..=header.payload_bytes as usize / LINE_BYTES);
    payload.is_some_and(|payload| header.check_payload(payload).is_ok())
}
