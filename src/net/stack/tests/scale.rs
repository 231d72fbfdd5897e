//! Ten thousand connections on one stack: what an idle one costs is nothing, and what a busy one costs
//! does not depend on how many others there are. Shown by counts, not by time.

use super::by_hand::{Bench, Player, bench_over, parsed, syn};
use super::*;

const SESSIONS: usize = 10_000;
/// As long as an order's packet.
const ORDER: [u8; 52] = [b'o'; 52];
/// As long as its acceptance.
const ANSWER: [u8; 67] = [b'a'; 67];
/// Longer than every timer that a handshake leaves behind.
const SETTLED: Nanos = Nanos::from_secs(1);

type Session = (Player, ConnectionId);

/// Hosts with forty connections each.
fn address(number: usize) -> SocketAddrV4 {
    let [_, _, high, low] = u32::try_from(2 + number / 40).unwrap().to_be_bytes();
    let port = u16::try_from(40_000 + number % 40).unwrap();
    SocketAddrV4::new(Ipv4Addr::new(10, 9, high, low), port)
}

fn established(sessions: usize) -> (Bench, Vec<Session>) {
    let mut config = StackConfig { connections_max: sessions, ..config() };
    // Segments of a small exchange: what is counted here does not depend on it.
    (config.rx_buffer_bytes, config.tx_buffer_bytes) = (4_096, 4_096);
    let mut bench = bench_over(config, 2 * SESSIONS);
    let sessions: Vec<_> =
        (0..sessions).map(|number| Player::connect(&mut bench, address(number))).collect();
    assert_eq!(bench.stack.connection_count(), sessions.len());
    settle(&mut bench);
    (bench, sessions)
}

fn settle(bench: &mut Bench) {
    bench.answers_at(SETTLED, Nanos::from_millis(1));
}

/// An order and its answer, and how many connections were looked at until all was acknowledged and no
/// timer was left.
fn round_trip(bench: &mut Bench, (player, id): &mut Session) -> u64 {
    let before = bench.stack.counters.visits;
    player.says(bench, &ORDER);
    assert!(bench.cycle().is_empty(), "its acknowledgment waits for the answer");
    assert_eq!(bench.stack.next_event(), Some(NetEvent::Readable(*id)));
    assert_eq!(bench.stack.received(*id), ORDER);
    bench.stack.consume(*id, ORDER.len());
    assert!(bench.stack.send(*id, &ANSWER));
    let frames = bench.cycle();
    assert_eq!(frames.len(), 1);
    assert_eq!(player.hears(&frames), ANSWER);
    player.says(bench, b"");
    assert!(bench.cycle().is_empty());
    assert_eq!(bench.stack.next_event(), Some(NetEvent::Writable(*id)));
    settle(bench);
    bench.stack.counters.visits - before
}

#[test]
fn an_order_costs_as_many_visits_among_ten_thousand_sessions_as_alone() {
    let visits = [1, 100, SESSIONS].map(|count| {
        let (mut bench, mut sessions) = established(count);
        let middle = count / 2;
        round_trip(&mut bench, &mut sessions[middle])
    });
    assert_eq!(visits, [visits[0]; 3]);
    assert!(visits[0] <= 12, "{} visits", visits[0]);
}

#[test]
fn a_handshake_gives_way_to_as_many_unfinished_ones_and_to_none_that_are_done() {
    let mut config = StackConfig { connections_max: SESSIONS, ..config() };
    (config.rx_buffer_bytes, config.tx_buffer_bytes) = (4_096, 4_096);
    let mut bench = bench_over(config, SESSIONS);
    for number in 1..HALF_OPEN_MAX {
        Player::connect(&mut bench, address(number));
    }
    let mut asks = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            bench.put_segment(address(number), &syn());
        }
        // At the rate that is granted.
        bench.answers_at(Nanos::from_millis(50), Nanos::from_millis(1));
        (bench.stack.connection_count(), bench.stack.counters.half_open_gave_way)
    };
    let next = |more: usize| HALF_OPEN_MAX + more..HALF_OPEN_MAX + more + 1_000;
    assert_eq!(asks(next(0)), (HALF_OPEN_MAX + 999, 0));
    for thousands in 1..4 {
        let count = HALF_OPEN_MAX + 999 + thousands * 1_000;
        assert_eq!(asks(next(thousands * 1_000)), (count, 0));
    }
    // All that may be under way, and four more.
    assert_eq!(asks(HALF_OPEN_MAX + 4_000..2 * HALF_OPEN_MAX + 4), (2 * HALF_OPEN_MAX - 1, 4));
}

#[test]
fn ten_thousand_idle_sessions_cost_nothing() {
    let (mut bench, _sessions) = established(SESSIONS);
    let before = bench.stack.counters;
    bench.announced.clear();
    let frames = bench.answers_at(Nanos::from_secs(60), Nanos::from_millis(1));
    assert!(frames.is_empty());
    assert_eq!(bench.stack.counters, before);
    assert_eq!((bench.stack.connection_count(), bench.stack.next_event()), (SESSIONS, None));
}

#[test]
fn ten_thousand_sessions_that_order_at_once_are_each_answered_and_no_cycle_does_more_than_its_share()
 {
    let (mut bench, mut sessions) = established(SESSIONS);
    let wanted = |number: usize| format!("order {number}").into_bytes();
    for (number, (player, _)) in sessions.iter_mut().enumerate() {
        player.says(&mut bench, &wanted(number));
    }
    let mut answered = 0;
    let mut heard = vec![Vec::new(); SESSIONS];
    let start = bench.stack.counters;
    let mut cycles = 0;
    while answered < SESSIONS {
        let before = bench.stack.counters;
        let frames = bench.cycle();
        cycles += 1;
        let counters = bench.stack.counters;
        assert!(counters.rx_frames - before.rx_frames <= RX_BURST_MAX as u64);
        // By a frame, by its user twice and in its turn to send; and two for a timer.
        let visits = counters.visits - before.visits;
        let most = 4 * RX_BURST_MAX + 2 * TIMERS_MAX;
        assert!(visits <= most as u64, "{visits} visits in a cycle");
        answered += frames.len();
        for frame in &frames {
            let (ip, segment) = parsed(frame);
            let [_, _, high, low] = ip.destination.octets();
            let host = usize::from(u16::from_be_bytes([high, low])) - 2;
            let number = 40 * host + usize::from(segment.dst_port()) - 40_000;
            heard[number].extend(sessions[number].0.hears(std::slice::from_ref(frame)));
        }
        while let Some(event) = bench.stack.next_event() {
            let NetEvent::Readable(id) = event else { panic!("{event:?}") };
            let order = bench.stack.received(id).to_vec();
            bench.stack.consume(id, order.len());
            assert!(bench.stack.send(id, &order));
        }
    }
    assert!((0..SESSIONS).all(|number| heard[number] == wanted(number)));
    assert!(cycles <= SESSIONS / RX_BURST_MAX + 2, "{cycles} cycles");
    let visits = bench.stack.counters.visits - start.visits;
    assert!(visits <= 6 * SESSIONS as u64, "{visits} visits");
    assert_eq!(bench.stack.counters.repeated, start.repeated);
}
