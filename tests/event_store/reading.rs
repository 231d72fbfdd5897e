//! What is appended is read back, in order and at random, by whoever may read.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use rialto::event_store::{Damage, LogKind, Options, Reader, StoreError, Writer};
use rialto::types::{
    Cause, FRAME_PAYLOAD_BYTES_MAX, FrameError, FrameHeader, FrameKind, FrameSink, Line, Position,
};

use super::{SEGMENT, Scratch, append, commit_all, next_frame, open, record};

/// All that `reader` can read now, as (sequence, position) of each record, each compared with what was
/// written.
fn read_on(reader: &mut Reader) -> Vec<(u64, Position)> {
    let mut seen = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        let before = seen.len();
        for found in frame.records() {
            let found = found.unwrap();
            assert_eq!(found.lines, record(found.sequence));
            seen.push((found.sequence, found.position));
        }
        assert_eq!(seen.len() - before, usize::from(frame.header.count));
    }
    seen
}

#[test]
fn frames_over_many_segments_are_read_back_here_and_from_the_directory() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut here = writer.reader();
    while writer.chain().end.0 < 5 * SEGMENT {
        append(&mut writer, 100);
    }
    commit_all(&mut writer);
    let mut there = Reader::open(&scratch.0).unwrap();
    let seen = read_on(&mut here);
    assert_eq!(seen, read_on(&mut there));
    let sequences: Vec<u64> = seen.iter().map(|&(sequence, _)| sequence).collect();
    let expected: Vec<u64> = (1..writer.chain().next_sequence).collect();
    assert_eq!(sequences, expected);
    assert_eq!(here.position(), writer.chain().end);
    assert_eq!((there.kind(), there.segment_bytes()), (LogKind::Commands, SEGMENT));
}

#[test]
fn nobody_reads_a_frame_before_it_is_committed() {
    let scratch = Scratch::new();
    let (mut writer, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.frames, recovered.records, recovered.torn), (0, 0, None));
    let mut readers = [writer.reader(), Reader::open(&scratch.0).unwrap()];
    append(&mut writer, 2);
    let first_end = writer.chain().end;
    append(&mut writer, 1);
    for reader in &mut readers {
        assert!(reader.next_frame().unwrap().is_none());
        assert!(matches!(
            reader.record_at(Position(128)),
            Err(StoreError::NotCommitted { position: Position(128), committed: Position::FIRST })
        ));
    }
    writer.commit(first_end);
    for reader in &mut readers {
        assert_eq!(read_on(reader).len(), 2);
        assert_eq!(reader.position(), first_end);
    }
}

#[test]
fn an_unread_log_of_another_boot_is_read_to_its_end_and_kept_from_writers_meanwhile() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 2);
    append(&mut writer, 1);
    drop(writer);
    scratch.forget_positions();
    let before = scratch.contents();
    let mut reader = Reader::open(&scratch.0).unwrap();
    assert_eq!(read_on(&mut reader).len(), 3);
    assert!(matches!(open(&scratch.0), Err(StoreError::Locked { .. })));
    drop(reader);
    assert_eq!(scratch.contents(), before);
    open(&scratch.0).unwrap();
}

#[test]
fn of_an_unread_log_only_the_last_segment_is_walked_to_open_it() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    while writer.chain().end.0 < 5 * SEGMENT {
        append(&mut writer, 100);
    }
    commit_all(&mut writer);
    let (end, last) = (writer.chain().end, writer.chain().next_sequence - 1);
    drop(writer);
    scratch.forget_positions();
    let mut walked = Vec::new();
    let see = &mut |at: Position, all: Position| walked.push((at.0 / SEGMENT, all));
    let mut reader = Reader::open_watched(&scratch.0, see).unwrap();
    assert!(!walked.is_empty() && walked.iter().all(|&seen| seen == (5, Position(6 * SEGMENT))));
    assert_eq!(reader.committed(), end);
    reader.seek_to_sequence(last).unwrap();
    assert_eq!(read_on(&mut reader).last().map(|&(sequence, _)| sequence), Some(last));
    assert_eq!(read_on(&mut Reader::open(&scratch.0).unwrap()).len() as u64, last);
}

/// As one who has a copy of two logs of the same shape, and mixed them up.
#[test]
fn frames_of_an_unread_log_are_proven_as_they_are_read() {
    let [scratch, other] = [0, 1].map(|salt| {
        let scratch = Scratch::new();
        let (mut writer, _) = open(&scratch.0).unwrap();
        while writer.chain().end.0 < 4 * SEGMENT {
            let (header, mut payload) = next_frame(&writer, 100);
            payload[0].0[63] ^= salt;
            let mut chain = *writer.chain();
            let cause = Cause { index: header.index, term: header.term, time: header.time };
            let header = chain.seal(FrameKind::Normal, cause, 100, &payload);
            writer.append(&header, &payload).unwrap();
        }
        commit_all(&mut writer);
        drop(writer);
        scratch.forget_positions();
        scratch
    });
    let wrong = |error| match error {
        StoreError::Unreadable { position, damage: Damage::Frame(error), .. } => (position, error),
        error => panic!("{error}"),
    };
    let second = Position(SEGMENT + 64);

    let bytes = fs::read(scratch.segment(1)).unwrap();
    let mut flipped = bytes.clone();
    flipped[64 + 64 + 5] ^= 1;
    fs::write(scratch.segment(1), flipped).unwrap();
    let mut reader = Reader::open(&scratch.0).unwrap();
    let error = loop {
        if let Err(error) = reader.next_frame() {
            break error;
        }
    };
    assert_eq!(wrong(error), (second, FrameError::PayloadChecksum));
    let error = reader.frame_containing(second).unwrap_err();
    assert_eq!(wrong(error), (second, FrameError::PayloadChecksum));
    // What is not damaged can be read.
    reader.seek(Position(2 * SEGMENT)).unwrap();
    assert!(reader.next_frame().unwrap().is_some());
    drop(reader);

    fs::write(scratch.segment(1), fs::read(other.segment(1)).unwrap()).unwrap();
    let mut reader = Reader::open(&scratch.0).unwrap();
    let error = loop {
        if let Err(error) = reader.next_frame() {
            break error;
        }
    };
    assert_eq!(wrong(error), (second, FrameError::Chain));
}

#[test]
fn a_thread_that_tails_sees_every_frame_once_and_none_above_the_commit_position() {
    const FRAMES: u64 = 20_000;
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let allowed = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = [writer.reader(), Reader::open(&scratch.0).unwrap()]
        .into_iter()
        .map(|mut reader| {
            let allowed = Arc::clone(&allowed);
            thread::spawn(move || {
                let mut sequence = 1;
                while sequence <= FRAMES * 3 {
                    let Some(frame) = reader.next_frame().unwrap() else {
                        thread::yield_now();
                        continue;
                    };
                    assert!(frame.end().0 <= allowed.load(Ordering::SeqCst));
                    for found in frame.records() {
                        let found = found.unwrap();
                        assert_eq!(found.sequence, sequence);
                        assert_eq!(found.lines, record(sequence));
                        sequence += 1;
                    }
                }
            })
        })
        .collect();
    for frame in 0..FRAMES {
        append(&mut writer, 3);
        if frame % 5 == 4 {
            allowed.store(writer.chain().end.0, Ordering::SeqCst);
            commit_all(&mut writer);
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn any_record_is_found_from_its_position_with_the_header_of_its_frame() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    for frame in 0..2_000 {
        append(&mut writer, 1 + frame % 17);
    }
    commit_all(&mut writer);
    let records = read_on(&mut writer.reader());
    assert!(records.last().unwrap().1.0 > 2 * SEGMENT);
    for mut reader in [writer.reader(), Reader::open(&scratch.0).unwrap()] {
        for &(sequence, position) in records.iter().rev().step_by(7) {
            let found = reader.record_at(position).unwrap();
            assert_eq!((found.sequence, found.lines), (sequence, record(sequence).as_slice()));
            assert!(found.header.start < position);
            assert_eq!(found.header.time.0, found.header.index * 1_000);
            if found.lines.len() > 1 {
                let inside = position.plus(64);
                assert!(matches!(reader.record_at(inside), Err(StoreError::NoRecord { .. })));
            }
        }
        assert_eq!(reader.position(), Position::FIRST);
        for free in [Position(0), Position(SEGMENT), Position(SEGMENT - 64)] {
            assert!(matches!(reader.frame_containing(free), Err(StoreError::NoRecord { .. })));
        }
    }
}

#[test]
fn seeking_goes_to_the_frame_that_holds_a_position_or_the_first_behind() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut starts = Vec::new();
    while writer.chain().end.0 < 2 * SEGMENT {
        starts.push(append(&mut writer, 50));
    }
    commit_all(&mut writer);
    let mut reader = Reader::open(&scratch.0).unwrap();
    let mut next_after = |to: Position| {
        reader.seek(to).unwrap();
        reader.next_frame().unwrap().map(|frame| frame.header.start)
    };
    assert_eq!(next_after(Position(0)), Some(Position::FIRST));
    for &start in &starts {
        assert_eq!(next_after(start), Some(start));
        assert_eq!(next_after(start.plus(128)), Some(start));
    }
    let in_second = *starts.iter().find(|start| start.0 > SEGMENT).unwrap();
    assert_eq!(next_after(Position(SEGMENT - 64)), Some(in_second));
    assert_eq!(next_after(Position(SEGMENT)), Some(in_second));
    let end = writer.chain().end;
    assert_eq!(next_after(end), None);
    assert!(matches!(reader.seek(end.plus(64)), Err(StoreError::NotCommitted { .. })));
    append(&mut writer, 1);
    commit_all(&mut writer);
    assert_eq!(reader.next_frame().unwrap().unwrap().header.start, end);
}

#[test]
fn a_log_goes_on_where_it_ended_even_with_the_longest_frames() {
    let scratch = Scratch::new();
    let longest = vec![Line([9; 64]); FRAME_PAYLOAD_BYTES_MAX / 64];
    for round in 0..40 {
        let (mut writer, recovered) = open(&scratch.0).unwrap();
        assert_eq!((recovered.frames, recovered.records, recovered.torn), (round * 2, round, None));
        append(&mut writer, 1);
        let mut chain = *writer.chain();
        let (header, _) = next_frame(&writer, 1);
        let cause = Cause { index: header.index, term: header.term, time: header.time };
        let header = chain.seal(FrameKind::ConfChange, cause, 0, &longest);
        writer.frame(&header, &longest).unwrap();
        assert_eq!(*writer.chain(), chain);
        commit_all(&mut writer);
        writer.sync().unwrap();
    }
    let mut reader = Reader::open(&scratch.0).unwrap();
    assert_eq!(read_on(&mut reader).len(), 40);
}

/// A machine that is busy may need a while to prepare a segment, but a writer that gives it longer and
/// longer need not wait in the end. If segments were made only when they are needed, it always would.
#[test]
fn the_next_segment_is_ready_when_the_writer_takes_its_time() {
    const PATIENCE_MAX: Duration = Duration::from_secs(10);
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut patience = Duration::from_millis(50);
    let mut in_time = 0;
    while in_time < 3 {
        let segment = writer.chain().end.0 / SEGMENT;
        let late = writer.segments_late();
        while writer.chain().end.0 / SEGMENT == segment {
            append(&mut writer, 200);
        }
        if writer.segments_late() == late {
            in_time += 1;
        } else {
            (in_time, patience) = (0, 2 * patience);
            assert!(patience < PATIENCE_MAX, "segment {} was not ready", segment + 1);
        }
        let prepared = scratch.segment(segment + 2);
        while !prepared.exists() {
            thread::yield_now();
        }
        thread::sleep(patience);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_log_holds_what_a_vec_would(
        steps in prop::collection::vec((1_u16..400, 0_u8..8), 1..60),
    ) {
        let scratch = Scratch::new();
        let options = Options::new(LogKind::Events, SEGMENT);
        let (mut writer, _) = Writer::open(&scratch.0, options).unwrap();
        let mut reader = writer.reader();
        let mut appended = Vec::new();
        let mut committed = 0;
        let mut seen = Vec::new();
        for (count, action) in steps {
            appended.push(next_frame(&writer, count));
            let (header, payload) = appended.last().unwrap();
            writer.append(header, payload).unwrap();
            match action {
                0 => {}
                1 => {
                    drop(writer);
                    let (again, recovered) = Writer::open(&scratch.0, options).unwrap();
                    writer = again;
                    prop_assert_eq!(recovered.frames, appended.len() as u64);
                    prop_assert_eq!(recovered.torn, None);
                    prop_assert_eq!(writer.committed(), position_behind(&appended[..committed]));
                }
                _ => {
                    committed = appended.len();
                    commit_all(&mut writer);
                }
            }
            while let Some(frame) = reader.next_frame().unwrap() {
                seen.push((*frame.header, frame.payload.to_vec()));
            }
            prop_assert_eq!(&seen[..], &appended[..committed]);
        }
    }
}

fn position_behind(frames: &[(FrameHeader, Vec<Line>)]) -> Position {
    let last = frames.last();
    last.map_or(Position::FIRST, |(header, _)| header.start.plus(header.frame_bytes()))
}
