//! Which shard a frame is for, and the ways on which shards pass each other's frames on.
//!
//! A frame belongs to the shard of the host that sent it: all of a host meets in one, so what is counted
//! or limited by source is exact though shards share nothing, and a flood costs one of them. A device that
//! spreads frames over its queues by the same rule brings each to its shard; what another one brings to a
//! wrong one is passed on. It looks into addresses and nothing else.

use std::net::Ipv4Addr;

use super::device::Checksum;
use super::ethernet::{ETHER_TYPE_ARP, ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::ring::{Consumer, Producer, ring};
use crate::types::{LINE_BYTES, Line};

/// The most shards.
pub const SHARDS_MAX: u8 = 8;

/// The rule by which hosts are spread over shards: that of a NIC's receive side scaling over both
/// addresses of a packet, of which one is ours (Toeplitz, with [`SPREAD_KEY`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread {
    shards: u8,
    /// Places of the table that the hash chooses from; the shard is the place modulo their number.
    places: u32,
    /// What our address adds to every hash.
    ours: u32,
    /// What each byte of the other address adds, by its place and value.
    theirs: Box<[[u32; 256]; 4]>,
}

/// The key of the hash, of which a NIC takes as many bytes as it wants. The one that NICs' makers verify
/// theirs with.
pub const SPREAD_KEY: [u8; 52] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
    0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
    0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa, 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
    0x41, 0x67, 0x25, 0x3d,
];
/// Places of the table of a device that does not say.
pub const PLACES: u16 = 128;

impl Spread {
    /// Over so many shards, of those who talk to `ours`, by a table of so many places.
    ///
    /// # Panics
    /// Without shards or places.
    #[must_use]
    pub fn new(shards: u8, ours: Ipv4Addr, places: u16) -> Self {
        assert!((1..=SHARDS_MAX).contains(&shards) && places > 0);
        let byte = |at: usize, value: u8| {
            (0..8).fold(0, |hash, bit| {
                let is_set = value & (0x80 >> bit) != 0;
                hash ^ if is_set { window(8 * at + bit) } else { 0 }
            })
        };
        let theirs: Vec<_> = (0..4)
            .map(|at| std::array::from_fn(|value| byte(at, value.to_le_bytes()[0])))
            .collect();
        let ours = (4..).zip(ours.octets()).fold(0, |hash, (at, value)| hash ^ byte(at, value));
        let theirs = theirs.try_into().expect("four bytes are an address");
        Self { shards, places: places.into(), ours, theirs }
    }

    /// The shard of a host.
    #[must_use]
    pub fn shard_of(&self, host: Ipv4Addr) -> u8 {
        let bytes = host.octets().into_iter().zip(self.theirs.iter());
        let hash = bytes.fold(self.ours, |hash, (value, table)| hash ^ table[usize::from(value)]);
        let place = hash % self.places;
        (place % u32::from(self.shards)).to_le_bytes()[0]
    }
}

/// 32 bits of the key from this one on.
fn window(bit: usize) -> u32 {
    let (byte, shift) = (bit / 8, bit % 8);
    let bytes =
        SPREAD_KEY[byte..byte + 5].iter().fold(0_u64, |all, &next| all << 8 | u64::from(next));
    u32::try_from(bytes >> (8 - shift) & 0xFFFF_FFFF).expect("32 bits")
}

/// One shard's part in passing frames on.
#[derive(Debug)]
pub struct Steering {
    spread: Spread,
    own: u8,
    /// The router, whose address every shard must know.
    gateway: Option<Ipv4Addr>,
    /// To each other shard; none to ourselves.
    to: Vec<Option<Producer>>,
    /// From each other shard.
    from: Vec<Consumer>,
    /// Whose turn it is.
    turn: usize,
    /// Whose frame was shown last, and is let go with the next.
    shown: Option<usize>,
    /// Where a frame is made ready to be passed on.
    message: Box<[Line]>,
}

/// What is to be done with a frame that the device has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// It is ours.
    Here,
    /// It is another's.
    To(u8),
    /// It is everybody's.
    All,
}

/// What precedes a frame in the ring: the length in lines where a ring wants it, what the device found of
/// its checksums, and its length in bytes.
const PREFIX_BYTES: usize = 4;
/// The longest frame that a device brings.
const FRAME_BYTES_MAX: usize = 2_048;
const FRAME_LINES_MAX: usize = (PREFIX_BYTES + FRAME_BYTES_MAX).div_ceil(LINE_BYTES);
/// Frames of usual length that wait for another shard, and some: what comes then is lost, as on a wire.
const RING_LINES: usize = 8 * 1_024;

impl Steering {
    /// The part of each shard.
    #[must_use]
    pub fn mesh(spread: &Spread, gateway: Option<Ipv4Addr>) -> Vec<Self> {
        let part = |own| Self {
            spread: spread.clone(),
            own,
            gateway,
            to: (0..spread.shards).map(|_| None).collect(),
            from: Vec::new(),
            turn: 0,
            shown: None,
            message: vec![Line::ZERO; FRAME_LINES_MAX].into(),
        };
        let mut parts: Vec<_> = (0..spread.shards).map(part).collect();
        for from in 0..parts.len() {
            for to in (0..parts.len()).filter(|&to| to != from) {
                let (producer, consumer) = ring(RING_LINES, FRAME_LINES_MAX);
                parts[from].to[to] = Some(producer);
                parts[to].from.push(consumer);
            }
        }
        parts
    }

    /// Whether this is the shard that does what one alone must: it answers for the whole device.
    pub(super) const fn is_first(&self) -> bool {
        self.own == 0
    }

    /// Whose frame it is, and which host sent it, as far as that is told.
    pub(super) fn way_of(&self, frame: &[u8]) -> (Way, Option<Ipv4Addr>) {
        let Some((header, payload)) = EthernetHeader::parse(frame) else {
            return (Way::Here, None);
        };
        let source_at = match header.ether_type {
            ETHER_TYPE_IPV4 => 12,
            ETHER_TYPE_ARP => 14,
            _ => return (Way::Here, None),
        };
        let Some(&source) = payload.get(source_at..).and_then(<[u8]>::first_chunk::<4>) else {
            return (Way::Here, None);
        };
        let source = Ipv4Addr::from(source);
        let shard = match header.ether_type {
            ETHER_TYPE_ARP if self.gateway == Some(source) => return (Way::All, None),
            // To a group: the first shard is in those.
            ETHER_TYPE_IPV4 if is_multicast(header.destination) => 0,
            _ => self.spread.shard_of(source),
        };
        let way = if shard == self.own { Way::Here } else { Way::To(shard) };
        // Who asks for an address is nobody yet.
        (way, Some(source).filter(|_| header.ether_type == ETHER_TYPE_IPV4))
    }

    /// Passes a frame on; `false` if it is lost, because the other shard does not keep up.
    pub(super) fn pass(&mut self, to: u8, frame: &[u8], checksum: Checksum) -> bool {
        let Some(Some(ring)) = self.to.get_mut(usize::from(to)) else { return false };
        let lines = (PREFIX_BYTES + frame.len()).div_ceil(LINE_BYTES);
        let (Some(message), Ok(length)) =
            (self.message.get_mut(..lines), u16::try_from(frame.len()))
        else {
            return false;
        };
        let bytes = Line::bytes_mut(message);
        bytes[0] = checksum as u8;
        bytes[1] = u8::try_from(lines).expect("at most FRAME_LINES_MAX");
        bytes[2..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
        bytes[PREFIX_BYTES..PREFIX_BYTES + frame.len()].copy_from_slice(frame);
        ring.push(message).is_ok()
    }

    /// Passes a frame to all others: how many those are, and how many of them have lost it.
    pub(super) fn pass_to_all(&mut self, frame: &[u8], checksum: Checksum) -> (u64, u64) {
        let own = self.own;
        let others = (0..self.spread.shards).filter(|&shard| shard != own);
        let lost = others.map(|shard| u64::from(!self.pass(shard, frame, checksum))).sum();
        (u64::from(self.spread.shards) - 1, lost)
    }

    /// The next frame that another shard has passed to us, in turns, and what the device found of it.
    pub(super) fn next_frame(&mut self) -> Option<(&[u8], Checksum)> {
        if let Some(shown) = self.shown.take() {
            self.from[shown].pop();
        }
        let count = self.from.len();
        let mut turns = (0..count).map(|step| (self.turn + step) % count);
        let from = turns.find(|&from| self.from[from].peek().is_some())?;
        self.turn = (from + 1) % count;
        self.shown = Some(from);
        let message = Line::bytes(self.from[from].peek()?);
        let length = usize::from(u16::from_le_bytes([message[2], message[3]]));
        let is_right = message[0] == Checksum::Right as u8;
        let checksum = if is_right { Checksum::Right } else { Checksum::Unknown };
        Some((&message[PREFIX_BYTES..PREFIX_BYTES + length], checksum))
    }
}

fn is_multicast(mac: MacAddress) -> bool {
    mac.0[0] & 1 != 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::arp::{ArpOperation, ArpPacket};

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

    fn frame(destination: MacAddress, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let source = MacAddress([2, 0, 0, 0, 0, 9]);
        let header = EthernetHeader { destination, source, ether_type };
        [&header.emit()[..], payload].concat()
    }

    fn packet_of(source: Ipv4Addr) -> Vec<u8> {
        let mut packet = [0; 20];
        packet[12..16].copy_from_slice(&source.octets());
        frame(MacAddress([2, 0, 0, 0, 0, 1]), ETHER_TYPE_IPV4, &packet)
    }

    fn question_of(sender: Ipv4Addr) -> Vec<u8> {
        let arp = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: MacAddress([2, 0, 0, 0, 0, 9]),
            sender,
            target_mac: MacAddress::default(),
            target: OURS,
        };
        frame(MacAddress::BROADCAST, ETHER_TYPE_ARP, &arp.emit())
    }

    #[test]
    fn the_hash_is_the_one_that_makers_of_nics_verify_theirs_with() {
        let cases = [
            ([66, 9, 149, 187], [161, 142, 100, 80], 0x323e_8fc2_u32),
            ([199, 92, 111, 2], [65, 69, 140, 83], 0xd718_262a),
            ([24, 19, 198, 95], [12, 22, 207, 184], 0xd2d0_a5de),
            ([38, 27, 205, 30], [209, 142, 163, 6], 0x8298_9176),
            ([153, 39, 163, 191], [202, 188, 127, 2], 0x5d18_09c5),
        ];
        for (theirs, ours, hash) in cases {
            let spread = Spread::new(8, ours.into(), 512);
            assert_eq!(u32::from(spread.shard_of(theirs.into())), hash % 512 % 8);
        }
    }

    #[test]
    fn hosts_are_spread_over_all_shards() {
        for shards in 1..=SHARDS_MAX {
            let spread = Spread::new(shards, OURS, PLACES);
            let mut hosts = vec![0; usize::from(shards)];
            for host in 0..1_024_u32 {
                hosts[usize::from(spread.shard_of(Ipv4Addr::from(0x0A09_0000 + host)))] += 1;
            }
            let fair = 1_024 / usize::from(shards);
            assert!(hosts.iter().all(|&count| count > fair / 2), "{hosts:?}");
        }
    }

    #[test]
    fn a_frame_is_its_hosts_and_what_nobody_sent_stays_where_it_is() {
        let spread = Spread::new(4, OURS, PLACES);
        let router = Ipv4Addr::new(10, 9, 0, 254);
        let parts = Steering::mesh(&spread, Some(router));
        for host in (2..100).map(|last| Ipv4Addr::new(10, 9, 0, last)) {
            for (own, part) in (0..).zip(&parts) {
                let shard = spread.shard_of(host);
                let way = if shard == own { Way::Here } else { Way::To(shard) };
                assert_eq!(part.way_of(&packet_of(host)), (way, Some(host)));
                assert_eq!(part.way_of(&question_of(host)), (way, None));
            }
        }
        let part = &parts[3];
        assert_eq!(part.way_of(&question_of(router)), (Way::All, None));
        let group = frame(MacAddress([1, 0, 0x5e, 0, 0, 1]), ETHER_TYPE_IPV4, &[0; 20]);
        assert_eq!(part.way_of(&group).0, Way::To(0));
        for nobodys in [vec![], vec![0; 13], packet_of(router)[..29].to_vec(), vec![7; 60]] {
            assert_eq!(part.way_of(&nobodys), (Way::Here, None));
        }
    }

    #[test]
    fn frames_of_any_length_are_passed_on_in_turns_and_one_that_finds_no_room_is_lost() {
        let mut parts = Steering::mesh(&Spread::new(3, OURS, PLACES), None);
        let [mut one, mut two, mut three] = [parts.remove(0), parts.remove(0), parts.remove(0)];
        for length in [0, 1, 59, 60, 61, 1_514, 2_048] {
            let sent = vec![7; length];
            assert!(one.pass(1, &sent, Checksum::Right));
            assert!(three.pass(1, &sent, Checksum::Unknown));
            assert!(three.pass(1, &sent, Checksum::Unknown));
            let mut heard = Vec::new();
            while let Some((frame, checksum)) = two.next_frame() {
                assert_eq!(frame, sent);
                heard.push(checksum);
            }
            heard[..2].sort_by_key(|&checksum| checksum as u8);
            assert_eq!(heard, [Checksum::Unknown, Checksum::Right, Checksum::Unknown]);
        }
        assert!(
            !one.pass(1, &[0; 4_096], Checksum::Unknown) && !one.pass(0, &[0], Checksum::Right)
        );
        let passed = (0..100_000).take_while(|_| one.pass(1, &[0; 60], Checksum::Unknown)).count();
        assert_eq!(passed, RING_LINES);
        assert_eq!(one.pass_to_all(&[0; 60], Checksum::Unknown), (2, 1));
        assert!(three.next_frame().is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_way_and_come_to_its_end_as_they_are(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..1_600),
            kind in prop_oneof![Just(ETHER_TYPE_IPV4), Just(ETHER_TYPE_ARP), any::<u16>()],
        ) {
            if let Some(ether_type) = bytes.get_mut(12..14) {
                ether_type.copy_from_slice(&kind.to_be_bytes());
            }
            let spread = Spread::new(2, OURS, PLACES);
            let mut parts = Steering::mesh(&spread, Some(Ipv4Addr::new(10, 9, 0, 254)));
            let mut other = parts.remove(1);
            if let (Way::To(shard), _) = parts[0].way_of(&bytes) {
                prop_assert!(parts[0].pass(shard, &bytes, Checksum::Unknown));
                prop_assert_eq!(other.next_frame(), Some((&bytes[..], Checksum::Unknown)));
                prop_assert_eq!(other.way_of(&bytes).0, Way::Here);
            }
        }
    }
}
