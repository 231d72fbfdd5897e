//! What every transport must do, as tests that run over each of them.
//!
//! A world is a transport with clients around it; a behaviour knows no more of it than that.

use std::collections::HashSet;

use super::{ConnectionId, NetEvent, Transport};

/// A transport, and clients that can reach it.
pub(super) trait World {
    fn server(&mut self) -> &mut dyn Transport;
    /// Polls the transport, lets clients and time move a little.
    fn step(&mut self);
    /// Begins a connection; numbers count from 0.
    fn connect(&mut self) -> usize;
    /// Sends what the client's side takes of `bytes`.
    fn client_send(&mut self, client: usize, bytes: &[u8]) -> usize;
    /// Everything that arrived and was not taken yet.
    fn client_receive(&mut self, client: usize) -> Vec<u8>;
    fn client_close(&mut self, client: usize);
    fn client_abort(&mut self, client: usize);
    /// How the server ended the connection, once all before it was taken.
    fn client_sees(&mut self, client: usize) -> Seen;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Open,
    End,
    Reset,
}

/// Makes a test of each behaviour over the world that `$world` makes.
macro_rules! behaviours {
    ($world:expr) => {
        crate::net::behaviour::behaviours! { $world;
            what_a_client_sends_comes_back
            bytes_that_come_one_by_one_arrive_in_order
            the_peers_end_is_told_once_whatever_is_unread_and_it_can_still_be_sent_to
            a_reset_behind_the_peers_end_is_told
            what_is_queued_still_leaves_after_a_close
            a_reset_by_the_peer_is_told
            an_abort_reaches_the_peer_as_a_reset
            many_connections_keep_apart
            a_peer_that_does_not_read_fills_the_queue_and_nothing_is_lost
            a_user_that_does_not_read_stops_the_peer_and_nothing_is_lost
            the_number_of_a_closed_connection_is_void_also_when_its_slot_is_used_again
            a_message_is_always_shown_whole_wherever_the_buffer_ends
        }
    };
    ($world:expr; $($name:ident)*) => { $(
        #[test]
        fn $name() {
            crate::net::behaviour::$name(&mut $world);
        }
    )* };
}
pub(super) use behaviours;

const STEPS_MAX: usize = 200_000;
/// Bytes sent at once by those who try to fill a queue.
const CHUNK: usize = 1000;

/// Steps until `done` gives something.
fn until<W: World, T>(world: &mut W, mut done: impl FnMut(&mut W) -> Option<T>) -> T {
    for _ in 0..STEPS_MAX {
        if let Some(result) = done(world) {
            return result;
        }
        world.step();
    }
    panic!("not within {STEPS_MAX} steps");
}

fn event(world: &mut impl World) -> NetEvent {
    until(world, |world| world.server().next_event())
}

/// A client and its connection.
fn connected(world: &mut impl World) -> (usize, ConnectionId) {
    let client = world.connect();
    match event(world) {
        NetEvent::Opened { connection, .. } => (client, connection),
        other => panic!("{other:?} instead of Opened"),
    }
}

/// Waits for `Closed` of `id`, passing over what else is told of it.
fn closed(world: &mut impl World, id: ConnectionId) {
    loop {
        match event(world) {
            NetEvent::Closed(closed) if closed == id => return,
            NetEvent::Readable(other) | NetEvent::Writable(other) if other == id => {}
            other => panic!("{other:?} while waiting for Closed({id:?})"),
        }
    }
}

/// Takes up to `count` received bytes.
fn take(world: &mut impl World, id: ConnectionId, count: usize) -> Vec<u8> {
    let received = world.server().received(id);
    let taken = received[..received.len().min(count)].to_vec();
    world.server().consume(id, taken.len());
    taken
}

fn server_receives(world: &mut impl World, id: ConnectionId, expected: &[u8]) {
    let mut received = Vec::new();
    until(world, |world| {
        received.extend(take(world, id, usize::MAX));
        (received.len() >= expected.len()).then_some(())
    });
    assert_eq!(received, expected);
}

fn client_receives(world: &mut impl World, client: usize, expected: &[u8]) {
    let mut received = Vec::new();
    until(world, |world| {
        received.extend(world.client_receive(client));
        (received.len() >= expected.len()).then_some(())
    });
    assert_eq!(received, expected);
}

fn client_finally_sees(world: &mut impl World, client: usize, expected: Seen) {
    let seen = until(world, |world| {
        let seen = world.client_sees(client);
        (seen != Seen::Open).then_some(seen)
    });
    assert_eq!(seen, expected);
}

/// Bytes that show every loss, doubling and change of order.
fn pattern(length: usize) -> Vec<u8> {
    (0..=250).cycle().take(length).collect()
}

pub(super) fn what_a_client_sends_comes_back(world: &mut impl World) {
    let (client, id) = connected(world);
    for message in [&b"first"[..], b"second", &pattern(4000)] {
        assert_eq!(world.client_send(client, message), message.len());
        server_receives(world, id, message);
        assert!(world.server().send(id, message));
        client_receives(world, client, message);
    }
}

pub(super) fn bytes_that_come_one_by_one_arrive_in_order(world: &mut impl World) {
    let (client, id) = connected(world);
    let message = pattern(300);
    for byte in &message {
        assert_eq!(world.client_send(client, &[*byte]), 1);
        world.step();
    }
    server_receives(world, id, &message);
}

pub(super) fn the_peers_end_is_told_once_whatever_is_unread_and_it_can_still_be_sent_to(
    world: &mut impl World,
) {
    let (client, id) = connected(world);
    world.client_send(client, b"last words");
    world.client_close(client);
    assert_eq!(event(world), NetEvent::Readable(id));
    assert_eq!(event(world), NetEvent::Ended(id));
    assert_eq!(take(world, id, 4), b"last");
    assert_eq!(take(world, id, 100), b" words");
    assert!(world.server().send(id, b"an answer"));
    client_receives(world, client, b"an answer");
    for _ in 0..200 {
        world.step();
        let event = world.server().next_event();
        assert!(matches!(event, None | Some(NetEvent::Writable(_))), "{event:?}");
    }
    assert_eq!(world.client_sees(client), Seen::Open);
    world.server().close(id);
    assert!(!world.server().send(id, b"too late"));
    client_finally_sees(world, client, Seen::End);
    assert_eq!(world.server().next_event(), None);
}

pub(super) fn what_is_queued_still_leaves_after_a_close(world: &mut impl World) {
    let (client, id) = connected(world);
    let message = pattern(50_000);
    // Unread bytes must not turn the close into a reset.
    world.client_send(client, b"never read");
    assert_eq!(event(world), NetEvent::Readable(id));
    assert!(world.server().send(id, &message));
    world.server().close(id);
    assert!(!world.server().send(id, b"x"));
    assert_eq!(world.server().send_room(id), 0);
    client_receives(world, client, &message);
    client_finally_sees(world, client, Seen::End);
    assert_eq!(world.server().next_event(), None);
}

pub(super) fn a_reset_by_the_peer_is_told(world: &mut impl World) {
    let (client, id) = connected(world);
    world.client_abort(client);
    closed(world, id);
    assert!(!world.server().send(id, b"x"));
}

pub(super) fn a_reset_behind_the_peers_end_is_told(world: &mut impl World) {
    let (client, id) = connected(world);
    world.client_close(client);
    assert_eq!(event(world), NetEvent::Ended(id));
    world.client_abort(client);
    closed(world, id);
    assert!(!world.server().send(id, b"x"));
}

pub(super) fn an_abort_reaches_the_peer_as_a_reset(world: &mut impl World) {
    let (client, id) = connected(world);
    world.server().abort(id);
    assert!(!world.server().send(id, b"x"));
    client_finally_sees(world, client, Seen::Reset);
    assert_eq!(world.server().next_event(), None);
}

pub(super) fn many_connections_keep_apart(world: &mut impl World) {
    const CLIENTS: usize = 50;
    let pairs: Vec<_> = (0..CLIENTS).map(|_| connected(world)).collect();
    let slots: HashSet<_> = pairs.iter().map(|(_, id)| id.slot).collect();
    assert_eq!(slots.len(), CLIENTS);
    for round in 0..3 {
        for (client, _) in &pairs {
            world.client_send(*client, format!("client {client} round {round}").as_bytes());
        }
        for (client, id) in &pairs {
            let message = format!("client {client} round {round}");
            server_receives(world, *id, message.as_bytes());
            assert!(world.server().send(*id, message.as_bytes()));
        }
        for (client, _) in &pairs {
            let message = format!("client {client} round {round}");
            client_receives(world, *client, message.as_bytes());
        }
    }
}

pub(super) fn a_peer_that_does_not_read_fills_the_queue_and_nothing_is_lost(
    world: &mut impl World,
) {
    let (client, id) = connected(world);
    let source = pattern(251 + CHUNK);
    let (mut sent, mut refused) = (0, 0);
    while refused < 300 {
        let chunk = &source[sent % 251..][..CHUNK];
        if world.server().send(id, chunk) {
            assert!(sent < 64 << 20, "the queue has no bound");
            sent += CHUNK;
            refused = 0;
        } else {
            assert!(world.server().send_room(id) < CHUNK);
            refused += 1;
            world.step();
        }
    }
    while world.server().next_event().is_some() {}
    let mut received = Vec::new();
    let mut writable = false;
    until(world, |world| {
        received.extend(world.client_receive(client));
        let event = world.server().next_event();
        assert!(matches!(event, None | Some(NetEvent::Writable(_))), "{event:?}");
        writable |= event.is_some();
        (received.len() >= sent && writable).then_some(())
    });
    assert!(received == pattern(sent), "bytes were lost, doubled or changed");
    until(world, |world| (world.server().send_room(id) >= CHUNK).then_some(()));
}

pub(super) fn a_user_that_does_not_read_stops_the_peer_and_nothing_is_lost(world: &mut impl World) {
    let (client, id) = connected(world);
    let source = pattern(251 + CHUNK);
    let (mut sent, mut refused) = (0, 0);
    while refused < 300 {
        let chunk = &source[sent % 251..][..CHUNK];
        let taken = world.client_send(client, chunk);
        assert!(sent < 64 << 20, "the queue has no bound");
        sent += taken;
        refused = if taken == 0 { refused + 1 } else { 0 };
        world.step();
    }
    server_receives(world, id, &pattern(sent));
}

pub(super) fn the_number_of_a_closed_connection_is_void_also_when_its_slot_is_used_again(
    world: &mut impl World,
) {
    let mut numbers = HashSet::new();
    for _ in 0..100 {
        let (client, id) = connected(world);
        assert!(numbers.insert(id), "{id:?} twice");
        for &void in &numbers {
            let room = world.server().send_room(void);
            assert_eq!(room > 0, void == id, "{void:?} while {id:?} is open");
        }
        world.client_abort(client);
        closed(world, id);
    }
}

/// The user consumes whole messages only, and so never empties a buffer that ends within one.
pub(super) fn a_message_is_always_shown_whole_wherever_the_buffer_ends(world: &mut impl World) {
    const MESSAGE: usize = 1_021;
    const MESSAGES: usize = 200;
    let (client, id) = connected(world);
    let all = pattern(MESSAGE * MESSAGES);
    let (mut sent, mut received) = (0, 0);
    until(world, |world| {
        let ahead = all.len().min(received + 3 * MESSAGE + 77);
        sent += world.client_send(client, &all[sent..ahead.max(sent)]);
        while world.server().received(id).len() >= MESSAGE {
            let message = take(world, id, MESSAGE);
            assert!(message == all[received..received + MESSAGE], "message at {received}");
            received += MESSAGE;
        }
        (received == all.len()).then_some(())
    });
}
