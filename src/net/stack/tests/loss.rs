//! What a lost frame costs a peer, by the clock that the tests move: never more than 60 ms.

use smoltcp::time::Duration;

use super::by_hand::{Player, bench, parsed, peer};
use super::*;

/// A kernel holds an acknowledgment back for this long, in the hope of data to send it with.
const ACK_DELAY: Nanos = Nanos::from_millis(40);
/// The most that a lost last segment may cost.
const COST_MAX: Nanos = Nanos::from_millis(60);

const LAST: &[u8] = b"the last answer";
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;

fn has_flag(frame: &[u8], flag: u8) -> bool {
    frame.get(14 + 20 + 13).is_some_and(|flags| flags & flag != 0)
}

/// A world in which the first frame of which `is_it` says so is lost on the way to the client.
fn world_that_loses_one(is_it: impl Fn(&[u8]) -> bool + Send + 'static) -> StackWorld<impl Device> {
    let (near, far) = MemoryDevice::pair(256);
    let mut lost = false;
    let loses = move |frame: &[u8]| {
        let loses = !lost && is_it(frame);
        lost |= loses;
        loses
    };
    world_of(config(), Lossy::new(near, loses), far)
}

/// A client that acknowledges as late as a kernel does, and its connection.
fn late_client<D: Device>(world: &mut StackWorld<D>) -> (usize, ConnectionId) {
    let client = world.connect();
    let id = world.opened();
    let delay = Duration::from_micros(ACK_DELAY.0 / 1_000);
    world.clients.socket(client).set_ack_delay(Some(delay));
    (client, id)
}

/// Time until the client has received `bytes` more.
fn time_to_receive<D: Device>(world: &mut StackWorld<D>, client: usize, bytes: usize) -> Nanos {
    let start = world.now;
    let mut received = 0;
    while received < bytes {
        world.step();
        received += world.client_receive(client).len();
        assert!(world.now.since(start) < Nanos::SECOND, "{:?}", world.stack.counters);
    }
    world.now.since(start)
}

#[test]
fn a_lost_last_segment_costs_at_most_sixty_milliseconds_however_late_acknowledgments_come() {
    let pauses = [Nanos::from_micros(200), Nanos::from_millis(10), Nanos::from_millis(70)];
    for answers_before in [0, 1, 2, 20] {
        for pause in pauses {
            let mut world = world_that_loses_one(|frame| frame.ends_with(LAST));
            let (client, id) = late_client(&mut world);
            for _ in 0..answers_before {
                assert!(world.stack.send(id, b"an answer"));
                world.steps(pause);
                world.client_receive(client);
            }
            assert!(world.stack.send(id, LAST));
            let cost = time_to_receive(&mut world, client, LAST.len());
            assert!(
                (ACK_DELAY..=COST_MAX).contains(&cost),
                "{cost:?} after {answers_before} answers each {pause:?}"
            );
            world.steps(Nanos::from_millis(200));
            assert!(world.stack.counters.tail_probes <= 1);
        }
    }
}

#[test]
fn nothing_is_sent_again_that_was_only_acknowledged_late() {
    for pause in [1, 10, 41, 70] {
        let (near, far) = MemoryDevice::pair(256);
        let mut world = world_of(config(), near, far);
        let (client, id) = late_client(&mut world);
        for _ in 0..20 {
            assert!(world.stack.send(id, b"an answer"));
            world.steps(Nanos::from_millis(pause));
            world.client_receive(client);
        }
        world.steps(Nanos::from_millis(200));
        assert_eq!(world.stack.counters.repeated, 0, "an answer each {pause} ms");
        assert_eq!(world.stack.counters.tail_probes, 0);
    }
}

#[test]
fn a_lost_answer_to_a_handshake_costs_at_most_sixty_milliseconds() {
    let mut world = world_that_loses_one(|frame| has_flag(frame, SYN));
    let start = world.now;
    world.connect();
    world.opened();
    let cost = world.now.since(start);
    assert!((ACK_DELAY..=COST_MAX).contains(&cost), "{cost:?}");
}

#[test]
fn a_lost_end_costs_at_most_sixty_milliseconds() {
    let mut world = world_that_loses_one(|frame| has_flag(frame, FIN));
    let (client, id) = late_client(&mut world);
    let start = world.now;
    world.stack.close(id);
    while world.client_sees(client) == Seen::Open {
        world.step();
        assert!(world.now.since(start) <= COST_MAX);
    }
}

#[test]
fn a_segment_lost_among_others_is_repeated_as_soon_as_the_peer_has_asked_thrice() {
    let mut world = world_that_loses_one(|frame| frame.ends_with(LAST));
    let (client, id) = late_client(&mut world);
    assert!(world.stack.send(id, LAST));
    world.stack.flush(world.now);
    let more = 4 * LAST.len();
    for _ in 0..4 {
        world.step();
        assert!(world.stack.send(id, b"another answer."));
    }
    let cost = time_to_receive(&mut world, client, LAST.len() + more);
    assert!(cost < Nanos::from_millis(2), "{cost:?}");
    assert_eq!(world.stack.counters.repeated, 1);
}

#[test]
fn to_a_peer_that_is_far_away_nothing_is_repeated_while_its_acknowledgment_is_on_its_way() {
    const AWAY: Nanos = Nanos::from_millis(80);
    let mut bench = bench(config());
    let (mut player, id) = Player::connect_from_afar(&mut bench, peer(2, 5000), AWAY);
    let repeated = bench.stack.counters.repeated;
    for _ in 0..5 {
        assert!(bench.stack.send(id, &vec![7; 20_000]));
        let frames = bench.answers(AWAY);
        assert!(frames.iter().all(|frame| parsed(frame).1.dst_port() == 5000));
        assert_eq!(player.hears(&frames).len(), 20_000);
        player.says(&mut bench, b"");
    }
    assert_eq!((bench.stack.counters.repeated, bench.stack.counters.tail_probes), (repeated, 0));
}
