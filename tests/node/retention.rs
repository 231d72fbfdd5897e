//! Old segments let go of while a node trades: a restart goes on from a snapshot as if nothing were gone, a
//! session replays its whole day, and whatever is missing then is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rialto::engine::FrameList;
use rialto::event_store::{Reader, Snapshots};
use rialto::types::event::Event;
use rialto::types::{FrameSink as _, Side};

use crate::broker::{Broker, order};
use crate::harness::{Node, Setup, Site, eventually, rialto};
use crate::operator::{Operator, today};
use crate::raw::{Raw, enter_packet};
use crate::recovery::{control_of, holds_order, lose_from, lose_power};
use crate::replay::{Replay, read_log, replay};

/// Orders in a burst, of which some five fill a segment of the command log.
const BURST: u32 = 2_000;
/// Bursts until a segment must have gone.
const BURSTS_MAX: u32 = 100;

fn setup() -> Setup {
    Setup {
        segment_mib: 1,
        snapshot_every: 1_500,
        retention: "keep = \"needed\"",
        ..Setup::default()
    }
}

/// Every command of a node, over all its starts, read before it is let go of.
struct Witness {
    commands: FrameList,
    next: u64,
}

impl Witness {
    fn new() -> Self {
        Self { commands: FrameList::default(), next: 1 }
    }

    fn reads_on(&mut self, site: &Site) {
        let mut reader = Reader::open(&site.commands()).unwrap();
        reader.seek_to_sequence(self.next).unwrap();
        while let Some(frame) = reader.next_frame().unwrap() {
            let Ok(()) = self.commands.frame(frame.header, frame.payload);
            self.next = frame.header.first_sequence + u64::from(frame.header.count);
        }
    }

    /// As if the frame at `place` and all behind it had never been.
    fn forget_from(&mut self, place: usize) {
        self.next = self.commands.0[place].0.first_sequence;
        self.commands.0.truncate(place);
    }

    /// Proves that the node has come to what an engine comes to that was never disturbed, and that its event
    /// log is the end of that engine's. The node does not run.
    fn agrees_with(&mut self, site: &Site) -> Replay {
        self.reads_on(site);
        let undisturbed = replay(&self.commands);
        let kept = read_log(&site.events());
        let skipped = undisturbed.events.0.len() - kept.0.len();
        assert!(undisturbed.events.0[skipped..] == kept.0, "the event log is another");
        let own = site.disk.join("own-snapshots");
        let _ = fs::remove_dir_all(&own);
        fs::create_dir(&own).unwrap();
        for path in Snapshots::new(&site.logs.join("snapshots")).newest_first().unwrap() {
            fs::copy(&path, own.join(path.file_name().unwrap())).unwrap();
        }
        let mut command = rialto();
        command.args(["log", "replay"]).arg(site.commands()).arg("--snapshot").arg(&own);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let newest = &Snapshots::new(&own).newest_first().unwrap()[0];
        let (mark, content) = Snapshots::load(newest).unwrap();
        assert_eq!(mark.state_hash, undisturbed.engine.state_hash());
        assert!(content == undisturbed.engine.snapshot(), "the state is another");
        undisturbed
    }
}

/// A broker whose orders are all refused, which fills the logs and nothing else.
pub(crate) struct Flood {
    raw: Raw,
    pub(crate) number: u32,
}

impl Flood {
    pub(crate) fn login(node: &Node, number: u32) -> Self {
        Self { raw: Raw::login(node, "BETA02", 0), number }
    }

    pub(crate) fn burst(&mut self) {
        for _ in 0..BURST {
            self.number += 1;
            self.raw.sends(&enter_packet(self.number, order(Side::Buy, 1, "NOSUCH", "1.00")));
        }
        for _ in 0..BURST {
            assert!(self.raw.hears().unwrap().starts_with("rejected"));
        }
    }

    /// Bursts until `is_gone`.
    fn until(&mut self, node: &Node, witness: &mut Witness, is_gone: impl Fn(&Site) -> bool) {
        for _ in 0..BURSTS_MAX {
            self.burst();
            witness.reads_on(&node.site);
            if is_gone(&node.site) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("nothing is let go of: {}", node.site.log_text());
    }
}

pub(crate) fn first_is_gone(log: &Path) -> bool {
    !log.join("00000000.seg").exists()
}

/// Between file systems too.
fn move_directory(from: &Path, to: &Path) {
    assert!(Command::new("mv").arg(from).arg(to).status().unwrap().success());
}

fn days_in(log: &Path) -> usize {
    let events = read_log(log);
    let starts = events
        .records()
        .filter(|(_, record)| matches!(Event::parse(record), Ok(Event::DayStarted(_))));
    starts.count()
}

fn files(site: &Site) -> [PathBuf; 2] {
    let files = Snapshots::new(&site.logs.join("snapshots")).newest_first().unwrap();
    files.try_into().unwrap()
}

#[test]
fn a_node_lets_go_of_what_nothing_needs_and_goes_on_from_a_snapshot_as_if_it_were_there() {
    let mut node = Node::start_with(&setup());
    let mut witness = Witness::new();
    witness.reads_on(&node.site);
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let mut flood = Flood::login(&node, 0);
    flood.until(&node, &mut witness, |site| first_is_gone(&site.commands()));
    // Sessions of the day replay it from its beginning.
    assert!(!first_is_gone(&node.site.events()));
    node.kill9();
    node.start_again();
    assert!(node.site.log_text().contains("begins with a snapshot"));
    Broker::login(&node, "ALFA01").must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let books = node.stop_in_order();
    assert_eq!(witness.agrees_with(&node.site).books(), books);
    let mut command = rialto();
    let refused = command.args(["log", "replay"]).arg(node.site.commands()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("was retired") && said.contains("--snapshot"), "{said}");

    // A damaged snapshot leaves the one before it, and two leave nothing.
    let [newest, _] = files(&node.site);
    let whole = fs::read(&newest).unwrap();
    fs::write(&newest, &whole[..whole.len() / 2]).unwrap();
    node.start_again();
    assert!(node.site.log_text().contains("it is shorter or longer than it was"));
    Broker::login(&node, "ALFA01").must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    assert_eq!(node.stop_in_order(), books);
    witness.agrees_with(&node.site);
    let left = Snapshots::new(&node.site.logs.join("snapshots")).newest_first().unwrap();
    let wholes: Vec<_> = left.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect();
    for (bytes, path) in &wholes {
        let mut bytes = bytes.clone();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let said = node.fails_to_start();
    let newest = wholes[0].1.display().to_string();
    for words in
        ["was retired", "none in", "its content is damaged", &newest, "put a snapshot back"]
    {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
    for (bytes, path) in &wholes {
        fs::write(path, bytes).unwrap();
    }

    // Nor can the events be made again.
    let aside = node.site.disk.join("events");
    move_directory(&node.site.events(), &aside);
    let said = node.fails_to_start();
    assert!(said.contains("the event log ends at") || said.contains("cannot be used"), "{said}");
    fs::remove_dir_all(node.site.events()).unwrap();
    move_directory(&aside, &node.site.events());
    node.start_again();
    assert_eq!(node.stop_in_order(), books);
}

#[test]
fn the_events_of_a_day_go_when_the_next_has_begun() {
    let mut node = Node::start_with(&setup());
    let mut witness = Witness::new();
    let mut flood = Flood::login(&node, 0);
    flood.until(&node, &mut witness, |site| first_is_gone(&site.commands()));
    let mut operator = Operator::login(&node);
    operator.ends_the_day();
    operator.must_hear(&["1: day ended"]);
    operator.starts_the_day(2);
    operator.must_hear(&["end of session", "closed"]);
    let mut alfa = Broker::login(&node, "ALFA01");
    assert_eq!(alfa.client.session(), today().session(2));
    alfa.sells(30, "ACME", "26.00");
    alfa.must_hear(&["system S", "accepted #1 S 30 ACME 26.00"]);
    let mut flood = Flood::login(&node, 0);
    flood.until(&node, &mut witness, |site| first_is_gone(&site.events()));
    node.kill9();
    node.start_again();
    // What lies before the day in its first segment says nothing.
    let mut alfa = Broker::login(&node, "ALFA01");
    assert_eq!(alfa.client.session(), today().session(2));
    alfa.must_hear(&["system S", "accepted #1 S 30 ACME 26.00"]);
    let mut flood = Raw::login(&node, "BETA02", 1);
    flood.must_hear(&["system S"]);
    for _ in 0..BURST {
        assert!(flood.hears().unwrap().starts_with("rejected"));
    }
    node.stop_in_order();
    assert_eq!(days_in(&node.site.events()), 1);
    witness.agrees_with(&node.site);
}

#[test]
fn whenever_a_node_is_killed_it_goes_on_as_one_that_was_never_disturbed() {
    let mut node = Node::start_with(&setup());
    let mut witness = Witness::new();
    let mut number = 0;
    for round in 0..12 {
        let mut flood = Flood::login(&node, number);
        for _ in 0..2 {
            flood.burst();
            witness.reads_on(&node.site);
        }
        number = flood.number;
        // Snapshots are taken and segments go while it dies, now earlier and now later.
        thread::sleep(Duration::from_millis(60 * round));
        flood.burst();
        number += BURST;
        node.kill9();
        witness.reads_on(&node.site);
        node.start_again();
    }
    assert!(first_is_gone(&node.site.commands()));
    node.stop_in_order();
    witness.agrees_with(&node.site);
}

#[test]
fn a_power_loss_takes_no_more_than_what_was_not_on_disk_from_a_log_that_begins_late() {
    let mut node = Node::start_with(&setup());
    let mut witness = Witness::new();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let mut flood = Flood::login(&node, 0);
    flood.until(&node, &mut witness, |site| first_is_gone(&site.commands()));
    alfa.buys(1, "ACME", "23.00");
    alfa.must_hear(&["accepted #2 B 1 ACME 23.00"]);
    node.kill9();
    witness.reads_on(&node.site);
    let before = control_of(&node).session;
    lose_power(&node);
    // The last order, and what came of it, had not come to the disk.
    let lost = witness.commands.0.iter().rposition(holds_order).unwrap();
    let first_lost = witness.commands.0[lost].0;
    lose_from(first_lost.start, &node.site.commands());
    witness.forget_from(lost);

    node.start_again();
    assert!(node.site.log_text().contains("begins with a snapshot"), "{}", node.site.log_text());
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    alfa.buys(1, "ACME", "22.00");
    let said = alfa.hears();
    assert!(said.starts_with("accepted") && said.ends_with("B 1 ACME 22.00"), "{said}");
    let books = node.stop_in_order();
    assert!(control_of(&node).session > before, "the day goes on under another session");
    assert_eq!(witness.agrees_with(&node.site).books(), books);
}

#[test]
fn what_is_not_archived_stays() {
    let site =
        Site::new(&Setup { retention: "keep = \"needed\"\narchive = \"ARCHIVE\"", ..setup() });
    let archive = site.disk.join("archive");
    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replace("ARCHIVE", &archive.display().to_string());
    fs::write(site.config(), config).unwrap();
    let node = Node::start_at(site);
    let mut flood = Flood::login(&node, 0);
    for _ in 0..8 {
        flood.burst();
    }
    eventually("two snapshots", || {
        let files = Snapshots::new(&node.site.logs.join("snapshots")).newest_first().unwrap();
        files.len() == 2
    });
    for _ in 0..4 {
        flood.burst();
        thread::sleep(Duration::from_millis(300));
    }
    assert!(!first_is_gone(&node.site.commands()) && !first_is_gone(&node.site.events()));
    // Nor does anything that only looks like an archive change that.
    fs::create_dir_all(archive.join("2611230001")).unwrap();
    fs::write(archive.join("2611230001/manifest.json"), "{}").unwrap();
    eventually("it says why", || node.site.log_text().contains("rialto archive verify"));
    assert!(!first_is_gone(&node.site.commands()));
}
