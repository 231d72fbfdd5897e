//! A node that begins with a snapshot: it goes on as one that applied every command again, and does so
//! anyway if the snapshot is of no use.

use std::fs;
use std::path::PathBuf;

use rialto::engine::FrameList;
use rialto::event_store::{Frame, Reader, SnapshotMark, Snapshots};

use crate::broker::Broker;
use crate::harness::{Node, Site};
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
    let mark = SnapshotMark::behind(&Frame { header, payload }, segment_bytes, engine.state_hash());
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
