//! A machine whose clock was set back, so that the log is ahead of it: log time never falls, and nothing
//! that was told is lost.

use rialto::event_store::{LogKind, Options, Writer};
use rialto::types::command::{CommandHeader, Tick};
use rialto::types::{Cause, FrameKind, Nanos, Record as _};

use crate::broker::Broker;
use crate::harness::{Node, Setup};
use crate::replay::{Replay, read_log};

/// How far ahead the log is: more than any test takes.
const AHEAD: Nanos = Nanos::from_secs(600);

#[test]
fn a_node_whose_clock_was_set_back_goes_on_behind_its_log() {
    let setup = Setup::default();
    let mut node = Node::start_with(&setup);
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00"]);
    node.kill9();
    let set_back = advance(&node, u64::from(setup.segment_mib) << 20);

    node.start_again();
    let mut beta = Broker::login(&node, "BETA01");
    beta.buys(40, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 B 40 ACME 25.00", "executed #1 40 25.00 R"]);
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00", "executed #1 40 25.00 A"]);
    node.kill9();
    node.start_again();
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
    for log in [node.site.commands(), node.site.events()] {
        let times: Vec<_> = read_log(&log).0.iter().map(|(header, _)| header.time).collect();
        assert!(times.is_sorted(), "log time fell: {times:?}");
        let last = *times.last().unwrap();
        // Behind the log, and not behind the clock: it does not reach so far.
        assert!(last > set_back && last.since(set_back) < Nanos::SECOND, "{last} and {set_back}");
    }
}

/// Has the log of a node that was killed say a time that its clock has not reached.
fn advance(node: &Node, segment_bytes: u64) -> Nanos {
    let options = Options::new(LogKind::Commands, segment_bytes);
    let (mut writer, recovered) = Writer::open(&node.site.commands(), options).unwrap();
    let mut chain = recovered.chain;
    let time = chain.time.after(AHEAD);
    let tick = Tick { header: CommandHeader::internal::<Tick>(time), reserved: [0; 40] };
    let cause = Cause { index: chain.index + 1, term: chain.term, time };
    let header = chain.seal(FrameKind::Normal, cause, 1, tick.lines());
    writer.append(&header, tick.lines()).unwrap();
    writer.commit(chain.end);
    time
}
