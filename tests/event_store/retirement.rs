//! Segments that nobody needs any more: what is kept, who may still read, and what a reader is told
//! that comes too late.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::thread;
use std::time::{Duration, Instant};

use rialto::event_store::{
    BackgroundSync, Known, Options, Reader, RepairError, Retention, StoreError, Watermark, Writer,
    is_blank_log, repair, survey, survey_knowing,
};
use rialto::types::{Nanos, Position};

use super::{SEGMENT, Scratch, append, commit_all, open, options, record};

/// Appends and commits until the log reaches `end`.
fn fill_to(writer: &mut Writer, end: u64) {
    while writer.chain().end.0 < end {
        append(writer, 200);
        commit_all(writer);
    }
}

/// Retires what lies below `position`, and waits until the segments of `gone` are.
fn retire(scratch: &Scratch, writer: &mut Writer, position: u64, gone: std::ops::Range<u64>) {
    writer.retirement().below(Position(position));
    // It happens when the next segment is needed.
    let segment = writer.chain().end.0 / SEGMENT;
    fill_to(writer, (segment + 1) * SEGMENT + 100);
    let soon = Instant::now() + Duration::from_secs(10);
    while gone.clone().any(|number| scratch.segment(number).exists())
        || !scratch.segment(segment + 2).exists()
    {
        assert!(Instant::now() < soon, "nothing was retired");
        thread::sleep(Duration::from_millis(1));
    }
}

/// All records from where `reader` is: the first, and behind the last.
fn read_on(reader: &mut Reader) -> (u64, u64) {
    let (mut first, mut next) = (None, 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        for found in frame.records() {
            let found = found.unwrap();
            assert_eq!(found.lines, record(found.sequence));
            first.get_or_insert(found.sequence);
            next = found.sequence + 1;
        }
    }
    (first.unwrap_or(next), next)
}

#[test]
fn a_log_that_was_retired_goes_on_and_is_recovered_and_read_from_where_it_begins() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 4 * SEGMENT + 100);
    retire(&scratch, &mut writer, 3 * SEGMENT + 500, 0..3);
    let next = writer.chain().next_sequence;
    let mut there = Reader::open(&scratch.0).unwrap();
    let begins = there.beginning();
    assert_eq!((begins.end, there.position()), (Position(3 * SEGMENT), Position(3 * SEGMENT)));
    for mut reader in [writer.reader(), there.clone()] {
        assert_eq!(read_on(&mut reader), (begins.next_sequence, next));
    }
    assert!(scratch.segment(3).exists());

    // In every later boot too, as often as it is opened.
    let end = *writer.chain();
    drop(writer);
    for boot in 0..2 {
        let (writer, recovered) = open(&scratch.0).unwrap();
        assert_eq!((recovered.chain, recovered.torn), (end, None), "boot {boot}");
        assert_eq!(recovered.records, next - begins.next_sequence);
        let mut reader = writer.reader();
        reader.seek(writer.committed()).unwrap();
        assert_eq!(reader.position(), if boot == 0 { end.end } else { begins.end });
        drop((writer, reader));
        scratch.forget_positions();
    }
    assert_eq!(read_on(&mut Reader::open(&scratch.0).unwrap()), (begins.next_sequence, next));
    let found = survey(&scratch.0, |_| ()).unwrap();
    assert_eq!(found.first.unwrap().first_sequence, begins.next_sequence);
    assert_eq!((found.segments[0].number, found.end()), (3, end.end));
    assert!(found.damage.is_none() && !is_blank_log(&scratch.0).unwrap());
    there.seek_to_sequence(next - 1).unwrap();
}

#[test]
fn a_reader_that_comes_too_late_is_told_what_is_gone_and_from_where_it_can_go_on() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut early = Reader::open(&scratch.0).unwrap();
    fill_to(&mut writer, SEGMENT / 2);
    // It holds the first segment, and keeps what it holds.
    let first = early.next_frame().unwrap().unwrap().header.first_sequence;
    assert_eq!(first, 1);
    fill_to(&mut writer, 4 * SEGMENT + 100);
    let (mut other, last) = (Reader::open(&scratch.0).unwrap(), writer.chain().next_sequence - 1);
    retire(&scratch, &mut writer, 3 * SEGMENT, 0..3);
    // What is there is found, whatever one last heard of the beginning.
    other.seek_to_sequence(last).unwrap();
    let mut sequence = 201;
    let error = loop {
        match early.next_frame() {
            Ok(Some(frame)) => {
                assert_eq!(frame.header.first_sequence, sequence);
                for found in frame.records() {
                    assert_eq!(found.unwrap().lines, record(sequence));
                    sequence += 1;
                }
            }
            Ok(None) => panic!("the end of the log was not to be reached"),
            Err(error) => break error,
        }
    };
    let begins = early.beginning();
    let StoreError::Retired { position, first, sequence: go_on } = error else { panic!("{error}") };
    assert_eq!((position, first), (Position(SEGMENT + 64), Position(3 * SEGMENT)));
    assert_eq!(go_on, begins.next_sequence);
    let said = error.to_string();
    assert!(said.contains(&format!("from sequence {go_on}")), "{said}");
    assert!(sequence < go_on, "the first segment was read to its end, and no more");

    for asked in [1, sequence, go_on - 1] {
        let refused = early.seek_to_sequence(asked).unwrap_err();
        assert!(matches!(refused, StoreError::Retired { sequence, .. } if sequence == go_on));
    }
    let refused = early.seek(Position(SEGMENT)).unwrap_err();
    assert!(matches!(refused, StoreError::Retired { .. }), "{refused}");
    let refused = early.record_at(Position(2 * SEGMENT + 128)).unwrap_err();
    assert!(matches!(refused, StoreError::Retired { .. }), "{refused}");
    early.seek_to_sequence(go_on).unwrap();
    assert_eq!(read_on(&mut early), (go_on, writer.chain().next_sequence));
}

#[test]
fn any_sequence_is_found_and_the_next_is_the_place_of_who_wants_only_what_is_new() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut reader = writer.reader();
    reader.seek_to_sequence(1).unwrap();
    assert!(reader.next_frame().unwrap().is_none());
    fill_to(&mut writer, 3 * SEGMENT + 100);
    let next = writer.chain().next_sequence;
    for mut reader in [reader, Reader::open(&scratch.0).unwrap()] {
        for sequence in (1..next).step_by(773).chain([1, next - 1]) {
            reader.seek_to_sequence(sequence).unwrap();
            let header = reader.next_frame().unwrap().unwrap().header;
            let records = header.first_sequence..header.first_sequence + u64::from(header.count);
            assert!(records.contains(&sequence), "{sequence} is not in {records:?}");
        }
        reader.seek_to_sequence(next).unwrap();
        assert!(reader.next_frame().unwrap().is_none());
        let error = reader.seek_to_sequence(next + 1).unwrap_err();
        assert!(matches!(error, StoreError::NoSequence { next: found, .. } if found == next));
    }
}

#[test]
fn the_file_of_a_retired_segment_is_used_again_unless_somebody_reads_it() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 2 * SEGMENT + 100);
    let inode = |number| fs::metadata(scratch.segment(number)).unwrap().ino();
    // This one holds the first segment as long as it lives.
    let mut holder = Reader::open(&scratch.0).unwrap();
    let held: Vec<_> = holder.next_frame().unwrap().unwrap().payload.to_vec();
    holder.seek(Position::FIRST).unwrap();
    let first = inode(0);
    retire(&scratch, &mut writer, SEGMENT, 0..1);
    // Segments 3 and 4 exist since; 4 was made when the first was retired.
    assert_ne!(inode(4), first);
    let second = inode(1);
    retire(&scratch, &mut writer, 2 * SEGMENT, 0..2);
    assert_eq!(inode(5), second);
    let reused = fs::read(scratch.segment(5)).unwrap();
    assert!(reused[64..].iter().all(|&byte| byte == 0), "something of its past is left");
    assert_eq!(holder.next_frame().unwrap().unwrap().payload, held);

    // It is a segment like any other.
    fill_to(&mut writer, 7 * SEGMENT);
    let (begins, next) = (writer.reader().beginning(), writer.chain().next_sequence);
    drop(writer);
    scratch.forget_positions();
    let (_, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.chain.next_sequence, recovered.torn), (next, None));
    let found = survey(&scratch.0, |_| ()).unwrap();
    assert_eq!(found.records, next - begins.next_sequence);
}

#[test]
fn readers_that_tail_see_every_record_or_are_told_while_segments_come_and_go() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 200);
    commit_all(&mut writer);
    let retirement = writer.retirement();
    let last = 300_000;
    let threads: Vec<_> = (0..3_u64)
        .map(|slow| {
            let mut reader = Reader::open(&scratch.0).unwrap();
            let retired = scratch.0.join("beginning");
            thread::spawn(move || {
                let (mut sequence, mut told) = (1, 0);
                // The last begins when its beginning is gone.
                while slow == 2 && !retired.exists() {
                    thread::sleep(Duration::from_millis(1));
                }
                while sequence <= last {
                    match reader.next_frame() {
                        Ok(Some(frame)) => {
                            for found in frame.records() {
                                let found = found.unwrap();
                                assert_eq!(found.sequence, sequence);
                                assert_eq!(found.lines, record(sequence));
                                sequence += 1;
                            }
                            thread::sleep(Duration::from_micros(slow * 400));
                        }
                        Ok(None) => thread::yield_now(),
                        Err(StoreError::Retired { sequence: go_on, .. }) => {
                            assert!(go_on > sequence);
                            told += 1;
                            sequence = go_on;
                            match reader.seek_to_sequence(go_on) {
                                // It may be gone again already.
                                Ok(()) | Err(StoreError::Retired { .. }) => {}
                                Err(error) => panic!("{error}"),
                            }
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                told
            })
        })
        .collect();
    while writer.chain().next_sequence <= last {
        append(&mut writer, 200);
        commit_all(&mut writer);
        let committed = writer.committed().0;
        retirement.below(Position(committed.saturating_sub(3 * SEGMENT)));
    }
    let told: Vec<u32> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(told[2] > 0, "{told:?}");
    let files = fs::read_dir(&scratch.0).unwrap().count();
    assert!(files < 12, "{files} files are left");
}

#[test]
fn a_log_is_made_durable_from_where_it_begins() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 2 * SEGMENT + 100);
    // Nothing was synced before, and the first segment cannot be any more.
    retire(&scratch, &mut writer, SEGMENT, 0..1);
    writer.sync().unwrap();
    let (committed, begins) = (writer.committed(), writer.reader().beginning());
    let nothing = Watermark { position: Position::FIRST, sequence: 1 };
    let mut behind = BackgroundSync::new(Reader::open(&scratch.0).unwrap(), nothing).unwrap();
    assert!(begins.end.0 == SEGMENT && begins.next_sequence > 1);
    assert_eq!(behind.sync_all().unwrap().position, committed);
    let reader = writer.reader();
    reader.sync_segments(Position::FIRST, committed).unwrap();
    assert_eq!(reader.segment_start(committed).0, committed.0 - committed.0 % SEGMENT);
    assert_eq!(reader.directory(), scratch.0);
}

#[test]
fn a_derived_log_ends_where_its_source_does_and_what_lay_behind_is_kept() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut ends = Vec::new();
    for _ in 0..5 {
        append(&mut writer, 200);
        commit_all(&mut writer);
        ends.push(*writer.chain());
    }
    drop(writer);
    let last_index = ends[2].index;
    let options = Options { unsynced: u64::MAX, last_index, ..options() };
    // Less than what must be there is damage, and nothing is changed.
    let too_far = Options { durable: ends[3].end, ..options };
    let error = Writer::open(&scratch.0, too_far).unwrap_err();
    assert!(error.to_string().contains("behind the last index that counts"), "{error}");
    // Although it was committed in this boot.
    let (writer, recovered) = Writer::open(&scratch.0, options).unwrap();
    assert_eq!((recovered.chain, *writer.chain()), (ends[2], ends[2]));
    let torn = recovered.torn.unwrap();
    assert_eq!(torn.frames, 2);
    let kept = fs::metadata(torn.kept.unwrap()).unwrap().len();
    assert!(kept >= ends[4].end.0 - ends[2].end.0);
    drop(writer);
    assert_eq!(open(&scratch.0).unwrap().1.chain, ends[2]);
}

#[test]
fn a_policy_keeps_so_many_bytes_and_so_much_time() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 5 * SEGMENT + 100);
    let mut reader = writer.reader();
    let mut first_of = |number: u64| {
        reader.seek(Position(number * SEGMENT)).unwrap();
        reader.next_frame().unwrap().unwrap().header.time
    };
    let now = first_of(5);
    let second = now.since(first_of(2));
    let (little, all) = (Nanos(0), Nanos::MAX);
    let mut reader = writer.reader();
    let mut below = |bytes, time| Retention { bytes, time }.below(&mut reader, now).unwrap().0;
    assert_eq!(below(SEGMENT, little), 4 * SEGMENT);
    assert_eq!(below(2 * SEGMENT, little), 3 * SEGMENT);
    assert_eq!(below(0, second), SEGMENT, "the frame of that very moment may lie a segment before");
    assert_eq!(below(0, Nanos(second.0 - 1)), 2 * SEGMENT);
    assert_eq!([below(0, all), below(u64::MAX, little), below(5 * SEGMENT, second)], [0; 3]);
}

#[test]
fn what_a_process_left_that_died_while_it_retired_does_no_harm() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 3 * SEGMENT + 100);
    let old: Vec<_> = (0..2).map(|number| fs::read(scratch.segment(number)).unwrap()).collect();
    retire(&scratch, &mut writer, 2 * SEGMENT, 0..2);
    let (begins, next) = (writer.reader().beginning(), writer.chain().next_sequence);
    drop(writer);
    scratch.forget_positions();
    // The beginning was written, and the files were still there; a spare was half wiped.
    for (number, bytes) in old.iter().enumerate() {
        fs::write(scratch.segment(number as u64), bytes).unwrap();
    }
    fs::write(scratch.0.join("spare"), &old[1][..99_999]).unwrap();
    fs::write(scratch.0.join("beginning.new"), [7; 10]).unwrap();
    assert_eq!(read_on(&mut Reader::open(&scratch.0).unwrap()), (begins.next_sequence, next));
    let (mut writer, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.chain.next_sequence, recovered.torn), (next, None));
    assert!(!scratch.segment(0).exists() && !scratch.segment(1).exists());
    fill_to(&mut writer, 8 * SEGMENT);
    drop(writer);
    scratch.forget_positions();
    assert_eq!(open(&scratch.0).unwrap().1.torn, None);
}

#[test]
fn a_log_without_its_first_segments_and_without_a_word_of_it_is_damaged() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 3 * SEGMENT + 100);
    retire(&scratch, &mut writer, 2 * SEGMENT, 0..2);
    drop(writer);
    scratch.forget_positions();
    let path = scratch.0.join("beginning");
    let beginning = fs::read(&path).unwrap();
    for bit in 0..beginning.len() * 8 {
        let mut damaged = beginning.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, damaged).unwrap();
        let error = open(&scratch.0).unwrap_err();
        assert!(matches!(&error, StoreError::Beginning { path: named } if *named == path));
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(open(&scratch.0).unwrap_err(), StoreError::Damaged { .. }));
    fs::write(&path, &beginning).unwrap();
    // Nor may it end where it begins: what was retired lay before a frame that was durable.
    for number in 2..6 {
        let _ = fs::remove_file(scratch.segment(number));
    }
    let found = survey_knowing(&scratch.0, Known::NOTHING, |_| ());
    assert!(matches!(found, Err(StoreError::NoLog { .. })));
    let error = open(&scratch.0).unwrap_err();
    let StoreError::Damaged { position, .. } = &error else { panic!("{error}") };
    assert_eq!(*position, Position(2 * SEGMENT + 64));
}

#[test]
fn a_log_that_was_retired_is_mended_from_a_copy_that_was_made_before_but_not_from_one_made_after() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    fill_to(&mut writer, 4 * SEGMENT + 100);
    let copy = Scratch::new();
    for number in 0..5 {
        fs::copy(scratch.segment(number), copy.segment(number)).unwrap();
    }
    retire(&scratch, &mut writer, 2 * SEGMENT, 0..2);
    let end = writer.chain().end;
    drop(writer);
    scratch.forget_positions();
    let whole = fs::read(scratch.segment(3)).unwrap();
    let mut bytes = whole.clone();
    bytes[70_000..90_000].fill(9);
    fs::write(scratch.segment(3), bytes).unwrap();
    let done = repair(&scratch.0, &copy.0, false, |_, _| ()).unwrap();
    assert_eq!((done.mended.len(), done.end), (1, end));
    assert!(fs::read(scratch.segment(3)).unwrap() == whole);
    File::options().write(true).open(copy.segment(1)).unwrap().set_len(999).unwrap();
    let error = repair(&copy.0, &scratch.0, false, |_, _| ()).unwrap_err();
    assert!(matches!(error, RepairError::CopyBegins { .. }), "{error}");
}
