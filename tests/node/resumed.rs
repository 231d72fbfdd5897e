//! A node that begins with a snapshot looks at no frame before it, and yet every session has its whole day,
//! the feed goes on without a gap, and what is damaged there harms only who asks for it.

use std::fs;

use rialto::event_store::Snapshots;
use rialto::types::Side;

use crate::broker::{Broker, immediate, order};
use crate::feed::Subscriber;
use crate::harness::{Node, Setup, Site, eventually, rialto};
use crate::raw::{Raw, enter_packet};
use crate::replay::{Replay, last_feed_sequence, port_stream, read_log};

/// Messages of the busy port before the snapshot: many times what lies between the positions that a gateway
/// keeps, and more bytes of events than are checked again.
const ORDERS: u32 = 60_000;
const SEGMENT_BYTES: u64 = 1 << 20;

/// A node that has a snapshot behind a busy morning, and was killed.
fn killed_at_noon(site: Site) -> Node {
    let mut node = Node::start_at(site);
    let mut busy = Raw::login(&node, "ALFA02", 0);
    let mut rests = Broker::login(&node, "ALFA01");
    rests.must_hear(&["system S"]);
    rests.sells(100, "ACME", "25.00");
    rests.must_hear(&["accepted #1 S 100 ACME 25.00"]);
    for number in 1..=ORDERS {
        busy.sends(&enter_packet(number, immediate(order(Side::Buy, 1, "GLOBX", "0.01"))));
        if number % 1_000 == 0 {
            for _ in 0..1_000 {
                assert!(busy.hears().unwrap().starts_with("accepted"));
            }
        }
    }
    let last_taken = || {
        let newest = Snapshots::new(&node.site.logs.join("snapshots")).newest_first().unwrap();
        newest.first().map_or(0, |path| Snapshots::mark(path).unwrap().commands.next_sequence)
    };
    eventually("a snapshot behind them", || last_taken() > u64::from(ORDERS));
    busy.sends(&enter_packet(ORDERS + 1, order(Side::Buy, 1, "GLOBX", "0.02")));
    assert!(busy.hears().unwrap().starts_with("accepted"));
    node.kill9();
    node
}

fn setup() -> Setup {
    Setup { segment_mib: 1, snapshot_every: 20_000, older_ports: false, ..Setup::default() }
}

/// Frames that the last start checked of the event log.
fn events_checked(site: &Site) -> usize {
    let text = site.log_text();
    let (_, behind) = text.rsplit_once("opened log=events frames=").unwrap();
    behind.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_node_that_begins_with_a_snapshot_looks_at_no_frame_before_its_segment_and_serves_the_whole_day()
 {
    let site = Site::new(&setup());
    let mut subscriber = Subscriber::join(&site);
    let mut node = killed_at_noon(site);
    let frames = read_log(&node.site.events()).0.len();
    node.start_again();
    assert!(node.site.log_text().contains("begins with a snapshot"));
    let checked = events_checked(&node.site);
    assert!(checked > 0 && checked < frames * 9 / 10, "{checked} of {frames}");

    let mut resting = Broker::login_at(&node, "ALFA01", 0).unwrap();
    assert_eq!(resting.client.next_sequence(), 3);
    // Whoever leaves at once takes along what was not read of it.
    let mut buyer = Broker::login(&node, "BETA01");
    buyer.buys(40, "ACME", "25.00");
    resting.must_hear(&["executed #1 40 25.00 A"]);
    let expected = port_stream(&read_log(&node.site.events()), "ALFA02");
    assert!(expected.len() > ORDERS as usize);
    // At once, from the beginning and from anywhere, and again when the way is known.
    let mut other = Broker::login_at(&node, "ALFADC", 2).unwrap();
    for first in [1, 4_097, 40_000, expected.len()] {
        let mut reader = Broker::login_at(&node, "ALFA02", first as u64).unwrap();
        for message in &expected[first - 1..] {
            assert!(reader.hears_bytes() == *message);
        }
    }
    for _ in 2..ORDERS {
        other.hears_bytes();
    }
    let books = node.stop_in_order();
    assert_eq!(Replay::equal_to_event_log(&node.site).books(), books);
    subscriber.listen_until(last_feed_sequence(&read_log(&node.site.events())));
    let dump = |books: &str| books.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(dump(&subscriber.books()), dump(&books));
}

#[test]
fn a_damaged_frame_before_the_snapshot_harms_only_the_session_that_asks_for_it() {
    let mut node = killed_at_noon(Site::new(&setup()));
    let log = node.site.events();
    let events = read_log(&log).0;
    let (first_segment, _) = events
        .split_at(events.iter().position(|(header, _)| header.start.0 > SEGMENT_BYTES).unwrap());
    let start = first_segment[first_segment.len() / 2].0.start;
    let segment = log.join("00000000.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[usize::try_from(start.0).unwrap()..][..64].fill(0);
    fs::write(&segment, bytes).unwrap();

    node.start_again();
    let mut asks = Raw::login(&node, "ALFA02", 1);
    while asks.hears().is_some() {}
    eventually("it is said", || node.site.log_text().contains("its events cannot be read"));
    let mut resting = Broker::login_at(&node, "ALFA01", 0).unwrap();
    let mut buyer = Broker::login(&node, "BETA01");
    buyer.buys(40, "ACME", "25.00");
    resting.must_hear(&["executed #1 40 25.00 A"]);
    let late = u64::from(ORDERS) + 1;
    assert!(Broker::login_at(&node, "ALFA02", late).unwrap().hears().starts_with("accepted"));
    node.stop_in_order();
    assert_eq!(node.counter("order_entry", "unreadable"), 1);

    let mut verify = rialto();
    let output = verify.args(["log", "verify"]).arg(&log).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(!output.status.success() && said.contains(&start.to_string()), "{said}");
}
