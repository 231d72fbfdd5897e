//! The participants that send datagrams: which slot each address has, and what waits to be sent to it.
//!
//! All memory is taken at the start. It decides nothing: who gets a slot has proved who it is.

use std::collections::{HashMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

use super::connection::{Connection, Outbound};
use super::unread::Unread;
use crate::net::{RateLimit, Transport};
use crate::types::Nanos;
use crate::wire::ufo::PacketBuilder;

/// Logins a second, and at once, that are looked at of peers without a session: each costs a keyed hash.
const LOGINS_PER_SECOND_MAX: u64 = 20_000;
const LOGIN_BURST_MAX: u64 = 2_000;
/// Messages a second, and at once, that one session is sent again. Whoever has a port's secret could
/// otherwise have them sent to another's address in any number.
const AGAIN_PER_SECOND_MAX: u64 = 50_000;
const AGAIN_BURST_MAX: u64 = 16_384;

/// The peers, by slot and by address.
#[derive(Debug)]
pub(super) struct Peers {
    by_slot: Box<[Peer]>,
    by_address: HashMap<SocketAddrV4, u32>,
    free: Vec<u32>,
    /// Slots whose packet is to be sent, each once; some have none any more.
    unsent: VecDeque<u32>,
    /// Of logins of peers without a session.
    pub(super) logins: RateLimit,
}

/// A peer.
#[derive(Debug)]
struct Peer {
    address: SocketAddrV4,
    generation: u32,
    /// What it has sent, to be read by turns.
    unread: Unread,
    /// Messages that leave together, at the end of the duty cycle at the latest.
    packet: PacketBuilder,
    /// It stands in the queue.
    is_unsent: bool,
    again: Again,
    /// Since when it is told that the stream is complete.
    ended_at: Option<Nanos>,
}

/// With what the gateway keeps of every session, what the wire specification states.
const _: () = assert!(size_of::<Peer>() + size_of::<Option<Connection>>() < 10 * 1024);

/// Messages that a peer has asked for again.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) cursor: Outbound,
    /// Behind the last of them.
    pub(super) end: u32,
    pub(super) limit: RateLimit,
}

impl Again {
    fn nothing() -> Self {
        let limit = RateLimit::new(AGAIN_PER_SECOND_MAX, AGAIN_BURST_MAX);
        Self { cursor: Outbound::default(), end: 0, limit }
    }

    /// Whether something was not sent yet.
    pub(super) fn is_due(&self) -> bool {
        self.cursor.next < self.end
    }
}

impl Peers {
    /// For so many at once.
    pub(super) fn new(slots: u32) -> Self {
        let peer = |_| Peer {
            address: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0),
            generation: 0,
            unread: Unread::nothing(),
            packet: PacketBuilder::new(),
            is_unsent: false,
            again: Again::nothing(),
            ended_at: None,
        };
        let count = slots as usize;
        Self {
            by_slot: (0..slots).map(peer).collect(),
            // Twice the bound, so that removals never make the map grow.
            by_address: HashMap::with_capacity(2 * count),
            free: (0..slots).rev().collect(),
            unsent: VecDeque::with_capacity(count),
            logins: RateLimit::new(LOGINS_PER_SECOND_MAX, LOGIN_BURST_MAX),
        }
    }

    /// Slots: the lowest of a gateway's are theirs.
    pub(super) fn slots(&self) -> u32 {
        u32::try_from(self.by_slot.len()).expect("they were counted in 32 bits")
    }

    pub(super) fn slot_of(&self, address: SocketAddrV4) -> Option<u32> {
        self.by_address.get(&address).copied()
    }

    /// Gives an address that has none a slot, and returns the slot's generation too; `None` if all are
    /// taken.
    pub(super) fn open(&mut self, address: SocketAddrV4) -> Option<(u32, u32)> {
        let slot = self.free.pop()?;
        let peer = &mut self.by_slot[slot as usize];
        peer.address = address;
        self.by_address.insert(address, slot);
        Some((slot, peer.generation))
    }

    /// Takes the slot back, and forgets what was not read or sent.
    pub(super) fn release(&mut self, slot: u32) {
        let Some(peer) = self.by_slot.get_mut(slot as usize) else { return };
        self.by_address.remove(&peer.address);
        peer.generation = peer.generation.wrapping_add(1);
        peer.unread.clear();
        peer.packet.clear();
        peer.again = Again::nothing();
        peer.ended_at = None;
        self.free.push(slot);
    }

    /// What a peer has sent.
    pub(super) fn unread(&mut self, slot: u32) -> &mut Unread {
        &mut self.by_slot[slot as usize].unread
    }

    /// What a peer has asked for again.
    pub(super) fn again(&mut self, slot: u32) -> Option<&mut Again> {
        self.by_slot.get_mut(slot as usize).map(|peer| &mut peer.again)
    }

    /// Since when a peer is told that its stream is complete: since now, if that is new.
    pub(super) fn ended_at(&mut self, slot: u32, now: Nanos) -> Nanos {
        *self.by_slot[slot as usize].ended_at.get_or_insert(now)
    }

    /// Whether a peer is told that its stream is complete.
    pub(super) fn has_ended(&self, slot: u32) -> bool {
        self.by_slot[slot as usize].ended_at.is_some()
    }

    /// Takes a message to be sent; `false` if the packet before it does not leave now.
    pub(super) fn send<T: Transport>(
        &mut self,
        slot: u32,
        sequence: u32,
        message: &[u8],
        transport: &mut T,
    ) -> bool {
        let taken = self.by_slot[slot as usize].packet.push(sequence, message)
            || (self.send_packet(slot, transport)
                && self.by_slot[slot as usize].packet.push(sequence, message));
        let peer = &mut self.by_slot[slot as usize];
        if !std::mem::replace(&mut peer.is_unsent, true) {
            self.unsent.push_back(slot);
        }
        taken
    }

    /// Sends what was taken for a peer; `false` if it does not leave now.
    pub(super) fn send_packet<T: Transport>(&mut self, slot: u32, transport: &mut T) -> bool {
        let peer = &mut self.by_slot[slot as usize];
        if peer.packet.is_empty() {
            return true;
        }
        let sent = transport.send_datagram(peer.address, peer.packet.packet());
        if sent {
            peer.packet.clear();
        }
        sent
    }

    /// Peers whose packet is to be sent.
    pub(super) fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Sends the packet of the next of them, and returns its slot; `None` if it does not leave now, and
    /// waits behind the others.
    pub(super) fn send_next<T: Transport>(&mut self, transport: &mut T) -> Option<u32> {
        let slot = self.unsent.pop_front()?;
        let sent = self.send_packet(slot, transport);
        self.by_slot[slot as usize].is_unsent = !sent;
        if !sent {
            self.unsent.push_back(slot);
        }
        sent.then_some(slot)
    }
}
