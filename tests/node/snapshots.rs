//! A node that begins with a snapshot: it goes on as one that applied every command again, and does so
//! anyway if the snapshot is of no use.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;

use rialto::engine::FrameList;
use rialto::event_store::{Frame, Reader, SnapshotMark, Snapshots};

use crate::broker::Broker;
use crate::harness::{Node, SOON, Setup, Site, Small, eventually, rialto};
use crate::replay::{Replay, new_engine, read_log};

/// Takes a snapshot of a node that does not run, so many frames before the end of its log.
fn take_snapshot(site: &Site, before_end: usize) -> PathBuf {
    let commands = read_log(&site.commands());
    let mut engine = new_engine(&commands);
    let taken = &commands.0[..commands.0.len() - before_end];
    for (header, payload) in taken {
        engine.apply(header, payload, &mut FrameList::default()).unwrap();
    }
    let (header, payload) = taken.last().unwrap();
    let segment_bytes = Reader::open(&site.commands()).unwrap().segment_bytes();
    let mark = SnapshotMark::behind(
        &Frame { header, payload },
        segment_bytes,
        (engine.chain(), engine.state_hash()),
    );
    let snapshots = Snapshots::new(&site.logs.join("snapshots"));
    snapshots.store(&mark, &engine.snapshot()).unwrap()
}

#[test]
fn a_node_goes_on_from_a_snapshot_as_if_it_had_applied_every_command_again() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    node.stop_in_order();
    let older = take_snapshot(&node.site, 2);
    let newest = take_snapshot(&node.site, 0);
    assert_ne!(older, newest);

    node.start_again();
    assert!(node.site.log_text().contains("begins with a snapshot"));
    let mut beta = Broker::login(&node, "BETA01");
    beta.sells(30, "ACME", "24.00");
    beta.must_hear(&["system S", "accepted #1 S 30 ACME 24.00", "executed #1 30 24.00 R"]);
    node.kill9();
    node.start_again();
    let mut beta = Broker::login(&node, "BETA01");
    let said = ["system S", "accepted #1 S 30 ACME 24.00", "executed #1 30 24.00 R"];
    beta.must_hear(&said);
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);

    // Of another kind of damage each.
    fs::write(&newest, b"RLSNAPS1").unwrap();
    let mut bytes = fs::read(&older).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&older, bytes).unwrap();
    node.start_again();
    let log = node.site.log_text();
    for said in ["it ends within its header", "its content is damaged", "is applied again"] {
        assert!(log.contains(said), "{said} is not in {log}");
    }
    Broker::login(&node, "BETA01").must_hear(&said);
    assert_eq!(node.stop_in_order().lines().count(), books.lines().count());
    Replay::equal_to_event_log(&node.site);
}

/// Orders that rest, so that a snapshot is large.
const RESTING: u64 = 6_000;
/// What a pipe holds.
const PIPE_BYTES: u64 = 65_536;

/// Trades: so many orders of one broker, each of which another fills.
fn trade(alfa: &mut Broker, beta: &mut Broker, trades: u32) {
    for _ in 0..trades {
        alfa.buys(100, "ACME", "24.00");
        assert!(alfa.hears().starts_with("accepted"));
        beta.sells(100, "ACME", "24.00");
        assert!(beta.hears().starts_with("accepted"));
        assert!(beta.hears().starts_with("executed"));
        assert!(alfa.hears().starts_with("executed"));
    }
}

/// The shadow engine that was started last.
fn shadow_pid(site: &Site) -> String {
    let log = site.log_text();
    let (_, rest) = log.rsplit_once("the shadow engine runs pid=").expect("it was started");
    rest.lines().next().unwrap().trim().to_owned()
}

fn is_running(pid: &str) -> bool {
    // One that nobody has waited for is no more than a number.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

fn newest(site: &Site) -> Option<PathBuf> {
    Snapshots::new(&site.logs.join("snapshots")).newest_first().unwrap().into_iter().next()
}

fn sequence_of(snapshot: &Path) -> u64 {
    snapshot.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// Waits for a snapshot of a later command than this.
fn await_snapshot(site: &Site, after: u64) -> u64 {
    let mut found = 0;
    eventually("a snapshot", || {
        found = newest(site).map_or(0, |path| sequence_of(&path));
        found > after
    });
    found
}

#[test]
fn a_killed_node_starts_from_the_snapshot_that_its_shadow_took() {
    let mut node = Node::start_with(&Setup { snapshot_every: 20, ..Setup::default() });
    let (mut alfa, mut beta) = (Broker::login(&node, "ALFA01"), Broker::login(&node, "BETA01"));
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    let first = await_snapshot(&node.site, 0);
    trade(&mut alfa, &mut beta, 30);
    alfa.buys(700, "GLOBX", "110.00");
    assert!(alfa.hears().starts_with("accepted"));
    await_snapshot(&node.site, first);
    let shadow = shadow_pid(&node.site);
    node.kill9();
    eventually("the shadow dies with its node", || !is_running(&shadow));

    node.start_again();
    assert!(node.site.log_text().contains("begins with a snapshot"), "{}", node.site.log_text());
    let (mut alfa, mut beta) = (Broker::login(&node, "ALFA02"), Broker::login(&node, "BETA02"));
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    trade(&mut alfa, &mut beta, 5);
    let shadow = shadow_pid(&node.site);
    let books = node.stop_in_order();
    assert!(!is_running(&shadow));
    assert!(books.contains("GLOBX"), "{books}");
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);

    // By hand, from the beginning and from there.
    let own = node.site.disk.join("snapshots");
    for to in ["40", "1000000"] {
        let mut command = rialto();
        command.args(["log", "replay"]).arg(node.site.commands());
        command.arg("--snapshot").arg(&own).args(["--to", to]);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("snapshot of command ") && said.lines().count() == 1, "{said}");
    }
    let files = Snapshots::new(&own).newest_first().unwrap();
    assert_eq!(files.len(), 2);
    assert!(sequence_of(&files[1]) <= 40);
    let (mark, content) = Snapshots::load(&files[0]).unwrap();
    let replayed = crate::replay::replay(&read_log(&node.site.commands()));
    assert_eq!(content, replayed.engine.snapshot());
    assert_eq!(mark.state_hash, replayed.engine.state_hash());
}

#[test]
fn a_shadow_killed_while_it_writes_leaves_nothing_that_looks_whole_and_is_started_again() {
    let mut node = Node::start_with(&Setup { snapshot_every: 200, ..Setup::default() });
    let (mut alfa, mut beta) = (Broker::login(&node, "ALFA01"), Broker::login(&node, "BETA01"));
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    // More than a pipe takes.
    for _ in 0..RESTING {
        alfa.buys(1, "GLOBX", "110.00");
    }
    for _ in 0..RESTING {
        assert!(alfa.hears().starts_with("accepted"));
    }
    let first = await_snapshot(&node.site, RESTING - 400);
    let bytes = fs::metadata(newest(&node.site).unwrap()).unwrap().len();
    assert!(bytes > 2 * PIPE_BYTES, "{bytes}");
    // Whatever it begins to write goes to a pipe that takes no more than the beginning.
    let directory = node.site.logs.join("snapshots");
    let pipe = node.site.disk.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for sequence in first + 1..first + 4_000 {
        // One of them may be under way.
        let _ = symlink(&pipe, directory.join(format!("{sequence:020}.new")));
    }
    let (tell, told) = channel();
    thread::spawn(move || {
        let mut pipe = File::open(pipe).unwrap();
        let mut beginning = [0; 8];
        pipe.read_exact(&mut beginning).unwrap();
        tell.send((pipe, beginning)).unwrap();
    });
    trade(&mut alfa, &mut beta, 110);
    let (_pipe, beginning) = told.recv_timeout(SOON).unwrap();
    assert_eq!(&beginning, b"RLSNAPS1");
    let kept = newest(&node.site).unwrap();
    let shadow = shadow_pid(&node.site);
    assert!(Command::new("kill").args(["-9", &shadow]).status().unwrap().success());
    eventually("it is started again", || shadow_pid(&node.site) != shadow);
    assert!(node.site.log_text().contains("the shadow engine is started again"));

    // The new one began where the last whole one was, and takes the next.
    await_snapshot(&node.site, sequence_of(&kept));
    node.stop_in_order();
    let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    assert!(names.into_iter().all(|path| Snapshots::load(&path).is_ok()));
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn a_shadow_that_stands_still_holds_nobody_up_and_goes_on_where_it_was() {
    let mut node = Node::start_with(&Setup { snapshot_every: 20, ..Setup::default() });
    let (mut alfa, mut beta) = (Broker::login(&node, "ALFA01"), Broker::login(&node, "BETA01"));
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    await_snapshot(&node.site, 0);
    let shadow = shadow_pid(&node.site);
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &shadow]).status().unwrap().success());
    };
    signal("-STOP");
    trade(&mut alfa, &mut beta, 200);
    let last = newest(&node.site).map_or(0, |path| sequence_of(&path));
    signal("-CONT");
    // Of what was traded meanwhile.
    await_snapshot(&node.site, last.max(300));
    assert_eq!(shadow_pid(&node.site), shadow);
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn a_node_whose_snapshots_find_no_room_trades_on_and_starts_from_its_log() {
    // Room for the first, and not for those of many orders.
    let small = Some(Small::Snapshots { kib: 96 });
    let mut node = Node::start_with(&Setup { snapshot_every: 200, small, ..Setup::default() });
    let (mut alfa, mut beta) = (Broker::login(&node, "ALFA01"), Broker::login(&node, "BETA01"));
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);
    eventually("a snapshot", || node.site.log_text().contains("snapshot of command "));
    for _ in 0..RESTING {
        alfa.buys(1, "GLOBX", "110.00");
    }
    for _ in 0..RESTING {
        assert!(alfa.hears().starts_with("accepted"));
    }
    eventually("the disk is full", || node.site.log_text().contains("No space left on device"));
    eventually("it tries again", || {
        node.site.log_text().matches("No space left on device").count() > 1
    });
    trade(&mut alfa, &mut beta, 30);
    let books = node.stop_in_order();
    node.start_again();
    assert_eq!(node.stop_in_order(), books);
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}
