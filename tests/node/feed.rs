//! The feed as a subscriber on loopback has it: complete, in order, and enough to rebuild every book.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use rialto::client::{BookBuilder, FeedItem, FeedOrder, FeedSocket};
use rialto::types::{BookDumpHeader, SessionId};
use rialto::wire::mold::{Body, Packet};

use crate::broker::Broker;
use crate::harness::{Node, PLACEMENTS, SOON, Setup, Site, eventually};
use crate::operator::{Operator, today};
use crate::replay::{Replay, last_feed_sequence, read_log};
use crate::traffic::Traffic;

/// A subscriber that keeps the books of the day.
pub(crate) struct Subscriber {
    socket: FeedSocket,
    order: FeedOrder,
    books: BookBuilder,
    ended: bool,
}

impl Subscriber {
    /// Joins before there is a node, so that nothing can be missed.
    pub(crate) fn join(site: &Site) -> Self {
        let socket = FeedSocket::join(site.feed, Ipv4Addr::LOCALHOST).unwrap();
        let (order, books) = (FeedOrder::new(true), BookBuilder::new());
        Self { socket, order, books, ended: false }
    }

    /// Takes a datagram; false if none comes in time.
    fn listen(&mut self, patience: Duration) -> bool {
        let Some(datagram) = self.socket.receive(patience).unwrap() else { return false };
        let (books, ended) = (&mut self.books, &mut self.ended);
        self.order.take(datagram, |item| match item {
            FeedItem::SessionBegan(_) => (*books, *ended) = (BookBuilder::new(), false),
            FeedItem::Message { message, .. } => books.apply(message),
            FeedItem::Gap { .. } => {}
            FeedItem::EndOfSession => *ended = true,
        });
        true
    }

    /// Takes what comes until the feed has reached `sequence`.
    pub(crate) fn listen_until(&mut self, sequence: u64) {
        eventually(&format!("message {sequence}"), || {
            self.order.next_sequence() > sequence || {
                self.listen(Duration::from_millis(100));
                false
            }
        });
    }

    /// The books in the form of `--books-out`.
    pub(crate) fn books(&self) -> String {
        let gaps = self.order.counters().gaps;
        let sequence = self.order.next_sequence() - 1;
        let header = BookDumpHeader { sequence, gaps, complete: self.order.is_complete() };
        let mut text = String::new();
        self.books.write(header, &mut text).unwrap();
        text
    }
}

#[test]
fn a_subscriber_rebuilds_every_book_across_kills_without_a_gap() {
    for placement in PLACEMENTS {
        rebuild_every_book(&Setup { placement, ..Setup::default() });
    }
}

fn rebuild_every_book(setup: &Setup) {
    let site = Site::new(setup);
    let mut subscriber = Subscriber::join(&site);
    let (stop, stopped) = std::sync::mpsc::channel();
    let listening = std::thread::spawn(move || {
        while let Err(std::sync::mpsc::TryRecvError::Empty) = stopped.try_recv() {
            subscriber.listen(Duration::from_millis(50));
        }
        subscriber
    });
    let mut node = Node::start_at(site);
    let traffic = Traffic::start(&node, 11);
    for _ in 0..3 {
        traffic.wait(3_000);
        node.kill9();
        node.start_again();
    }
    traffic.wait(1_000);
    traffic.finish();
    stop.send(()).unwrap();
    let mut subscriber = listening.join().unwrap();
    subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
    let books = node.stop_in_order();
    assert_eq!(subscriber.books(), books);
    assert!(books.lines().count() > 3, "the books are not empty");
    let counters = subscriber.order.counters();
    assert_eq!((counters.gaps, counters.strangers), (0, 0));
    // What may have been lost with the killed node was said again.
    assert!(counters.duplicates > 0);
    assert_eq!(subscriber.books.instruments(), 3);
}

#[test]
fn a_node_that_is_stopped_under_load_leaves_nothing_half_done() {
    for placement in PLACEMENTS {
        let site = Site::new(&Setup { placement, ..Setup::default() });
        let mut subscriber = Subscriber::join(&site);
        let mut node = Node::start_at(site);
        let traffic = Traffic::start(&node, 12);
        traffic.wait(2_000);
        let books = node.stop_in_order();
        // All that was sequenced was applied, and all that was applied was published.
        assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
        subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
        assert_eq!(subscriber.books(), books);
        node.start_again();
        traffic.finish();
    }
}

#[test]
fn a_restarted_node_says_nothing_of_messages_before_it_has_repeated_them() {
    // It reads frames in eights, and each start adds one: every way in which the last frame of the
    // past can lie among them comes up.
    const STARTS: usize = 9;
    let mut node = Node::start();
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    for _ in 0..STARTS {
        let subscriber = hears_all_of_a_restart(&mut node, 10);
        assert_eq!((subscriber.books.orders(), subscriber.ended), (1, false));
    }
    let mut operator = Operator::login(&node);
    operator.ends_the_day();
    operator.must_hear(&["1: day ended"]);
    let mut subscriber = hears_all_of_a_restart(&mut node, 14);
    for _ in 1..STARTS {
        subscriber = hears_all_of_a_restart(&mut node, 14);
        assert_eq!(subscriber.books.orders(), 0);
    }
    while !subscriber.ended {
        assert!(subscriber.listen(SOON), "no end of session");
    }
}

/// Kills the node, and joins before it is back: for who has heard nothing, all that is repeated is
/// new, and whatever is said too early shows as a gap.
fn hears_all_of_a_restart(node: &mut Node, messages: u64) -> Subscriber {
    node.kill9();
    let mut subscriber = Subscriber::join(&node.site);
    node.start_again();
    while subscriber.order.next_sequence() <= messages {
        assert!(!subscriber.ended && subscriber.listen(SOON), "the feed stops early");
    }
    assert!(subscriber.order.is_complete(), "{:?}", subscriber.order.counters());
    subscriber
}

#[test]
fn a_subscriber_that_loses_a_datagram_knows_it() {
    let site = Site::new(&Setup::default());
    let mut subscriber = Subscriber::join(&site);
    let mut node = Node::start_at(site);
    let mut alfa = Broker::login(&node, "ALFA01");
    // The day's beginning is there; what comes next is lost.
    subscriber.listen_until(9);
    alfa.buys(100, "ACME", "24.00");
    subscriber.socket.receive(SOON).unwrap();
    alfa.buys(100, "ACME", "24.01");
    subscriber.listen_until(11);
    let books = node.stop_in_order();
    assert_eq!(subscriber.order.counters().gaps, 1);
    assert_ne!(subscriber.books(), books);
    assert!(subscriber.books().contains("complete false"));
}

#[test]
fn a_silent_feed_sends_heartbeats_and_a_day_that_is_over_its_end() {
    let site = Site::new(&Setup::default());
    let mut subscriber = Subscriber::join(&site);
    let node = Node::start_at(site);
    subscriber.listen_until(9);
    let next = subscriber.order.next_sequence();
    let start = Instant::now();
    for number in 1..=2 {
        let datagram = subscriber.socket.receive(SOON).unwrap().unwrap();
        let packet = Packet::parse(datagram).unwrap();
        assert!(matches!(packet.body, Body::Heartbeat), "{packet:?}");
        assert_eq!((packet.session, packet.sequence), (today().session(1), next));
        let after = start.elapsed().as_millis();
        assert!(after > number * 1_000 - 200 && after < number * 1_000 + 900, "{after} ms");
    }

    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let mut operator = Operator::login(&node);
    operator.ends_the_day();
    eventually("end of session", || {
        subscriber.listen(Duration::from_millis(100));
        subscriber.ended
    });
    assert_eq!(subscriber.books.orders(), 0);
    assert!(subscriber.order.is_complete());

    let last: SessionId = today().session(2);
    operator.starts_the_day(2);
    eventually("new session", || {
        subscriber.listen(Duration::from_millis(100));
        subscriber.order.session() == Some(last)
    });
    subscriber.listen_until(9);
    assert!(subscriber.order.is_complete() && !subscriber.ended);
    assert_eq!(subscriber.books.instruments(), 3);
}
