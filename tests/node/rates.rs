//! How many messages a second a port may send: who is over that is told so and goes on, and the gateway,
//! which only protects, reads more than that.

use std::collections::BTreeMap;
use std::fs;

use rialto::types::Nanos;

use crate::broker::{Broker, WAYS, said};
use crate::harness::{Node, Setup, Site, eventually, fails, rialto};
use crate::tools::market;

/// A site whose market holds ALFA01 to so many messages a second.
fn held_to(rate: u32) -> Site {
    let site = Site::new(&Setup::default());
    let text = fs::read_to_string(site.market()).unwrap();
    let held = text.replace("\"ALFA01\"", &format!("\"ALFA01\"\nmessage_rate_max = {rate}"));
    assert_ne!(held, text);
    fs::write(site.market(), held).unwrap();
    site
}

/// Has the gateway read so many messages a second of a session.
fn reads(site: &Site, rate: u32) {
    let text = fs::read_to_string(site.config()).unwrap();
    let line = format!("messages_per_second_max = {rate}\n            allow =");
    fs::write(site.config(), text.replace("allow =", &line)).unwrap();
}

/// The second of the day in which a message was said.
fn second_of(message: &[u8]) -> u64 {
    u64::from_be_bytes(message[1..9].try_into().unwrap()) / Nanos::SECOND.0
}

#[test]
fn who_is_over_its_ports_rate_is_told_so_for_each_order_and_trades_on_in_the_next_second() {
    const RATE: u32 = 5;
    const ORDERS: u32 = 40;
    for login in WAYS {
        let mut node = Node::start_at(held_to(RATE));
        let [mut alfa, mut same_firm, mut beta] =
            ["ALFA01", "ALFA02", "BETA01"].map(|port| login(&node, port));
        for broker in [&mut alfa, &mut same_firm, &mut beta] {
            broker.must_hear(&["system S"]);
        }
        for _ in 0..ORDERS {
            alfa.buys(100, "ACME", "24.00");
        }
        // By the second of the exchange's time, which each answer has.
        let mut seconds = BTreeMap::new();
        let (mut accepted, mut refused) = (Vec::new(), 0);
        for number in 1..=ORDERS {
            let answer = alfa.hears_bytes();
            let taken = seconds.entry(second_of(&answer)).or_insert(0);
            if *taken < RATE {
                assert_eq!(said(&answer), format!("accepted #{number} B 100 ACME 24.00"));
                accepted.push(number);
                *taken += 1;
            } else {
                assert_eq!(said(&answer), format!("rejected #{number} 0x29"));
                refused += 1;
            }
        }
        assert!(refused > 0, "{ORDERS} orders took {} s", seconds.len());

        // A cancel is no such message, and what others send is not counted with it.
        alfa.cancels(accepted[0], 0);
        alfa.must_hear(&[&format!("canceled #{} 100 U", accepted[0])]);
        for broker in [&mut same_firm, &mut beta] {
            for number in 1..=2 * RATE {
                broker.buys(100, "ACME", "24.00");
                broker.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
            }
        }
        // The same session is heard again as soon as another second has begun.
        eventually("an order is accepted", || {
            let number = alfa.buys(100, "ACME", "24.00");
            let heard = alfa.hears();
            heard != format!("rejected #{number} 0x29") && {
                assert_eq!(heard, format!("accepted #{number} B 100 ACME 24.00"));
                true
            }
        });
        node.stop_in_order();
        assert_eq!(node.counter("order_entry", "throttled"), 0);
        assert_eq!(node.counter("order_entry", "logins"), 3);
    }
}

#[test]
fn a_market_whose_rate_the_gateway_would_not_let_anybody_come_to_is_refused() {
    let rule = "port ALFA01: message_rate_max = 500: must be below the node's \
                order_entry.messages_per_second_max = 500";
    let site = held_to(500);
    reads(&site, 500);
    let mut check = rialto();
    check.args(["config", "check"]).arg(site.config()).arg("--market").arg(site.market());
    for command in [&mut site.command(), &mut check] {
        let said = fails(command);
        assert!(said.contains(rule), "{said}");
    }

    // A node that runs is not told of such a market either.
    let node = Node::start();
    reads(&node.site, 500);
    for what in ["plan", "apply"] {
        let said = fails(&mut market(&node, what, &site.market()));
        assert!(said.contains(rule), "{said}");
    }
    Broker::login(&node, "ALFA01").must_hear(&["system S"]);
}

#[test]
fn a_node_that_begins_to_read_less_than_its_market_promises_says_so() {
    const WARNING: &str = "a port may send more than its gateway reads";
    let site = held_to(500);
    reads(&site, 501);
    let mut node = Node::start_at(site);
    node.stop_in_order();
    node.start_again();
    assert!(!node.site.log_text().contains(WARNING));
    node.stop_in_order();
    let text = fs::read_to_string(node.site.config()).unwrap();
    fs::write(node.site.config(), text.replace("_max = 501", "_max = 500")).unwrap();
    node.start_again();
    let log = node.site.log_text();
    assert!(log.contains(WARNING) && log.contains("rate=500 read_max=500"), "{log}");
}
