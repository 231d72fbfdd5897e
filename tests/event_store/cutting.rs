//! Cuts of an uncommitted end: what is left is the log that never had it, whenever the process dies.

use std::fs;
use std::path::Path;

use super::{SEGMENT, Scratch};
use rialto::event_store::{Durability, IndexedWriter, LogKind, Options, Recovered};
use rialto::types::{Cause, FRAME_HEADER_BYTES, FrameKind, Line, Nanos};

fn open(directory: &Path) -> (IndexedWriter, Recovered) {
    let options = Options::new(LogKind::Commands, SEGMENT);
    IndexedWriter::open(directory, options, &mut |_, _| ()).unwrap()
}

/// Appends a frame of `count` lines in `term`.
fn append(log: &mut IndexedWriter, term: u32, count: u16) {
    let mut chain = *log.chain();
    let mut record = Line::ZERO;
    (record.0[0], record.0[1], record.0[2]) = (1, 1, u8::try_from(term).unwrap());
    let payload = vec![record; usize::from(count)];
    let cause = Cause { index: chain.index + 1, term, time: Nanos(chain.index + 1) };
    let header = chain.seal(FrameKind::Normal, cause, count, &payload);
    log.append(&header, &payload).unwrap();
}

/// A log of these frames, each of a term and some lines.
fn log_of(scratch: &Scratch, frames: &[(u32, u16)]) -> IndexedWriter {
    let (mut log, _) = open(&scratch.0);
    go_on(&mut log, frames);
    log
}

fn go_on(log: &mut IndexedWriter, frames: &[(u32, u16)]) {
    for &(term, count) in frames {
        append(log, term, count);
    }
}

/// The segments that hold frames.
fn segments(scratch: &Scratch, log: &IndexedWriter) -> Vec<Vec<u8>> {
    (0..=log.chain().end.0 / SEGMENT).map(|n| fs::read(scratch.segment(n)).unwrap()).collect()
}

#[test]
fn every_frame_is_found_by_its_index_committed_or_not() {
    let scratch = Scratch::new();
    let frames: Vec<_> = (0..5_000).map(|n| (1, n % 9)).collect();
    let mut log = log_of(&scratch, &frames);
    log.commit(2_000);
    assert_eq!(log.committed(), 2_000);
    for opened in 0..2 {
        for (index, &(_, count)) in (1..).zip(&frames) {
            let frame = log.frame(index).unwrap_or_else(|| panic!("{index} of {opened}"));
            assert_eq!((frame.header.index, frame.header.count), (index, count));
            assert_eq!(frame.payload.len(), usize::from(count));
        }
        assert!(log.frame(0).is_none() && log.frame(5_001).is_none());
        drop(log);
        log = open(&scratch.0).0;
        assert_eq!(log.committed(), 2_000, "of this boot");
    }
}

#[test]
fn a_log_that_was_cut_and_went_on_is_the_log_that_never_had_what_was_cut() {
    // Sixty-six frames fill a segment, so some cuts go back over one or two.
    for (kept, cut) in [(3, 1), (3, 0), (0, 5), (5, 200), (66, 140), (130, 3), (120, 200)] {
        for durability in [Durability::Memory, Durability::Disk] {
            let first = vec![(1, 250); kept];
            let rival = vec![(2, 300); cut];
            let behind = vec![(3, 200); 150];
            let scratch = Scratch::new();
            let mut log = log_of(&scratch, &[first.clone(), rival].concat());
            if kept >= 3 {
                log.commit(3);
            }
            log.cut(kept as u64, durability).unwrap();
            assert!(log.frame(kept as u64 + 1).is_none());
            go_on(&mut log, &behind);
            let plain = Scratch::new();
            let never = log_of(&plain, &[first, behind].concat());
            assert_eq!(log.chain(), never.chain(), "{cut} cut behind {kept}");
            assert!(segments(&scratch, &log) == segments(&plain, &never), "{cut} behind {kept}");
            let end = *log.chain();
            drop(log);
            scratch.forget_positions();
            let (_, recovered) = open(&scratch.0);
            assert_eq!((recovered.chain, recovered.torn), (end, None));
        }
    }
}

#[test]
fn readers_see_what_is_committed_whatever_is_cut_behind_it() {
    let scratch = Scratch::new();
    let mut log = log_of(&scratch, &[(1, 4); 10]);
    let mut reader = log.reader();
    log.commit(4);
    for index in 1..=4 {
        assert_eq!(reader.next_frame().unwrap().unwrap().header.index, index);
    }
    log.cut(6, Durability::Memory).unwrap();
    append(&mut log, 2, 9);
    assert!(reader.next_frame().unwrap().is_none());
    log.commit(7);
    for (index, term) in [(5, 1), (6, 1), (7, 2)] {
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!((frame.header.index, frame.header.term), (index, term));
    }
}

#[test]
#[should_panic(expected = "below the commit position")]
fn what_is_committed_is_never_cut() {
    let scratch = Scratch::new();
    let mut log = log_of(&scratch, &[(1, 4); 10]);
    log.commit(5);
    let _ = log.cut(4, Durability::Memory);
}

/// A process that dies while it cuts has blanked the frames from the last to the first, of each the
/// header first. Whatever byte it came to, what is left opens, and holds what was to stay.
#[test]
fn a_process_that_dies_at_any_byte_of_a_cut_leaves_a_log_that_opens() {
    let scratch = Scratch::new();
    let log = log_of(&scratch, &[(1, 3); 8]);
    let cut: Vec<_> = (5..=8).map(|index| *log.header(index).unwrap()).collect();
    drop(log);
    scratch.forget_positions();
    let whole = scratch.contents();
    let mut segment = fs::read(scratch.segment(0)).unwrap();
    let mut left = 8;
    for header in cut.iter().rev() {
        let start = usize::try_from(header.start.0).unwrap();
        let bytes = FRAME_HEADER_BYTES + header.payload_bytes as usize;
        for at in start..start + bytes {
            segment[at] = 0;
            if at > start && at % 7 != 0 {
                continue;
            }
            left = left.min(header.index - 1);
            scratch.restore(&whole);
            fs::write(scratch.segment(0), &segment).unwrap();
            let (mut log, recovered) = open(&scratch.0);
            assert_eq!(recovered.frames, left, "died at byte {at}");
            append(&mut log, 2, 1);
            let end = *log.chain();
            drop(log);
            scratch.forget_positions();
            assert_eq!(open(&scratch.0).1.chain, end, "died at byte {at}");
        }
    }
    assert_eq!(left, 4);
}
