//! Logs whose first segments were retired. A node goes on from a snapshot; without one it derives events
//! again, but cannot do without its first commands, and says so.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rialto::event_store::{LogKind, Options, Writer};
use rialto::types::command::{CommandHeader, Tick};
use rialto::types::{Cause, FrameKind, Line, Nanos, Position, Record as _};

use crate::broker::Broker;
use crate::harness::{Node, Setup};
use crate::replay::Replay;

const SEGMENT: u64 = 1 << 20;

/// Lets the log in `directory` grow by two segments of ticks, and retires the first.
fn retire(directory: &Path, kind: LogKind) {
    let (mut writer, recovered) = Writer::open(directory, Options::new(kind, SEGMENT)).unwrap();
    let mut chain = recovered.chain;
    let ticks: Vec<Line> = std::iter::repeat_with(|| Tick {
        header: CommandHeader::internal::<Tick>(Nanos(1)),
        reserved: [0; 40],
    })
    .take(64)
    .flat_map(|tick| tick.lines().to_vec())
    .collect();
    writer.retirement().below(Position(SEGMENT));
    while chain.end.0 < 2 * SEGMENT + 10_000 {
        let time = chain.time.after(Nanos(1));
        let cause = Cause { index: chain.index + 1, term: chain.term, time };
        let header = chain.seal(FrameKind::Normal, cause, 64, &ticks);
        writer.append(&header, &ticks).unwrap();
        writer.commit(chain.end);
    }
    let soon = Instant::now() + Duration::from_secs(10);
    while directory.join("00000000.seg").exists() {
        assert!(Instant::now() < soon, "nothing was retired");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn events_are_derived_again_and_commands_are_missed() {
    let mut node = Node::start_with(&Setup { segment_mib: 1, ..Setup::default() });
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let books = node.stop_in_order();
    retire(&node.site.events(), LogKind::Events);
    node.start_again();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    assert_eq!(node.stop_in_order(), books);
    Replay::equal_to_event_log(&node.site);
    assert!(node.site.events().join("00000000.seg").exists());
    let aside = fs::read_dir(&node.site.logs).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(aside.into_iter().any(|name| name.to_string_lossy().starts_with("events.aside-")));

    retire(&node.site.commands(), LogKind::Commands);
    let said = node.fails_to_start();
    for words in ["begins with sequence", "was retired", "there is none", "put a snapshot back"] {
        assert!(said.contains(words), "{words} is not in: {said}");
    }
}
