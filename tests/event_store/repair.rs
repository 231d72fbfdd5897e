//! A damaged log and a copy of it: what is damaged is mended, whatever is sound stays, and a copy that
//! is not one changes nothing.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use rialto::event_store::{Damage, Mended, Reader, Repair, RepairError, StoreError, repair};
use rialto::types::{Cause, FrameKind, Nanos, Position};

use super::{SEGMENT, Scratch, append, open, record};

type Contents = Vec<(PathBuf, Vec<u8>)>;

/// A log over four segments that nobody has open, and where its frames start; last, where it ends.
fn log() -> (Scratch, Vec<Position>) {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut starts = Vec::new();
    while writer.chain().end.0 < 3 * SEGMENT + 50_000 {
        let small = starts.len() < 8 || writer.chain().end.0 > 3 * SEGMENT;
        starts.push(append(&mut writer, if small { 2 } else { 300 }));
    }
    starts.push(writer.chain().end);
    drop(writer);
    scratch.forget_positions();
    (scratch, starts)
}

fn copy_of(log: &Scratch) -> Scratch {
    let copy = Scratch::new();
    for (path, bytes) in log.contents() {
        fs::write(copy.0.join(path.file_name().unwrap()), bytes).unwrap();
    }
    copy
}

fn write_at(log: &Scratch, at: Position, bytes: &[u8]) {
    let file = File::options().write(true).open(log.segment(at.0 / SEGMENT)).unwrap();
    file.write_all_at(bytes, at.0 % SEGMENT).unwrap();
}

/// A process that another test starts has our files too, from its fork until its exec: only who still has
/// them then keeps a log locked.
fn mend(log: &Scratch, copy: &Scratch) -> Result<Repair, RepairError> {
    const TRIES: usize = 300;
    for _ in 0..TRIES {
        match repair(&log.0, &copy.0, false, |_, _| ()) {
            Err(RepairError::Store(StoreError::Locked { .. })) => {
                thread::sleep(Duration::from_millis(1));
            }
            done => return done,
        }
    }
    repair(&log.0, &copy.0, false, |_, _| ())
}

/// The repair must be refused, and nothing changed.
fn refused(log: &Scratch, copy: &Scratch) -> RepairError {
    let before = [log.contents(), copy.contents()];
    let error = mend(log, copy).unwrap_err();
    assert!([log.contents(), copy.contents()] == before, "{error}: files changed");
    error
}

fn place(start: Position, bytes: u64) -> usize {
    usize::try_from(start.0 + bytes).unwrap()
}

/// Runs of frames that were mended, by their places.
fn runs(repair: &Repair) -> Vec<(Position, Position, u64)> {
    repair.mended.iter().map(|&Mended { from, to, frames, .. }| (from, to, frames)).collect()
}

#[test]
fn whatever_was_damaged_is_as_it_was_and_what_was_not_is_left_alone() {
    let (log, starts) = log();
    let copy = copy_of(&log);
    let whole = log.contents();
    let (first, end) = (starts[0], *starts.last().unwrap());
    let third = *starts.iter().find(|start| start.0 > 2 * SEGMENT).unwrap();
    let remove = |number| fs::remove_file(log.segment(number)).unwrap();
    let damages: &[(&str, &dyn Fn())] = &[
        ("a bit of a header", &|| write_at(&log, starts[2].plus(9), &[0xFF])),
        ("a bit of a payload", &|| write_at(&log, starts[3].plus(70), &[0xFF])),
        ("a frame is blank", &|| write_at(&log, starts[4], &[0; 128])),
        ("two places", &|| {
            write_at(&log, starts[1].plus(70), &[0xFF]);
            write_at(&log, third.plus(5_000), &[0xFF; 99]);
        }),
        ("a segment's header", &|| write_at(&log, Position(SEGMENT + 12), &[0xFF])),
        ("a middle segment is missing", &|| remove(2)),
        ("the first segment is missing", &|| remove(0)),
        ("a segment twice", &|| {
            fs::copy(log.segment(1), log.segment(2)).unwrap();
        }),
        ("a segment is cut short", &|| {
            File::options().write(true).open(log.segment(1)).unwrap().set_len(99_999).unwrap();
        }),
        ("everything is missing", &|| fs::remove_dir_all(&log.0).unwrap()),
    ];
    for (what, damage) in damages {
        damage();
        if log.0.exists() {
            let error = open(&log.0).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{what}: {error}");
        }
        let before = log.0.exists().then(|| log.contents());
        let planned = repair(&log.0, &copy.0, true, |_, _| ()).unwrap();
        assert!(before.is_none_or(|before| log.contents() == before), "{what}: a dry run wrote");
        let done = mend(&log, &copy).unwrap();
        assert_eq!((&done, done.end), (&planned, end), "{what}");
        assert!(!done.mended.is_empty(), "{what}");
        assert!(segments(log.contents()) == segments(whole.clone()), "{what}: not as it was");
        let again = mend(&log, &copy).unwrap();
        assert_eq!((again.mended, again.end), (Vec::new(), end), "{what}");
        log.restore(&whole);
    }
    assert!(segments(copy.contents()).iter().zip(&whole).all(|((_, a), (_, b))| a == b));

    write_at(&log, starts[5].plus(70), &[0xFF]);
    write_at(&log, starts[6], &[0; 64]);
    let (from, to) = (starts[5], starts[7]);
    assert_eq!(runs(&mend(&log, &copy).unwrap()), [(from, to, 2)]);
    write_at(&log, first, &[0; 64]);
    let (_, recovered) = {
        mend(&log, &copy).unwrap();
        open(&log.0).unwrap()
    };
    assert_eq!((recovered.chain.end, recovered.torn), (end, None));
}

/// Those that hold frames: a prepared one behind them may be there or not.
fn segments(contents: Contents) -> Contents {
    contents.into_iter().filter(|(path, _)| !path.ends_with("00000004.seg")).collect()
}

#[test]
fn an_end_that_was_lost_is_given_back_and_one_that_goes_on_behind_the_copy_stays() {
    let (log, starts) = log();
    let copy = copy_of(&log);
    let whole = log.contents();
    let end = *starts.last().unwrap();
    // A power loss took the last two frames: nothing here shows it, but the copy has them.
    let last = starts[starts.len() - 3];
    let tail = usize::try_from(end.0 - last.0).unwrap();
    write_at(&log, last, &vec![0; tail]);
    assert_eq!(runs(&mend(&log, &copy).unwrap()), [(last, end, 2)]);
    assert!(log.contents() == whole);

    // A copy that was made before the last frames were written mends what lies before its end ...
    write_at(&copy, last, &vec![0; tail]);
    write_at(&log, starts[1].plus(70), &[0xFF]);
    let done = mend(&log, &copy).unwrap();
    assert_eq!((runs(&done), done.end), (vec![(starts[1], starts[2], 1)], end));
    assert!(log.contents() == whole);
    // ... and nothing if there is damage behind it too.
    write_at(&log, starts[1].plus(70), &[0xFF]);
    write_at(&log, last.plus(70), &[0xFF]);
    let error = refused(&log, &copy);
    let RepairError::CopyEnds { end: copied, damage } = &error else { panic!("{error}") };
    assert!(*copied == last && damage.to_string().contains(&format!("position {last}")));
}

#[test]
fn a_repair_that_was_killed_after_any_byte_is_made_again() {
    let (log, starts) = story(3);
    let copy = copy_of(&log);
    let segment = fs::read(log.segment(0)).unwrap();
    let (from, to) = (starts[1], starts[3]);
    for written in from.0..=to.0 {
        let mut partly = segment[place(from, 0)..place(to, 0)].to_vec();
        partly[place(Position(written), 0) - place(from, 0)..].fill(0xEE);
        write_at(&log, from, &partly);
        mend(&log, &copy).unwrap();
        assert!(fs::read(log.segment(0)).unwrap() == segment, "{written}");
    }
}

#[test]
fn a_copy_that_is_damaged_too_is_refused_with_the_place() {
    let (log, starts) = log();
    let copy = copy_of(&log);
    write_at(&log, starts[1].plus(70), &[0xFF]);
    write_at(&copy, starts[4].plus(70), &[0xFF]);
    let error = refused(&log, &copy);
    let RepairError::Copy(StoreError::Damaged { path, position, .. }) = &error else {
        panic!("{error}")
    };
    assert_eq!((path, *position), (&copy.segment(0), starts[4]));
    // Damaged in the same frame, neither helps the other.
    fs::copy(log.segment(0), copy.segment(0)).unwrap();
    assert!(matches!(refused(&log, &copy), RepairError::Copy(_)));
}

/// Three frames, then `others` of a story that only this log knows.
fn story(others: u16) -> (Scratch, Vec<Position>) {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let mut starts: Vec<_> = (0..3).map(|_| append(&mut writer, 4)).collect();
    for _ in 0..others {
        let mut chain = *writer.chain();
        let payload = record(chain.next_sequence + 1_000 * u64::from(others));
        let cause = Cause { index: chain.index + 1, term: 2, time: Nanos(chain.time.0 + 1) };
        let header = chain.seal(FrameKind::Normal, cause, 1, &payload);
        writer.append(&header, &payload).unwrap();
        starts.push(header.start);
    }
    drop(writer);
    scratch.forget_positions();
    (scratch, starts)
}

#[test]
fn a_log_that_went_on_in_another_way_is_no_copy_wherever_the_damage_lies() {
    let (log, starts) = story(3);
    let (copy, _) = story(4);
    let rival = |position| move |error: &RepairError| matches!(error, RepairError::Rival { position: at } if *at == position);
    assert!(rival(starts[3])(&refused(&log, &copy)));
    // Where the stories part the log is damaged: the frame behind says that they did.
    write_at(&log, starts[3], &[0; 64]);
    let error = refused(&log, &copy);
    assert!(rival(starts[4])(&error) && error.to_string().contains("no copy of this log"));
    // Nothing of the other story is left: nothing is lost by taking the copy's.
    write_at(&log, starts[3], &[0; 1_024]);
    assert_eq!(mend(&log, &copy).unwrap().mended.len(), 1);
}

#[test]
fn logs_in_use_and_logs_of_another_kind_are_no_copies() {
    let (log, starts) = log();
    let copy = copy_of(&log);
    write_at(&log, starts[1].plus(70), &[0xFF]);
    assert!(matches!(refused(&log, &log), RepairError::Same { .. }));
    let (writer, _) = open(&copy.0).unwrap();
    let error = refused(&log, &copy);
    assert!(matches!(error, RepairError::Store(StoreError::Locked { .. })), "{error}");
    drop(writer);
    // Who read the log while its node ran is still there: what it holds must not change under it.
    drop(open(&copy.0).unwrap());
    let (mut writer, _) = open(&copy.0).unwrap();
    super::commit_all(&mut writer);
    drop(writer);
    let mut reader = Reader::open(&copy.0).unwrap();
    assert!(reader.next_frame().unwrap().is_some());
    write_at(&copy, starts[2].plus(70), &[0xFF]);
    let other = copy_of(&log);
    write_at(
        &other,
        starts[1].plus(70),
        &fs::read(copy.segment(0)).unwrap()[place(starts[1], 70)..][..1],
    );
    let error = refused(&copy, &other);
    assert!(matches!(error, RepairError::Store(StoreError::Locked { .. })), "{error}");
    drop(reader);
    mend(&copy, &other).unwrap();
    let empty = Scratch::new();
    assert!(matches!(refused(&log, &empty), RepairError::Store(StoreError::NoLog { .. })));
    let larger = Scratch::new();
    let options = rialto::event_store::Options { segment_bytes: 2 * SEGMENT, ..super::options() };
    drop(rialto::event_store::Writer::open(&larger.0, options).unwrap());
    let error = refused(&log, &larger);
    assert!(matches!(error, RepairError::Store(StoreError::SegmentSize { .. })), "{error}");
    let error = open(&log.0).unwrap_err();
    let StoreError::Damaged { damage: Damage::Frame(_), .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("rialto log repair --from"));
}
