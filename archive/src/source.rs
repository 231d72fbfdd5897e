//! The two logs, walked side by side: events, and the commands that caused them. Every frame is checked on
//! the way as if it had never been: checksum, and chain. Never more than a frame is held.

use std::path::{Path, PathBuf};

use rialto::event_store::{Frame, Reader};
use rialto::types::command::{Command, CommandHeader};
use rialto::types::{FrameHeader, Line, Position, chain_hash, split_record};

use crate::ArchiveError;
use crate::manifest::{LogPart, hexadecimal};

/// Where an archive begins in a log.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// Where the frame of its first record starts.
    pub(crate) frame: Position,
    /// The record before its first.
    pub(crate) after: u64,
    /// The chain hash behind that frame, if an earlier archive knows it.
    pub(crate) hash: Option<String>,
}

impl Start {
    /// The beginning of a log.
    pub(crate) const BEGINNING: Self = Self { frame: Position::FIRST, after: 0, hash: None };

    /// Behind a part that is archived.
    pub(crate) fn behind(part: &LogPart) -> Self {
        Self {
            frame: Position(part.sealed_below),
            after: part.last_sequence,
            hash: Some(part.hash_after.clone()),
        }
    }
}

/// A walk over the frames of a log.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) path: PathBuf,
    reader: Reader,
    start: Start,
    /// The first frame: its place, and the hash before it.
    first: Option<(Position, u64)>,
    /// The last frame: its place, and the hash behind it.
    last: (Position, u64),
    next_sequence: u64,
}

impl Walk {
    /// Before the frame where `start` is.
    ///
    /// # Errors
    /// The log's.
    pub(crate) fn new(path: &Path, log: &Reader, start: Start) -> Result<Self, ArchiveError> {
        let mut reader = log.clone();
        reader.seek(start.frame)?;
        let (path, last) = (path.to_owned(), (start.frame, 0));
        Ok(Self { path, reader, start, first: None, last, next_sequence: 0 })
    }

    /// Another reader at the same place, that looks ahead.
    pub(crate) fn look_ahead(&self) -> Reader {
        self.reader.clone()
    }

    /// The record before the first that counts.
    pub(crate) const fn after(&self) -> u64 {
        self.start.after
    }

    /// The next frame; none where the log ends.
    ///
    /// # Errors
    /// [`ArchiveError::Log`] if it is damaged, and the log's.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame<'_>>, ArchiveError> {
        let Some(frame) = self.reader.next_frame()? else { return Ok(None) };
        let Frame { header, payload } = frame;
        let sequence = header.first_sequence;
        let wrong = |what: String| ArchiveError::Log { path: self.path.clone(), sequence, what };
        header.check_payload(payload).map_err(|error| wrong(error.to_string()))?;
        let follows = header.previous_hash == self.last.1 && sequence == self.next_sequence;
        if self.first.is_some() && !follows {
            return Err(wrong("its frame does not continue the log".to_owned()));
        }
        self.first.get_or_insert((header.start, header.previous_hash));
        self.last = (header.start, chain_hash(header, payload));
        self.next_sequence = sequence + u64::from(header.count);
        Ok(Some(frame))
    }

    /// Goes over the first frame: whether it is the one that an earlier archive ends with.
    ///
    /// # Errors
    /// As [`Walk::next_frame`].
    pub(crate) fn begins_where_another_ended(mut self) -> Result<bool, ArchiveError> {
        let Some(expected) = self.start.hash.clone() else { return Ok(true) };
        let is_there = self.next_frame()?.is_some();
        Ok(is_there && hash_text(self.last.1) == expected)
    }

    /// What was walked over, up to `last_sequence` in the last frame.
    pub(crate) fn part(&self, last_sequence: u64) -> LogPart {
        let (first_frame, hash_before) = self.first.unwrap_or(self.last);
        LogPart {
            first_sequence: self.start.after + 1,
            last_sequence,
            first_frame: first_frame.0,
            sealed_below: self.last.0.0,
            hash_before: hash_text(hash_before),
            hash_after: hash_text(self.last.1),
        }
    }
}

/// The commands behind the events.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) walk: Walk,
    header: Option<FrameHeader>,
    payload: Vec<Line>,
    /// Where in the payload each command begins.
    begins: Vec<usize>,
}

/// The command that caused an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause<'a> {
    pub(crate) sequence: u64,
    pub(crate) header: &'a CommandHeader,
    pub(crate) command: Command<'a>,
}

impl Commands {
    pub(crate) const fn new(walk: Walk) -> Self {
        Self { walk, header: None, payload: Vec::new(), begins: Vec::new() }
    }

    /// Goes on to the frame that caused the event frame of `events`.
    ///
    /// # Errors
    /// [`ArchiveError::NoCommands`] if there is none.
    pub(crate) fn follow(&mut self, events: &FrameHeader) -> Result<(), ArchiveError> {
        while self.header.is_none_or(|held| held.index < events.index) {
            let Some(frame) = self.walk.next_frame()? else {
                return Err(self.missing(events, "the log ends before it"));
            };
            self.payload.clear();
            self.payload.extend_from_slice(frame.payload);
            self.header = Some(*frame.header);
        }
        let held = self.header.expect("there is one now");
        if held.index != events.index || held.time != events.time || held.term != events.term {
            return Err(self.missing(events, "the next frame has another index, term or time"));
        }
        self.begins.clear();
        let mut rest = self.payload.as_slice();
        for _ in 0..held.count {
            self.begins.push(self.payload.len() - rest.len());
            (_, rest) = split_record(rest).map_err(|error| ArchiveError::Log {
                path: self.walk.path.clone(),
                sequence: held.first_sequence,
                what: error.to_string(),
            })?;
        }
        Ok(())
    }

    /// The command at place `ordinal` of the frame.
    ///
    /// # Errors
    /// If there is none, or one of no known kind.
    pub(crate) fn cause(&self, ordinal: u16) -> Result<Cause<'_>, String> {
        let begin = self.begins.get(usize::from(ordinal)).zip(self.header);
        let (begin, held) = begin.ok_or_else(|| format!("there is no command {ordinal}"))?;
        let lines = &self.payload[*begin..];
        let command = Command::parse(lines).map_err(|error| error.to_string())?;
        let header = CommandHeader::view(lines).ok_or("a command without header")?;
        Ok(Cause { sequence: held.first_sequence + u64::from(ordinal), header, command })
    }

    fn missing(&self, events: &FrameHeader, found: &str) -> ArchiveError {
        ArchiveError::NoCommands {
            path: self.walk.path.clone(),
            index: events.index,
            found: found.to_owned(),
        }
    }
}

fn hash_text(hash: u64) -> String {
    hexadecimal(&hash.to_be_bytes())
}
