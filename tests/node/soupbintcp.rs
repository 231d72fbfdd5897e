//! A broker that shares no code with us: its framing is npm's `soupbintcp`, its orders are written by
//! hand in JavaScript. `hwconfig/setup.sh test` installs what it needs.

use std::process::{Command, Output};

use crate::harness::Node;
use crate::replay::{bytes_of, port_stream, read_log};

const BROKER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parties/soupbintcp/broker.js");

#[test]
fn a_broker_of_another_make_trades_and_hears_the_same_bytes_each_time_it_asks() {
    let mut node = Node::start();
    let credentials = node.site.credentials("ALFA01");
    let mut command = Command::new("node");
    command.arg(BROKER);
    command.arg(node.site.order_entry.ip().to_string());
    command.arg(node.site.order_entry.port().to_string());
    command.args([&credentials.name.0[..], &credentials.secret].map(|text| {
        let text = str::from_utf8(text).unwrap();
        text.trim_end().to_owned()
    }));
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "the broker's last words, {status}:\n{stderr}");

    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "violations"), 0);
    let heard = String::from_utf8(stdout).unwrap();
    let heard: Vec<_> = heard.lines().map(bytes_of).collect();
    assert_eq!(heard, port_stream(&read_log(&node.site.events()), "ALFA01"));
}
