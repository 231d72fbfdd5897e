//! Several shards of order entry, each with hosts of its own: a participant cannot tell which it is on,
//! and what holds for one gateway holds for all of them together.

use std::process::Command;

use rialto::counters::CounterReader;
use rialto::types::{Quantity, Side, Symbol};
use rialto::wire::ouch42;
use zerocopy::IntoBytes as _;

use crate::broker::{Broker, order, price};
use crate::harness::{CONNECTIONS_MAX, Node, Setup, Site, eventually, rialto};
use crate::raw::{Raw, enter_packet, login_packet, unsequenced};
use crate::replay::{Replay, port_stream, read_log};

const SHARDS: usize = 3;
/// Each shard on a thread of its own, and all of them on one with the rest.
const PLACEMENTS: [&str; 2] = [
    r#"{ agents = ["order_entry"] }, { agents = ["order_entry"] }, { agents = ["order_entry"] },
       { agents = ["sequencer", "engine", "market_data", "admin"] }"#,
    r#"{ agents = ["order_entry", "order_entry", "order_entry",
                   "sequencer", "engine", "market_data", "admin"] }"#,
];

fn setup() -> Setup {
    Setup { shards: 3, placement: PLACEMENTS[0], ..Setup::default() }
}

fn counters(node: &Node) -> Vec<(String, u64)> {
    CounterReader::open(&node.site.logs).unwrap().counters().collect()
}

/// A counter of each shard.
fn by_shard(node: &Node, name: &str) -> [u64; SHARDS] {
    let counters = counters(node);
    std::array::from_fn(|shard| {
        let name = format!("order_entry.{shard}.{name}");
        counters.iter().find(|(known, _)| *known == name).expect("it is counted").1
    })
}

fn sum(node: &Node, name: &str) -> u64 {
    by_shard(node, name).iter().sum()
}

fn login_from(node: &Node, host: u8, port: &str, sequence: u64) -> Raw {
    let mut raw = Raw::connect_from(host, node.site.order_entry);
    raw.sends(&login_packet(node, port, sequence));
    let answer = raw.hears().unwrap_or_default();
    assert!(answer.starts_with("login accepted"), "{answer}");
    raw
}

/// A host of each shard, found by trying.
fn hosts(node: &Node) -> [u8; SHARDS] {
    let mut found = [None; SHARDS];
    for host in 2..=60 {
        let before = by_shard(node, "connections");
        let _connection = Raw::connect_from(host, node.site.order_entry);
        let total: u64 = before.iter().sum();
        eventually("a connection is counted", || sum(node, "connections") > total);
        let after = by_shard(node, "connections");
        let shard = (0..SHARDS).find(|&shard| after[shard] > before[shard]).unwrap();
        found[shard].get_or_insert(host);
        if let [Some(one), Some(two), Some(three)] = found {
            return [one, two, three];
        }
    }
    panic!("hosts are not spread: {found:?}");
}

fn buy(number: u32, at: &str) -> Vec<u8> {
    enter_packet(number, order(Side::Buy, 100, "ACME", at))
}

fn sell(number: u32, at: &str) -> Vec<u8> {
    enter_packet(number, order(Side::Sell, 100, "ACME", at))
}

#[test]
fn sessions_on_different_shards_trade_and_a_drop_copy_on_a_third_hears_of_it() {
    for placement in PLACEMENTS {
        let mut node = Node::start_with(&Setup { placement, ..setup() });
        let [one, two, three] = hosts(&node);
        let mut alfa = login_from(&node, one, "ALFA01", 1);
        let mut beta = login_from(&node, two, "BETA01", 1);
        let mut copy = login_from(&node, three, "ALFADC", 1);
        for raw in [&mut alfa, &mut beta, &mut copy] {
            raw.must_hear(&["system S"]);
        }
        alfa.sends(&sell(1, "25.00"));
        let accepted = "accepted #1 S 100 ACME 25.00";
        alfa.must_hear(&[accepted]);
        beta.sends(&buy(1, "25.00"));
        beta.must_hear(&["accepted #1 B 100 ACME 25.00", "executed #1 100 25.00 R"]);
        let executed = "executed #1 100 25.00 A";
        alfa.must_hear(&[executed]);
        copy.must_hear(&[accepted, executed]);

        eventually("logins are counted", || sum(&node, "logins") == 3);
        assert_eq!(by_shard(&node, "logins"), [1; SHARDS]);
        eventually("orders are counted", || by_shard(&node, "messages_in") == [1, 1, 0]);
        assert_eq!(by_shard(&node, "kernel.refused"), [0; SHARDS]);
        let said = rialto().arg("stat").arg(&node.site.logs).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let shown = |name: &str, value: &str| {
            said.lines().any(|line| line.split_whitespace().eq([name, value]))
        };
        assert!(shown("order_entry.logins", "3") && shown("order_entry.1.logins", "1"), "{said}");

        let books = node.stop_in_order();
        assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
    }
}

#[test]
fn a_newer_login_wins_on_whatever_shard_and_has_every_message_from_any_number() {
    let mut node = Node::start_with(&setup());
    let hosts = hosts(&node);
    let mut session = login_from(&node, hosts[0], "ALFA01", 1);
    session.must_hear(&["system S"]);
    let mut told = vec!["system S".to_owned()];
    for number in 1..=9_u32 {
        let host = hosts[number as usize % SHARDS];
        let mut newer = login_from(&node, host, "ALFA01", 1);
        newer.must_hear(&told.iter().map(String::as_str).collect::<Vec<_>>());
        // What the older one still says is nobody's.
        session.sends(&buy(1_000, "24.00"));
        session.must_be_closed();
        newer.sends(&buy(number, "24.00"));
        told.push(format!("accepted #{number} B 100 ACME 24.00"));
        newer.must_hear(&[told.last().unwrap()]);
        session = newer;
    }
    // From a number in the middle too, and after a restart.
    node.kill9();
    node.start_again();
    for host in hosts {
        let mut again = login_from(&node, host, "ALFA01", 5);
        again.must_hear(&told[4..].iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn orders_of_a_session_that_is_lost_stay_for_who_comes_back_on_another_shard_in_time() {
    let node = Node::start_with(&Setup { grace_ms: 3_000, ..setup() });
    let [one, two, three] = hosts(&node);
    let accepted = "accepted #1 B 100 ACME 24.00";
    let mut alfa = login_from(&node, one, "ALFA01", 1);
    alfa.sends(&buy(1, "24.00"));
    alfa.must_hear(&["system S", accepted]);
    let mut beta = login_from(&node, three, "BETA01", 1);
    beta.sends(&buy(1, "24.00"));
    beta.must_hear(&["system S", accepted]);
    drop((alfa, beta));

    let mut back = login_from(&node, two, "ALFA01", 1);
    back.must_hear(&["system S", accepted]);
    // The other stays away for longer than that, and what became of its order is told anywhere.
    eventually("its order is canceled", || {
        port_stream(&read_log(&node.site.events()), "BETA01").len() == 3
    });
    let mut late = login_from(&node, one, "BETA01", 1);
    late.must_hear(&["system S", accepted, "canceled #1 100 S"]);
    back.sends(&buy(2, "23.00"));
    back.must_hear(&["accepted #2 B 100 ACME 23.00"]);
}

#[test]
fn tokens_of_ouch_4_2_are_the_same_on_every_shard() {
    let node = Node::start_with(&setup());
    let [one, two, three] = hosts(&node);
    let token = |name| ouch42::Token::new(name).unwrap();
    let enter = |name| {
        let acme = Symbol::new("ACME").unwrap();
        let cents = u32::try_from(price("24.00").0).unwrap();
        let enter = ouch42::Enter::new(token(name), Side::Buy, Quantity(100), acme, cents);
        unsequenced(enter.as_bytes())
    };
    let cancel = |name| unsequenced(ouch42::Cancel::new(token(name), Quantity(0)).as_bytes());
    let mut session = login_from(&node, one, "ALFA42", 0);
    session.sends(&[enter("A"), enter("B")].concat());
    eventually("two are taken", || sum(&node, "messages_out") >= 2);
    let mut session = login_from(&node, two, "ALFA42", 0);
    // The same once more is met with silence, and another shard's token names its order.
    session.sends(&[enter("A"), cancel("B"), enter("C")].concat());
    eventually("a cancel and an order are answered", || sum(&node, "messages_out") >= 4);
    let mut session = login_from(&node, three, "ALFA42", 0);
    session.sends(&[enter("C"), cancel("A"), cancel("C")].concat());
    eventually("two cancels are answered", || sum(&node, "messages_out") >= 6);
    assert_eq!(by_shard(&node, "messages_in"), [2, 2, 2]);
    assert_eq!(sum(&node, "messages_out"), 6);
}

#[test]
fn what_is_limited_by_source_is_limited_once_for_all_shards() {
    const GUESSES: usize = 40;
    let site = Site::new(&setup());
    let config = std::fs::read_to_string(site.config()).unwrap();
    let [shared, few] =
        [format!("per_source_max = {CONNECTIONS_MAX}"), "per_source_max = 4".into()];
    std::fs::write(site.config(), config.replace(&shared, &few)).unwrap();
    let node = Node::start_at(site);
    let [one, two, three] = hosts(&node);
    // Secrets: a few are looked at, whatever connection they come by.
    let right = login_packet(&node, "ALFA01", 1);
    let mut wrong = right.clone();
    wrong[9..19].fill(b'X');
    for _ in 0..GUESSES {
        let mut raw = Raw::connect_from(one, node.site.order_entry);
        raw.sends(&wrong);
        assert_ne!(raw.hears(), Some("login accepted".to_owned()));
    }
    eventually("guesses are not looked at", || sum(&node, "logins_backed_off") > 30);
    assert_eq!(by_shard(&node, "logins_backed_off")[1..], [0, 0]);
    login_from(&node, two, "ALFA01", 1).must_hear(&["system S"]);

    // Connections: four, and not four of each shard.
    eventually("those of before are gone", || sum(&node, "kernel.connections") <= 1);
    let mut open: Vec<_> =
        (0..4).map(|_| Raw::connect_from(three, node.site.order_entry)).collect();
    Raw::connect_from(three, node.site.order_entry).must_be_closed();
    assert_eq!(by_shard(&node, "kernel.source_full")[..2], [0, 0]);
    open[0].sends(&login_packet(&node, "BETA01", 1));
    assert!(open[0].hears().unwrap().starts_with("login accepted"));
}

#[test]
fn who_is_blocked_is_blocked_on_every_shard() {
    let site = Site::new(&setup());
    let config = std::fs::read_to_string(site.config()).unwrap();
    let file = site.disk.join("access.toml");
    std::fs::write(&file, "").unwrap();
    let line = format!("access_file = \"{}\"\n            allow =", file.display());
    std::fs::write(site.config(), config.replace("allow =", &line)).unwrap();
    let node = Node::start_at(site);
    let hosts = hosts(&node);
    let ports = ["ALFA01", "ALFA02", "BETA01"];
    let mut sessions: Vec<_> =
        hosts.iter().zip(ports).map(|(&host, port)| login_from(&node, host, port, 1)).collect();
    for session in &mut sessions {
        session.must_hear(&["system S"]);
    }
    let networks = hosts.map(|host| format!("\"127.0.0.{host}\"")).join(", ");
    std::fs::write(&file, format!("block = [{networks}]")).unwrap();
    sessions.iter_mut().for_each(Raw::must_be_closed);
    eventually("they are counted", || by_shard(&node, "kernel.expelled") == [1; SHARDS]);
    for host in hosts {
        Raw::connect_from(host, node.site.order_entry).must_be_closed();
    }
    Broker::login(&node, "BETA02").must_hear(&["system S"]);
}

#[test]
fn a_node_that_would_share_another_ones_address_does_not_start() {
    let node = Node::start_with(&setup());
    let other = Site::new(&setup());
    let config = std::fs::read_to_string(other.config()).unwrap();
    let [ours, theirs] = [&other, &node.site].map(|site| site.order_entry.to_string());
    std::fs::write(other.config(), config.replace(&ours, &theirs)).unwrap();
    let mut command: Command = other.command();
    let said = crate::harness::fails(&mut command);
    assert!(said.contains(&format!("cannot listen on {theirs}")), "{said}");
}
