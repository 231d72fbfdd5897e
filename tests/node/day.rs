//! The trading day and the market's administration, as operators and brokers see them.

use std::fs;

use rialto::client::ClientError;
use rialto::types::event::Event;
use rialto::types::{AccountStatus, AssetKind, SessionId, Side};
use rialto::wire::soup::LoginReject;

use crate::broker::{Broker, immediate, order};
use crate::harness::{Node, rialto};
use crate::operator::{Operator, today};
use crate::raw::{Raw, enter_packet, login_packet};
use crate::replay::{Replay, read_log};

/// Cash of each account at the start, in 1/10,000 USD.
const CASH: i64 = 1_000_000_000_000;

/// Logs in and is refused for want of a session.
#[track_caller]
fn is_refused(node: &Node, port: &str, session: SessionId, sequence: u64) {
    let credentials = node.site.credentials(port);
    let result = Broker::login_to(node.site.order_entry, credentials, session, sequence);
    let refused = matches!(result, Err(ClientError::Refused(LoginReject::SessionNotAvailable)));
    assert!(refused, "{:?}", result.err());
}

#[test]
fn a_day_ends_and_another_begins() {
    let mut node = Node::start();
    let mut operator = Operator::login(&node);
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    let first_day = alfa.client.session();
    assert_eq!(first_day, today().session(1));
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00"]);
    beta.buys(40, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 B 40 ACME 25.00", "executed #1 40 25.00 R"]);

    // Its end cancels what is open, tells everybody, and closes their sessions.
    operator.ends_the_day();
    alfa.must_hear(&["executed #1 40 25.00 A", "canceled #1 60 E", "system E"]);
    alfa.must_hear_the_end();
    beta.must_hear(&["system E"]);
    beta.must_hear_the_end();
    operator.must_hear(&["1: day ended"]);
    for port in ["ALFA01", "ALFA02"] {
        is_refused(&node, port, SessionId::BLANK, 1);
        is_refused(&node, port, first_day, 1);
    }
    operator.ends_the_day();
    operator.must_hear(&["2: refused Day"]);

    // Not even a restart between the days opens it.
    node.kill9();
    node.start_again();
    is_refused(&node, "ALFA01", SessionId::BLANK, 1);
    let mut operator = Operator::login(&node);
    operator.next_request = 3;

    // The operator's own stream begins again with the day.
    operator.starts_the_day(2);
    operator.must_hear(&["end of session", "closed"]);
    let mut operator = Operator::login_at(&node, 1);
    let second_day = today().session(2);
    operator.must_hear(&[&format!("3: day started {second_day}")]);
    operator.next_request = 4;
    operator.starts_the_day(3);
    operator.must_hear(&["4: refused Day"]);

    is_refused(&node, "ALFA01", first_day, 1);
    is_refused(&node, "ALFA01", SessionId::BLANK, 3);
    let mut alfa = Broker::login(&node, "ALFA01");
    assert_eq!(alfa.client.session(), second_day);
    // Sequences and numbers begin again, and no order of the first day is there.
    alfa.buys(10, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 B 10 ACME 25.00"]);
    let books = node.stop_in_order();
    assert_eq!(books.lines().count(), 4);
    let replay = Replay::equal_to_event_log(&node.site);
    assert_eq!(replay.books(), books);
    let traded = 40 * 250_000;
    assert_eq!(
        balances_of_the_day(&node),
        [
            (1001, "USD", CASH + traded),
            (1001, "ACME", 1_000_000 - 40),
            (2001, "USD", CASH - traded),
            (2001, "ACME", 1_000_000 + 40),
        ]
    );
}

#[test]
fn a_reader_that_is_behind_when_the_day_ends_hears_it_to_the_end() {
    // More than the kernel holds for a connection.
    const ORDERS: u32 = 100_000;
    let node = Node::start();
    let mut operator = Operator::login(&node);
    let mut beta = Broker::login(&node, "BETA01");
    beta.sells(1, "ACME", "30.00");
    beta.must_hear(&["system S", "accepted #1 S 1 ACME 30.00"]);
    let mut slow = Raw::with_small_buffer(node.site.order_entry);
    slow.sends(&login_packet(&node, "ALFA01", 1));
    for number in 1..ORDERS {
        slow.sends(&enter_packet(number, immediate(order(Side::Buy, 1, "ACME", "0.01"))));
    }
    slow.sends(&enter_packet(ORDERS, order(Side::Buy, 1, "ACME", "30.00")));
    beta.must_hear(&["executed #1 1 30.00 A"]);
    operator.ends_the_day();
    operator.must_hear(&["1: day ended"]);
    beta.must_hear(&["system E"]);
    beta.must_hear_the_end();

    assert!(slow.hears().unwrap().starts_with("login accepted"));
    slow.must_hear(&["system S"]);
    for number in 1..ORDERS {
        assert_eq!(slow.hears().unwrap(), format!("accepted #{number} B 1 ACME 0.01 dead"));
    }
    slow.must_hear(&[
        &format!("accepted #{ORDERS} B 1 ACME 30.00"),
        &format!("executed #{ORDERS} 1 30.00 R"),
        "system E",
        "end of session",
    ]);
    slow.must_be_closed();
}

/// Cash and ACME shares of each account, as the latest day's beginning tells them.
fn balances_of_the_day(node: &Node) -> Vec<(u32, &'static str, i64)> {
    let events = read_log(&node.site.events());
    let mut balances = Vec::new();
    for (_, record) in events.records() {
        match Event::parse(record).unwrap() {
            Event::DayStarted(_) => balances.clear(),
            Event::BalanceChanged(event) => {
                let is_cash = event.asset_kind == AssetKind::Cash.byte();
                if is_cash || event.header.instrument.0 == 1 {
                    assert_eq!(event.held, 0);
                    let asset = if is_cash { "USD" } else { "ACME" };
                    balances.push((event.account.0, asset, event.balance));
                }
            }
            _ => {}
        }
    }
    balances
}

#[test]
fn the_day_is_rolled_from_the_command_line() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    let market = |arguments: &[&str]| {
        let mut command = rialto();
        command.arg("market").args(arguments);
        command.arg("--admin").arg(node.site.admin.to_string()).args(["--port", "OPER01"]);
        let output = command.arg("--secrets").arg(node.site.secrets()).output().unwrap();
        let (said, errors) = (output.stdout, output.stderr);
        let text = [said, errors].concat();
        (output.status.success(), String::from_utf8(text).unwrap())
    };
    let (first, second) = (today().session(1), today().session(2));
    assert_eq!(market(&["day-end"]), (true, format!("day of session {first} ended\n")));
    alfa.must_hear(&["system E"]);
    alfa.must_hear_the_end();
    let (done, said) = market(&["day-end"]);
    assert!(!done && said.contains("refused"), "{said}");
    let (done, said) = market(&["day-start"]);
    assert!(done && said.contains(&second.to_string()), "{said}");
    let (done, said) = market(&["day-start"]);
    assert!(!done && said.contains("refused"), "{said}");
    assert_eq!(Broker::login(&node, "ALFA01").client.session(), second);

    let mut wrong = rialto();
    wrong.args(["market", "day-end", "--port", "OPER01", "--secret", "WRONG", "--admin"]);
    let output = wrong.arg(node.site.admin.to_string()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("login refused"));
    node.stop_in_order();
}

#[test]
fn a_transfer_happens_once_for_each_reference_and_each_request() {
    let mut node = Node::start();
    let mut operator = Operator::login(&node);
    operator.transfers(1001, 500, 77);
    operator.transfers(1001, 500, 77); // another request with a known reference
    operator.must_hear(&[
        &format!("1: account 1001 +500 is {}", CASH + 500),
        "2: refused RepeatedReference",
    ]);
    operator.next_request = 2;
    operator.transfers(1001, 500, 78); // a known request with another reference
    operator.transfers(1001, -800, 79);
    operator.transfers(1001, -2 * CASH, 80); // more than there is
    operator.transfers(9999, 1, 81); // to nobody
    operator.must_hear(&[
        "2: refused RepeatedRequest",
        &format!("3: account 1001 -800 is {}", CASH - 300),
        "4: refused Balance",
        "5: refused Unknown",
    ]);

    // Killed before the answer was read: asking again is safe.
    node.kill9();
    node.start_again();
    let mut operator = Operator::login(&node);
    operator.next_request = 3;
    operator.transfers(1001, -800, 79);
    operator.transfers(1001, 300, 82);
    operator.next_request = 6;
    operator.transfers(1001, -800, 79);
    operator.transfers(1001, 300, 82);
    operator.must_hear(&[
        "3: refused RepeatedRequest",
        "4: refused RepeatedRequest",
        "6: refused RepeatedReference",
        &format!("7: account 1001 +300 is {CASH}"),
    ]);
}

#[test]
fn cash_that_is_held_cannot_be_withdrawn_and_what_is_deposited_can_be_traded() {
    let node = Node::start();
    let mut operator = Operator::login(&node);
    let mut alfa = Broker::login(&node, "ALFA01");
    // 999,999 shares at 100 dollars are all but 100 dollars of it.
    alfa.buys(999_999, "ACME", "100.00");
    alfa.buys(2, "ACME", "100.00");
    alfa.must_hear(&["system S", "accepted #1 B 999999 ACME 100.00", "rejected #2 0x20"]);
    operator.transfers(1001, -1_000_001, 101);
    operator.must_hear(&["1: refused Balance"]);
    operator.transfers(1001, 1_000_000, 102);
    operator.must_hear(&[&format!("2: account 1001 +1000000 is {}", CASH + 1_000_000)]);
    alfa.buys(2, "ACME", "100.00");
    alfa.must_hear(&["accepted #3 B 2 ACME 100.00"]);
    alfa.cancels(1, 0);
    alfa.must_hear(&["canceled #1 999999 U"]);
    operator.transfers(1001, -CASH + 1_000_000, 103);
    operator.must_hear(&["3: account 1001 -999999000000 is 2000000"]);
    alfa.buys(1, "ACME", "100.00");
    alfa.must_hear(&["rejected #4 0x20"]);
}

#[test]
fn a_suspended_account_loses_its_orders_and_enters_none() {
    let node = Node::start();
    let mut operator = Operator::login(&node);
    let mut alfa = Broker::login(&node, "ALFA01");
    let mut beta = Broker::login(&node, "BETA01");
    alfa.buys(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 25.00"]);
    beta.sells(30, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 S 30 ACME 25.00", "executed #1 30 25.00 R"]);
    alfa.must_hear(&["executed #1 30 25.00 A"]);
    operator.updates(1001, AccountStatus::Suspended);
    operator.must_hear(&["1: account 1001 Suspended"]);
    alfa.must_hear(&["canceled #1 70 D"]);
    alfa.buys(100, "ACME", "25.00");
    alfa.must_hear(&["rejected #2 0x0C"]);
    // Nothing of it is left to trade with, or to take back.
    beta.sells(30, "ACME", "25.00");
    beta.must_hear(&["accepted #2 S 30 ACME 25.00"]);
    alfa.cancels(1, 0);
    operator.updates(1001, AccountStatus::Approved);
    operator.must_hear(&["2: account 1001 Approved"]);
    alfa.buys(10, "ACME", "25.00");
    alfa.must_hear(&["accepted #3 B 10 ACME 25.00", "executed #3 10 25.00 R"]);
}

#[test]
fn the_secrets_of_a_market_are_shown_once_and_kept_nowhere() {
    let mut node = Node::start();
    let secrets = fs::read_to_string(node.site.secrets()).unwrap();
    Broker::login(&node, "ALFA01").must_hear(&["system S"]);
    node.stop_in_order();
    let log = node.site.log_text();
    let segments = [node.site.commands(), node.site.events()].map(|log| log.join("00000000.seg"));
    // All that so short a log holds.
    let stored = segments.map(|segment| fs::read(segment).unwrap()[..1 << 16].to_vec());
    for line in secrets.lines() {
        let (name, secret) = line.split_once(' ').unwrap();
        assert!(!log.contains(secret), "{name}");
        for bytes in &stored {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        }
    }
    assert_eq!(secrets.lines().count(), 8);
}
