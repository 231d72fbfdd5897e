//! The program: what it says, what a full disk leaves, and what `kill -9` leaves.

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rialto_archive::verify;

use crate::Scratch;
use crate::exchange::Exchange;
use crate::trading::eventful_day;

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rialto-archive"))
}

fn eod(scratch: &Scratch) -> Command {
    let mut command = program();
    command.arg("eod").arg(scratch.archives()).arg("--logs").arg(scratch.logs());
    command
}

#[track_caller]
fn said(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

#[test]
fn it_says_what_it_did_and_again_that_there_was_nothing_to_do() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 0);
    let (status, text) = said(&mut eod(&scratch));
    assert_eq!(status, Some(1));
    assert!(text.contains("rialto: the day of session 2611230001 is still open"), "{text}");
    exchange.end_day();
    let (status, text) = said(&mut eod(&scratch));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("archived and verified: ") && text.contains("6 executions, 3 trades"));
    let (status, text) = said(&mut eod(&scratch));
    assert_eq!(status, Some(0), "{text}");
    assert!(text.starts_with("nothing new; verified again: "), "{text}");
    for directory in [scratch.archives(), scratch.archive_of("2611230001")] {
        let (status, text) = said(program().arg("verify").arg(directory));
        assert_eq!(status, Some(0), "{text}");
        assert!(text.starts_with("verified: "), "{text}");
    }
    let (status, text) = said(program().arg("verify").arg(scratch.logs()));
    assert_eq!(status, Some(1));
    assert!(text.contains("no archive here"), "{text}");
}

#[test]
fn a_full_disk_leaves_nothing_that_looks_like_an_archive() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 3_000);
    exchange.end_day();
    std::fs::create_dir_all(scratch.archives()).unwrap();
    // In a mount name space of its own, with so much room; then with enough.
    let script = "mount -t tmpfs -o size=$1 small \"$2\" && shift 2 && \"$@\"; echo status $?; \
                  ls -A \"$3\"";
    let run = |room: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh", room]);
        command.arg(scratch.archives()).arg(eod(&scratch).get_program());
        command.args(eod(&scratch).get_args());
        said(&mut command).1
    };
    for room in ["4k", "32k", "100k"] {
        let text = run(room);
        assert!(text.contains("status 1\n"), "{text}");
        assert!(text.contains("the file system is full; make room and run this again"), "{text}");
        assert!(!text.contains("2611230001\n"), "{text}");
    }
    let text = run("8m");
    assert!(text.contains("status 0\n2611230001\n"), "{text}");
}

#[test]
fn kill_9_at_any_moment_leaves_a_whole_archive_or_none() {
    let scratch = Scratch::new();
    let mut exchange = Exchange::new(&scratch.logs());
    eventful_day(&mut exchange, 4_000);
    exchange.end_day();
    let partial = scratch.archives().join(".partial-2611230001");
    let mut cut_short = 0;
    for attempt in 0..12 {
        let mut child = eod(&scratch).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let given_up = Instant::now() + Duration::from_mins(1);
        while !partial.exists() && child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < given_up, "it neither writes nor ends");
            thread::sleep(Duration::from_millis(1));
        }
        thread::sleep(Duration::from_millis(attempt * 40));
        child.kill().unwrap();
        child.wait().unwrap();
        if scratch.archive_of("2611230001").exists() {
            verify(&scratch.archive_of("2611230001")).unwrap();
            break;
        }
        cut_short += 1;
    }
    assert!(cut_short > 0);
    let (status, text) = said(&mut eod(&scratch));
    assert_eq!(status, Some(0), "{text}");
    assert_eq!(scratch.names(), ["2611230001"]);
    verify(&scratch.archive_of("2611230001")).unwrap();
}
