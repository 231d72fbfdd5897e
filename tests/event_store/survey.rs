//! What a survey says of a log: all that is in it, in use or not, and the first damage.

use std::fs;
use std::os::unix::fs::FileExt as _;

use rialto::event_store::{Damage, Known, StoreError, Survey, survey, survey_knowing};
use rialto::types::{FrameError, Position};

use super::{SEGMENT, Scratch, append, commit_all, open};

fn look(scratch: &Scratch) -> Survey {
    survey(&scratch.0, |_| ()).unwrap()
}

/// Frames, records, in use, committed, end.
fn facts(survey: &Survey) -> (u64, u64, bool, Option<Position>, Position) {
    let Survey { frames, records, in_use, committed, .. } = *survey;
    (frames, records, in_use, committed, survey.end())
}

#[test]
fn a_log_in_use_is_surveyed_up_to_its_commit_position() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    assert_eq!(facts(&look(&scratch)), (0, 0, true, Some(Position::FIRST), Position::FIRST));
    append(&mut writer, 3);
    append(&mut writer, 4);
    commit_all(&mut writer);
    let committed = writer.committed();
    append(&mut writer, 5);
    let found = look(&scratch);
    assert_eq!(facts(&found), (2, 7, true, Some(committed), committed));
    assert!(found.torn.is_none() && found.damage.is_none());
    assert_eq!(found.first.map(|header| header.first_sequence), Some(1));
    assert_eq!(found.last.map(|header| header.first_sequence), Some(4));
}

#[test]
fn a_log_that_nobody_writes_is_surveyed_to_its_end_segment_by_segment() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    while writer.chain().end.0 < SEGMENT {
        append(&mut writer, 500);
    }
    let end = writer.chain().end;
    drop(writer);
    let mut steps = 0;
    let found = survey(&scratch.0, |survey| {
        steps += 1;
        assert_eq!(survey.frames, steps);
    });
    let found = found.unwrap();
    assert_eq!((found.frames, found.end(), found.in_use), (steps, end, false));
    let in_segments: Vec<_> = found.segments.iter().map(|segment| segment.frames).collect();
    assert_eq!(in_segments, [steps - 1, 1, 0]);
    let [first, second, blank] = found.segments.as_slice() else { panic!("three segments") };
    assert!(first.used_bytes > SEGMENT - 65_600 && first.used_bytes <= SEGMENT);
    assert_eq!((second.used_bytes, blank.used_bytes), (end.0 - SEGMENT, 0));
    assert_eq!(first.records + second.records, found.records);
    assert_eq!(blank.file_bytes, SEGMENT);
}

#[test]
fn a_torn_tail_is_told_and_left_alone() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 3);
    commit_all(&mut writer);
    let torn = append(&mut writer, 4);
    drop(writer);
    let file = fs::File::options().write(true).open(scratch.segment(0)).unwrap();
    file.write_all_at(&[0xff], torn.0 + 100).unwrap();
    let before = scratch.contents();
    let found = look(&scratch);
    assert_eq!((found.frames, found.end()), (1, torn));
    assert_eq!(found.torn.map(|found| found.position), Some(torn));
    assert!(found.damage.is_none());
    assert!(scratch.contents() == before);
}

#[test]
fn damage_is_named_and_what_lies_before_it_counted() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    append(&mut writer, 3);
    let damaged = append(&mut writer, 4);
    append(&mut writer, 5);
    commit_all(&mut writer);
    let file = fs::File::options().write(true).open(scratch.segment(0)).unwrap();
    file.write_all_at(&[0xff], damaged.0 + 100).unwrap();
    let name = |found: &Survey| match &found.damage {
        Some(StoreError::Damaged { position, sequence, damage, .. }) => {
            (found.frames, *position, *sequence, *damage)
        }
        other => panic!("{other:?}"),
    };
    let expected = (1, damaged, 4, Damage::Frame(FrameError::PayloadChecksum));
    assert_eq!(name(&look(&scratch)), expected, "in use");
    drop(writer);
    assert_eq!(name(&look(&scratch)), expected, "not in use");
    scratch.forget_positions();
    let found = look(&scratch);
    assert_eq!((name(&found), found.committed), (expected, None), "after a boot");
}

#[test]
fn a_log_that_lost_its_end_is_whole_unless_it_is_known_how_far_it_was_durable() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let frames: Vec<_> = (0..4).map(|_| append(&mut writer, 3)).collect();
    let end = writer.chain().end;
    drop(writer);
    scratch.forget_positions();
    // A power loss left the second frame blank, whose page was not yet on the disk.
    let mut bytes = fs::read(scratch.segment(0)).unwrap();
    let at = |position: Position| usize::try_from(position.0).unwrap();
    bytes[at(frames[1])..at(frames[2])].fill(0);
    fs::write(scratch.segment(0), &bytes).unwrap();
    let knowing = |durable, unsynced| {
        let found = survey_knowing(&scratch.0, Known { durable, unsynced }, |_| ()).unwrap();
        (found.end(), found.torn.map(|torn| torn.frames), found.damage.map(|e| e.to_string()))
    };
    let (_, _, damage) = knowing(Position::FIRST, 0);
    assert!(damage.unwrap().contains(&format!("position {}", frames[1])));
    assert_eq!(knowing(frames[1], u64::MAX), (frames[1], Some(2), None));
    assert!(knowing(frames[2], u64::MAX).2.is_some());

    bytes[at(frames[1])..].fill(0);
    fs::write(scratch.segment(0), &bytes).unwrap();
    assert_eq!(knowing(Position::FIRST, 0), (frames[1], None, None));
    let (_, _, damage) = knowing(end, u64::MAX);
    assert!(damage.unwrap().contains(&format!("position {}", frames[1])));
}

#[test]
fn a_directory_without_a_log_is_none() {
    let scratch = Scratch::new();
    let error = survey(&scratch.0, |_| ()).unwrap_err();
    assert!(matches!(error, StoreError::NoLog { .. }), "{error}");
}
