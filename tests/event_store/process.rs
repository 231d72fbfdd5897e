//! What survives the death of a process, what another process sees, and what a full disk does.
//!
//! Each test runs this test program again as the other process: [`child`] with its part in `PART`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rialto::event_store::{Landmark, Reader, SnapshotMark, Snapshots, StoreError, WriterState};
use rialto::types::{FrameChain, Position};

use super::{SEGMENT, Scratch, append, commit_all, next_frame, open, record};

const PART: &str = "RIALTO_STORE_TEST_PART";
const DIRECTORY: &str = "RIALTO_STORE_TEST_DIRECTORY";

/// What runs in the other process; nothing unless it was asked to.
#[test]
fn child() {
    let Ok(part) = std::env::var(PART) else { return };
    let directory = std::env::var(DIRECTORY).unwrap();
    let directory = Path::new(&directory);
    match part.as_str() {
        "append until killed" => append_until_killed(directory, u64::MAX),
        "retire until killed" => append_until_killed(directory, SEGMENT),
        "read" => read(directory),
        "fill the disk" => fill_the_disk(directory),
        "fill the disk of snapshots" => fill_the_disk_of_snapshots(directory),
        _ => panic!("no such part: {part}"),
    }
}

fn run(part: &str, directory: &Path, wrapper: &[&str]) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut words = wrapper.iter().map(AsRef::as_ref).chain([program.as_os_str()]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(["--exact", "process::child", "--nocapture"]);
    command.env(PART, part).env(DIRECTORY, directory);
    command
}

#[test]
fn every_acknowledged_frame_survives_kill_9() {
    let scratch = Scratch::on_disk();
    killed_under_load("append until killed", &scratch, 50);
    assert!(scratch.segment(0).exists());
}

#[test]
fn so_does_every_one_that_is_kept_where_segments_are_retired_meanwhile() {
    let scratch = Scratch::new();
    killed_under_load("retire until killed", &scratch, 50);
    assert!(!scratch.segment(0).exists(), "nothing was retired");
}

/// Kills a process that appends as often, each time elsewhere, and looks at what it left.
fn killed_under_load(part: &str, scratch: &Scratch, rounds: u64) {
    let (mut acknowledged, mut checked) = (0, 0);
    for round in 0..rounds {
        let mut child = run(part, &scratch.0, &[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        let mut killed = false;
        // A line that the kill cut short has no sequence.
        while let Some(Ok(line)) = lines.next() {
            let Some(sequence) = line.strip_prefix("committed ").and_then(|s| s.strip_suffix('.'))
            else {
                continue;
            };
            acknowledged = sequence.parse::<u64>().unwrap();
            seen += 1;
            if seen == 5 + 53 * round % 400 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself after {seen} frames");

        let mut reader = Reader::open(&scratch.0).unwrap();
        assert_eq!(reader.writer().unwrap(), WriterState::Died);
        // What the rounds before left was read by them, and may be gone by now.
        checked = checked.max(reader.beginning().next_sequence - 1);
        reader.seek_to_sequence(checked + 1).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            for found in frame.records().map(Result::unwrap) {
                assert!(found.sequence <= checked + 1, "a gap behind {checked}");
                checked = found.sequence;
                assert_eq!(found.lines, record(checked));
            }
        }
        assert!(checked >= acknowledged, "read {checked}, acknowledged {acknowledged}");
        let (writer, recovered) = open(&scratch.0).unwrap();
        assert!(recovered.chain.next_sequence > checked);
        drop(writer);
        assert_eq!(reader.writer().unwrap(), WriterState::Closed);
    }
}

fn append_until_killed(directory: &Path, kept: u64) {
    let (mut writer, _) = open(directory).unwrap();
    let retirement = writer.retirement();
    let mut stdout = std::io::stdout();
    for frame in 0..1_000_000_u32 {
        append(&mut writer, 1 + u16::try_from(frame % 64).unwrap());
        commit_all(&mut writer);
        retirement.below(Position(writer.committed().0.saturating_sub(kept)));
        writeln!(stdout, "committed {}.", writer.chain().next_sequence - 1).unwrap();
    }
}

#[test]
fn another_process_reads_what_is_committed_here() {
    let scratch = Scratch::new();
    let (mut writer, _) = open(&scratch.0).unwrap();
    let child = run("read", &scratch.0, &[]).stdout(Stdio::piped()).spawn().unwrap();
    for _ in 0..300 {
        append(&mut writer, 64);
        commit_all(&mut writer);
        thread::sleep(Duration::from_micros(200));
    }
    append(&mut writer, 7);
    let output = child.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("read 19200 records over 2 segments."), "{output}");
}

fn read(directory: &Path) {
    let mut reader = Reader::open(directory).unwrap();
    let mut sequence = 0;
    while sequence < 300 * 64 {
        let Some(frame) = reader.next_frame().unwrap() else {
            thread::yield_now();
            continue;
        };
        for found in frame.records() {
            sequence += 1;
            assert_eq!(found.unwrap().lines, record(sequence));
        }
    }
    assert!(reader.next_frame().unwrap().is_none());
    println!("read {sequence} records over {} segments.", reader.position().0 / SEGMENT);
}

#[test]
fn a_full_disk_is_an_error_with_figures_and_the_writer_goes_on_when_there_is_room() {
    goes_on_in_a_namespace("fill the disk");
}

#[test]
fn a_full_disk_takes_no_snapshot_and_keeps_those_it_has() {
    goes_on_in_a_namespace("fill the disk of snapshots");
}

/// As root, or with a user namespace's root: the child mounts a file system of its own.
fn goes_on_in_a_namespace(part: &str) {
    const IN_NAMESPACE: &str = "if unshare -m true 2>/dev/null; then exec unshare -m \"$@\"; \
                                else exec unshare -rm \"$@\"; fi";
    let scratch = Scratch::on_disk();
    let wrapper = ["sh", "-c", IN_NAMESPACE, "sh"];
    let output = run(part, &scratch.0, &wrapper).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("went on."), "{text}{errors}");
}

fn mount_small(directory: &Path) {
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4400k", "rialto-test"])
        .arg(directory)
        .status()
        .unwrap();
    assert!(mounted.success());
}

fn fill_the_disk_of_snapshots(directory: &Path) {
    mount_small(directory);
    // Two of these and some of a third.
    let content = vec![7; 1_900_000];
    let snapshots = Snapshots::new(&directory.join("snapshots"));
    let store = |next_sequence| {
        let commands = FrameChain { next_sequence, ..FrameChain::empty(SEGMENT) };
        let events = Landmark { end: Position::FIRST, hash: 0 };
        let mark = SnapshotMark { commands, events, state_hash: 1 };
        snapshots.store(&mark, &content)
    };
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 300_000]).unwrap();
    let kept = [store(20).unwrap(), store(10).unwrap()];
    let error = store(30).unwrap_err().to_string();
    assert!(error.contains("No space left on device"), "{error}");
    assert!(error.contains("00000000000000000029"), "{error}");
    assert_eq!(snapshots.newest_first().unwrap(), kept);
    assert!(kept.iter().all(|path| Snapshots::check(path).is_ok()));
    let files = fs::read_dir(directory.join("snapshots")).unwrap().count();
    assert_eq!(files, 2, "half a snapshot is left");

    // As long as two are kept a third needs its room, and has it once somebody makes some.
    fs::remove_file(&kept[1]).unwrap();
    let newest = store(30).unwrap();
    assert_eq!(snapshots.newest_first().unwrap(), [newest, kept[0].clone()]);
    println!("went on.");
}

fn fill_the_disk(directory: &Path) {
    mount_small(directory);
    // Three segments fit, and a fourth when the ballast is gone.
    let ballast = directory.join("ballast");
    fs::write(&ballast, vec![1; 1 << 19]).unwrap();
    let log = directory.join("log");
    let (mut writer, _) = open(&log).unwrap();
    let error = loop {
        let (header, payload) = next_frame(&writer, 100);
        match writer.append(&header, &payload) {
            Ok(()) => commit_all(&mut writer),
            Err(error) => break error,
        }
    };
    let StoreError::NoSpace { path, need, free } = &error else { panic!("{error}") };
    assert_eq!(*path, log.join("00000003.seg"));
    assert_eq!(*need, SEGMENT);
    assert!(*free < SEGMENT);
    // The thread that prepares segments tries again by itself, and fails again.
    let soon = Instant::now() + Duration::from_secs(5);
    while path.exists() {
        assert!(Instant::now() < soon, "what is left of {}", path.display());
        thread::sleep(Duration::from_millis(1));
    }
    let end = *writer.chain();
    let (header, payload) = next_frame(&writer, 100);
    assert!(matches!(writer.append(&header, &payload), Err(StoreError::NoSpace { .. })));
    assert_eq!(*writer.chain(), end);
    let error = open(&directory.join("other")).unwrap_err();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");

    fs::remove_dir_all(directory.join("other")).unwrap();
    fs::remove_file(ballast).unwrap();
    writer.append(&header, &payload).unwrap();
    commit_all(&mut writer);
    let mut reader = writer.reader();
    let mut records = 0;
    while let Some(frame) = reader.next_frame().unwrap() {
        records += u64::from(frame.header.count);
    }
    assert_eq!(records, writer.chain().next_sequence - 1);
    println!("went on.");
}
