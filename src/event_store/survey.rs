//! What a log holds, found by the walk that recovers it: every header, payload and link is checked.
//!
//! Reads only. A log that a node writes is looked at up to its commit position; any other to its last
//! byte, with its writers kept out meanwhile.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::log::{Log, format_of, segment_numbers};
use super::recovery::{check_committed, recover};
use super::{LogKind, StoreError, Torn};
use crate::sys::file::DirectoryLock;
use crate::sys::log_memory::LogMemory;
use crate::sys::log_positions::committed_in_this_boot;
use crate::types::{FrameHeader, Position};

/// What a log holds.
#[derive(Debug)]
pub struct Survey {
    /// Which log it is.
    pub kind: LogKind,
    /// Bytes in each segment.
    pub segment_bytes: u64,
    /// Whether a process has it open to write.
    pub in_use: bool,
    /// The commit position; `None` if nobody has opened the log since the machine booted.
    pub committed: Option<Position>,
    /// Its segments, in their order.
    pub segments: Vec<SegmentSurvey>,
    /// Sound frames.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// The header of the first.
    pub first: Option<FrameHeader>,
    /// The header of the last.
    pub last: Option<FrameHeader>,
    /// What is left of a write that did not finish; the next writer cuts it. Unknown while the log is
    /// in use.
    pub torn: Option<Torn>,
    /// The first damage, behind which nothing was looked at.
    pub damage: Option<StoreError>,
}

/// A segment of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSurvey {
    /// Its place, from 0.
    pub number: u64,
    /// Its file.
    pub path: PathBuf,
    /// The file's size.
    pub file_bytes: u64,
    /// Sound frames in it; none in one that is prepared for what comes.
    pub frames: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes up to the end of the last.
    pub used_bytes: u64,
}

/// What is known of a log that nobody writes beyond what lies in it: see [`Options`](super::Options).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// A position that the log must reach.
    pub durable: Position,
    /// How far behind a damage sound frames prove nothing.
    pub unsynced: u64,
}

impl Known {
    /// What the log itself shows, and no more.
    pub const NOTHING: Self = Self { durable: Position::FIRST, unsynced: 0 };
}

/// Looks at all of the log in `directory`. `progress` is called after each frame.
///
/// A log that lost its end looks whole to it: only who knows how far it was durable can tell, and says
/// so to [`survey_knowing`].
///
/// # Errors
/// [`StoreError`] if there is no such log or it cannot be read. That it is damaged is no error here:
/// see [`Survey::damage`].
pub fn survey(directory: &Path, progress: impl FnMut(&Survey)) -> Result<Survey, StoreError> {
    survey_knowing(directory, Known::NOTHING, progress)
}

/// Looks at all of the log in `directory` as its next writer will, who knows that much of it.
///
/// # Errors
/// As [`survey`].
pub fn survey_knowing(
    directory: &Path,
    known: Known,
    mut progress: impl FnMut(&Survey),
) -> Result<Survey, StoreError> {
    let (segment_bytes, kind) = format_of(directory)?;
    let lock = DirectoryLock::shared(directory).map_err(StoreError::io("lock", directory))?;
    let positions = StoreError::io("read the positions file in", directory);
    let (memory, committed) = match lock {
        Some(lock) => {
            let committed = committed_in_this_boot(directory).map_err(positions)?;
            (LogMemory::frozen(lock, segment_bytes), committed)
        }
        // Its writer opened it in another boot, or has only just begun to.
        None => match LogMemory::live(directory, segment_bytes).map_err(positions)? {
            None => return Err(StoreError::Locked { path: directory.to_owned() }),
            Some(live) => (Arc::clone(&live), live.committed()),
        },
    };
    let in_use = memory.committed().is_some();
    let log = Log::new(memory, kind)?;
    let mut survey = Survey::new(&log, in_use, committed)?;
    let acknowledged = known.durable.max(committed.unwrap_or(Position::FIRST));
    let mut see = |header: &FrameHeader| {
        survey.add(header);
        progress(&survey);
    };
    let walked = if in_use {
        check_committed(&log, committed.unwrap_or(Position::FIRST), &mut see).map(|()| None)
    } else {
        recover(&log, acknowledged, known.unsynced, u64::MAX, None, &mut see)
            .map(|recovered| recovered.torn)
    };
    match walked {
        Ok(torn) => survey.torn = torn,
        Err(damage @ StoreError::Damaged { .. }) => survey.damage = Some(damage),
        Err(error) => return Err(error),
    }
    Ok(survey)
}

impl Survey {
    fn new(log: &Log, in_use: bool, committed: Option<Position>) -> Result<Self, StoreError> {
        let directory = log.memory.directory();
        let first = log.segment_number(log.beginning().end);
        let numbers = segment_numbers(directory)?.into_iter().filter(|&number| number >= first);
        let segments = numbers.map(|number| {
            let path = log.segment_path(number);
            let metadata = path.metadata().map_err(StoreError::io("examine", &path))?;
            let file_bytes = metadata.len();
            Ok(SegmentSurvey { number, path, file_bytes, frames: 0, records: 0, used_bytes: 0 })
        });
        Ok(Self {
            kind: log.kind,
            segment_bytes: log.memory.segment_bytes(),
            in_use,
            committed,
            segments: segments.collect::<Result<_, StoreError>>()?,
            frames: 0,
            records: 0,
            first: None,
            last: None,
            torn: None,
            damage: None,
        })
    }

    /// The position behind the last sound frame.
    #[must_use]
    pub fn end(&self) -> Position {
        self.last.map_or(Position::FIRST, |last| last.start.plus(last.frame_bytes()))
    }

    fn add(&mut self, header: &FrameHeader) {
        self.frames += 1;
        self.records += u64::from(header.count);
        self.first.get_or_insert(*header);
        self.last = Some(*header);
        let number = header.start.0 / self.segment_bytes;
        let used_bytes = self.end().0 - number * self.segment_bytes;
        // A segment that appeared since the survey began is not in the list.
        if let Ok(place) = self.segments.binary_search_by_key(&number, |segment| segment.number) {
            let segment = &mut self.segments[place];
            segment.frames += 1;
            segment.records += u64::from(header.count);
            segment.used_bytes = used_bytes;
        }
    }
}
