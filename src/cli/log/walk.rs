//! A log from one end to the other: every committed frame, its checksum proven again, because a tool is
//! asked when something is in doubt.

use std::path::{Path, PathBuf};

use super::LogError;
use crate::cli::CliError;
use crate::event_store::{Frame, LogKind, LogRecord, Reader, StoreError};
use crate::node::Progress;
use crate::types::{FRAME_HEADER_BYTES, FrameHeader, LINE_BYTES, Position, RecordError};

/// A way through a log.
#[derive(Debug)]
pub(super) struct Walk {
    path: PathBuf,
    reader: Reader,
    /// The commit position when it began: a node may write on meanwhile, and never come to an end.
    end: Position,
    progress: Option<Progress>,
    /// Records passed.
    records: u64,
}

impl Walk {
    /// Before the first frame of the log in `directory`. Says on the way how far `what` it does is.
    pub(super) fn open(directory: &Path, what: Option<&'static str>) -> Result<Self, CliError> {
        let reader = open(directory)?;
        let (path, end) = (directory.to_owned(), reader.committed());
        Ok(Self { path, reader, end, progress: what.map(Progress::new), records: 0 })
    }

    /// The same, of a log that holds something.
    pub(super) fn open_filled(directory: &Path, what: &'static str) -> Result<Self, CliError> {
        let walk = Self::open(directory, Some(what))?;
        if walk.end == Position::FIRST {
            return Err(LogError::Empty(walk.path).into());
        }
        Ok(walk)
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Result<Option<Frame<'_>>, CliError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let Some(frame) = self.reader.next_frame()? else { return Ok(None) };
        self.records += u64::from(frame.header.count);
        prove(&self.path, &frame)?;
        Ok(Some(frame))
    }

    /// The next frame, its checksum not computed again: for who compares it with one that is known.
    pub(super) fn next_as_it_is(&mut self) -> Result<Option<Frame<'_>>, CliError> {
        if self.is_at_end() {
            return Ok(None);
        }
        let Some(frame) = self.reader.next_frame()? else { return Ok(None) };
        self.records += u64::from(frame.header.count);
        Ok(Some(frame))
    }

    /// Whether it has come to the end; says how far it is if not.
    fn is_at_end(&mut self) -> bool {
        let position = self.reader.position();
        if let Some(progress) = &mut self.progress {
            progress.at_record(position, self.end, self.records);
        }
        position >= self.end
    }

    /// Goes to the last segment whose first frame is one that `before` holds for, which it does for none
    /// behind one it does not hold for. So what lies before is not read.
    pub(super) fn skip_to(
        &mut self,
        before: impl Fn(&FrameHeader) -> bool,
    ) -> Result<(), CliError> {
        let segment_bytes = self.reader.segment_bytes();
        // The first segment is one in any case.
        let mut last = 0;
        let mut none = (self.end.0 - 1) / segment_bytes + 1;
        while last + 1 < none {
            let middle = last.midpoint(none);
            self.reader.seek(Position(middle * segment_bytes))?;
            match self.reader.next_frame()? {
                Some(frame) if before(frame.header) => last = middle,
                _ => none = middle,
            }
        }
        Ok(self.reader.seek(Position((last * segment_bytes).max(Position::FIRST.0)))?)
    }

    pub(super) fn kind(&self) -> LogKind {
        self.reader.kind()
    }

    pub(super) const fn records(&self) -> u64 {
        self.records
    }

    /// A reader of the same log, where this one stands.
    pub(super) fn reader(&self) -> Reader {
        self.reader.clone()
    }
}

/// Computes the checksum of a frame of the log in `path` again.
pub(super) fn prove(path: &Path, frame: &Frame<'_>) -> Result<(), LogError> {
    frame.header.check_payload(frame.payload).map_err(|why| {
        let FrameHeader { start: position, first_sequence: sequence, .. } = *frame.header;
        LogError::Damaged { path: path.to_owned(), position, sequence, why }
    })
}

/// A reader before the first frame of the log in `directory`. Says on the way how far it is.
pub(super) fn open(directory: &Path) -> Result<Reader, CliError> {
    let mut progress = Progress::new("checking");
    match Reader::open_watched(directory, &mut |done, all| progress.at(done, all)) {
        Err(StoreError::NoLog { path }) => Err(no_log(path)),
        opened => Ok(opened?),
    }
}

/// What to say of a directory without a log: perhaps one of those in it was meant.
pub(super) fn no_log(path: PathBuf) -> CliError {
    if path.join("commands").is_dir() {
        return LogError::Parent(path).into();
    }
    StoreError::NoLog { path }.into()
}

/// What to say of a record in a sound frame that is none.
pub(super) fn broken(path: &Path, frame: &Frame<'_>, why: RecordError) -> LogError {
    let behind =
        |record: LogRecord<'_>| record.position.plus((record.lines.len() * LINE_BYTES) as u64);
    let first = frame.header.start.plus(FRAME_HEADER_BYTES as u64);
    let position = frame.records().map_while(Result::ok).last().map_or(first, behind);
    let sequence = frame.header.first_sequence;
    LogError::Record { path: path.to_owned(), position, sequence, why }
}
