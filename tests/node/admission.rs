//! Who gets in, from where and how often, and what an operator changes about it while the node runs.

use std::fs;
use std::path::Path;

use rialto::counters::CounterReader;
use rialto::wire::ufo::Upstream;

use crate::broker::Broker;
use crate::harness::{Node, SOON, Setup, Site, eventually};
use crate::raw::{Raw, login_packet};
use crate::ufo::{MOMENT, Peer, again, login};

/// Logs in from there; whether that was accepted.
fn login_from(node: &Node, last: u8, login: &[u8]) -> (Raw, bool) {
    let mut raw = Raw::connect_from(last, node.site.order_entry);
    raw.sends(login);
    let answer = raw.hears();
    let accepted = answer.as_ref().is_some_and(|answer| answer.starts_with("login accepted"));
    assert!(accepted || answer.is_none_or(|answer| answer == "login rejected NotAuthorized"));
    (raw, accepted)
}

fn counter(node: &Node, name: &str) -> u64 {
    let reader = CounterReader::open(&node.site.logs).unwrap();
    reader.counters().find(|(known, _)| known == name).expect("it is counted").1
}

#[test]
fn who_guesses_a_secret_is_not_heard_for_a_while_and_the_ports_owner_does_not_notice() {
    const GUESSES: usize = 50;
    let node = Node::start();
    let right = login_packet(&node, "ALFA01", 1);
    let mut wrong = right.clone();
    wrong[9..19].fill(b'X');
    for _ in 0..GUESSES {
        assert!(!login_from(&node, 3, &wrong).1);
    }
    eventually("guesses are not looked at", || {
        counter(&node, "order_entry.logins_backed_off") > 30
    });
    let (mut owner, accepted) = login_from(&node, 2, &right);
    assert!(accepted);
    owner.must_hear(&["system S"]);
    // Neither does who has another port at the guesser's address.
    assert!(login_from(&node, 3, &login_packet(&node, "BETA01", 1)).1);
    // Who has the right one in the end gets in when the wait is over.
    eventually("the wait is over", || login_from(&node, 3, &right).1);
}

/// A node that is told in a file who may connect.
fn told(path: &Path, text: &str) -> Node {
    let site = Site::new(&Setup::default());
    let config = fs::read_to_string(site.config()).unwrap();
    let file = site.disk.join(path);
    fs::write(&file, text).unwrap();
    let line = format!("access_file = \"{}\"\n            allow =", file.display());
    fs::write(site.config(), config.replace("allow =", &line)).unwrap();
    Node::start_at(site)
}

/// Writes the file anew and waits until the node has counted it.
fn tells(node: &Node, file: &Path, text: &str, counter_name: &str) {
    let before = counter(node, counter_name);
    fs::write(file, text).unwrap();
    eventually(text, || counter(node, counter_name) > before);
}

#[test]
fn who_may_connect_and_from_where_a_port_logs_in_changes_while_the_node_runs() {
    let name = Path::new("access.toml");
    let node = told(name, "");
    let file = node.site.disk.join(name);
    let says = |text: &str, counter_name: &str| tells(&node, &file, text, counter_name);
    let [alfa, beta] = ["ALFA01", "BETA01"].map(|port| login_packet(&node, port, 1));
    let (mut blocked, accepted) = login_from(&node, 3, &alfa);
    assert!(accepted);
    let mut other = Broker::login(&node, "BETA02");
    other.must_hear(&["system S"]);

    says("block = [\"127.0.0.3\"]", "access.changes");
    blocked.must_hear(&["system S"]);
    blocked.must_be_closed();
    assert!(!login_from(&node, 3, &alfa).1);
    other.must_hear_nothing();

    // What cannot be used changes nothing.
    says("block = []\nallow = [\"everybody\"]", "access.refused");
    assert!(!login_from(&node, 3, &alfa).1);

    says("[ports]\nALFA01 = [\"127.0.0.3\", \"127.0.0.16/28\"]", "access.changes");
    assert!(!login_from(&node, 4, &alfa).1);
    let (mut tied, accepted) = login_from(&node, 3, &alfa);
    assert!(accepted && login_from(&node, 17, &alfa).1 && login_from(&node, 4, &beta).1);
    tied.must_hear(&["system S"]);
    tied.must_be_closed();

    let (mut tied, _) = login_from(&node, 17, &alfa);
    says("[ports]\nALFA01 = [\"127.0.0.3\"]", "access.changes");
    tied.must_hear(&["system S"]);
    tied.must_be_closed();
    other.must_hear_nothing();
    eventually("it is counted", || counter(&node, "order_entry.expelled") == 1);
}

#[test]
fn over_udp_who_is_blocked_is_not_answered_and_a_session_ends_with_its_permission() {
    let name = Path::new("access.toml");
    let node = told(name, "");
    let file = node.site.disk.join(name);
    let says = |text: &str| tells(&node, &file, text, "access.changes");
    let [blocked, other] = [3, 4].map(|last| Peer::at(&node, last));
    blocked.logs_in(&node, "ALFA01");
    other.logs_in(&node, "BETA01");

    says("block = [\"127.0.0.3\"]");
    blocked.must_hear(&["login rejected SessionNotAvailable"]);
    eventually("it is counted", || counter(&node, "order_entry.expelled") == 1);
    blocked.sends(&[Upstream::Login(login(&node, "ALFA01"))]);
    Peer::at(&node, 3).sends(&[Upstream::Login(login(&node, "ALFA02"))]);
    eventually("they are dropped", || counter(&node, "order_entry.kernel.denied") == 2);
    assert_eq!(blocked.receives(MOMENT), None);

    // Somebody else's host does not help who has a port's secret.
    says("[ports]\nALFA01 = [\"127.0.0.3\", \"127.0.0.16/28\"]");
    let elsewhere = Peer::at(&node, 5);
    elsewhere.sends(&[Upstream::Login(login(&node, "ALFA01"))]);
    assert_eq!(elsewhere.receives(SOON).as_deref(), Some(&b"JA"[..]));
    eventually("it is counted", || counter(&node, "order_entry.logins_elsewhere") == 1);
    elsewhere.logs_in(&node, "ALFA02");
    let tied = Peer::at(&node, 17);
    tied.logs_in(&node, "ALFA01");

    says("[ports]\nALFA01 = [\"127.0.0.3\"]");
    tied.must_hear(&["login rejected SessionNotAvailable"]);
    eventually("it is counted", || counter(&node, "order_entry.expelled") == 2);
    tied.sends(&[again(1, 1)]);
    assert_eq!(tied.receives(MOMENT), None);
    blocked.logs_in(&node, "ALFA01");
    for session in [&blocked, &elsewhere, &other] {
        session.sends(&[again(1, 1)]);
        session.must_hear(&["1: system S"]);
    }
}

#[test]
fn a_node_does_not_start_with_less_than_it_was_told() {
    let name = Path::new("access.toml");
    let mut node = told(name, "");
    node.stop_in_order();
    let file = node.site.disk.join(name);
    fs::write(&file, "block = [\"127.0.0.3/8\"]").unwrap();
    let said = node.fails_to_start();
    assert!(said.contains("block[0] = \"127.0.0.3/8\": must have no address bits"), "{said}");
    fs::remove_file(&file).unwrap();
    assert!(node.fails_to_start().contains("access.toml: cannot be read"));
}
