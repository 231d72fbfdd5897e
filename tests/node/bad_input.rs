//! What no participant should send, and some will: the sender is disconnected or ignored, it is
//! counted, and nobody else notices.

use std::fs;
use std::time::{Duration, Instant};

use rialto::types::{SessionId, Side};
use rialto::wire::soup::{LoginAccepted, LoginReject, Packet};

use crate::broker::{Broker, order};
use crate::harness::{CONNECTIONS_MAX, Node, Setup, Site};
use crate::raw::{Raw, enter_packet, login_packet, unsequenced};
use crate::replay::Replay;
use crate::traffic::Random;

/// A whole packet.
fn packet(packet: Packet<'_>) -> Vec<u8> {
    let mut bytes = [0; 256];
    let size = packet.emit(&mut bytes).unwrap();
    bytes[..size].to_vec()
}

#[test]
fn who_does_not_begin_with_a_login_is_disconnected() {
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let mut malformed_login = login_packet(&node, "ALFA01", 1);
    *malformed_login.last_mut().unwrap() = b'x';
    let cases: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: exchange\r\n\r\n",
        b"\0\0",          // length 0
        b"\xFF\xFF",      // too long
        b"\x04\x01U",     // too long by one: 1,025
        b"\0\x01?",       // unknown packet type
        b"\0\x02LX",      // a login of an impossible length
        &malformed_login, // a login whose sequence is no number
        &enter_packet(1, order(Side::Buy, 100, "ACME", "25.00")),
        &packet(Packet::ClientHeartbeat),
        &packet(Packet::LogoutRequest),
        &packet(Packet::Debug(b"let me in")),
        // The exchange's own packets.
        &packet(Packet::ServerHeartbeat),
        &packet(Packet::EndOfSession),
        &packet(Packet::LoginRejected(LoginReject::NotAuthorized)),
        &packet(Packet::LoginAccepted(LoginAccepted { session: SessionId::BLANK, sequence: 1 })),
        &packet(Packet::SequencedData(b"A")),
    ];
    for case in cases {
        let mut raw = Raw::connect(node.site.order_entry);
        raw.sends(case);
        raw.must_be_closed();
        beta.must_hear_nothing();
    }
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "violations"), cases.len() as u64);
}

#[test]
fn who_breaks_the_protocol_in_a_session_is_disconnected_and_can_come_back() {
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let mut good = enter_packet(1, order(Side::Buy, 100, "ACME", "25.00"))[3..].to_vec();
    good[0] = b'O';
    let longer = [&good[..], b"\0"].concat();
    let cases: &[&[u8]] = &[
        b"\0\0",
        b"\xFF\xFF",
        b"\0\x01?",
        b"\0\x02R?", // a heartbeat with a body
        &login_packet(&node, "ALFA01", 1),
        &packet(Packet::SequencedData(b"A")),
        &packet(Packet::EndOfSession),
        &unsequenced(b""),
        &unsequenced(b"?"),                    // unknown type
        &unsequenced(&good[..good.len() - 1]), // Enter of a wrong length
        &unsequenced(&longer),
        &unsequenced(b"X\0\0\0\x01"), // Cancel of a wrong length
        &unsequenced(b"U123"),        // Replace of a wrong length
        &unsequenced(&[b'O'; 1_000]),
    ];
    for case in cases {
        let mut raw = Raw::login(&node, "ALFA01", 0);
        raw.sends(case);
        raw.must_be_closed();
        beta.must_hear_nothing();
    }
    // What is good before the violation counts, what comes behind it does not.
    let mut raw = Raw::login(&node, "ALFA01", 0);
    let buy = |number| enter_packet(number, order(Side::Buy, 100, "ACME", "25.00"));
    raw.sends(&[buy(1), unsequenced(b"?"), buy(2)].concat());
    raw.must_be_closed();
    let mut again = Broker::login(&node, "ALFA01");
    again.must_hear(&["system S", "accepted #1 B 100 ACME 25.00"]);
    again.next_ref = 2;
    again.must_hear_nothing();
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "violations"), cases.len() as u64 + 1);
}

#[test]
fn a_request_that_asks_for_nothing_is_met_with_silence() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    for (kind, length) in [(b'M', 10), (b'C', 19), (b'D', 11), (b'E', 11)] {
        let mut message = vec![0; length];
        message[0] = kind;
        alfa.client.send(&message).unwrap();
        alfa.must_hear_nothing();
    }
    alfa.client.send(b"Q").unwrap();
    alfa.must_hear(&["next #5"]);
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "messages_in"), 9);
    assert_eq!(node.counter("order_entry", "violations"), 0);
}

#[test]
fn an_operator_who_sends_nonsense_is_disconnected() {
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let mut tick = [0; 64];
    tick[..2].copy_from_slice(&[4, 1]);
    let mut order = [0; 128];
    order[..2].copy_from_slice(&[40, 2]);
    let mut longer = [0; 128];
    longer[..2].copy_from_slice(&[3, 1]);
    let cases: &[&[u8]] = &[b"", b"?", &[0; 64], &tick, &order, &longer, &[3, 1, 0], &[3; 256]];
    for case in cases {
        let mut raw = Raw::connect(node.site.admin);
        raw.sends(&login_packet(&node, "OPER01", 0));
        assert!(raw.hears().unwrap().starts_with("login accepted"));
        raw.sends(&unsequenced(case));
        raw.must_be_closed();
        beta.must_hear_nothing();
    }
    node.stop_in_order();
    assert_eq!(node.counter("admin", "violations"), cases.len() as u64);
}

#[test]
fn connections_full_of_garbage_change_nothing_for_others() {
    const CONNECTIONS: usize = 300;
    let seed = Random::seed();
    let mut random = Random(seed);
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let mut open = Vec::new();
    for number in 0..CONNECTIONS {
        let mut garbage = match random.below(3) {
            0 => Vec::new(),
            1 => login_packet(&node, "ALFA01", 0),
            _ => enter_packet(1, order(Side::Buy, 100, "ACME", "25.00")),
        };
        if random.below(2) == 0 && !garbage.is_empty() {
            let at = random.below(garbage.len());
            garbage[at] ^= 1 << random.below(8);
        }
        let count = random.below(2_000);
        garbage.extend(random.bytes(count));
        // From elsewhere: some of it is a wrong secret, after which its sender is not heard for a while.
        let mut raw = Raw::connect_from(66, node.site.order_entry);
        raw.sends(&garbage);
        // Some are left open, some are closed at once, whatever the exchange thinks of them.
        if random.below(2) == 0 && open.len() < 20 {
            open.push(raw);
        }
        if number % 30 == 0 {
            beta.must_hear_nothing();
        }
    }
    drop(open);
    beta.must_hear_nothing();
    // The port that was abused is still its owner's.
    let mut alfa = Broker::login_at(&node, "ALFA01", 0).unwrap();
    alfa.next_ref = u32::MAX - 1;
    alfa.must_hear_nothing();
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn orders_whose_fields_are_anything_are_answered() {
    const ORDERS: u32 = 2_000;
    let seed = Random::seed();
    let mut random = Random(seed);
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    for number in 1..=ORDERS {
        let mut message =
            enter_packet(number, order(Side::Buy, 100, "ACME", "25.00"))[3..].to_vec();
        // One to three fields of an order that is otherwise good, or all behind its number.
        for _ in 0..=random.below(3) {
            let at = 5 + random.below(message.len() - 7);
            message[at] = random.bytes(1)[0];
        }
        if random.below(4) == 0 {
            let fields = 5..message.len() - 2;
            let garbage = random.bytes(fields.len());
            message[fields].copy_from_slice(&garbage);
        }
        alfa.client.send(&message).unwrap();
    }
    let mut answers = 0;
    alfa.next_ref = ORDERS + 1;
    alfa.buys(1, "NOSUCH", "1.00");
    loop {
        let heard = alfa.hears();
        if heard == format!("rejected #{} 0x17", ORDERS + 1) {
            break;
        }
        answers += u32::from(heard.starts_with("accepted") || heard.starts_with("rejected"));
    }
    assert_eq!(answers, ORDERS);
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
}

#[test]
fn connections_beyond_the_limit_are_closed_and_those_that_trade_go_on() {
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let idle: Vec<_> = (1..CONNECTIONS_MAX).map(|_| Raw::connect(node.site.order_entry)).collect();
    Raw::connect(node.site.order_entry).must_be_closed();
    beta.must_hear_nothing();
    drop(idle);
    // A place is free again as soon as the exchange has seen one of them leave.
    beta.must_hear_nothing();
    Broker::login(&node, "ALFA01").must_hear(&["system S"]);
    node.stop_in_order();
}

#[test]
fn who_comes_from_a_network_that_is_not_allowed_is_hung_up_on_before_a_word() {
    let site = Site::new(&Setup::default());
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config.replace("127.0.0.0/8", "127.0.0.2/32")).unwrap();
    let mut node = Node::start_at(site);
    let start = Instant::now();
    let mut stranger = Raw::connect(node.site.order_entry);
    stranger.must_be_closed();
    assert!(start.elapsed() < Duration::from_secs(10), "it was its silence that ended it");

    // All of 127.0.0.0/8 is this host.
    let mut broker = Raw::connect_from(2, node.site.order_entry);
    broker.sends(&login_packet(&node, "ALFA01", 1));
    assert!(broker.hears().unwrap().starts_with("login accepted"));
    broker.must_hear(&["system S"]);
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "connections"), 1);
}
