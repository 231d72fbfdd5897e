//! A node that has lost its log or its control file, or runs out of session ids: it does not guess, it
//! is told to go on as another incarnation, and never gives a number twice.

use std::fs;

use rialto::event_store::{Control, ControlFile};
use rialto::types::{Date, SessionId};

use crate::broker::Broker;
use crate::harness::{Logs, Node, Setup, eventually, rialto};
use crate::operator::today;
use crate::recovery::{control_of, lose_power};
use crate::replay::{Replay, read_log};

/// With an order in its book, and stopped in order.
fn traded() -> Node {
    let mut node = Node::start_with(&Setup { logs: Logs::BehindOnDisk, ..Setup::default() });
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    assert_eq!(alfa.client.session(), today().session(1));
    node.stop_in_order();
    node
}

/// Changes what a node that does not run has written down.
fn change_control(node: &Node, change: impl FnOnce(Control) -> Control) {
    let mut control = ControlFile::open(&node.site.disk.join("control/control")).unwrap();
    let state = *control.state().unwrap();
    control.store(change(state)).unwrap();
}

/// The session that a broker of a running node is in; it has heard nothing of any before.
fn session_of(node: &Node) -> SessionId {
    let mut alfa = Broker::login(node, "ALFA01");
    alfa.must_hear(&["system S"]);
    alfa.must_hear_nothing();
    alfa.client.session()
}

#[test]
fn a_log_that_was_durable_and_is_gone_is_missed_and_a_new_incarnation_begins_another_exchange() {
    let mut node = traded();
    let before = control_of(&node);
    fs::remove_dir_all(&node.site.logs).unwrap();
    let said = node.fails_to_start();
    for word in
        [&node.site.logs.display().to_string(), "durable up to position", "--new-incarnation"]
    {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(said.contains(&before.durable.to_string()), "{said}");
    assert!(control_of(&node) == before, "a refused start changes nothing");

    node.start_again_with(&["--new-incarnation"]);
    // Whoever has numbers of the lost session must not take the new ones for theirs.
    assert_eq!(session_of(&node), today().session(2));
    node.stop_in_order();
    let after = control_of(&node);
    assert_eq!((after.incarnation, after.session), (before.incarnation + 1, today().session(2)));
    assert!(after.term > before.term);
    Replay::equal_to_event_log(&node.site);
    // From now on it is a node like any other.
    node.start_again();
    assert_eq!(Broker::login(&node, "ALFA01").client.session(), today().session(2));
}

#[test]
fn a_killed_node_whose_log_is_gone_misses_it_too() {
    let mut node = traded();
    node.start_again();
    node.kill9();
    fs::remove_dir_all(&node.site.logs).unwrap();
    let said = node.fails_to_start();
    assert!(said.contains("durable up to position"), "{said}");
}

#[test]
fn a_log_whose_control_file_is_gone_is_refused_and_a_new_incarnation_goes_on_with_it() {
    let mut node = traded();
    let term = control_of(&node).term;
    let control = node.site.disk.join("control");
    fs::remove_file(control.join("control")).unwrap();
    let said = node.fails_to_start();
    let places = [&node.site.logs, &control].map(|place| place.display().to_string());
    for word in places.iter().map(String::as_str).chain(["no control file", "--new-incarnation"]) {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!control.join("control").exists(), "a term was taken");

    node.start_again_with(&["--new-incarnation"]);
    // Nobody knows whether this is all that was told, so the day goes on under another session.
    assert_eq!(session_of(&node), today().session(2));
    let books = node.stop_in_order();
    assert!(!books.contains("24.00"), "an order outlived its day:\n{books}");
    let after = control_of(&node);
    assert!(after.term > term && !after.cut && after.incarnation == 1, "{after:?}");
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn a_new_incarnation_goes_on_with_what_a_power_loss_left_before_a_hole() {
    let mut node = traded();
    let control = node.site.disk.join("control/control");
    node.start_again();
    eventually("ticks", || read_log(&node.site.commands()).0.len() > 20);
    node.kill9();
    let commands = read_log(&node.site.commands()).0;
    let hole = &commands[commands.len() - 4].0;
    let segment = node.site.commands().join("00000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    let start = usize::try_from(hole.start.0).unwrap();
    bytes[start..start + usize::try_from(hole.frame_bytes()).unwrap()].fill(0);
    fs::write(&segment, bytes).unwrap();
    // The machine went down, and took with it what would say how far the log was durable.
    fs::remove_file(&control).unwrap();
    fs::remove_file(node.site.commands().join("positions")).unwrap();
    node.start_again_with(&["--new-incarnation"]);
    assert_eq!(session_of(&node), today().session(2));
    node.stop_in_order();
    let kept = read_log(&node.site.commands()).0;
    let sound = commands.len() - 4;
    assert!(kept[..sound] == commands[..sound] && kept[sound].0 != *hole);
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn a_new_incarnation_that_was_not_needed_loses_the_day_and_nothing_else() {
    let mut node = traded();
    node.start_again_with(&["--new-incarnation"]);
    assert_eq!(session_of(&node), today().session(2));
    node.stop_in_order();
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn a_day_without_more_session_ids_gives_way_to_the_next() {
    let mut node = traded();
    node.start_again();
    node.kill9();
    lose_power(&node);
    change_control(&node, |state| Control { session: today().session(9_998), ..state });
    node.start_again();
    assert_eq!(session_of(&node), today().session(9_999));

    // An operator is told that it was the last of this day.
    let market = |what: &str| {
        let mut command = rialto();
        command.args(["market", what, "--admin", &node.site.admin.to_string()]);
        command.args(["--port", "OPER01", "--secrets"]).arg(node.site.secrets());
        let output = command.output().unwrap();
        (
            output.status.success(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    let (done, said) = market("day-end");
    assert!(done, "{said}");
    let (done, said) = market("day-start");
    assert!(!done && said.contains("has had its 9999 sessions"), "{said}");
    node.stop_in_order();
}

#[test]
fn a_node_that_must_go_on_behind_the_last_session_of_a_day_takes_the_next_days_first() {
    let mut node = traded();
    node.start_again();
    node.kill9();
    lose_power(&node);
    change_control(&node, |state| Control { session: today().session(9_999), ..state });
    node.start_again();
    let session = session_of(&node);
    let tomorrow = today().session_behind(today().session(Date::GENERATION_MAX)).1;
    assert_eq!(session, tomorrow);
    assert!(session > today().session(9_999));
    node.stop_in_order();
    Replay::equal_to_event_log(&node.site);
}

#[test]
fn a_term_of_more_digits_than_a_session_id_has_begins_behind_what_was_seen() {
    let mut node = traded();
    change_control(&node, |state| Control { term: 123_456, ..state });
    fs::remove_dir_all(&node.site.logs).unwrap();
    node.start_again_with(&["--new-incarnation"]);
    assert_eq!(session_of(&node), today().session(2));
    node.stop_in_order();
    assert_eq!(control_of(&node).term, 123_457);
}
