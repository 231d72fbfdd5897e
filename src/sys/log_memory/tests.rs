//! The contract of a log's memory, over real files.

use super::*;
use crate::sys::log_positions::{POSITIONS_FILE, committed_in_this_boot};

const SEGMENT: u64 = 1 << 20;

/// A log of one blank segment in a directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("rialto-memory-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn writer(&self) -> LogWriter {
        let lock = DirectoryLock::exclusive(&self.0).unwrap().unwrap();
        LogWriter::start(lock, SEGMENT, Position::FIRST, Position::FIRST).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn readers_get_lines_below_the_commit_position_only() {
    let scratch = Scratch::new("commit");
    let mut writer = scratch.writer();
    let segment = writer.log().create_segment(0, Line::ZERO).unwrap();
    let other = LogMemory::live(&scratch.0, SEGMENT).unwrap().unwrap();
    let theirs = other.segment(0).unwrap();
    writer.write(&segment, Position(64), &[Line([7; 64]); 2]);
    writer.append(Position(192));
    assert_eq!((segment.lines(Position(64), 1), theirs.lines(Position(64), 1)), (None, None));
    writer.commit(Position(128));
    let seen: &[Line] = &[Line([7; 64])];
    assert_eq!(segment.lines(Position(64), 1), Some(seen));
    assert_eq!(theirs.lines(Position(64), 1), Some(seen));
    assert_eq!(theirs.lines(Position(64), 2), None);
    assert_eq!(theirs.lines(Position(128), 1), None);
    assert_eq!(theirs.lines(Position(64), usize::MAX), None);
    assert_eq!((other.committed(), other.appended()), (Some(Position(128)), Some(Position(192))));
}

#[test]
#[should_panic(expected = "below the commit position")]
fn nothing_is_written_below_the_commit_position() {
    let scratch = Scratch::new("below");
    let mut writer = scratch.writer();
    let segment = writer.log().create_segment(0, Line::ZERO).unwrap();
    writer.append(Position(192));
    writer.commit(Position(192));
    writer.write(&segment, Position(128), &[Line::ZERO]);
}

#[test]
#[should_panic(expected = "a write stays in its segment")]
fn nothing_is_written_outside_a_segment() {
    let scratch = Scratch::new("outside");
    let mut writer = scratch.writer();
    let segment = writer.log().create_segment(0, Line::ZERO).unwrap();
    writer.write(&segment, Position(SEGMENT - 64), &[Line::ZERO; 2]);
}

#[test]
#[should_panic(expected = "not between")]
fn the_commit_position_never_passes_what_is_appended() {
    let scratch = Scratch::new("pass");
    let mut writer = scratch.writer();
    writer.append(Position(128));
    writer.commit(Position(192));
}

#[test]
fn a_reader_knows_whether_the_log_is_written_closed_or_left() {
    let scratch = Scratch::new("state");
    let writer = scratch.writer();
    let reader = LogMemory::live(&scratch.0, SEGMENT).unwrap().unwrap();
    assert_eq!(reader.writer().unwrap(), WriterState::Lives);
    assert_eq!(writer.log().writer().unwrap(), WriterState::Lives);
    drop(writer);
    assert_eq!(reader.writer().unwrap(), WriterState::Closed);
    let writer = scratch.writer();
    assert_eq!(reader.writer().unwrap(), WriterState::Lives);
    std::thread::spawn(move || {
        let _held = writer;
        panic!("as a process that dies");
    })
    .join()
    .unwrap_err();
    assert_eq!(reader.writer().unwrap(), WriterState::Died);
    let _again = scratch.writer();
    assert_eq!(reader.writer().unwrap(), WriterState::Lives);
}

#[test]
fn the_commit_position_outlives_its_writer_but_not_the_boot() {
    let scratch = Scratch::new("boot");
    let mut writer = scratch.writer();
    writer.append(Position(128));
    writer.commit(Position(128));
    drop(writer);
    assert_eq!(committed_in_this_boot(&scratch.0).unwrap(), Some(Position(128)));
    let path = scratch.0.join(POSITIONS_FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(committed_in_this_boot(&scratch.0).unwrap(), None);
    assert_eq!(scratch.writer().committed(), Position::FIRST);
}

#[test]
fn a_file_cut_within_a_line_gives_that_line_filled_up_with_zeroes() {
    let scratch = Scratch::new("cut");
    fs::write(segment_path(&scratch.0, 0), [7; 100]).unwrap();
    let lock = DirectoryLock::shared(&scratch.0).unwrap().unwrap();
    let log = LogMemory::frozen(lock, SEGMENT);
    let segment = log.segment(0).unwrap();
    let [whole, cut] = segment.lines_from(Position(0)) else { panic!("two lines") };
    assert_eq!(whole.0, [7; 64]);
    assert_eq!((&cut.0[..36], &cut.0[36..]), (&[7; 36][..], &[0; 28][..]));
    assert!(segment.lines_from(Position(128)).is_empty());
    drop(segment);
    assert!(log.into_lock().is_some());
}
