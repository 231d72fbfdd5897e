//! What was lost is named, what was never acknowledged is cut, and nothing else is touched.

use std::fs::{self, File};
use std::path::Path;

use rialto::event_store::{
    CHECKED_AGAIN_BYTES, Damage, Landmark, LogKind, Options, Reader, StoreError, Writer,
    check_space, is_blank_log,
};
use rialto::types::{Cause, FrameChain, FrameError, FrameHeader, FrameKind, Line, Nanos, Position};
use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{SEGMENT, Scratch, append, commit_all, open, options};

const FRAMES: u64 = 5;

/// A log of five frames of two to five lines, of an earlier boot, and where they start.
fn old_log() -> (Scratch, Vec<Position>) {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut starts: Vec<_> = (0..FRAMES).map(|_| append(&mut writer, 2)).collect();
    starts.push(writer.chain().end);
    drop(writer);
    scratch.forget_positions();
    (scratch, starts)
}

fn flip(path: &Path, bit: u64) {
    use std::os::unix::fs::FileExt;

    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}

/// Opens the log, which must have lost its last frame only, and goes on with it.
fn assert_torn(scratch: &Scratch, starts: &[Position], what: &str) {
    let last = starts[starts.len() - 2];
    let (mut writer, recovered) = open(&scratch.0).unwrap();
    assert_eq!(recovered.frames, FRAMES - 1, "{what}");
    assert_eq!(recovered.chain.end, last, "{what}");
    assert_eq!(recovered.torn.as_ref().map(|torn| torn.position), Some(last), "{what}");
    append(&mut writer, 1);
    commit_all(&mut writer);
    drop(writer);
    let (writer, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.frames, recovered.torn), (FRAMES, None), "{what}");
    drop(writer);
    assert_eq!(fs::metadata(scratch.segment(0)).unwrap().len(), SEGMENT);
}

/// Opening the log must fail, name the frame at `position`, and change nothing.
fn assert_refused(scratch: &Scratch, position: Position, what: &str) -> Damage {
    let before = scratch.contents();
    let error = open(&scratch.0).unwrap_err();
    assert!(scratch.contents() == before, "{what}: files changed");
    let StoreError::Damaged { position: named, damage, index, .. } = &error else {
        panic!("{what}: {error}");
    };
    assert_eq!(*named, position, "{what}: {error}");
    assert!(error.to_string().contains(&format!("position {position}, behind index {index} ")));
    *damage
}

#[test]
fn a_log_cut_at_any_byte_of_its_last_frame_loses_that_frame_only() {
    let (scratch, starts) = old_log();
    let whole = scratch.contents();
    let (last, end) = (starts[starts.len() - 2], starts[starts.len() - 1]);
    for length in last.0 + 1..end.0 {
        scratch.restore(&whole);
        let file = File::options().write(true).open(scratch.segment(0)).unwrap();
        file.set_len(length).unwrap();
        assert_torn(&scratch, &starts, &format!("cut to {length} bytes"));
    }
    scratch.restore(&whole);
    File::options().write(true).open(scratch.segment(0)).unwrap().set_len(last.0).unwrap();
    let (_, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.frames, recovered.torn), (FRAMES - 1, None));
}

#[test]
fn a_write_that_stopped_at_any_line_of_the_last_frame_is_cut() {
    let (scratch, starts) = old_log();
    let whole = scratch.contents();
    let (last, end) = (starts[starts.len() - 2], starts[starts.len() - 1]);
    for blank_from in (last.0 + 64..end.0).step_by(64) {
        scratch.restore(&whole);
        let mut bytes = fs::read(scratch.segment(0)).unwrap();
        let range = usize::try_from(blank_from).unwrap()..usize::try_from(end.0).unwrap();
        bytes[range].fill(0);
        fs::write(scratch.segment(0), bytes).unwrap();
        assert_torn(&scratch, &starts, &format!("blank from {blank_from}"));
    }
}

#[test]
fn a_flipped_bit_in_the_last_frame_cuts_it_and_in_any_other_refuses_the_log() {
    let (scratch, starts) = old_log();
    let whole = scratch.contents();
    let last = starts.len() - 2;
    for frame in [0, 2, last] {
        let (start, end) = (starts[frame].0 * 8, starts[frame + 1].0 * 8);
        let header = start..start + 64 * 8;
        let payload = (header.end..end).step_by(61);
        for bit in header.chain(payload) {
            scratch.restore(&whole);
            flip(&scratch.segment(0), bit);
            let what = format!("frame {frame}, bit {}", bit - start);
            if frame == last {
                assert_torn(&scratch, &starts, &what);
            } else {
                assert_refused(&scratch, starts[frame], &what);
            }
        }
    }
}

#[test]
fn a_damaged_last_frame_is_refused_if_it_was_committed_in_this_boot() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 2);
    let last = append(&mut writer, 2);
    commit_all(&mut writer);
    drop(writer);
    flip(&scratch.segment(0), last.plus(100).0 * 8);
    let damage = assert_refused(&scratch, last, "committed");
    assert_eq!(damage, Damage::Frame(FrameError::PayloadChecksum));
    let mut reader = Reader::open(&scratch.0).unwrap();
    assert!(reader.next_frame().unwrap().is_some());
}

#[test]
fn a_damaged_last_frame_is_refused_if_it_is_known_to_be_durable() {
    let (scratch, starts) = old_log();
    let (last, end) = (starts[starts.len() - 2], starts[starts.len() - 1]);
    flip(&scratch.segment(0), last.0 * 8);
    let durable = |durable| Writer::open(&scratch.0, Options { durable, ..options() });
    assert!(matches!(durable(end), Err(StoreError::Damaged { position, .. }) if position == last));
    let (_, recovered) = durable(last).unwrap();
    assert_eq!(recovered.chain.end, last);
}

#[test]
fn a_torn_frame_that_began_a_segment_is_cut_and_written_anew() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let first = Position(SEGMENT + 64);
    let mut end = writer.chain().end;
    while append(&mut writer, 300) != first {
        end = writer.chain().end;
    }
    drop(writer);
    scratch.forget_positions();
    flip(&scratch.segment(1), 1_000);
    let (mut writer, recovered) = open(&scratch.0).unwrap();
    assert_eq!(recovered.chain.end, end);
    let torn = recovered.torn.unwrap();
    assert_eq!((torn.path, torn.position), (scratch.segment(1), first));
    assert_eq!(append(&mut writer, 1), first);
    drop(writer);
    let (_, again) = open(&scratch.0).unwrap();
    assert_eq!((again.torn, again.frames), (None, recovered.frames + 1));
}

#[test]
fn a_zeroed_frame_is_refused_if_frames_follow() {
    let (scratch, starts) = old_log();
    let mut bytes = fs::read(scratch.segment(0)).unwrap();
    bytes[usize::try_from(starts[1].0).unwrap()..usize::try_from(starts[2].0).unwrap()].fill(0);
    fs::write(scratch.segment(0), bytes).unwrap();
    assert_eq!(assert_refused(&scratch, starts[1], "zeroed"), Damage::Blank);
}

#[test]
fn what_a_power_loss_left_in_no_order_is_cut_above_what_was_durable_and_kept() {
    let (scratch, starts) = old_log();
    let whole = fs::read(scratch.segment(0)).unwrap();
    let at = |position: Position| usize::try_from(position.0).unwrap();
    let mut holed = whole.clone();
    holed[at(starts[1])..at(starts[2])].fill(0);
    fs::write(scratch.segment(0), &holed).unwrap();
    let open =
        |durable, unsynced| Writer::open(&scratch.0, Options { durable, unsynced, ..options() });
    // Below what was durable, and farther than what was not yet synced, it is damage.
    for (durable, unsynced) in [(starts[2], u64::MAX), (starts[1], starts[4].0 - starts[1].0)] {
        let refused = open(durable, unsynced).unwrap_err();
        assert!(matches!(refused, StoreError::Damaged { position, .. } if position == starts[1]));
        assert_eq!(fs::read(scratch.segment(0)).unwrap(), holed);
    }
    let (writer, recovered) = open(starts[1], u64::MAX).unwrap();
    let torn = recovered.torn.unwrap();
    assert_eq!((recovered.frames, torn.position, torn.frames), (1, starts[1], 3));
    let kept = fs::read(torn.kept.unwrap()).unwrap();
    assert!(kept == holed[at(starts[1])..at(starts[5])]);
    drop(writer);
    let (_, again) = open(starts[1], 0).unwrap();
    assert_eq!((again.frames, again.torn), (1, None));
}

#[test]
fn what_a_participant_wrote_to_look_like_a_frame_is_no_frame() {
    let (scratch, starts) = old_log();
    let end = starts[starts.len() - 1];
    let mut bytes = fs::read(scratch.segment(0)).unwrap();
    // A whole header of an empty frame, within the payload of one whose header was never written.
    let cause = Cause { index: u64::MAX, term: u32::MAX, time: Nanos(u64::MAX) };
    let mut elsewhere = FrameChain::empty(SEGMENT);
    elsewhere.next_sequence = u64::MAX;
    let mut old = FrameChain::empty(SEGMENT);
    old.end = end.plus(128);
    let first = Cause { index: 1, term: 1, time: Nanos(1) };
    let crafted = [
        elsewhere.seal(FrameKind::Normal, cause, 0, &[]),
        old.seal(FrameKind::Normal, first, 0, &[]),
    ];
    for (line, header) in crafted.iter().enumerate() {
        let at = usize::try_from(end.0).unwrap() + 64 * (line + 1);
        let header = Line::bytes(std::slice::from_ref(header_line(header)));
        bytes[at..at + 64].copy_from_slice(header);
    }
    fs::write(scratch.segment(0), bytes).unwrap();
    let (_, recovered) = open(&scratch.0).unwrap();
    assert_eq!((recovered.frames, recovered.chain.end), (FRAMES, end));
    let torn = recovered.torn.unwrap();
    assert_eq!((torn.position, torn.bytes, torn.frames), (end, 128, 0));
}

fn header_line(header: &FrameHeader) -> &Line {
    Line::ref_from_bytes(header.as_bytes()).unwrap()
}

#[test]
fn a_log_is_blank_until_its_first_frame() {
    let scratch = Scratch::new();
    assert!(is_blank_log(&scratch.0.join("not/there")).unwrap());
    assert!(is_blank_log(&scratch.0).unwrap());
    let (mut writer, _) = open(&scratch.0).unwrap();
    assert!(is_blank_log(&scratch.0).unwrap());
    append(&mut writer, 1);
    assert!(!is_blank_log(&scratch.0).unwrap());
}

/// A log of an earlier boot with frames in segments 0 to 3, and the first frame of each.
fn log_of_four_segments() -> (Scratch, Vec<Position>) {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    while writer.chain().end.0 < 3 * SEGMENT + 1_000 {
        append(&mut writer, 300);
    }
    drop(writer);
    scratch.forget_positions();
    let starts = (0..4).map(|number| Position(number * SEGMENT + 64)).collect();
    (scratch, starts)
}

#[test]
fn a_missing_segment_in_the_middle_is_named() {
    let (scratch, starts) = log_of_four_segments();
    for number in [0, 2] {
        let path = scratch.segment(number);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let damage = assert_refused(&scratch, starts[usize::try_from(number).unwrap()], "missing");
        assert_eq!(damage, Damage::SegmentMissing);
        fs::write(&path, bytes).unwrap();
    }
    open(&scratch.0).unwrap();
}

#[test]
fn a_segment_in_the_place_of_another_is_named() {
    let (scratch, starts) = log_of_four_segments();
    for number in [2, 3] {
        let bytes = fs::read(scratch.segment(number)).unwrap();
        fs::copy(scratch.segment(1), scratch.segment(number)).unwrap();
        let start = starts[usize::try_from(number).unwrap()];
        assert_eq!(assert_refused(&scratch, start, "duplicated"), Damage::SegmentHeader);
        fs::write(scratch.segment(number), bytes).unwrap();
    }
}

#[test]
fn a_damaged_segment_header_is_named_where_frames_follow() {
    let (scratch, starts) = log_of_four_segments();
    for number in 0..4 {
        flip(&scratch.segment(number), 100);
        let start = starts[usize::try_from(number).unwrap()];
        assert_eq!(assert_refused(&scratch, start, "header"), Damage::SegmentHeader);
        flip(&scratch.segment(number), 100);
    }
    flip(&scratch.segment(0), 100);
    assert!(matches!(Reader::open(&scratch.0), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_middle_segment_cut_short_is_refused_and_not_filled_up() {
    let (scratch, starts) = log_of_four_segments();
    let file = File::options().write(true).open(scratch.segment(1)).unwrap();
    file.set_len(64).unwrap();
    assert_eq!(assert_refused(&scratch, starts[1], "cut"), Damage::Short);
    assert_eq!(fs::metadata(scratch.segment(1)).unwrap().len(), 64);
}

#[test]
fn a_log_is_opened_with_its_own_size_and_kind_only() {
    let (scratch, _) = old_log();
    let open = |options| Writer::open(&scratch.0, options).map(|_| ()).unwrap_err();
    let error = open(Options::new(LogKind::Commands, 2 * SEGMENT));
    assert!(matches!(&error, StoreError::SegmentSize { found: SEGMENT, wanted: 2_097_152, .. }));
    assert!(error.to_string().contains("1048576") && error.to_string().contains("2097152"));
    let error = open(Options::new(LogKind::Events, SEGMENT));
    assert!(matches!(error, StoreError::Kind { found: LogKind::Commands, .. }));
    for bytes in [0, SEGMENT / 2, SEGMENT + 64, 8 << 30] {
        let error = open(Options::new(LogKind::Commands, bytes));
        assert!(matches!(error, StoreError::SegmentSizeRange { .. }), "{bytes}");
    }
}

#[test]
fn a_second_writer_is_refused_while_the_first_lives() {
    let scratch = Scratch::new();
    let (writer, _) = open(&scratch.0).unwrap();
    let error = open(&scratch.0).unwrap_err();
    assert!(matches!(&error, StoreError::Locked { path } if *path == scratch.0));
    drop(writer);
    open(&scratch.0).unwrap();
}

#[test]
fn an_empty_directory_is_no_log_to_read() {
    let scratch = Scratch::new();
    assert!(matches!(Reader::open(&scratch.0), Err(StoreError::NoLog { .. })));
}

#[test]
fn a_reader_learns_the_format_from_any_segment_and_names_the_header_that_is_damaged() {
    let (scratch, starts) = log_of_four_segments();
    flip(&scratch.segment(0), 100);
    let error = Reader::open(&scratch.0).unwrap_err();
    let StoreError::Damaged { path, position, damage, .. } = &error else { panic!("{error}") };
    assert_eq!((path, *position), (&scratch.segment(0), starts[0]));
    assert_eq!(*damage, Damage::SegmentHeader);
    for number in 1..5 {
        flip(&scratch.segment(number), 100);
    }
    let error = Reader::open(&scratch.0).unwrap_err();
    assert!(matches!(&error, StoreError::NoFormat { path } if *path == scratch.0), "{error}");
}

#[test]
fn too_little_space_is_said_with_both_figures() {
    let scratch = Scratch::new();
    check_space(&scratch.0.join("not/yet/there"), 1).unwrap();
    let error = check_space(&scratch.0, u64::MAX).unwrap_err();
    let StoreError::NoSpace { need, free, .. } = &error else { panic!("{error}") };
    assert!(*need == u64::MAX && *free > 0);
    assert!(error.to_string().contains(&format!("{need} bytes needed, {free} free")));
}

#[test]
fn what_lies_far_before_a_landmark_is_not_checked_again_in_the_same_boot() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    while writer.chain().end.0 < CHECKED_AGAIN_BYTES + 3 * SEGMENT {
        append(&mut writer, 250);
    }
    let landmark = Landmark::of(writer.chain());
    append(&mut writer, 250);
    commit_all(&mut writer);
    let end = *writer.chain();
    drop(writer);
    let checked = |landmark| {
        let options = Options { landmark: Some(landmark), ..options() };
        Writer::open(&scratch.0, options).map(|(_, recovered)| {
            assert_eq!((recovered.chain, recovered.torn), (end, None));
            assert_eq!(recovered.records, end.next_sequence - 1);
            recovered.frames
        })
    };
    let some = checked(landmark).unwrap();
    assert!(0 < some && some < end.index, "{some} of {}", end.index);
    // One of another log, one that no frame ends at, and one behind the end.
    for wrong in [
        Landmark { hash: landmark.hash ^ 1, ..landmark },
        Landmark { end: Position(landmark.end.0 - 64), ..landmark },
        Landmark { end: end.end.plus(64), ..landmark },
    ] {
        assert_eq!(checked(wrong).unwrap(), end.index);
    }

    // A payload that changed under a machine that did not go down is not looked at; it is after a reboot.
    let contents = scratch.contents();
    flip(&scratch.segment(1), 8 * 512 * 1_024);
    assert_eq!(checked(landmark).unwrap(), some);
    scratch.forget_positions();
    assert!(matches!(checked(landmark), Err(StoreError::Damaged { .. })));
    // What is missing is.
    scratch.restore(&contents);
    fs::remove_file(scratch.segment(1)).unwrap();
    let refused = checked(landmark);
    let missing = Damage::SegmentMissing;
    assert!(matches!(&refused, Err(StoreError::Damaged { damage, .. }) if *damage == missing));
}
