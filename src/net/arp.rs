//! ARP: the packet, and the table of neighbours it fills.
//!
//! Sans-IO: takes packets and the time, returns packets. Answers for one address only, and learns only
//! from packets meant for us, so that chatter on the segment cannot fill the table.

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use super::ethernet::MacAddress;
use super::ipv4::Ipv4Network;
use crate::types::Nanos;

/// An ARP packet for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpPacket {
    /// Asks or answers.
    pub operation: ArpOperation,
    /// Who speaks.
    pub sender_mac: MacAddress,
    /// Who speaks.
    pub sender: Ipv4Addr,
    /// Who is asked, or answered; zero in a request.
    pub target_mac: MacAddress,
    /// Who is asked, or answered.
    pub target: Ipv4Addr,
}

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArpOperation {
    /// Who has this address?
    Request,
    /// I have it.
    Reply,
}

/// Ethernet, IPv4, and the lengths of their addresses.
const FORMAT: [u8; 6] = [0, 1, 8, 0, 6, 4];

impl ArpPacket {
    /// Its size on the wire.
    pub const LEN: usize = 28;

    /// `None` for what is malformed or not IPv4 over Ethernet. Padding is ignored.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let bytes = packet.first_chunk::<{ Self::LEN }>()?;
        let mac = |at: usize| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&bytes[at..at + 6]);
            MacAddress(mac)
        };
        let address =
            |at: usize| Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]);
        if bytes[..6] != FORMAT {
            return None;
        }
        let operation = match u16::from_be_bytes([bytes[6], bytes[7]]) {
            1 => ArpOperation::Request,
            2 => ArpOperation::Reply,
            _ => return None,
        };
        Some(Self {
            operation,
            sender_mac: mac(8),
            sender: address(14),
            target_mac: mac(18),
            target: address(24),
        })
    }

    /// Tells everybody on the segment that `address` is at `mac` now (a gratuitous request, RFC 5227 3).
    #[must_use]
    pub fn announcement(mac: MacAddress, address: Ipv4Addr) -> Self {
        Self {
            operation: ArpOperation::Request,
            sender_mac: mac,
            sender: address,
            target_mac: MacAddress::default(),
            target: address,
        }
    }

    /// The packet's bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..6].copy_from_slice(&FORMAT);
        bytes[7] = match self.operation {
            ArpOperation::Request => 1,
            ArpOperation::Reply => 2,
        };
        bytes[8..14].copy_from_slice(&self.sender_mac.0);
        bytes[14..18].copy_from_slice(&self.sender.octets());
        bytes[18..24].copy_from_slice(&self.target_mac.0);
        bytes[24..28].copy_from_slice(&self.target.octets());
        bytes
    }
}

/// The Ethernet addresses of hosts on our segment.
#[derive(Debug)]
pub struct Neighbours {
    mac: MacAddress,
    network: Ipv4Network,
    table: HashMap<Ipv4Addr, Neighbour>,
    /// The hosts in the table, the one that came first in front.
    order: VecDeque<Ipv4Addr>,
    /// Hosts whose address is given, and never learned.
    fixed: HashMap<Ipv4Addr, MacAddress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Neighbour {
    mac: Option<MacAddress>,
    heard: Nanos,
    asked: Option<Nanos>,
}

/// Hosts in the table. When it is full, the one that came first gives way; it is asked for again.
pub const NEIGHBOURS_MAX: usize = 1024;
/// After this time an address is asked for again; meanwhile the old answer is used.
const FRESH: Nanos = Nanos::from_secs(60);
/// Between two questions for the same address.
const ASK_INTERVAL: Nanos = Nanos::SECOND;

impl Neighbours {
    /// The table of the host with address `mac` and `network.address()`.
    #[must_use]
    pub fn new(mac: MacAddress, network: Ipv4Network) -> Self {
        // Twice the bound, so that removals never make the map grow.
        let table = HashMap::with_capacity(2 * NEIGHBOURS_MAX);
        let order = VecDeque::with_capacity(NEIGHBOURS_MAX);
        Self { mac, network, table, order, fixed: HashMap::new() }
    }

    /// The same, with the addresses of some hosts given.
    #[must_use]
    pub fn with_fixed(self, fixed: &[(Ipv4Addr, MacAddress)]) -> Self {
        Self { fixed: fixed.iter().copied().collect(), ..self }
    }

    /// Whether `host`'s address is given, and is not `mac`: somebody speaks in its name.
    #[must_use]
    pub fn contradicts(&self, host: Ipv4Addr, mac: MacAddress) -> bool {
        !self.fixed.is_empty() && self.fixed.get(&host).is_some_and(|&given| given != mac)
    }

    /// Our address and network.
    #[must_use]
    pub fn network(&self) -> Ipv4Network {
        self.network
    }

    /// Learns from a packet, and answers it if it asks for us.
    pub fn take(&mut self, packet: &ArpPacket, now: Nanos) -> Option<ArpPacket> {
        let ours = self.network.address();
        if packet.target != ours
            || packet.sender == ours
            || !packet.sender_mac.is_unicast()
            || !self.network.contains(packet.sender)
            || self.contradicts(packet.sender, packet.sender_mac)
        {
            return None;
        }
        match packet.operation {
            ArpOperation::Request => {
                if !self.fixed.contains_key(&packet.sender) {
                    self.learn(packet.sender, packet.sender_mac, now);
                }
                Some(ArpPacket {
                    operation: ArpOperation::Reply,
                    sender_mac: self.mac,
                    sender: ours,
                    target_mac: packet.sender_mac,
                    target: packet.sender,
                })
            }
            // An answer that nobody asked for teaches nothing.
            ArpOperation::Reply => {
                if self.table.get(&packet.sender).is_some_and(|known| known.asked.is_some()) {
                    self.learn(packet.sender, packet.sender_mac, now);
                }
                None
            }
        }
    }

    /// The address of a host on our segment, if known, and the question to send for it, if it is time
    /// to ask.
    pub fn find(&mut self, host: Ipv4Addr, now: Nanos) -> (Option<MacAddress>, Option<ArpPacket>) {
        if let Some(&given) = self.fixed.get(&host) {
            return (Some(given), None);
        }
        let neighbour = self.neighbour(host);
        let fresh = neighbour.mac.is_some() && now.since(neighbour.heard) < FRESH;
        let asked = neighbour.asked.is_some_and(|asked| now.since(asked) < ASK_INTERVAL);
        let mac = neighbour.mac;
        if fresh || asked {
            return (mac, None);
        }
        neighbour.asked = Some(now);
        (mac, Some(self.request(host)))
    }

    /// Tells everybody on the segment where our address is now.
    #[must_use]
    pub fn announcement(&self) -> ArpPacket {
        ArpPacket::announcement(self.mac, self.network.address())
    }

    fn request(&self, target: Ipv4Addr) -> ArpPacket {
        ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: self.mac,
            sender: self.network.address(),
            target_mac: MacAddress::default(),
            target,
        }
    }

    fn learn(&mut self, host: Ipv4Addr, mac: MacAddress, now: Nanos) {
        *self.neighbour(host) = Neighbour { mac: Some(mac), heard: now, asked: None };
    }

    /// The host's entry; a new one takes the place of the oldest where the table is full.
    fn neighbour(&mut self, host: Ipv4Addr) -> &mut Neighbour {
        if !self.table.contains_key(&host) {
            if self.order.len() == NEIGHBOURS_MAX
                && let Some(first) = self.order.pop_front()
            {
                self.table.remove(&first);
            }
            self.order.push_back(host);
        }
        self.table.entry(host).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
    const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
    const OUR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const THEIR_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);

    fn neighbours() -> Neighbours {
        Neighbours::new(OUR_MAC, Ipv4Network::new(OURS, 16).unwrap())
    }

    fn packet(operation: ArpOperation, sender: Ipv4Addr, target: Ipv4Addr) -> ArpPacket {
        ArpPacket {
            operation,
            sender_mac: THEIR_MAC,
            sender,
            target_mac: MacAddress::default(),
            target,
        }
    }

    #[test]
    fn a_packet_is_parsed_from_the_bytes_it_was_emitted_as() {
        let sent = packet(ArpOperation::Reply, THEIRS, OURS);
        let mut padded = sent.emit().to_vec();
        padded.resize(46, 0);
        assert_eq!(ArpPacket::parse(&padded), Some(sent));
        assert_eq!(ArpPacket::parse(&padded[..27]), None);
    }

    #[test]
    fn a_question_for_our_address_is_answered_and_its_sender_known_from_then_on() {
        let mut neighbours = neighbours();
        let reply =
            neighbours.take(&packet(ArpOperation::Request, THEIRS, OURS), Nanos::ZERO).unwrap();
        assert_eq!((reply.sender_mac, reply.sender), (OUR_MAC, OURS));
        assert_eq!((reply.target_mac, reply.target), (THEIR_MAC, THEIRS));
        assert_eq!(neighbours.find(THEIRS, Nanos::ZERO), (Some(THEIR_MAC), None));
    }

    #[test]
    fn questions_for_others_and_answers_nobody_asked_for_teach_nothing() {
        let mut neighbours = neighbours();
        let other = Ipv4Addr::new(10, 9, 0, 3);
        assert!(
            neighbours.take(&packet(ArpOperation::Request, THEIRS, other), Nanos::ZERO).is_none()
        );
        assert!(neighbours.take(&packet(ArpOperation::Reply, THEIRS, OURS), Nanos::ZERO).is_none());
        assert_eq!(neighbours.find(THEIRS, Nanos::ZERO).0, None);
    }

    #[test]
    fn an_unknown_host_is_asked_for_once_a_second_until_it_answers() {
        let mut neighbours = neighbours();
        let at = |millis| Nanos::from_millis(millis);
        let (mac, question) = neighbours.find(THEIRS, at(0));
        assert_eq!((mac, question.unwrap().target), (None, THEIRS));
        assert_eq!(neighbours.find(THEIRS, at(999)), (None, None));
        assert!(neighbours.find(THEIRS, at(1000)).1.is_some());
        neighbours.take(&packet(ArpOperation::Reply, THEIRS, OURS), at(1001));
        assert_eq!(neighbours.find(THEIRS, at(1002)), (Some(THEIR_MAC), None));
        let (mac, question) = neighbours.find(THEIRS, at(61_001));
        assert!(mac.is_some() && question.is_some(), "an old answer serves while it is renewed");
    }

    #[test]
    fn a_given_address_is_never_asked_for_and_nobody_else_can_claim_it() {
        const GIVEN: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
        let mut table = neighbours().with_fixed(&[(THEIRS, GIVEN)]);
        let now = Nanos::from_secs(1);
        let ask = packet(ArpOperation::Request, THEIRS, OURS);
        for operation in [ArpOperation::Request, ArpOperation::Reply] {
            assert_eq!(table.take(&packet(operation, THEIRS, OURS), now), None);
        }
        assert!(table.take(&ArpPacket { sender_mac: GIVEN, ..ask }, now).is_some());
        assert_eq!(table.find(THEIRS, now), (Some(GIVEN), None));
        assert!(table.contradicts(THEIRS, THEIR_MAC) && !table.contradicts(THEIRS, GIVEN));
        assert!(!table.contradicts(Ipv4Addr::new(10, 9, 0, 3), THEIR_MAC));
        assert!(table.table.is_empty());
    }

    #[test]
    fn the_table_never_grows_past_its_bound() {
        let mut neighbours = neighbours();
        for host in 0..3 * u32::try_from(NEIGHBOURS_MAX).unwrap() {
            let sender = Ipv4Addr::from_bits(THEIRS.to_bits() + host);
            neighbours.take(&packet(ArpOperation::Request, sender, OURS), Nanos(u64::from(host)));
        }
        assert_eq!(
            (neighbours.table.len(), neighbours.order.len()),
            (NEIGHBOURS_MAX, NEIGHBOURS_MAX)
        );
        assert_eq!(neighbours.find(THEIRS, Nanos(99_999)).0, None, "the oldest gave way");
    }
}
