//! A log is followed as long as somebody writes to it, and how that ended is said.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use rialto::event_store::{Reader, Writer, WriterState};
use rialto::types::command::{CommandHeader, Tick};
use rialto::types::{Cause, FrameKind, Record as _};
use zerocopy::FromZeros as _;

use super::open;
use super::venue::{OPENING_COMMANDS, Venue};

/// The last command of a venue with three rounds.
const LAST: u64 = OPENING_COMMANDS + 12;

/// The command that follows a log and takes snapshots.
struct Follower {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Follower {
    fn of(venue: &Venue, every: &str, options: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.args(["log", "replay", "--follow", "--every", every, "--snapshot"]);
        command.arg(venue.file("snapshots")).arg(venue.commands()).args(options);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said }
    }

    /// Reads on until it has applied a command.
    fn until(&mut self, sequence: u64) {
        let mut line = String::new();
        while !line.starts_with(&format!("snapshot of command {sequence}:")) {
            line.clear();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "it ended before {sequence}");
        }
    }

    /// Status, the rest of what it said, and its errors.
    fn end(mut self) -> (Option<i32>, String, String) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        (output.status.code(), said, String::from_utf8(output.stderr).unwrap())
    }
}

/// Appends one more command.
fn tick(writer: &mut Writer) {
    let mut chain = *writer.chain();
    let tick = Tick { header: CommandHeader::internal::<Tick>(chain.time), ..Tick::new_zeroed() };
    let cause = Cause { index: chain.index + 1, term: 1, time: chain.time };
    let header = chain.seal(FrameKind::Normal, cause, 1, tick.lines());
    writer.append(&header, tick.lines()).unwrap();
    writer.commit(chain.end);
}

/// Ends as a process does that dies: nothing is closed.
fn die(writer: Writer) {
    let died = thread::spawn(move || {
        let _writer = writer;
        panic!("the node dies");
    });
    died.join().unwrap_err();
}

#[test]
fn who_follows_a_log_ends_with_it_when_it_is_closed() {
    let venue = Venue::with_rounds(3);
    let (mut writer, _) = open(&venue.commands()).unwrap();
    let mut follower = Follower::of(&venue, "1", &[]);
    follower.until(LAST);
    tick(&mut writer);
    drop(writer);
    let (status, said, errors) = follower.end();
    assert_eq!((status, &*errors), (Some(0), ""));
    let words = format!("the log was closed: it was followed up to command {}\n", LAST + 1);
    assert!(said.ends_with(&words), "{said}");
}

#[test]
fn what_came_last_is_in_a_snapshot_also_where_the_log_was_closed_before() {
    let venue = Venue::with_rounds(3);
    let (status, said, errors) = Follower::of(&venue, "1000", &[]).end();
    assert_eq!((status, &*errors), (Some(0), ""));
    assert!(said.starts_with(&format!("snapshot of command {LAST}: ")), "{said}");
    assert!(said.ends_with(&format!("it was followed up to command {LAST}\n")), "{said}");
}

#[test]
fn that_the_node_died_is_an_error_which_says_what_was_applied() {
    let venue = Venue::with_rounds(3);
    let (mut writer, _) = open(&venue.commands()).unwrap();
    let mut follower = Follower::of(&venue, "1", &[]);
    follower.until(LAST);
    tick(&mut writer);
    die(writer);
    let (status, said, errors) = follower.end();
    assert_eq!(status, Some(1));
    assert!(said.contains(&format!("snapshot of command {}: ", LAST + 1)), "{said}");
    let words = format!(
        "its node died, nobody writes to it any more; everything up to command {}",
        LAST + 1
    );
    assert!(errors.contains(&words), "{errors}");
}

#[test]
fn who_is_to_wait_follows_the_next_node_too() {
    let venue = Venue::with_rounds(3);
    let (writer, _) = open(&venue.commands()).unwrap();
    let mut follower = Follower::of(&venue, "1", &["--wait"]);
    follower.until(LAST);
    die(writer);
    let (mut writer, _) = open(&venue.commands()).unwrap();
    tick(&mut writer);
    follower.until(LAST + 1);
    drop(writer);
    let (mut writer, _) = open(&venue.commands()).unwrap();
    tick(&mut writer);
    follower.until(LAST + 2);
    follower.child.kill().unwrap();
    assert_eq!(follower.end().0, None);
}

#[test]
fn a_reader_in_the_writer_s_process_is_told_the_same() {
    let venue = Venue::with_rounds(1);
    let (writer, _) = open(&venue.commands()).unwrap();
    let (here, there) = (writer.reader(), Reader::open(&venue.commands()).unwrap());
    let states = || [&here, &there].map(|reader| reader.writer().unwrap());
    assert_eq!(states(), [WriterState::Lives; 2]);
    drop(writer);
    assert_eq!(states(), [WriterState::Closed; 2]);
    die(open(&venue.commands()).unwrap().0);
    assert_eq!(states(), [WriterState::Died; 2]);
}
