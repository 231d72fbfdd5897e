//! Auctions of a whole node: an operator calls them, brokers trade in them, and the feed leads to the
//! same books.

use rialto::types::Side;
use rialto::wire::ouch::Enter;

use crate::broker::{Broker, order};
use crate::feed::Subscriber;
use crate::harness::{Node, Setup, Site, rialto};
use crate::replay::{Replay, last_feed_sequence, read_log};

#[test]
fn an_operator_calls_an_auction_and_everyone_sees_the_same() {
    let site = Site::new(&Setup::default());
    let mut subscriber = Subscriber::join(&site);
    let mut node = Node::start_at(site);
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);

    assert_eq!(market(&node, &["phase", "pre-open", "--symbol", "ACME"]), (true, "done\n".into()));
    let bid = alfa.buys(100, "ACME", "25.10");
    let opening = alfa.enters(Enter { cross_type: b'O', ..order(Side::Buy, 50, "ACME", "25.20") });
    alfa.must_hear(&["accepted #1 B 100 ACME 25.10", "accepted #2 B 50 ACME 25.20"]);
    let offer = beta.sells(120, "ACME", "25.00");
    beta.must_hear(&["accepted #1 S 120 ACME 25.00"]);
    assert_eq!((bid, opening, offer), (1, 2, 1));

    // For the opening auction itself, orders for the opening are final.
    assert!(market(&node, &["phase", "opening-auction", "--symbol", "ACME"]).0);
    alfa.cancels(opening, 0);
    alfa.must_hear(&["cancel of #2 rejected"]);
    assert!(market(&node, &["phase", "continuous", "--symbol", "ACME"]).0);
    alfa.must_hear(&["executed #2 50 25.10 O", "executed #1 70 25.10 O"]);
    beta.must_hear(&["executed #1 50 25.10 O", "executed #1 70 25.10 O"]);

    assert!(market(&node, &["halt", "--symbol", "ACME", "--reason", "T1"]).0);
    let (done, said) = market(&node, &["halt", "--symbol", "ACME"]);
    assert!(!done && said.contains("not in a phase"), "{said}");
    beta.sells(10, "ACME", "25.00");
    beta.must_hear(&["rejected #2 0x07"]);
    assert!(market(&node, &["resume", "--symbol", "ACME", "--auction-ms", "200"]).0);
    beta.sells(10, "ACME", "25.00");
    beta.must_hear(&["accepted #3 S 10 ACME 25.00", "executed #3 10 25.10 H"]);
    alfa.must_hear(&["executed #1 10 25.10 H"]);

    subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
    let books = node.stop_in_order();
    assert!(books.contains("ACME B 251000"), "{books}");
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
    subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
    assert_eq!(subscriber.books(), books);
}

/// Gives a command of `rialto market`: whether it was carried out, and what was said.
fn market(node: &Node, arguments: &[&str]) -> (bool, String) {
    let mut command = rialto();
    command.arg("market").args(arguments);
    command.arg("--admin").arg(node.site.admin.to_string()).args(["--port", "OPER01"]);
    let output = command.arg("--secrets").arg(node.site.secrets()).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}
