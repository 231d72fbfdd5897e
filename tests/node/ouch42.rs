//! OUCH 4.2: ports whose orders have tokens, which trade with those of OUCH 5.0.

use std::net::SocketAddr;

use rialto::client::{Incoming, Protocol, SessionClient};
use rialto::types::{Quantity, SessionId, Side, Symbol};
use rialto::wire::ouch::{self, Options};
use rialto::wire::ouch42::{Cancel, Enter, Modify, Outbound, Replace, Token};
use zerocopy::IntoBytes as _;

use crate::broker::{Broker, price};
use crate::harness::{Node, SOON, Setup, eventually};
use crate::raw::{Raw, unsequenced};
use crate::replay::{port_stream, read_log};

/// A broker that speaks OUCH 4.2.
struct Older {
    client: SessionClient,
}

impl Older {
    fn login(node: &Node, port: &str) -> Self {
        Self::login_by(Protocol::Soup, node.site.order_entry, node, port, 1)
    }

    fn login_by(
        protocol: Protocol,
        address: SocketAddr,
        node: &Node,
        port: &str,
        sequence: u64,
    ) -> Self {
        let (credentials, blank) = (node.site.credentials(port), SessionId::BLANK);
        let client = SessionClient::login_by(protocol, address, credentials, blank, sequence, SOON);
        Self { client: client.unwrap() }
    }

    fn sends(&mut self, message: &[u8]) {
        self.client.send(message).unwrap();
    }

    fn buys(&mut self, name: &str, quantity: u32, at: &str) {
        self.sends(order(name, Side::Buy, quantity, at).as_bytes());
    }

    fn sells(&mut self, name: &str, quantity: u32, at: &str) {
        self.sends(order(name, Side::Sell, quantity, at).as_bytes());
    }

    fn cancels(&mut self, name: &str, quantity: u32) {
        self.sends(Cancel::new(token(name), Quantity(quantity)).as_bytes());
    }

    fn replaces(&mut self, existing: &str, name: &str, quantity: u32, at: &str) {
        let (existing, name) = (token(existing), token(name));
        let replace = Replace::new(existing, name, Quantity(quantity), cents(at));
        self.sends(replace.as_bytes());
    }

    fn hears(&mut self) -> String {
        match self.client.receive(SOON) {
            Ok(Some(Incoming::Message { message, .. })) => said42(message),
            other => panic!("not a message: {other:?}"),
        }
    }

    #[track_caller]
    fn must_hear(&mut self, expected: &[&str]) {
        let heard: Vec<_> = expected.iter().map(|_| self.hears()).collect();
        assert_eq!(heard, expected);
    }

    /// The answer to an order that cannot be entered comes next.
    #[track_caller]
    fn must_hear_nothing(&mut self, name: &str) {
        let acme = order(name, Side::Buy, 1, "1.00");
        self.sends(Enter { symbol: Symbol::new("NOSUCH").unwrap(), ..acme }.as_bytes());
        assert_eq!(self.hears(), format!("rejected {name} S"));
    }
}

fn token(name: &str) -> Token {
    Token::new(name).unwrap()
}

fn cents(at: &str) -> u32 {
    u32::try_from(price(at).0).unwrap()
}

fn order(name: &str, side: Side, quantity: u32, at: &str) -> Enter {
    Enter::new(token(name), side, Quantity(quantity), Symbol::new("ACME").unwrap(), cents(at))
}

/// An OUCH 4.2 message in words.
fn said42(message: &[u8]) -> String {
    let shown = |price: u32| format!("{}.{:02}", price / 10_000, price / 100 % 100);
    match Outbound::parse(message).unwrap() {
        Outbound::SystemEvent(m) => format!("system {}", char::from(m.code)),
        Outbound::Accepted(m) => {
            let (side, state) = (char::from(m.side), char::from(m.order_state));
            let price = shown(m.price.get());
            format!("accepted {} {side} {} {} {price} {state}", m.token, m.quantity, m.symbol)
        }
        Outbound::Replaced(m) => {
            let (side, price) = (char::from(m.side), shown(m.price.get()));
            format!("replaced {} by {} {side} {} {price}", m.previous, m.token, m.quantity)
        }
        Outbound::Executed(m) => {
            let (price, liquidity) = (shown(m.price.get()), char::from(m.liquidity));
            format!("executed {} {} {price} {liquidity}", m.token, m.quantity)
        }
        Outbound::Canceled(m) => {
            format!("canceled {} {} {}", m.token, m.quantity, char::from(m.reason))
        }
        Outbound::Rejected(m) => format!("rejected {} {}", m.token, char::from(m.reason)),
        Outbound::Modified(m) => format!("modified {} {}", m.token, m.quantity),
        other => format!("unexpected {other:?}"),
    }
}

#[test]
fn brokers_of_both_versions_trade_with_each_other() {
    let node = Node::start();
    let mut older = Older::login(&node, "ALFA42");
    let mut beta = Broker::login(&node, "BETA01");
    older.sells("MORNING-0001", 100, "25.00");
    older.must_hear(&["system S", "accepted MORNING-0001 S 100 ACME 25.00 L"]);
    beta.buys(40, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 B 40 ACME 25.00", "executed #1 40 25.00 R"]);
    older.must_hear(&["executed MORNING-0001 40 25.00 A"]);
    older.replaces("MORNING-0001", "X", 100, "26.00");
    older.must_hear(&["replaced MORNING-0001 by X S 60 26.00"]);
    beta.buys(10, "ACME", "26.00");
    beta.must_hear(&["accepted #2 B 10 ACME 26.00", "executed #2 10 26.00 R"]);
    older.must_hear(&["executed X 10 26.00 A"]);
    older.sends(Modify::new(token("X"), Side::Sell, Quantity(80)).as_bytes());
    older.must_hear(&["modified X 30"]);
    older.cancels("X", 0);
    older.must_hear(&["canceled X 30 U"]);

    // Fill or kill; a minimum is of immediate orders alone.
    let all = Enter { min_quantity: 9.into(), ..order("FOK", Side::Buy, 9, "25.00") };
    older.sends(Enter { token: token("LATER"), ..all }.as_bytes());
    older.sends(Enter { time_in_force: 0.into(), ..all }.as_bytes());
    older.must_hear(&["rejected LATER N", "accepted FOK B 9 ACME 25.00 D"]);

    // And with one who speaks the same, over UDP.
    let mut other = Older::login_by(Protocol::Ufo, node.site.ufo, &node, "BETA42", 1);
    other.sells("1", 5, "24.00");
    other.must_hear(&["system S", "accepted 1 S 5 ACME 24.00 L"]);
    older.buys("Y", 5, "24.00");
    older.must_hear(&["accepted Y B 5 ACME 24.00 L", "executed Y 5 24.00 R"]);
    other.must_hear(&["executed 1 5 24.00 A"]);
}

#[test]
fn a_token_names_one_order_a_day_on_its_port() {
    let node = Node::start();
    let mut older = Older::login(&node, "ALFA42");
    let mut other = Older::login(&node, "BETA42");
    older.buys("A", 10, "20.00");
    older.must_hear(&["system S", "accepted A B 10 ACME 20.00 L"]);
    other.buys("A", 10, "20.00");
    other.must_hear(&["system S", "accepted A B 10 ACME 20.00 L"]);
    // Once more, and about what is not there: silence.
    older.buys("A", 99, "20.00");
    older.cancels("NEVER", 0);
    older.replaces("NEVER", "B", 10, "20.00");
    older.replaces("A", "A", 10, "20.00");
    older.must_hear_nothing("C");
    // One that was rejected is used up; one whose replace was met with silence is not.
    older.buys("C", 10, "20.00");
    older.cancels("A", 0);
    older.must_hear(&["canceled A 10 U"]);
    older.replaces("A", "D", 10, "21.00");
    older.must_hear_nothing("E");
    older.buys("D", 10, "20.00");
    older.must_hear(&["accepted D B 10 ACME 20.00 L"]);
    // What is sent at once is taken in its order.
    older.buys("F", 10, "20.00");
    older.replaces("F", "G", 20, "20.50");
    older.cancels("G", 5);
    older.must_hear(&[
        "accepted F B 10 ACME 20.00 L",
        "replaced F by G B 20 20.50",
        "canceled G 15 U",
    ]);
}

#[test]
fn the_day_of_such_a_port_is_the_same_after_a_restart_and_from_any_number() {
    let mut node = Node::start();
    let mut older = Older::login(&node, "ALFA42");
    older.buys("A", 10, "20.00");
    older.sells("B", 10, "30.00");
    older.replaces("A", "C", 30, "19.00");
    older.cancels("C", 20);
    older.buys("D", 10, "18.00");
    let day = [
        "system S",
        "accepted A B 10 ACME 20.00 L",
        "accepted B S 10 ACME 30.00 L",
        "replaced A by C B 30 19.00",
        "canceled C 10 U",
        "accepted D B 10 ACME 18.00 L",
    ];
    older.must_hear(&day);
    for _ in 0..2 {
        node.kill9();
        node.start_again();
        for sequence in 1..=day.len() {
            let (soup, to) = (Protocol::Soup, node.site.order_entry);
            let mut again = Older::login_by(soup, to, &node, "ALFA42", sequence as u64);
            again.must_hear(&day[sequence - 1..]);
        }
    }
    // Its tokens are still used, and its orders are still called what they were.
    let mut again = Older::login(&node, "ALFA42");
    again.must_hear(&day);
    again.buys("A", 10, "20.00");
    again.cancels("D", 0);
    again.must_hear(&["canceled D 10 U"]);
    again.must_hear_nothing("E");
}

#[test]
fn orders_of_a_lost_session_are_canceled_and_drop_copies_have_them_in_the_newer_version() {
    let node = Node::start_with(&Setup { grace_ms: 100, ..Setup::default() });
    let mut copy = Broker::login(&node, "ALFADC");
    let mut older = Older::login(&node, "ALFA42");
    older.buys("TOKEN", 10, "20.00");
    older.must_hear(&["system S", "accepted TOKEN B 10 ACME 20.00 L"]);
    older.client.logout().unwrap();
    let stream = || port_stream(&read_log(&node.site.events()), "ALFA42");
    eventually("the order is canceled", || stream().len() == 3);
    let mut back = Older::login(&node, "ALFA42");
    back.must_hear(&["system S", "accepted TOKEN B 10 ACME 20.00 L", "canceled TOKEN 10 S"]);
    copy.hears_bytes();
    let message = copy.hears_bytes();
    let Ok(ouch::Outbound::Accepted(accepted, elements)) = ouch::Outbound::parse(&message) else {
        panic!("{message:?}")
    };
    assert_eq!(accepted.cl_ord_id, token("TOKEN"));
    assert_eq!(&Options::parse(elements).unwrap().port, b"ALFA42");
}

#[test]
fn whoever_speaks_the_other_version_is_disconnected() {
    let node = Node::start();
    let mut raw = Raw::login(&node, "ALFA42", 0);
    raw.sends(&unsequenced(b"Q"));
    raw.must_be_closed();
    let mut raw = Raw::login(&node, "ALFA01", 0);
    raw.sends(&unsequenced(order("A", Side::Buy, 1, "1.00").as_bytes()));
    raw.must_be_closed();
}
