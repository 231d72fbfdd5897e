//! Orders in, answers out: what two brokers hear when they trade, and what one hears who errs.

use rialto::counters::CounterReader;
use rialto::types::Side;
use rialto::wire::ouch::{Enter, Outbound};

use crate::broker::{Broker, immediate, order};
use crate::harness::{Node, PLACEMENTS, Setup, eventually};

#[test]
fn the_first_trade_is_told_to_both_sides() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.must_hear(&["system S"]);
    beta.must_hear(&["system S"]);

    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["accepted #1 S 100 ACME 25.00"]);
    beta.buys(60, "ACME", "25.10");
    beta.must_hear(&["accepted #1 B 60 ACME 25.10"]);
    let (resting, incoming) = (alfa.hears_bytes(), beta.hears_bytes());
    let (Ok(Outbound::Executed(resting, _)), Ok(Outbound::Executed(incoming, _))) =
        (Outbound::parse(&resting), Outbound::parse(&incoming))
    else {
        panic!("no executions")
    };
    assert_eq!(resting.match_number, incoming.match_number);
    assert_eq!(resting.timestamp, incoming.timestamp);
    for (side, liquidity) in [(resting, b'A'), (incoming, b'R')] {
        let trade = (side.user_ref_num.get(), side.quantity.get(), side.price.get());
        assert_eq!((trade, side.liquidity), ((1, 60, 250_000), liquidity));
    }

    // The rest of the order is in the book, and nothing else.
    let books = node.stop_in_order();
    let order: Vec<_> = books.lines().skip(3).collect();
    assert!(
        matches!(order.as_slice(), [one] if one.starts_with("ACME S 250000 ") && one.ends_with(" 40"))
    );
}

#[test]
fn orders_trade_by_price_then_time() {
    let node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.sells(100, "ACME", "25.02");
    alfa.sells(100, "ACME", "25.01");
    alfa.sells(100, "ACME", "25.01");
    for _ in 0..4 {
        alfa.hears();
    }
    beta.buys(250, "ACME", "25.02");
    beta.must_hear(&[
        "system S",
        "accepted #1 B 250 ACME 25.02",
        "executed #1 100 25.01 R",
        "executed #1 100 25.01 R",
        "executed #1 50 25.02 R",
    ]);
    alfa.must_hear(&[
        "executed #2 100 25.01 A",
        "executed #3 100 25.01 A",
        "executed #1 50 25.02 A",
    ]);
    alfa.must_hear_nothing();
    beta.must_hear_nothing();
}

#[test]
fn a_replaced_order_trades_under_its_new_number_behind_the_others() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    let first = alfa.sells(100, "ACME", "25.00");
    alfa.sells(100, "ACME", "25.00");
    alfa.replaces(first, 150, "25.00");
    alfa.must_hear(&[
        "system S",
        "accepted #1 S 100 ACME 25.00",
        "accepted #2 S 100 ACME 25.00",
        "replaced #1 by #3 S 150 ACME 25.00",
    ]);
    beta.buys(120, "ACME", "25.00");
    alfa.must_hear(&["executed #2 100 25.00 A", "executed #3 20 25.00 A"]);
    let bid = beta.buys(50, "ACME", "24.00");
    // It crosses now, and what it does not trade rests.
    beta.replaces(bid, 200, "25.00");
    beta.must_hear(&[
        "system S",
        "accepted #1 B 120 ACME 25.00",
        "executed #1 100 25.00 R",
        "executed #1 20 25.00 R",
        "accepted #2 B 50 ACME 24.00",
        "replaced #2 by #3 B 200 ACME 25.00",
        "executed #3 130 25.00 R",
    ]);
    // A replace that cannot be is the end of the order, and one of an order that is over is nothing.
    beta.replaces(3, 0, "25.00");
    beta.must_hear(&["canceled #3 70 U"]);
    beta.replaces(3, 200, "25.00");
    beta.must_hear_nothing();
    alfa.must_hear(&["executed #3 130 25.00 A"]);
    alfa.must_hear_nothing();
    let books = node.stop_in_order();
    assert_eq!(books.lines().count(), 3, "{books}");
}

#[test]
fn an_immediate_order_trades_what_it_can_and_never_rests() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00"]);
    beta.enters(immediate(order(Side::Buy, 150, "ACME", "25.00")));
    beta.enters(immediate(order(Side::Buy, 10, "ACME", "25.00")));
    beta.must_hear(&[
        "system S",
        "accepted #1 B 150 ACME 25.00",
        "executed #1 100 25.00 R",
        "canceled #1 50 I",
        "accepted #2 B 10 ACME 25.00 dead",
    ]);
    alfa.must_hear(&["executed #1 100 25.00 A"]);
    beta.must_hear_nothing();
    assert_eq!(node.stop_in_order().lines().count(), 3, "the books are empty");
}

#[test]
fn an_order_is_reduced_and_canceled() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.buys(100, "GLOBX", "112.50");
    alfa.must_hear(&["system S", "accepted #1 B 100 GLOBX 112.50"]);
    beta.sells(30, "GLOBX", "112.50");
    alfa.must_hear(&["executed #1 30 112.50 A"]);
    // 80 shares in all, of which 30 are executed.
    alfa.cancels(1, 80);
    alfa.must_hear(&["canceled #1 20 U"]);
    alfa.cancels(1, 0);
    alfa.must_hear(&["canceled #1 50 U"]);
    assert_eq!(node.stop_in_order().lines().count(), 3, "the books are empty");
}

#[test]
fn superfluous_cancels_are_met_with_silence() {
    let node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut other = Broker::login(&node, "ALFA02");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    alfa.cancels(7, 0); // never entered
    alfa.cancels(1, 100); // takes nothing
    alfa.cancels(1, 200); // takes less than nothing
    alfa.must_hear_nothing();
    other.cancels(1, 0); // not this port's
    other.must_hear(&["system S"]);
    other.must_hear_nothing();
    alfa.cancels(1, 0);
    alfa.must_hear(&["canceled #1 100 U"]);
    alfa.cancels(1, 0); // gone already
    alfa.must_hear_nothing();
}

#[test]
fn a_malformed_order_is_rejected_with_its_reason_and_its_number_is_used_up() {
    let node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    let good = order(Side::Buy, 100, "ACME", "25.00");
    let broken = [
        (0x17, order(Side::Buy, 100, "NOSUCH", "25.00")),
        (0x1D, Enter { price: 0.into(), ..good }),
        (0x1D, Enter { price: 250_050.into(), ..good }), // off the tick of a cent
        (0x1D, Enter { price: 0x7735_939D.into(), ..good }),
        (0x13, Enter { quantity: 0.into(), ..good }),
        (0x13, Enter { quantity: 1_000_000.into(), ..good }),
        (0x09, Enter { side: b'Q', ..good }),
        (0x0F, Enter { time_in_force: b'?', ..good }),
        (0x03, Enter { display: b'?', ..good }),
        (0x14, Enter { cross_type: b'?', ..good }),
        (0x23, Enter { side: b'T', ..good }), // short selling is not allowed here
        (0x20, Enter { quantity: 999_999.into(), price: 1_999_990_000.into(), ..good }),
    ];
    for (reason, order) in broken {
        let number = alfa.enters(order);
        assert_eq!(alfa.hears(), format!("rejected #{number} 0x{reason:02X}"));
        // The number is used up: a good order with it is a retransmission, met with silence.
        alfa.enters_as(number, good);
    }
    let number = alfa.enters(good);
    assert_eq!(alfa.hears(), format!("accepted #{number} B 100 ACME 25.00"));
}

#[test]
fn a_number_that_was_used_or_passed_is_met_with_silence() {
    let node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    let buy = order(Side::Buy, 100, "ACME", "24.00");
    alfa.enters_as(5, buy);
    alfa.must_hear(&["accepted #5 B 100 ACME 24.00"]);
    for number in [0, 1, 4, 5] {
        alfa.enters_as(number, buy);
    }
    alfa.enters_as(6, buy);
    alfa.must_hear(&["accepted #6 B 100 ACME 24.00"]);
    // Another port counts for itself.
    let mut other = Broker::login(&node, "ALFA02");
    other.enters_as(1, buy);
    other.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
}

#[test]
fn each_instrument_has_a_book_of_its_own() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    for symbol in ["ACME", "GLOBX", "INITECH"] {
        alfa.sells(100, symbol, "50.00");
    }
    for _ in 0..4 {
        alfa.hears();
    }
    beta.buys(100, "GLOBX", "50.00");
    beta.must_hear(&["system S", "accepted #1 B 100 GLOBX 50.00", "executed #1 100 50.00 R"]);
    alfa.must_hear(&["executed #2 100 50.00 A"]);
    let books = node.stop_in_order();
    let symbols: Vec<_> =
        books.lines().skip(3).map(|line| line.split_once(' ').unwrap().0).collect();
    assert_eq!(symbols, ["ACME", "INITECH"]);
}

#[test]
fn where_the_time_of_an_order_goes_is_counted_by_stage() {
    for placement in PLACEMENTS {
        let node = Node::start_with(&Setup { placement, ..Setup::default() });
        let mut alfa = Broker::login(&node, "ALFA01");
        alfa.must_hear(&["system S"]);
        let counter_of = |clock: &str, name: &str| {
            let reader = CounterReader::open(&node.site.logs).unwrap();
            let name = format!("latency.{clock}.{name}");
            let found = reader.counters().find(|(known, _)| *known == name);
            found.expect("it is counted").1
        };
        let counter = |name: &str| counter_of("software", name);
        eventually("orders are followed", || {
            let number = alfa.buys(100, "ACME", "24.00");
            let accepted = format!("accepted #{number} B 100 ACME 24.00");
            alfa.must_hear(&[&accepted]);
            counter("orders") >= 3
        });
        for stage in ["rx_to_parse", "ring_wait", "sequence", "commit", "match", "emit", "tx"] {
            let [p50, p99, max] =
                ["p50", "p99", "max"].map(|figure| counter(&format!("{stage}_{figure}_ns")));
            assert!(0 < p50 && p50 <= p99 && p99 <= max, "{stage}: {p50} {p99} {max}");
            assert!(max <= counter("whole_max_ns"), "{stage}");
        }
        // A kernel socket has no stamps of a device: none are made up.
        for name in ["orders", "wire_to_rx_max_ns", "wire_to_tx_max_ns"] {
            assert_eq!(counter_of("hardware", name), 0, "{name}");
        }
    }
}
