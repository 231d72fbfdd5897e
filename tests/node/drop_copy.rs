//! Drop copies: what all ports of a firm are told, in one stream that is only read.

use rialto::types::{AccountId, Side};
use rialto::wire::ouch::{Options, Outbound};

use crate::broker::{Broker, order, said};
use crate::harness::Node;
use crate::raw::{Raw, enter_packet};

/// What the ports of a firm are told by what they do in [`trade`]: the port, and the message.
const COPIES: [(&str, &str); 8] = [
    ("", "system S"),
    ("ALFA01", "accepted #1 S 100 ACME 25.00"),
    ("ALFA02", "accepted #1 B 50 ACME 24.00"),
    ("ALFA01", "executed #1 40 25.00 A"),
    ("ALFA02", "canceled #1 50 U"),
    ("ALFA02", "rejected #2 0x17"),
    ("ALFA01", "replaced #1 by #2 S 60 ACME 26.00"),
    ("ALFA01", "canceled #2 60 U"),
];

/// The next message of a drop copy: the port that was told it, and what it was told.
fn hears_copy(reader: &mut Broker) -> (String, String) {
    let message = reader.hears_bytes();
    let elements = match Outbound::parse(&message).unwrap() {
        Outbound::SystemEvent(_) => &[][..],
        Outbound::Accepted(_, elements) | Outbound::Replaced(_, elements) => {
            assert_eq!(Options::parse(elements).unwrap().account, AccountId(1001));
            elements
        }
        Outbound::Executed(_, elements)
        | Outbound::Canceled(_, elements)
        | Outbound::Rejected(_, elements)
        | Outbound::MassCanceled(_, elements)
        | Outbound::EntryAnswer(_, elements) => elements,
        other => panic!("{other:?}"),
    };
    let port = Options::parse(elements).unwrap().port;
    let port = String::from_utf8(port.to_vec()).unwrap();
    (port.trim_matches('\0').to_owned(), said(&message))
}

/// Hears exactly these copies next: the port, and the message.
#[track_caller]
pub(crate) fn must_copy(reader: &mut Broker, expected: &[(&str, &str)]) {
    for &(port, message) in expected {
        assert_eq!(hears_copy(reader), (port.to_owned(), message.to_owned()));
    }
}

/// Two ports of the firm trade with another: the three sessions.
fn trade(node: &Node) -> [Broker; 3] {
    let mut brokers = ["ALFA01", "ALFA02", "BETA01"].map(|port| Broker::login(node, port));
    for broker in &mut brokers {
        broker.must_hear(&["system S"]);
    }
    let [one, two, other] = &mut brokers;
    one.sells(100, "ACME", "25.00");
    one.must_hear(&[COPIES[1].1]);
    two.buys(50, "ACME", "24.00");
    two.must_hear(&[COPIES[2].1]);
    other.buys(40, "ACME", "25.00");
    one.must_hear(&[COPIES[3].1]);
    two.cancels(1, 0);
    two.must_hear(&[COPIES[4].1]);
    two.must_hear_nothing();
    one.replaces(1, 100, "26.00");
    one.must_hear(&[COPIES[6].1]);
    one.cancels(2, 0);
    one.must_hear(&[COPIES[7].1]);
    brokers
}

#[test]
fn a_drop_copy_hears_what_all_ports_of_its_firm_are_told_as_it_happens() {
    let node = Node::start();
    let mut reader = Broker::login(&node, "ALFADC");
    let mut brokers = trade(&node);
    must_copy(&mut reader, &COPIES);
    // Of the other firm there was nothing.
    brokers[2].buys(1, "ACME", "20.00");
    brokers[0].sells(10, "ACME", "30.00");
    must_copy(&mut reader, &[("ALFA01", "accepted #3 S 10 ACME 30.00")]);
}

#[test]
fn a_drop_copy_reads_on_from_any_number_also_after_a_restart() {
    let mut node = Node::start();
    let _brokers = trade(&node);
    for restart in [false, true] {
        if restart {
            node.kill9();
            node.start_again();
        }
        for first in 1..=COPIES.len() + 1 {
            let mut reader = Broker::login_at(&node, "ALFADC", first as u64).unwrap();
            assert_eq!(reader.client.next_sequence(), first as u64);
            must_copy(&mut reader, &COPIES[first - 1..]);
        }
        let next = Broker::login_at(&node, "ALFADC", 0).unwrap();
        assert_eq!(next.client.next_sequence(), COPIES.len() as u64 + 1);
    }
}

#[test]
fn whoever_enters_an_order_on_a_drop_copy_is_disconnected_and_the_order_is_none() {
    let node = Node::start();
    let mut one = Broker::login(&node, "ALFA01");
    let mut raw = Raw::login(&node, "ALFADC", 0);
    raw.sends(&enter_packet(1, order(Side::Buy, 100, "ACME", "25.00")));
    while raw.hears().is_some() {}
    one.must_hear(&["system S"]);
    one.must_hear_nothing();
    let mut again = Broker::login(&node, "ALFADC");
    must_copy(&mut again, &[("", "system S"), ("ALFA01", "rejected #1 0x17")]);
}
