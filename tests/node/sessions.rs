//! Sessions: logging in, being taken over, falling silent, and getting every message of the stream
//! once, from any number, however the bytes travel.

use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use rialto::client::{ClientError, Credentials};
use rialto::types::{PortName, SessionId, Side};
use rialto::wire::soup::{CLIENT_HEARTBEAT, LOGOUT_REQUEST, LoginReject, LoginRequest};

use crate::broker::{Broker, immediate, order};
use crate::harness::Node;
use crate::raw::{Raw, enter_packet, login_bytes, login_packet};
use crate::replay::{port_stream, read_log};
use crate::traffic::Random;

#[test]
fn a_replay_from_any_number_gives_the_rest_of_the_stream() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    for cents in 0..20 {
        alfa.buys(100, "ACME", &format!("24.{cents:02}"));
    }
    alfa.cancels(3, 0);
    for _ in 0..22 {
        alfa.hears();
    }
    alfa.must_hear_nothing();
    let stream = port_stream(&read_log(&node.site.events()), "ALFA01");
    assert_eq!(stream.len(), 23);

    let restarted = [false, true];
    for restart in restarted {
        if restart {
            node.kill9();
            node.start_again();
        }
        for first in 1..=stream.len() + 1 {
            let mut again = Broker::login_at(&node, "ALFA01", first as u64).unwrap();
            assert_eq!(again.client.next_sequence(), first as u64);
            for expected in &stream[first - 1..] {
                assert_eq!(&again.hears_bytes(), expected, "from {first}");
            }
        }
        // Zero asks for nothing that was.
        let again = Broker::login_at(&node, "ALFA01", 0).unwrap();
        assert_eq!(again.client.next_sequence(), stream.len() as u64 + 1);
    }
}

#[test]
fn who_ends_within_a_packet_is_let_go_at_once_and_the_whole_ones_before_it_count() {
    let node = Node::start();
    let buy = |number| enter_packet(number, order(Side::Buy, 100, "ACME", "25.00"));
    let part = buy(2)[..10].to_vec();
    let start = Instant::now();
    for part in [&login_packet(&node, "ALFA01", 0)[..20], b"\0", b""] {
        let mut raw = Raw::connect(node.site.order_entry);
        raw.sends(part);
        raw.stream.shutdown(Shutdown::Write).unwrap();
        raw.must_be_closed();
    }
    let mut raw = Raw::login(&node, "ALFA01", 0);
    raw.sends(&[buy(1), part].concat());
    raw.stream.shutdown(Shutdown::Write).unwrap();
    while raw.hears().is_some() {}
    assert!(start.elapsed() < Duration::from_secs(10), "it was their silence that ended them");
    let mut again = Broker::login(&node, "ALFA01");
    again.must_hear(&["system S", "accepted #1 B 100 ACME 25.00"]);
    again.next_ref = 2;
    again.must_hear_nothing();
}

#[test]
fn a_login_that_asks_for_what_cannot_be_is_refused_and_its_neighbours_do_not_notice() {
    let mut node = Node::start();
    let alfa = node.site.credentials("ALFA01");
    let login = |credentials, session: &str, sequence| {
        let session = SessionId::new(session).unwrap();
        let result = Broker::login_to(node.site.order_entry, credentials, session, sequence);
        match result {
            Ok(_) => None,
            Err(ClientError::Refused(reason)) => Some(reason),
            Err(error) => panic!("{error}"),
        }
    };
    let mut bystander = Broker::login(&node, "BETA01");
    bystander.must_hear(&["system S"]);
    let day = Broker::login(&node, "ALFA01").client.session().to_string();
    assert_eq!(login(alfa, &day, 2), None, "the next message");
    assert_eq!(login(alfa, "", 3), Some(LoginReject::SessionNotAvailable));
    assert_eq!(login(alfa, &day, u64::MAX), Some(LoginReject::SessionNotAvailable));
    assert_eq!(login(alfa, "9912310001", 1), Some(LoginReject::SessionNotAvailable));
    let wrong = Credentials { secret: *b"WRONG     ", ..alfa };
    assert_eq!(login(wrong, "", 1), Some(LoginReject::NotAuthorized));
    let unknown = Credentials { name: PortName::BLANK, ..alfa };
    assert_eq!(login(unknown, "", 1), Some(LoginReject::NotAuthorized));
    // An operator's port is none of order entry's, and the other way round.
    let operator = node.site.credentials("OPER01");
    assert_eq!(login(operator, "", 1), Some(LoginReject::NotAuthorized));
    let elsewhere = Broker::login_to(node.site.admin, alfa, SessionId::BLANK, 1);
    assert!(matches!(elsewhere, Err(ClientError::Refused(LoginReject::NotAuthorized))));
    bystander.must_hear_nothing();
    node.stop_in_order();
    // The two beyond the end.
    assert_eq!(node.counter("order_entry", "sequence_alarms"), 2);
    assert_eq!(node.counter("order_entry", "logins_rejected"), 6);
}

#[test]
fn a_refused_login_is_answered_and_then_the_connection_is_closed() {
    let node = Node::start();
    let mut raw = Raw::connect(node.site.order_entry);
    let mut login = login_packet(&node, "ALFA01", 1);
    login[9..19].fill(b'X');
    raw.sends(&login);
    raw.must_hear(&["login rejected NotAuthorized"]);
    raw.must_be_closed();
}

#[test]
fn name_and_secret_are_taken_in_either_case() {
    let node = Node::start();
    let mut raw = Raw::connect(node.site.order_entry);
    raw.sends(&login_packet(&node, "ALFA01", 1).to_ascii_lowercase());
    // The packet's type is a letter, too.
    raw.must_be_closed();
    let mut login = login_packet(&node, "ALFA01", 1);
    login[3..19].make_ascii_lowercase();
    let mut raw = Raw::connect(node.site.order_entry);
    raw.sends(&login);
    assert!(raw.hears().unwrap().starts_with("login accepted"));
}

#[test]
fn a_newer_login_takes_the_session_over() {
    let node = Node::start();
    let mut first = Broker::login(&node, "ALFA01");
    first.buys(100, "ACME", "24.00");
    first.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let mut second = Broker::login(&node, "ALFA01");
    first.must_be_disconnected();
    second.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    second.cancels(1, 0);
    second.must_hear(&["canceled #1 100 U"]);
}

#[test]
fn two_clients_that_quarrel_over_a_port_do_not_disturb_others() {
    let node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.must_hear(&["system S"]);
    let end = Instant::now() + Duration::from_millis(1_200);
    let quarrel = || {
        let mut logins = 0;
        while Instant::now() < end {
            let mut alfa = Broker::login(&node, "ALFA01");
            logins += 1;
            while alfa.client.receive(Duration::from_millis(10)).is_ok() && Instant::now() < end {}
        }
        logins
    };
    let logins: u32 = thread::scope(|scope| {
        let quarrels = [scope.spawn(quarrel), scope.spawn(quarrel)];
        while Instant::now() < end {
            beta.must_hear_nothing();
        }
        quarrels.map(|quarrel| quarrel.join().unwrap()).iter().sum()
    });
    // Four times a second, and one more at the end when the other has left.
    assert!((3..=7).contains(&logins), "{logins}");
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.must_hear(&["system S"]);
    alfa.must_hear_nothing();
}

#[test]
fn any_split_of_the_bytes_means_the_same() {
    let mut node = Node::start();
    let seed = Random::seed();
    let mut random = Random(seed);
    let pieces: [Box<dyn FnMut() -> usize>; 4] =
        [Box::new(|| 1), Box::new(|| 2), Box::new(|| 7), Box::new(|| 1 + random.below(60))];
    for ((port, mut piece), number) in crate::traffic::PORTS.into_iter().zip(pieces).zip(0..) {
        let mut stream = login_packet(&node, port, 1);
        for number in 1..=3 {
            stream.extend(CLIENT_HEARTBEAT);
            let at = format!("24.{:02}", 10 + number);
            stream.extend(enter_packet(number, order(Side::Buy, 100, "ACME", &at)));
            stream.extend(b"\0\x06+hello");
        }
        stream.extend(LOGOUT_REQUEST);
        let mut raw = Raw::connect(node.site.order_entry);
        let mut rest = stream.as_slice();
        while !rest.is_empty() {
            let (head, tail) = rest.split_at(piece().min(rest.len()));
            raw.stream.write_all(head).unwrap();
            rest = tail;
        }
        assert!(raw.hears().unwrap().starts_with("login accepted"), "port {number}");
        let mut heard = Vec::new();
        while let Some(words) = raw.hears() {
            heard.push(words);
        }
        // The logout may be read before every answer was sent: the rest waits for the next login.
        let expected = [
            "system S",
            "accepted #1 B 100 ACME 24.11",
            "accepted #2 B 100 ACME 24.12",
            "accepted #3 B 100 ACME 24.13",
        ];
        assert!(expected.starts_with(&heard.iter().map(String::as_str).collect::<Vec<_>>()));
        Broker::login(&node, port).must_hear(&expected);
    }
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "violations"), 0);
}

#[test]
fn orders_sent_right_behind_the_login_are_taken_after_it() {
    let node = Node::start();
    let mut raw = Raw::connect(node.site.order_entry);
    let mut bytes = login_packet(&node, "ALFA01", 1);
    for number in 1..=200 {
        bytes.extend(enter_packet(number, order(Side::Buy, 1, "ACME", "24.00")));
    }
    raw.sends(&bytes);
    assert!(raw.hears().unwrap().starts_with("login accepted"));
    raw.must_hear(&["system S"]);
    for number in 1..=200 {
        raw.must_hear(&[&format!("accepted #{number} B 1 ACME 24.00")]);
    }
}

#[test]
fn what_was_sent_before_the_end_of_a_connection_counts() {
    let node = Node::start();
    let mut raw = Raw::connect(node.site.order_entry);
    let mut bytes = login_packet(&node, "ALFA01", 1);
    for number in 1..=200 {
        bytes.extend(enter_packet(number, order(Side::Buy, 1, "ACME", "24.00")));
    }
    raw.sends(&bytes);
    raw.stream.shutdown(Shutdown::Write).unwrap();
    // It may hear less than everything, for who hangs up is not waited for.
    while raw.hears().is_some() {}
    let mut again = Broker::login(&node, "ALFA01");
    again.must_hear(&["system S"]);
    for number in 1..=200 {
        again.must_hear(&[&format!("accepted #{number} B 1 ACME 24.00")]);
    }
}

#[test]
fn a_logout_closes_the_connection_and_the_session_can_be_logged_in_to_again() {
    let node = Node::start();
    let mut raw = Raw::login(&node, "ALFA01", 1);
    raw.must_hear(&["system S"]);
    raw.sends(&LOGOUT_REQUEST);
    raw.must_be_closed();
    let mut again = Broker::login(&node, "ALFA01");
    again.must_hear(&["system S"]);
    again.must_hear_nothing();
}

#[test]
fn the_exchange_says_something_each_second() {
    let node = Node::start();
    let mut raw = Raw::login(&node, "ALFA01", 0);
    let start = Instant::now();
    for number in 1..=3 {
        assert_eq!(raw.hears_all().unwrap(), "heartbeat");
        raw.sends(&CLIENT_HEARTBEAT);
        let at = start.elapsed().as_millis();
        // Late if the machine is busy, but never early: a heartbeat is for silence.
        assert!(at > number * 1_000 - 100, "heartbeat {number} after {at} ms");
        assert!(at < number * 1_000 + 900, "heartbeat {number} after {at} ms");
    }
}

#[test]
fn who_says_nothing_for_too_long_is_disconnected() {
    let node = Node::start();
    let start = Instant::now();
    let wait = |mut raw: Raw| {
        raw.stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
        while let Some(words) = raw.hears() {
            assert_eq!(words, "system S");
        }
        start.elapsed().as_secs_f32()
    };
    let credentials = node.site.credentials("BETA01");
    let asks_for_two_seconds = login_bytes(&LoginRequest {
        name: credentials.name,
        secret: credentials.secret,
        session: SessionId::BLANK,
        sequence: 1,
        heartbeat_timeout_ms: Some(2_000),
    });
    thread::scope(|scope| {
        let never_logs_in = scope.spawn(|| wait(Raw::connect(node.site.order_entry)));
        let logs_in = scope.spawn(|| wait(Raw::login(&node, "ALFA01", 1)));
        let of_version_4_10 = scope.spawn(|| {
            let mut raw = Raw::connect(node.site.order_entry);
            raw.sends(&asks_for_two_seconds);
            assert!(raw.hears().unwrap().starts_with("login accepted"));
            wait(raw)
        });
        let alive = scope.spawn(|| {
            let mut alive = Broker::login(&node, "ALFA02");
            alive.must_hear(&["system S"]);
            // Heartbeats are the client's own business as long as it listens.
            assert!(alive.client.receive(Duration::from_secs(31)).unwrap().is_none());
            alive.must_hear_nothing();
        });
        for (silence, closed) in [(2.0, of_version_4_10), (15.0, logs_in), (30.0, never_logs_in)] {
            let after = closed.join().unwrap();
            assert!((silence - 0.1..silence + 2.0).contains(&after), "{after} s for {silence} s");
        }
        alive.join().unwrap();
    });
}

#[test]
fn a_reader_that_stops_gets_everything_later_and_nobody_else_waits_for_it() {
    // More than the kernel holds for a connection: 4 MiB here.
    const ORDERS: u32 = 100_000;
    let mut node = Node::start();
    let mut beta = Broker::login(&node, "BETA01");
    beta.sells(1, "ACME", "30.00");
    beta.must_hear(&["system S", "accepted #1 S 1 ACME 30.00"]);
    let mut slow = Raw::with_small_buffer(node.site.order_entry);
    slow.sends(&login_packet(&node, "ALFA01", 1));
    for number in 1..=ORDERS {
        slow.sends(&enter_packet(number, immediate(order(Side::Buy, 1, "ACME", "0.01"))));
        if number % 1_000 == 0 {
            // While the other reads nothing at all: who waited for it would wait for ever.
            beta.must_hear_nothing();
        }
    }
    // Once its last order has traded, everything it said has been answered.
    slow.sends(&enter_packet(ORDERS + 1, order(Side::Buy, 1, "ACME", "30.00")));
    beta.must_hear(&["executed #1 1 30.00 A"]);

    slow.widens_its_buffer();
    let reads_since = Instant::now();
    assert!(slow.hears().unwrap().starts_with("login accepted"));
    slow.must_hear(&["system S"]);
    for number in 1..=ORDERS {
        let heard = slow.hears();
        let due = format!("accepted #{number} B 1 ACME 0.01 dead");
        assert_eq!(heard.as_ref(), Some(&due), "after {:?}", reads_since.elapsed());
        if number % 1_000 == 0 {
            // However long it takes on a busy machine: who says nothing for 15 s is let go.
            slow.sends(&CLIENT_HEARTBEAT);
        }
    }
    let last = ORDERS + 1;
    slow.must_hear(&[
        &format!("accepted #{last} B 1 ACME 30.00"),
        &format!("executed #{last} 1 30.00 R"),
    ]);
    node.stop_in_order();
    // It was really behind: most of this came from the log, not as it happened.
    let replayed = node.counter("order_entry", "messages_replayed");
    assert!(replayed > 1_000, "{replayed}");
}
