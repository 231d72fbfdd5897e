//! Where a log ends: a walk over every frame from the first, or from a snapshot's where this boot has checked
//! what lies before, and a look at what lies behind the last.
//!
//! Reads only; the writer cuts what this finds torn. Never calls damage torn when it lies below a
//! position that was acknowledged, or when a sound frame follows it that must have been there first.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zerocopy::FromBytes;

use super::beginning::was_retired;
use super::log::{Log, LogSegment, SegmentError, extent, segment_numbers};
use super::segment::SegmentHeader;
use super::{Damage, StoreError};
use crate::sys::file;
use crate::sys::log_memory::segment_path;
use crate::types::{
    FrameChain, FrameError, FrameHeader, LINE_BYTES, Line, Position, SEGMENT_HEADER_BYTES,
};

/// What a log held when it was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Frames in it that were checked; 0 if it is empty.
    pub frames: u64,
    /// Records in all of it.
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
    /// Whole frames among them: a power loss leaves them, which takes pages in no order.
    pub frames: u64,
    /// Where they were copied to before they were cut off; `None` if no whole frame was among them.
    pub kept: Option<PathBuf>,
    /// What is wrong with the first frame of it.
    pub damage: Damage,
}

/// Bytes before a landmark that are checked again whatever it says: what followers of a log go back to when
/// its node starts.
pub const CHECKED_AGAIN_BYTES: u64 = 8 << 20;

/// The end of a frame of a log that was sound so far when a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landmark {
    /// The position behind it.
    pub end: Position,
    /// The hash of the chain there.
    pub hash: u64,
}

impl Landmark {
    /// The end of `chain`.
    #[must_use]
    pub const fn of(chain: &FrameChain) -> Self {
        Self { end: chain.end, hash: chain.hash }
    }
}

/// Walks a frozen log and finds its end, which is before any frame behind `last_index`. `acknowledged` is
/// a position that it must reach, and `unsynced` says how far behind the first damage sound frames prove
/// nothing. What lies far before `landmark` is passed over if every segment begins as it should and the log
/// is the landmark's. `see` is shown each frame's header.
///
/// # Errors
/// [`StoreError::Damaged`] if the log ends before sound frames or before `acknowledged`, and the
/// operating system's.
pub(super) fn recover(
    log: &Log,
    acknowledged: Position,
    unsynced: u64,
    last_index: u64,
    landmark: Option<Landmark>,
    see: &mut dyn FnMut(&FrameHeader),
) -> Result<Recovered, StoreError> {
    let from_there = landmark.and_then(|landmark| walk_past(log, landmark, last_index, see));
    let mut walk = from_there.unwrap_or_else(|| Walk { last_index, ..Walk::new(log) });
    let stopped = walk.walk_on(see)?;
    let torn = judge_end(&walk, stopped, acknowledged, unsynced)?;
    if walk.frames == 0 && log.beginning().end > Position::FIRST {
        // What was retired lay before a frame that was durable.
        return Err(walk.error(SegmentError::Damage(stopped)));
    }
    let Walk { frames, chain, .. } = walk;
    let records = chain.next_sequence - log.beginning().next_sequence;
    Ok(Recovered { frames, records, torn, chain })
}

/// A walk that has come from the beginning of a segment, [`CHECKED_AGAIN_BYTES`] before `landmark` at least, to
/// there. `None` if that is the first segment, or the log is not as it was there: a walk over all of it says
/// why.
fn walk_past<'a>(
    log: &'a Log,
    landmark: Landmark,
    last_index: u64,
    see: &mut dyn FnMut(&FrameHeader),
) -> Option<Walk<'a>> {
    let back = Position(landmark.end.0.checked_sub(CHECKED_AGAIN_BYTES)?);
    let chain = before_segment(log, log.segment_number(back))?;
    let mut walk = Walk { last_index, ..Walk::behind(log, chain) };
    while walk.chain.end < landmark.end {
        see(&walk.step().ok()?);
    }
    (walk.chain.end == landmark.end && walk.chain.hash == landmark.hash).then_some(walk)
}

/// Finds the end of a frozen log whose readers check each frame they come to. If every segment begins as
/// it should, only the last is walked; else all of it, to say what is wrong. `progress` is shown the
/// position of each frame and one that it does not pass.
///
/// # Errors
/// As [`recover`], but for damage that lies in the segments before the last.
pub(super) fn find_end(
    log: &Log,
    progress: &mut dyn FnMut(Position, Position),
) -> Result<Position, StoreError> {
    let extent = extent(log)?;
    let mut see = |header: &FrameHeader| progress(header.start, extent);
    let last = log.segment_number(extent).checked_sub(1);
    if let Some(chain) = last.and_then(|last| before_segment(log, last)) {
        let mut walk = Walk::behind(log, chain);
        let stopped = walk.walk_on(&mut see)?;
        if walk.frames > 0 {
            judge_end(&walk, stopped, Position::FIRST, 0)?;
            return Ok(walk.chain.end);
        }
    }
    Ok(recover(log, Position::FIRST, 0, u64::MAX, None, &mut see)?.chain.end)
}

/// What the first frame of segment `last` says of all before it; `None` if that is the first segment, or one
/// up to it does not begin as it should.
fn before_segment(log: &Log, last: u64) -> Option<FrameChain> {
    let segment_bytes = log.memory.segment_bytes();
    let first = log.segment_number(log.beginning().end);
    let mut header = None;
    for number in first + 1..=last {
        header = Some(log.first_header(number)?);
    }
    log.first_header(first)?;
    let header = header?;
    Some(FrameChain {
        segment_bytes,
        end: Position(last * segment_bytes),
        next_sequence: header.first_sequence,
        hash: header.previous_hash,
        index: header.index.saturating_sub(1),
        term: header.term,
        time: header.time,
    })
}

/// Whether a frozen log may end where `walk` found what `stopped` it: what is torn there, if anything.
///
/// # Errors
/// As [`recover`].
pub(super) fn judge_end(
    walk: &Walk<'_>,
    stopped: Damage,
    acknowledged: Position,
    unsynced: u64,
) -> Result<Option<Torn>, StoreError> {
    let chain = &walk.chain;
    let behind = look_behind(walk.log, chain)?;
    let window = chain.next_start().0.saturating_add(unsynced);
    if behind.farthest.is_some_and(|at| at.0 >= window) || chain.end < acknowledged {
        return Err(walk.error(SegmentError::Damage(stopped)));
    }
    Ok((behind.bytes > 0).then(|| Torn {
        path: walk.path(),
        position: chain.next_start(),
        bytes: behind.bytes,
        frames: behind.frames,
        kept: None,
        damage: stopped,
    }))
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
pub(super) struct Walk<'a> {
    log: &'a Log,
    segment: Option<(u64, LogSegment)>,
    last_index: u64,
    /// Behind the last frame.
    pub(super) chain: FrameChain,
    /// How many it went over.
    pub(super) frames: u64,
}

impl<'a> Walk<'a> {
    /// From the beginning of the log.
    pub(super) fn new(log: &'a Log) -> Self {
        Self::behind(log, log.beginning())
    }

    /// From behind the frames of `chain`, which are not looked at.
    pub(super) const fn behind(log: &'a Log, chain: FrameChain) -> Self {
        Self { log, segment: None, last_index: u64::MAX, chain, frames: 0 }
    }

    /// Goes on until something is wrong with the next frame, which is what it returns. `see` is shown each
    /// header.
    fn walk_on(&mut self, see: &mut dyn FnMut(&FrameHeader)) -> Result<Damage, StoreError> {
        loop {
            match self.step() {
                Ok(header) => see(&header),
                Err(SegmentError::Damage(damage)) => return Ok(damage),
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    /// Goes over the next frame, or says why there is none.
    pub(super) fn step(&mut self) -> Result<FrameHeader, SegmentError> {
        let start = self.chain.next_start();
        let number = self.log.segment_number(start);
        let segment = match self.segment.take() {
            Some((mapped, segment)) if mapped == number => segment,
            _ => self.log.segment(number)?,
        };
        let (_, segment) = self.segment.insert((number, segment));
        let header = segment.header(start).map_err(SegmentError::Damage)?;
        if header.index > self.last_index {
            return Err(SegmentError::Damage(Damage::BehindLast));
        }
        let payload = segment.payload(header).map_err(SegmentError::Damage)?;
        check(header, payload, &mut self.chain).map_err(|e| SegmentError::Damage(e.into()))?;
        segment.hints.note(start);
        self.frames += 1;
        Ok(*header)
    }

    /// The lines of the frame that the last step went over, which is that of `header`.
    pub(super) fn last_frame(&self, header: &FrameHeader) -> &[Line] {
        let lines = usize::try_from(header.frame_bytes()).expect("bounded") / LINE_BYTES;
        let (_, segment) = self.segment.as_ref().expect("a step was made");
        segment.memory.lines(header.start, lines).expect("the step checked them")
    }

    /// What to say of why there is no next frame.
    pub(super) fn error(&self, error: SegmentError) -> StoreError {
        let (path, chain) = (self.path(), &self.chain);
        match error {
            SegmentError::Io(error) => StoreError::io("map", &path)(error),
            SegmentError::Retired => self.log.retired(chain.next_start()),
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
#[derive(Default)]
struct Behind {
    /// Frames of this log that are whole.
    frames: u64,
    /// Where the last thing lies that was written whole.
    farthest: Option<Position>,
    /// Bytes in lines that are not blank.
    bytes: u64,
}

/// Looks at every line behind the end of `chain`, in every segment file there is. Blank ones are the
/// rule there: segments are prepared ahead.
fn look_behind(log: &Log, chain: &FrameChain) -> Result<Behind, StoreError> {
    let mut behind = Behind::default();
    for number in segments_behind(log, chain.end)? {
        let path = log.segment_path(number);
        let memory = log.memory.segment(number).map_err(StoreError::io("map", &path))?;
        let segment_start = Position(number.saturating_mul(log.memory.segment_bytes()));
        if let Some([line]) = memory.lines(segment_start, 1)
            && SegmentHeader::parse(line).is_some_and(|(header, _)| header.number != number)
        {
            // The file of another segment: no unfinished write leaves that.
            behind.farthest = Some(Position(u64::MAX));
        }
        let first = chain.end.max(segment_start.plus(SEGMENT_HEADER_BYTES));
        let mut at = first;
        let lines = memory.lines_from(first);
        for (place, line) in lines.iter().enumerate() {
            if *line != Line::ZERO {
                behind.bytes += LINE_BYTES as u64;
                if begins_with_frame(&lines[place..], at, chain) {
                    behind.frames += 1;
                    behind.farthest = behind.farthest.max(Some(at));
                }
            }
            at = at.plus(LINE_BYTES as u64);
        }
    }
    Ok(behind)
}

/// The segments there are that reach behind `end`.
fn segments_behind(log: &Log, end: Position) -> Result<Vec<u64>, StoreError> {
    let segment_bytes = log.memory.segment_bytes();
    let mut numbers = segment_numbers(log.memory.directory())?;
    numbers.retain(|number| number.saturating_add(1).saturating_mul(segment_bytes) > end.0);
    Ok(numbers)
}

/// Whether these lines, which begin at `at`, begin with a whole frame that can only have been written
/// behind the end of `chain`. Participants choose bytes of the records that a torn write leaves, so
/// what merely looks like a frame is none: it must say this place, and go on from this log.
pub(super) fn begins_with_frame(lines: &[Line], at: Position, chain: &FrameChain) -> bool {
    let header = FrameHeader::ref_from_bytes(Line::bytes(&lines[..1])).expect("a line is a header");
    let goes_on = header.start == at
        && header.index >= chain.index.max(1)
        && header.first_sequence >= chain.next_sequence
        && header.term >= chain.term
        && header.time >= chain.time;
    if !goes_on || header.check().is_err() {
        return false;
    }
    let payload = lines.get(1..=header.payload_bytes as usize / LINE_BYTES);
    payload.is_some_and(|payload| header.check_payload(payload).is_ok())
}

/// Copies what lies behind `end` to a file of its own in the log's directory, every byte as far from
/// the file's beginning as it lies from `end`, and says where it is.
///
/// # Errors
/// The operating system's, also when there is no room.
pub(super) fn keep_behind(log: &Log, end: Position) -> Result<PathBuf, StoreError> {
    let directory = log.memory.directory();
    let name = |copy: u32| directory.join(format!("cut-at-{end}.{copy}"));
    let kept = (1..=u32::MAX).map(name).find(|path| !path.exists()).expect("few have such a name");
    let numbers = segments_behind(log, end)?;
    let copied = File::create_new(&kept).and_then(|file| {
        for &number in &numbers {
            let first = number.saturating_mul(log.memory.segment_bytes()) + SEGMENT_HEADER_BYTES;
            let mut at = end.max(Position(first));
            let memory = log.memory.segment(number)?;
            for run in memory.lines_from(at).chunk_by(|a, b| is_blank(a) == is_blank(b)) {
                if !is_blank(&run[0]) {
                    file.write_all_at(Line::bytes(run), at.0 - end.0)?;
                }
                at = at.plus(size_of_val(run) as u64);
            }
        }
        file.sync_all()?;
        file::sync_directory(directory)
    });
    copied.map_err(StoreError::io("copy what is to be cut off to", &kept))?;
    Ok(kept)
}

fn is_blank(line: &Line) -> bool {
    *line == Line::ZERO
}

/// Whether nothing was ever written to the log in `directory`: it has no segment, or only prepared
/// ones. A log that was lost with its files is blank too.
///
/// # Errors
/// The operating system's.
pub fn is_blank_log(directory: &Path) -> Result<bool, StoreError> {
    if !directory.exists() {
        return Ok(true);
    }
    if was_retired(directory) {
        return Ok(false);
    }
    for number in segment_numbers(directory)? {
        let path = segment_path(directory, number);
        let blank = File::open(&path).and_then(|file| is_blank_behind_header(&file));
        if !blank.map_err(StoreError::io("read", &path))? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_blank_behind_header(file: &File) -> io::Result<bool> {
    let mut bytes = vec![0; 1 << 16];
    let mut at = SEGMENT_HEADER_BYTES;
    loop {
        match file.read_at(&mut bytes, at)? {
            0 => return Ok(true),
            read if bytes[..read].iter().any(|&byte| byte != 0) => return Ok(false),
            read => at += read as u64,
        }
    }
}
