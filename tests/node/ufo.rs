//! Order entry over UDP: the same sessions as over TCP, whatever is lost on the way, and strangers, who
//! get nothing by it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rialto::client::{ClientError, Incoming};
use rialto::types::{SessionId, Side};
use rialto::wire::ouch::{ENTER_BYTES_MAX, Enter, Options};
use rialto::wire::ufo::{
    CLIENT_HEARTBEAT, Downstream, LOGOFF_REQUEST, LoginRequest, RetransmissionRequest, Upstream,
};

use crate::broker::{Broker, order, said};
use crate::harness::{Node, SOON, Setup, eventually, rialto};
use crate::operator::Operator;
use crate::replay::{port_stream, read_log};
use crate::traffic::Random;

/// Long enough for an answer on loopback, if there is one.
pub(crate) const MOMENT: Duration = Duration::from_millis(300);

/// A peer under full control: any datagrams, and every one that comes back.
pub(crate) struct Peer {
    socket: UdpSocket,
}

impl Peer {
    fn of(node: &Node) -> Self {
        Self::at(node, 1)
    }

    /// At an address of this host, as all of 127.0.0.0/8 are.
    pub(crate) fn at(node: &Node, last: u8) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap();
        socket.connect(node.site.ufo).unwrap();
        Self { socket }
    }

    /// With a login that was accepted.
    fn login(node: &Node, port: &str) -> Self {
        let peer = Self::of(node);
        peer.logs_in(node, port);
        peer
    }

    /// Logs in, which must be accepted.
    #[track_caller]
    pub(crate) fn logs_in(&self, node: &Node, port: &str) {
        // One that was taken over a moment ago is not answered at once.
        for _ in 0..100 {
            self.sends(&[Upstream::Login(login(node, port))]);
            if let Some(datagram) = self.receives(MOMENT) {
                assert!(words(&datagram).starts_with("login accepted"), "{}", words(&datagram));
                return;
            }
        }
        panic!("no answer to the login");
    }

    pub(crate) fn sends(&self, messages: &[Upstream<'_>]) {
        let (mut datagram, mut end) = ([0; 1_472], 0);
        for message in messages {
            end = message.emit(&mut datagram, end).unwrap();
        }
        self.sends_bytes(&datagram[..end]);
    }

    fn sends_bytes(&self, datagram: &[u8]) {
        self.socket.send(datagram).unwrap();
    }

    pub(crate) fn receives(&self, timeout: Duration) -> Option<Vec<u8>> {
        self.socket.set_read_timeout(Some(timeout)).unwrap();
        let mut datagram = [0; 2_000];
        let size = self.socket.recv(&mut datagram).ok()?;
        Some(datagram[..size].to_vec())
    }

    /// The next datagram in words, but for heartbeats.
    fn hears(&self) -> Option<String> {
        let until = Instant::now() + SOON;
        while Instant::now() < until {
            let words = words(&self.receives(SOON)?);
            if !words.starts_with("heartbeat") {
                return Some(words);
            }
        }
        None
    }

    #[track_caller]
    pub(crate) fn must_hear(&self, expected: &[&str]) {
        for expected in expected {
            assert_eq!(self.hears().as_deref(), Some(*expected));
        }
    }
}

/// A datagram of the exchange in words.
fn words(datagram: &[u8]) -> String {
    match Downstream::parse(datagram).unwrap() {
        Downstream::LoginAccepted(a) => format!("login accepted {} {}", a.session, a.sequence),
        Downstream::LoginRejected(reason) => format!("login rejected {reason:?}"),
        Downstream::EndOfSession(total) => format!("end of {total}"),
        Downstream::Sequenced { sequence, messages } if messages.left() == 0 => {
            format!("heartbeat {sequence}")
        }
        Downstream::Sequenced { sequence, messages } => {
            let messages: Vec<_> = messages.map(said).collect();
            format!("{sequence}: {}", messages.join(", "))
        }
    }
}

pub(crate) fn login(node: &Node, port: &str) -> LoginRequest {
    let credentials = node.site.credentials(port);
    let (name, secret) = (credentials.name, credentials.secret);
    LoginRequest { name, secret, session: SessionId::BLANK }
}

pub(crate) fn again(sequence: u32, count: u16) -> Upstream<'static> {
    Upstream::Retransmission(RetransmissionRequest { sequence, count })
}

/// A buy of ACME at a price nobody sells at.
fn buy(number: u32) -> Vec<u8> {
    let mut message = [0; ENTER_BYTES_MAX];
    let order = Enter { user_ref_num: number.into(), ..order(Side::Buy, 1, "ACME", "20.00") };
    let size = order.emit(&Options::default(), &mut message);
    message[..size].to_vec()
}

#[test]
fn who_trades_over_udp_and_who_trades_over_tcp_are_told_the_same() {
    let node = Node::start();
    let mut alfa = Broker::login_over_ufo(&node, "ALFA01", 1);
    let mut beta = Broker::login(&node, "BETA01");
    alfa.sells(100, "ACME", "25.00");
    alfa.must_hear(&["system S", "accepted #1 S 100 ACME 25.00"]);
    beta.buys(40, "ACME", "25.00");
    beta.must_hear(&["system S", "accepted #1 B 40 ACME 25.00", "executed #1 40 25.00 R"]);
    alfa.must_hear(&["executed #1 40 25.00 A"]);
    alfa.replaces(1, 100, "26.00");
    alfa.must_hear(&["replaced #1 by #2 S 60 ACME 26.00"]);
    alfa.cancels(2, 0);
    alfa.must_hear(&["canceled #2 60 U"]);
    alfa.must_hear_nothing();
}

#[test]
fn the_stream_is_the_same_over_either_from_any_number_and_after_a_restart() {
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    for cents in 0..20 {
        alfa.buys(100, "ACME", &format!("24.{cents:02}"));
    }
    let mut alfa = Broker::login_over_ufo(&node, "ALFA01", 1);
    alfa.next_ref = 21;
    for _ in 0..21 {
        alfa.hears();
    }
    alfa.must_hear_nothing();
    let stream = port_stream(&read_log(&node.site.events()), "ALFA01");
    assert_eq!(stream.len(), 22);
    for restart in [false, true] {
        if restart {
            node.kill9();
            node.start_again();
        }
        for first in 1..=stream.len() + 1 {
            let mut again = Broker::login_over_ufo(&node, "ALFA01", first as u64);
            assert_eq!(again.client.next_sequence(), first as u64);
            for expected in &stream[first - 1..] {
                assert_eq!(&again.hears_bytes(), expected, "from {first}");
            }
        }
    }
}

#[test]
fn a_drop_copy_is_read_over_udp_and_takes_no_orders() {
    let mut node = Node::start();
    let mut alfa = Broker::login_over_ufo(&node, "ALFA01", 1);
    let peer = Peer::login(&node, "ALFADC");
    alfa.buys(1, "ACME", "20.00");
    alfa.must_hear(&["system S", "accepted #1 B 1 ACME 20.00"]);
    peer.must_hear(&["2: accepted #1 B 1 ACME 20.00"]);
    peer.sends(&[Upstream::Unsequenced(&buy(1))]);
    peer.sends(&[again(1, 2)]);
    peer.must_hear(&["1: system S, accepted #1 B 1 ACME 20.00"]);
    alfa.must_hear_nothing();
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "datagrams_refused"), 1);
}

#[test]
fn the_newer_login_has_the_port_over_either() {
    let node = Node::start();
    let mut over_tcp = Broker::login(&node, "ALFA01");
    over_tcp.must_hear(&["system S"]);
    let peer = Peer::login(&node, "ALFA01");
    over_tcp.must_be_disconnected();
    let newer = Peer::login(&node, "ALFA01");
    peer.must_hear(&["login rejected SessionNotAvailable"]);
    // Whatever the older one says now is said by a stranger.
    peer.sends(&[Upstream::Unsequenced(&buy(1)), Upstream::Logoff, again(1, 1)]);
    newer.sends(&[Upstream::Unsequenced(&buy(2))]);
    newer.must_hear(&["2: accepted #2 B 1 ACME 20.00"]);
    let mut over_tcp = Broker::login(&node, "ALFA01");
    newer.must_hear(&["login rejected SessionNotAvailable"]);
    over_tcp.must_hear(&["system S", "accepted #2 B 1 ACME 20.00"]);
}

#[test]
fn a_login_that_is_repeated_is_accepted_again_and_the_session_goes_on() {
    let mut node = Node::start();
    let peer = Peer::login(&node, "ALFA01");
    peer.sends(&[Upstream::Unsequenced(&buy(1))]);
    peer.must_hear(&["2: accepted #1 B 1 ACME 20.00"]);
    let session = crate::operator::today().session(1);
    for _ in 0..2 {
        peer.sends(&[Upstream::Login(login(&node, "ALFA01"))]);
        peer.must_hear(&[&format!("login accepted {session} 3")]);
    }
    // The address may log in for another port: its session before that is over.
    peer.sends(&[Upstream::Login(login(&node, "BETA01"))]);
    peer.must_hear(&[&format!("login accepted {session} 2")]);
    peer.sends(&[again(1, 9)]);
    peer.must_hear(&["1: system S"]);
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "logins"), 2);
}

#[test]
fn who_logs_off_or_falls_silent_is_let_go_and_its_orders_are_canceled_in_time() {
    let node = Node::start_with(&Setup { grace_ms: 100, ..Setup::default() });
    let start = Instant::now();
    let silent = Peer::login(&node, "BETA01");
    silent.sends(&[Upstream::Unsequenced(&buy(1))]);
    silent.must_hear(&["2: accepted #1 B 1 ACME 20.00"]);
    // Whose heartbeats are heard stays.
    let mut alive = Broker::login_over_ufo(&node, "BETA02", 1);
    alive.buys(1, "ACME", "20.00");
    alive.must_hear(&["system S", "accepted #1 B 1 ACME 20.00"]);

    let peer = Peer::login(&node, "ALFA01");
    peer.sends(&[Upstream::Unsequenced(&buy(1)), Upstream::Unsequenced(&buy(2))]);
    let mut heard = String::new();
    while !heard.contains("#2") {
        heard = peer.hears().unwrap();
    }
    peer.sends_bytes(&LOGOFF_REQUEST);
    peer.must_hear(&["login rejected SessionNotAvailable"]);
    eventually("a session ends", || {
        port_stream(&read_log(&node.site.events()), "ALFA01").len() > 4
    });
    let peer = Peer::login(&node, "ALFA01");
    peer.sends(&[again(4, 9)]);
    peer.must_hear(&["4: canceled #1 1 S, canceled #2 1 S"]);

    assert!(alive.client.receive(Duration::from_millis(15_500)).unwrap().is_none());
    silent.must_hear(&["login rejected SessionNotAvailable"]);
    let after = start.elapsed().as_secs_f32();
    assert!(after > 15.0, "{after} s");
    eventually("the orders go", || port_stream(&read_log(&node.site.events()), "BETA01").len() > 2);
    let mut back = Broker::login_over_ufo(&node, "BETA01", 3);
    back.must_hear(&["canceled #1 1 S"]);
    alive.must_hear_nothing();
}

#[test]
fn the_exchange_says_something_each_second_and_with_it_where_the_stream_is() {
    let node = Node::start();
    let peer = Peer::login(&node, "ALFA01");
    let start = Instant::now();
    for number in 1..=2 {
        assert_eq!(words(&peer.receives(SOON).unwrap()), "heartbeat 2");
        peer.sends_bytes(&CLIENT_HEARTBEAT);
        let at = start.elapsed().as_millis();
        assert!(at > number * 1_000 - 100, "heartbeat {number} after {at} ms");
    }
}

#[test]
fn strangers_get_no_answer_but_to_a_login_and_that_is_shorter_than_their_question() {
    let mut node = Node::start();
    let mut alfa = Broker::login_over_ufo(&node, "ALFA01", 1);
    alfa.must_hear(&["system S"]);
    let stranger = Peer::of(&node);
    let order = buy(1);
    let order_and_login = [Upstream::Unsequenced(&order), Upstream::Login(login(&node, "ALFA02"))];
    stranger.sends(&order_and_login);
    stranger.sends(&[Upstream::Heartbeat]);
    stranger.sends(&[Upstream::Logoff]);
    stranger.sends(&[again(1, u16::MAX)]);
    for bytes in
        [&b""[..], b"\0", b"\0\0", b"GET / HTTP/1.1\r\n", &[0xFF; 1_472], b"S\0\0\0\x01\0\0"]
    {
        stranger.sends_bytes(bytes);
    }
    stranger.sends_bytes(b"\0\x1bLALFA01");
    assert_eq!(stranger.receives(MOMENT), None);
    let wrong = LoginRequest { secret: *b"WRONG     ", ..login(&node, "ALFA01") };
    stranger.sends(&[Upstream::Login(wrong)]);
    assert_eq!(stranger.receives(SOON).as_deref(), Some(&b"JA"[..]));
    let elsewhere = SessionId::new("9912310001").unwrap();
    let wrong = LoginRequest { session: elsewhere, ..login(&node, "ALFA02") };
    stranger.sends(&[Upstream::Login(wrong)]);
    assert_eq!(stranger.receives(SOON).as_deref(), Some(&b"JS"[..]));
    // An operator's port is none of order entry's.
    stranger.sends(&[Upstream::Login(login(&node, "OPER01"))]);
    assert_eq!(stranger.receives(SOON).as_deref(), Some(&b"JA"[..]));
    alfa.must_hear_nothing();
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "datagrams_of_strangers"), 11);
    assert_eq!(node.counter("order_entry", "logins_rejected"), 3);
}

#[test]
fn nobody_ends_or_reads_a_session_from_another_address_or_without_its_secret() {
    let mut node = Node::start();
    let peer = Peer::login(&node, "ALFA01");
    peer.sends(&[Upstream::Unsequenced(&buy(1))]);
    peer.must_hear(&["2: accepted #1 B 1 ACME 20.00"]);
    // The same host and another port, with guessed numbers.
    let impostor = Peer::of(&node);
    for sequence in 0..50 {
        impostor.sends(&[again(sequence, 9)]);
        impostor.sends(&[Upstream::Unsequenced(&buy(sequence)), Upstream::Logoff]);
    }
    assert_eq!(impostor.receives(MOMENT), None);
    // In the session's own name: all that one can do who does not know the secret is to log it off.
    let wrong = LoginRequest { secret: *b"WRONG     ", ..login(&node, "ALFA01") };
    peer.sends(&[Upstream::Login(wrong)]);
    for nonsense in [&b""[..], b"\0\0", b"\0\x01?", b"\0\x02U?", b"\0\x03R!!", &[0xFF; 900]] {
        peer.sends_bytes(nonsense);
    }
    // What can be read before the first that cannot counts.
    let order = buy(2);
    let mut datagram = [0; 200];
    let end = Upstream::Unsequenced(&order).emit(&mut datagram, 0).unwrap();
    datagram[end..][..3].copy_from_slice(b"\0\x01?");
    peer.sends_bytes(&datagram[..end + 3]);
    peer.must_hear(&["3: accepted #2 B 1 ACME 20.00"]);
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "datagrams_of_strangers"), 100);
    assert_eq!(node.counter("order_entry", "datagrams_refused"), 7);
    assert_eq!(node.counter("order_entry", "violations"), 0);
}

#[test]
fn a_request_is_answered_with_what_exists_and_no_more_than_is_said() {
    const ORDERS: u32 = 1_200;
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    for number in 1..=ORDERS {
        alfa.enters_as(number, order(Side::Buy, 1, "ACME", "20.00"));
    }
    for _ in 0..=ORDERS {
        alfa.hears();
    }
    let peer = Peer::login(&node, "ALFA01");
    let heard = |request: Upstream<'_>| {
        peer.sends(&[request]);
        let (mut sequences, mut datagrams) = (Vec::new(), 0);
        while let Some(datagram) = peer.receives(MOMENT) {
            let Downstream::Sequenced { sequence, messages } =
                Downstream::parse(&datagram).unwrap()
            else {
                panic!("{}", words(&datagram))
            };
            assert!(datagram.len() <= 1_400);
            let count = u32::from(messages.left());
            sequences.extend(sequence..sequence + count);
            datagrams += u32::from(count > 0);
        }
        (sequences, datagrams)
    };
    assert_eq!(heard(again(7, 1)), (vec![7], 1));
    // Seventeen fit a datagram.
    let (sequences, datagrams) = heard(again(1, u16::MAX));
    assert_eq!(sequences, (1..=512).collect::<Vec<_>>());
    assert!((31..=40).contains(&datagrams), "{datagrams}");
    assert_eq!(heard(again(ORDERS, 50)).0, [ORDERS, ORDERS + 1]);
    for nothing in [again(ORDERS + 2, 5), again(0, 5), again(1, 0), again(u32::MAX, u16::MAX)] {
        assert!(heard(nothing).0.is_empty(), "{nothing:?}");
    }
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "sequence_alarms"), 1);
    assert_eq!(node.counter("order_entry", "messages_retransmitted"), 1 + 512 + 2);
}

#[test]
fn a_datagram_that_comes_twice_enters_its_orders_once() {
    let node = Node::start();
    let peer = Peer::login(&node, "ALFA01");
    let [first, second] = [buy(1), buy(2)];
    for _ in 0..3 {
        peer.sends(&[Upstream::Unsequenced(&first), Upstream::Unsequenced(&second)]);
    }
    peer.must_hear(&["2: accepted #1 B 1 ACME 20.00, accepted #2 B 1 ACME 20.00"]);
    peer.sends(&[Upstream::Unsequenced(&buy(4)), Upstream::Unsequenced(&buy(3))]);
    // A lower number that comes late is not taken.
    peer.must_hear(&["4: accepted #4 B 1 ACME 20.00"]);
    peer.sends(&[again(1, 9)]);
    let all = peer.hears().unwrap();
    assert_eq!(all.matches("accepted").count(), 3, "{all}");
}

#[test]
fn the_rest_of_the_day_can_be_asked_for_after_its_end() {
    let node = Node::start();
    let mut operator = Operator::login(&node);
    let peer = Peer::login(&node, "ALFA01");
    let mut beta = Broker::login_over_ufo(&node, "BETA01", 1);
    peer.sends(&[Upstream::Unsequenced(&buy(1))]);
    peer.must_hear(&["2: accepted #1 B 1 ACME 20.00"]);
    operator.ends_the_day();
    beta.must_hear(&["system S", "system E"]);
    assert_eq!(beta.client.receive(SOON).unwrap(), Some(Incoming::EndOfSession));
    // It is said again each second, for the first may be lost.
    peer.must_hear(&["3: canceled #1 1 E, system E", "end of 4", "end of 4"]);
    peer.sends(&[Upstream::Unsequenced(&buy(2))]);
    peer.sends(&[again(3, 9)]);
    peer.must_hear(&["3: canceled #1 1 E, system E"]);
    peer.sends_bytes(&LOGOFF_REQUEST);
    let mut last = peer.hears().unwrap();
    while last == "end of 4" {
        last = peer.hears().unwrap();
    }
    assert_eq!(last, "login rejected SessionNotAvailable");
    peer.sends(&[Upstream::Login(login(&node, "ALFA01"))]);
    peer.must_hear(&["login rejected SessionNotAvailable"]);
}

#[test]
fn whatever_is_lost_repeated_or_late_on_the_way_the_stream_is_complete() {
    const ORDERS: u32 = 600;
    let node = Node::start();
    let seed = Random::seed();
    let front = UdpSocket::bind("127.0.0.1:0").unwrap();
    let through = front.local_addr().unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| lossy(&front, node.site.ufo, Random(seed), &is_over));
        // Also if this fails.
        let _over = Over(&is_over);
        let mut alfa = Broker::login_over_ufo_to(&node, through, "ALFA01", 1);
        let mut heard = Vec::new();
        let until = Instant::now() + SOON * 2;
        let mut number = 0;
        // Each answer to an order that came through, or the order once more.
        while number < ORDERS {
            assert!(Instant::now() < until, "{number} of {ORDERS} orders, seed {seed}");
            for next in number + 1..=(number + 16).min(ORDERS) {
                alfa.enters_as(next, order(Side::Buy, 1, "ACME", "20.00"));
            }
            match alfa.client.receive(Duration::from_millis(20)) {
                Ok(Some(Incoming::Message { message, .. })) => heard.push(said(message)),
                Ok(None) => {}
                other => panic!("{other:?}"),
            }
            // The highest number that was taken: those below were taken, or never will be.
            let taken = heard.last().and_then(|words| words.split(['#', ' ']).nth(2)?.parse().ok());
            number = taken.unwrap_or(number);
        }
        eventually("the stream is quiet", || {
            match alfa.client.receive(Duration::from_millis(200)) {
                Ok(Some(Incoming::Message { message, .. })) => {
                    heard.push(said(message));
                    false
                }
                Ok(None) => true,
                other => panic!("{other:?}"),
            }
        });
        let stream = port_stream(&read_log(&node.site.events()), "ALFA01");
        let expected: Vec<_> = stream.iter().map(|message| said(message)).collect();
        assert_eq!(heard, expected, "seed {seed}");
        assert!(heard.len() > 30, "{} messages came through, seed {seed}", heard.len());
    });
}

/// Says so when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Carries datagrams between one client and the exchange, and loses, repeats and delays some.
fn lossy(front: &UdpSocket, exchange: SocketAddr, mut random: Random, is_over: &AtomicBool) {
    let back = UdpSocket::bind("127.0.0.1:0").unwrap();
    back.connect(exchange).unwrap();
    for socket in [front, &back] {
        socket.set_nonblocking(true).unwrap();
    }
    let mut client = None;
    let mut late: Vec<(bool, Vec<u8>)> = Vec::new();
    let mut datagram = [0; 2_000];
    while !is_over.load(Ordering::Relaxed) {
        let mut came = Vec::new();
        while let Ok((size, from)) = front.recv_from(&mut datagram) {
            client = Some(from);
            came.push((true, datagram[..size].to_vec()));
        }
        while let Ok(size) = back.recv(&mut datagram) {
            came.push((false, datagram[..size].to_vec()));
        }
        thread::sleep(Duration::from_micros(200));
        for (up, bytes) in came {
            match random.below(10) {
                0 => {}
                1 => late.push((up, bytes)),
                2 => late.extend([(up, bytes.clone()), (up, bytes)]),
                _ => late.insert(0, (up, bytes)),
            }
        }
        let keep = if random.below(4) == 0 { 0 } else { late.len().min(2) };
        while late.len() > keep {
            let (up, bytes) = late.remove(0);
            let _ = match (up, client) {
                (true, _) => back.send(&bytes),
                (false, Some(client)) => front.send_to(&bytes, client),
                (false, None) => Ok(0),
            };
        }
    }
}

#[test]
fn the_clients_command_trades_over_udp_too() {
    let node = Node::start();
    let secret = String::from_utf8(node.site.credentials("ALFA01").secret.to_vec()).unwrap();
    let mut client = rialto();
    client.args(["client", "--protocol", "ufo", "--connect", &node.site.ufo.to_string()]);
    client.args(["--user", "ALFA01", "--secret", secret.trim(), "buy 100 ACME 20.50"]);
    let client = client.output().unwrap();
    let said = String::from_utf8(client.stdout).unwrap();
    assert!(client.status.success(), "{said}");
    assert!(said.contains("accepted") && said.contains("20.50"), "{said}");
}

#[test]
fn a_login_for_what_was_never_sent_is_the_clients_own_error() {
    let node = Node::start();
    let (credentials, blank) = (node.site.credentials("ALFA01"), SessionId::BLANK);
    let result = rialto::client::UfoClient::login(node.site.ufo, credentials, blank, 3, SOON);
    assert!(matches!(result, Err(ClientError::Refused(_))));
}
