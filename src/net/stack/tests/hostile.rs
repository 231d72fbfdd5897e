//! Crowds of frames that no decent peer sends: what they cost, in slots, bytes and frames, and that the
//! connections of others do not notice.

use smoltcp::wire::{TcpControl, TcpRepr, TcpSeqNumber};

use super::by_hand::{Bench, Player, bench, parsed, peer, syn};
use super::*;
use crate::net::stack::recovery::SYN_ACKS_MAX;

/// A connection that must not suffer.
pub(super) struct Honest {
    pub(super) player: Player,
    pub(super) id: ConnectionId,
}

impl Honest {
    pub(super) fn connect(bench: &mut Bench) -> Self {
        let (player, id) = Player::connect(bench, peer(2, 5000));
        Self { player, id }
    }

    /// Says something behind all that is on the wire, and hears the answer: within the cycles that it
    /// takes to receive what came before, and two more.
    pub(super) fn round_trip(&mut self, bench: &mut Bench, frames_before: usize) {
        self.player.says(bench, b"ping");
        let cycles = frames_before / RX_BURST_MAX + 2;
        let mut answered = false;
        for _ in 0..cycles {
            let mut heard = self.player.hears(&bench.cycle());
            if bench.stack.received(self.id) == b"ping" {
                bench.stack.consume(self.id, 4);
                assert!(bench.stack.send(self.id, b"pong"));
                answered = true;
                heard = self.player.hears(&bench.cycle());
            }
            if answered {
                assert_eq!(heard, b"pong");
                self.player.says(bench, b"");
                bench.cycle();
                while bench.stack.next_event().is_some() {}
                return;
            }
        }
        panic!("no answer within {cycles} cycles: {:?}", bench.stack.counters);
    }
}

/// All that could grow.
pub(super) fn footprint(bench: &Bench) -> [usize; 5] {
    let stack = &bench.stack;
    let slots = stack.connections.len();
    assert!(stack.by_peer.len() <= slots && stack.dirty.len() <= slots);
    let queues = [stack.dirty.capacity(), stack.half_open.capacity(), stack.free.capacity()];
    [stack.by_peer.capacity(), queues[0], queues[1], queues[2], slots]
}

/// A map's capacity is less while places of what was removed are not used again, so less is no growth.
pub(super) fn assert_no_growth(bench: &Bench, before: [usize; 5]) {
    let now = footprint(bench);
    assert!(now.iter().zip(before).all(|(&now, before)| now <= before), "{now:?} of {before:?}");
}

#[test]
fn handshakes_that_nobody_finishes_keep_nobody_out_and_leave_nothing() {
    const BATCH: usize = 2_000;
    let mut config = config();
    config.connections_per_source_max = 16;
    let mut bench = bench(config);
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    let mut answers = 0;
    for batch in 0..5 {
        for number in 0..BATCH {
            let host = u8::try_from(3 + number % 200).unwrap();
            let port = u16::try_from(1 + batch * BATCH + number).unwrap();
            bench.put_segment(peer(host, port), &syn());
        }
        honest.round_trip(&mut bench, BATCH);
        assert_eq!(bench.stack.connection_count(), 64);
        // All slots are taken, and yet another gets in.
        let newcomer = u16::try_from(6_000 + batch).unwrap();
        Player::connect(&mut bench, peer(2, newcomer));
        answers += bench.answers(Nanos::from_millis(200)).len();
    }
    assert_no_growth(&bench, before);
    // All that are due now were answered in their batch, but for those that are repeated.
    assert!(answers <= 5 * 64, "{answers} answers behind 10,000 requests");
    let counters = &bench.stack.counters;
    assert!(counters.half_open_gave_way > 5_000, "{counters:?}");
    bench.answers(Nanos::from_millis(1_100));
    assert_eq!((bench.stack.connection_count(), bench.stack.sources.len()), (6, 1));
    honest.round_trip(&mut bench, 0);
}

#[test]
fn an_address_that_a_stranger_writes_into_requests_gets_two_frames_for_each_and_no_more() {
    const REQUESTS: u16 = 60;
    let mut bench = bench(config());
    let mut asked = 0;
    for port in 1..=REQUESTS {
        bench.put_segment(peer(66, port), &syn());
        // And again, and something that could be an answer to an answer.
        bench.put_segment(peer(66, port), &syn());
        let ack = TcpRepr { control: TcpControl::None, ack_number: Some(TcpSeqNumber(7)), ..syn() };
        bench.put_segment(peer(66, port), &ack);
        asked += 3;
    }
    let frames = bench.answers(Nanos::from_secs(30));
    let opening = frames.iter().filter(|frame| parsed(frame).1.syn()).count();
    assert_eq!(opening, usize::from(REQUESTS * u16::from(SYN_ACKS_MAX)));
    let resets = frames.iter().filter(|frame| parsed(frame).1.rst()).count();
    assert_eq!(resets, usize::from(REQUESTS), "one for each answer to nothing");
    assert_eq!(frames.len(), opening + resets);
    assert!(frames.len() <= asked, "{} frames for {asked}", frames.len());
    assert!(frames.iter().all(|frame| frame.len() <= 66));
}

#[test]
fn one_host_with_all_its_ports_does_not_keep_another_out() {
    let mut config = config();
    config.connections_per_source_max = 16;
    let mut bench = bench(config);
    for port in 1..=2_000 {
        bench.put_segment(peer(66, port), &syn());
    }
    bench.answers(Nanos::from_millis(10));
    assert_eq!(bench.stack.connection_count(), 16);
    Honest::connect(&mut bench).round_trip(&mut bench, 0);
    assert_eq!(bench.stack.counters.syn_dropped, 0, "the host's excess took nobody's turn");
}

#[test]
fn a_storm_of_resets_that_guess_breaks_nothing_and_gets_no_answer() {
    const BATCH: usize = 3_000;
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let before = footprint(&bench);
    for batch in 0..3_u32 {
        for number in 0..BATCH {
            // Far outside of the window, all around it.
            let step = u32::try_from(1 + number).unwrap() * 1_000_003;
            let guess = honest.player.next.wrapping_add(100_000 + batch + step);
            let seq_number = TcpSeqNumber(guess.cast_signed());
            let reset = TcpRepr { control: TcpControl::Rst, seq_number, ..syn() };
            let port = if number % 2 == 0 { 5000 } else { 6000 };
            bench.put_segment(peer(2, port), &reset);
        }
        let sent = bench.stack.counters.tx_frames;
        honest.round_trip(&mut bench, BATCH);
        assert!(bench.stack.counters.tx_frames - sent <= 2, "somebody answered a reset");
    }
    assert_eq!((bench.stack.connection_count(), bench.stack.counters.rst_sent), (1, 0));
    assert_no_growth(&bench, before);
}

#[test]
fn a_peer_that_closes_its_window_is_probed_seldom_and_its_slot_comes_back() {
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let (mut closed, id) = Player::connect(&mut bench, peer(3, 1));
    closed.window = 0;
    closed.says(&mut bench, b"");
    bench.cycle();
    let mut queued = 0;
    while bench.stack.send(id, &[7; 1000]) {
        queued += 1000;
    }
    assert!(queued <= config().tx_buffer_bytes, "{queued} bytes");
    let probes: usize = (0..10).map(|_| bench.answers(Nanos::SECOND).len()).sum();
    assert!((5..15).contains(&probes), "{probes} probes in ten seconds");
    honest.round_trip(&mut bench, 0);

    bench.stack.close(id);
    let frames = bench.answers_at(Nanos::from_millis(4_100), Nanos::from_millis(1));
    assert!(frames.iter().any(|frame| parsed(frame).1.rst() && parsed(frame).1.dst_port() == 1));
    assert_eq!(bench.stack.connection_count(), 1);
}

#[test]
fn readers_that_take_byte_by_byte_cost_a_segment_each_time_and_others_nothing() {
    const READERS: u16 = 60;
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let mut readers: Vec<_> =
        (1..=READERS).map(|port| Player::connect(&mut bench, peer(3, port))).collect();
    for (reader, id) in &mut readers {
        reader.window = 1;
        reader.says(&mut bench, b"");
        bench.cycle();
        while bench.stack.send(*id, &[7; 1000]) {}
    }
    let before = footprint(&bench);
    let sent = bench.stack.counters.tx_frames;
    let rounds = 20;
    for _ in 0..rounds {
        let frames = bench.cycle();
        for (reader, _) in &mut readers {
            assert!(reader.hears(&frames).len() <= 1);
            reader.says(&mut bench, b"");
        }
        honest.round_trip(&mut bench, usize::from(READERS));
        while bench.stack.next_event().is_some() {}
    }
    let sent = bench.stack.counters.tx_frames - sent;
    // A byte for each of their acknowledgments, and an answer for each question.
    assert!(sent <= rounds * (u64::from(READERS) + 2) + u64::from(READERS), "{sent} frames");
    assert_no_growth(&bench, before);
}

#[test]
fn a_peer_that_sends_more_than_is_read_fills_its_window_and_is_answered_at_most_once_a_segment() {
    const SEGMENTS: usize = 3_000;
    let mut bench = bench(config());
    let mut honest = Honest::connect(&mut bench);
    let (mut noisy, id) = Player::connect(&mut bench, peer(3, 1));
    let before = footprint(&bench);
    let sent = bench.stack.counters.tx_frames;
    for _ in 0..SEGMENTS {
        noisy.says(&mut bench, &[7; 1000]);
    }
    honest.round_trip(&mut bench, SEGMENTS);
    let mut held = 0;
    while !bench.stack.received(id).is_empty() {
        let count = bench.stack.received(id).len();
        bench.stack.consume(id, count);
        held += count;
    }
    assert!(held <= config().rx_buffer_bytes, "{held} bytes of it");
    let answers = bench.stack.counters.tx_frames - sent;
    assert!(answers <= SEGMENTS as u64 + 2, "{answers} answers");
    assert_no_growth(&bench, before);
}
