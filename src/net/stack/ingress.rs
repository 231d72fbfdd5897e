//! From a frame to the connection it belongs to: the order of the checks is the defence.
//!
//! Form, address, allow-list, the sender's rate, connection, and only for a wanted handshake a slot. Nothing is kept of a
//! packet that fails one, and every answer to a stranger is rate limited.

use std::hash::BuildHasher;
use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::wire::IpListenEndpoint;

use super::clock::engine_time;
use super::connection::Phase;
use super::link::Link;
use super::{HALF_OPEN, HALF_OPEN_MAX, Stack, engine, send_arp};
use crate::net::arp::{ArpOperation, ArpPacket};
use crate::net::device::{Checksum, Device, FrameBurst, RX_BURST_MAX};
use crate::net::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::net::igmp::ALL_HOSTS;
use crate::net::ipv4::{
    Ipv4Header, PROTOCOL_ICMP, PROTOCOL_IGMP, PROTOCOL_TCP, PROTOCOL_UDP, checksum, is_host, sum,
};
use crate::net::steering::Way;
use crate::net::tcp::Segment;

const ICMP_ECHO_REQUEST: u8 = 8;

impl<D: Device> Stack<D> {
    /// Takes one burst, and as much of what other shards have passed on, provided that all answers to
    /// them fit.
    pub(super) fn ingress(&mut self) -> usize {
        self.take_burst() + self.take_passed()
    }

    /// Whether all answers to a burst fit.
    fn may_take_burst(&mut self) -> bool {
        let (room, full) = (self.has_room(RX_BURST_MAX), self.events.is_full());
        self.counters.tx_full += u64::from(!room);
        self.counters.events_full += u64::from(room && full);
        room && !full
    }

    fn take_burst(&mut self) -> usize {
        if !self.may_take_burst() {
            return 0;
        }
        let Some(mut burst) = self.device.receive() else { return 0 };
        if self.offloads.stamps {
            self.first_stamp = burst.next_stamp();
        }
        let mut frames = 0;
        loop {
            let checksum =
                if self.offloads.verifies { burst.next_checksum() } else { Checksum::Unknown };
            let Some(frame) = burst.next_frame() else { break };
            frames += 1;
            if checksum == Checksum::Wrong {
                self.counters.checksum_wrong += 1;
                continue;
            }
            if self.is_ours(frame, checksum) {
                self.take_frame(frame, checksum);
            }
        }
        self.counters.rx_frames += frames as u64;
        frames
    }

    fn take_passed(&mut self) -> usize {
        let Some(mut steering) = self.steering.take() else { return 0 };
        let mut frames = 0;
        if self.may_take_burst() {
            while frames < RX_BURST_MAX
                && let Some((frame, checksum)) = steering.next_frame()
            {
                frames += 1;
                self.take_frame(frame, checksum);
            }
        }
        self.counters.passed_here += frames as u64;
        self.steering = Some(steering);
        frames
    }

    /// Whether a frame of the device's is this shard's. If not it is passed on, unless its sender may not
    /// talk to us anyway.
    fn is_ours(&mut self, frame: &[u8], checksum: Checksum) -> bool {
        let Some(steering) = &mut self.steering else { return true };
        let (way, source) = steering.way_of(frame);
        let (shards, lost) = match way {
            Way::Here => return true,
            Way::To(_) if source.is_some_and(|source| !self.access.permits(source)) => {
                self.counters.denied += 1;
                return false;
            }
            Way::To(shard) => (1, u64::from(!steering.pass(shard, frame, checksum))),
            Way::All => steering.pass_to_all(frame, checksum),
        };
        self.counters.passed_on += shards - lost;
        self.counters.passed_lost += lost;
        way == Way::All
    }

    fn take_frame(&mut self, frame: &[u8], checksum: Checksum) {
        let Some((header, payload)) =
            EthernetHeader::parse(frame).filter(|(header, _)| header.source.is_unicast())
        else {
            self.counters.malformed += 1;
            return;
        };
        let to_us = header.destination == self.mac;
        match header.ether_type {
            ETHER_TYPE_ARP if to_us || header.destination == MacAddress::BROADCAST => {
                self.take_arp(header.source, payload);
            }
            ETHER_TYPE_IPV4 if to_us => self.take_packet(header.source, payload, checksum),
            ETHER_TYPE_IPV4 if self.membership.hears(header.destination) => {
                self.take_multicast(header.source, payload);
            }
            _ => self.counters.not_ours += 1,
        }
    }

    fn take_arp(&mut self, from: MacAddress, packet: &[u8]) {
        let Some(packet) = ArpPacket::parse(packet) else {
            self.counters.malformed += 1;
            return;
        };
        self.counters.arp += 1;
        if self.neighbours.contradicts(packet.sender, packet.sender_mac) {
            self.counters.impostors += 1;
            return;
        }
        // An answer to a question of ours is never in the way of those who ask us.
        let asks =
            packet.operation == ArpOperation::Request && packet.target == self.config.address;
        // Whoever it says it is.
        let now = self.clock.now();
        if asks && !self.source_limit.take_question(from, Ipv4Addr::UNSPECIFIED, now) {
            self.counters.source_questions += 1;
            return;
        }
        if asks && !self.arp_replies.take(self.clock.now()) {
            self.counters.arp_suppressed += 1;
            return;
        }
        if let Some(reply) = self.neighbours.take(&packet, self.clock.now()) {
            send_arp(&mut self.device, reply.target_mac, &reply);
        }
    }

    fn take_packet(&mut self, from: MacAddress, packet: &[u8], checksum: Checksum) {
        let Some((ip, payload)) = self.parse_packet(packet) else { return };
        if ip.destination != self.config.address {
            self.counters.not_ours += 1;
            return;
        }
        if !self.may_talk(from, &ip) {
            return;
        }
        match ip.protocol {
            PROTOCOL_TCP if !self.is_sound(&ip, payload, checksum) => self.counters.malformed += 1,
            PROTOCOL_TCP => self.take_segment(from, &ip, packet, payload),
            PROTOCOL_ICMP if payload.first() == Some(&ICMP_ECHO_REQUEST) => {
                if self.echoes.take(self.clock.now()) {
                    self.counters.echo_replies += 1;
                    self.answer(from, packet);
                }
            }
            PROTOCOL_UDP => self.take_datagram(&ip, payload),
            _ => self.counters.not_ours += 1,
        }
    }

    /// A packet to all hosts or to a group of ours. Who asks for members may be a switch, which has no
    /// address; nobody else is heard who may not talk to us.
    fn take_multicast(&mut self, from: MacAddress, packet: &[u8]) {
        let Some((ip, payload)) = self.parse_packet(packet) else { return };
        let is_ours = self.membership.contains(ip.destination);
        if ip.protocol == PROTOCOL_IGMP && (is_ours || ip.destination == ALL_HOSTS) {
            let sound = ip.ttl == 1 && self.membership.take(payload, self.clock.now());
            self.counters.malformed += u64::from(!sound);
        } else if !is_ours || ip.protocol != PROTOCOL_UDP {
            self.counters.not_ours += 1;
        } else if self.may_talk(from, &ip) {
            self.take_datagram(&ip, payload);
        }
    }

    fn parse_packet<'p>(&mut self, packet: &'p [u8]) -> Option<(Ipv4Header, &'p [u8])> {
        let parsed = Ipv4Header::parse(packet);
        if parsed.is_none() {
            let fragment = Ipv4Header::is_fragment(packet);
            self.counters.fragments += u64::from(fragment);
            self.counters.malformed += u64::from(!fragment);
        }
        parsed
    }

    /// Whether a packet is looked into: its sender is who it may be, is allowed, and not over its rate.
    fn may_talk(&mut self, from: MacAddress, ip: &Ipv4Header) -> bool {
        if !is_host(ip.source) || ip.source == self.config.address {
            self.counters.malformed += 1;
            return false;
        }
        if self.neighbours.contradicts(ip.source, from) {
            self.counters.impostors += 1;
            return false;
        }
        if !self.access.permits(ip.source) {
            self.counters.denied += 1;
            return false;
        }
        if !self.source_limit.take_frame(from, ip.source, self.clock.now()) {
            self.counters.source_flood += 1;
            return false;
        }
        true
    }

    /// Whether a segment's checksum is right where the engine leaves that to the device, which may not
    /// have looked.
    fn is_sound(&self, ip: &Ipv4Header, segment: &[u8], found: Checksum) -> bool {
        let looked = !self.offloads.verifies || found == Checksum::Right;
        looked || checksum(sum(ip.pseudo_sum(), segment)) == 0
    }

    fn take_segment(&mut self, from: MacAddress, ip: &Ipv4Header, packet: &[u8], payload: &[u8]) {
        let Some(segment) = Segment::parse(payload) else {
            self.counters.malformed += 1;
            return;
        };
        let peer = SocketAddrV4::new(ip.source, segment.source_port);
        let listening = segment.destination_port == self.config.listen_port;
        let known = self.by_peer.get(&peer).copied().filter(|_| listening);
        match known {
            // The peer uses its port again before we forgot the last time (RFC 9293 3.10.7.4).
            Some(slot) if segment.opens() && self.connections[slot as usize].is_past() => {
                self.release(slot);
                self.accept(from, peer, packet);
            }
            Some(slot) if segment.opens() => {
                self.counters.challenged += 1;
                self.challenge(slot, ip, segment);
            }
            Some(slot) if segment.resets() => self.take_reset(slot, ip, packet, segment),
            Some(slot) => self.take_own_segment(slot, packet),
            None if listening && segment.opens() => self.accept(from, peer, packet),
            None if segment.resets() => {}
            None if self.resets.take(self.clock.now()) => {
                self.counters.rst_sent += 1;
                self.answer(from, packet);
            }
            None => self.counters.rst_suppressed += 1,
        }
    }

    fn take_own_segment(&mut self, slot: u32, packet: &[u8]) {
        let connection = &mut self.connections[slot as usize];
        let mut link = Link::with(&mut self.device, connection.neighbour, packet)
            .noting(&mut connection.progress);
        let shown = connection.recovery.engine_time(self.clock.now());
        self.engine.poll_ingress_single(shown, &mut link, &mut connection.sockets);
        self.look(slot);
    }

    /// A reset counts if it is where the peer stands. The engine takes any within the window, of which
    /// there is one in 262,144 guesses; a peer that means it says so again when asked (RFC 5961 3).
    fn take_reset(&mut self, slot: u32, ip: &Ipv4Header, packet: &[u8], segment: Segment) {
        let ahead = self.connections[slot as usize].progress.ahead(segment);
        if ahead == 0 {
            self.take_own_segment(slot, packet);
            return;
        }
        self.counters.resets_doubted += 1;
        if ahead as usize <= self.config.rx_buffer_bytes {
            self.challenge(slot, ip, segment);
        }
    }

    /// Asks a peer that opens anew what we hold open, or resets it out of place, whether it means it: it
    /// may have lost its memory, or never have sent this. If it has forgotten, it resets our connection,
    /// and asks again (RFC 5961 4). The engine drops such a segment in silence, so it is shown a
    /// keep-alive instead, which it acknowledges, and that within its own limit.
    fn challenge(&mut self, slot: u32, ip: &Ipv4Header, segment: Segment) {
        let connection = &self.connections[slot as usize];
        // In a handshake the engine's answer is on its way, and is repeated.
        if connection.phase == Phase::HalfOpen {
            return;
        }
        let keep_alive = connection.progress.keep_alive(ip, segment);
        self.take_own_segment(slot, &keep_alive);
    }

    /// Begins a handshake in a free slot. What is over a limit is dropped without a word: a peer in
    /// good faith asks again.
    fn accept(&mut self, from: MacAddress, peer: SocketAddrV4, packet: &[u8]) {
        let now = self.clock.now();
        if !self.source_limit.take_question(from, *peer.ip(), now) {
            self.counters.source_questions += 1;
            return;
        }
        if !self.sources.admit(*peer.ip()) {
            self.counters.source_full += 1;
            return;
        }
        if !self.syns.take(now) {
            self.counters.syn_dropped += 1;
            return;
        }
        if self.free.is_empty() || self.half_open.len() >= HALF_OPEN_MAX {
            self.give_way();
        }
        let Some(slot) = self.free.pop() else {
            self.counters.syn_dropped += 1;
            return;
        };

        // The engine draws initial sequence numbers from a generator that anybody can continue from
        // two of its numbers. An engine of its own for each handshake, seeded by a keyed hash of the
        // peer and the moment (RFC 6528), gives away nothing about the next.
        let seed = self.secret.hash_one((peer, now.0, self.counters.rx_frames, slot));
        let network = self.neighbours.network();
        let mut engine = engine(&mut self.device, network, seed, now);

        let local = IpListenEndpoint {
            addr: Some(self.config.address.into()),
            port: self.config.listen_port,
        };
        let connection = &mut self.connections[slot as usize];
        connection.listen(local, peer, from);
        connection.deadline = now.after(HALF_OPEN);
        let mut link = Link::with(&mut self.device, from, packet);
        let shown = connection.recovery.engine_time(now);
        engine.poll_ingress_single(shown, &mut link, &mut connection.sockets);

        if connection.socket().remote_endpoint().is_none() {
            // Not a segment after all: its checksum is wrong, say.
            connection.release();
            self.free.push(slot);
            self.counters.malformed += 1;
            return;
        }
        self.by_peer.insert(peer, slot);
        self.sources.enter(*peer.ip());
        self.half_open.push_back(connection.id(slot));
        self.look(slot);
    }

    /// Makes room for a handshake: gives up the one that began first of those that are not finished, but
    /// only if room is not made by forgetting the finished ones before it. A peer in good faith needs a
    /// moment for it; requests that nobody means would keep out all others.
    fn give_way(&mut self) {
        while let Some(&id) = self.half_open.front() {
            let connection = &self.connections[id.slot as usize];
            if connection.generation == id.generation && connection.phase == Phase::HalfOpen {
                break;
            }
            self.half_open.pop_front();
        }
        if !self.free.is_empty() && self.half_open.len() < HALF_OPEN_MAX {
            return;
        }
        if let Some(id) = self.half_open.pop_front() {
            self.counters.half_open_gave_way += 1;
            self.release(id.slot);
        }
    }

    /// Lets the engine answer a packet that belongs to no connection: a reset, or an echo.
    fn answer(&mut self, to: MacAddress, packet: &[u8]) {
        let mut link = Link::with(&mut self.device, to, packet);
        self.engine.poll_ingress_single(engine_time(self.clock.now()), &mut link, &mut self.nobody);
    }
}
