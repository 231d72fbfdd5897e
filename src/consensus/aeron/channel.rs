//! Where each stream runs, in Aeron's notation. No sockets, no driver.

use super::{AeronConfig, PayloadStream};

/// The tag of the voters: their pace counts for the flow control of a payload stream.
const VOTERS_TAG: i64 = 1;
/// A voter that says nothing for so long no longer counts.
const VOTER_SILENCE_MS: u64 = 300;
/// Buffers of a stream are three terms. Four of the longest bursts of a repair, or of the payloads that
/// a leader has under way, fit into one.
pub(super) const BULK_TERM_BYTES: u64 = 4 << 20;
/// For small messages.
pub(super) const SMALL_TERM_BYTES: u64 = 256 << 10;

/// What runs between hosts. Each host has streams of its own, so that it is known who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// From a leader to all: payloads.
    Payload,
    /// From each host to each other: what orders them.
    Consensus,
    /// Likewise: payloads that were asked for. A flow of its own, so that no vote waits behind them.
    Repair,
}

impl Stream {
    /// The number of this stream of `host`.
    pub(super) fn number(self, host: u32) -> i32 {
        let base = match self {
            Self::Payload => 1_000_000,
            Self::Consensus => 2_000_000,
            Self::Repair => 3_000_000,
        };
        base + i32::try_from(host).expect("HOST_MAX")
    }

    pub(super) const fn term_bytes(self) -> u64 {
        match self {
            Self::Payload | Self::Repair => BULK_TERM_BYTES,
            Self::Consensus => SMALL_TERM_BYTES,
        }
    }
}

impl AeronConfig {
    /// Where this host publishes payloads.
    pub(super) fn payload_out(&self) -> String {
        let place = match self.payload {
            PayloadStream::Multicast { group, interface, ttl } => {
                format!("endpoint={group}|interface={interface}|ttl={ttl}")
            }
            PayloadStream::Destinations { control } => {
                format!("control={}:{control}|control-mode=dynamic", self.bind.ip())
            }
        };
        // Connected, and held to a pace, only by as many voters as make a quorum with this one.
        let followers = self.voters / 2;
        let flow_control = format!("fc=tagged,g:{VOTERS_TAG}/{followers},t:{VOTER_SILENCE_MS}ms");
        format!("aeron:udp?{place}|{flow_control}|{}", self.publication(Stream::Payload))
    }

    /// Where the payloads of a peer come from.
    pub(super) fn payload_in(&self, peer: std::net::Ipv4Addr) -> String {
        let own = self.bind.ip();
        let place = match self.payload {
            PayloadStream::Multicast { group, interface, .. } => {
                format!("endpoint={group}|interface={interface}")
            }

            PayloadStream::Destinations { control } => {
                format!("endpoint={own}:0|control={peer}:{control}|control-mode=dynamic")
            }
        };
        let tag = if self.votes { format!("|gtag={VOTERS_TAG}") } else { String::new() };
        format!("aeron:udp?{place}{tag}")
    }

    /// Where this host sends to a peer.
    pub(super) fn direct_out(&self, peer: std::net::SocketAddrV4, stream: Stream) -> String {
        format!("aeron:udp?endpoint={peer}|{}", self.publication(stream))
    }

    /// Where this host hears what is for it alone.
    pub(super) fn direct_in(&self) -> String {
        format!("aeron:udp?endpoint={}", self.bind)
    }

    fn publication(&self, stream: Stream) -> String {
        // What Aeron calls the MTU is the datagram without the headers of IP and UDP.
        let mtu = (self.mtu - super::IP_AND_UDP_BYTES) / 32 * 32;
        format!("term-length={}|mtu={mtu}|linger=0", stream.term_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddrV4};

    use super::*;

    fn config(payload: PayloadStream, votes: bool) -> AeronConfig {
        let place = |host| SocketAddrV4::new(Ipv4Addr::new(10, 77, 0, host), 26_801);
        AeronConfig {
            host: 1,
            directory: "/dev/shm/rialto".into(),
            bind: place(1),
            peers: vec![(2, place(2)), (3, place(3))],
            voters: 3,
            votes,
            payload,
            mtu: 1_500,
        }
    }

    #[test]
    fn a_leader_publishes_to_a_group_at_the_pace_of_the_voters() {
        let group = SocketAddrV4::new(Ipv4Addr::new(239, 9, 0, 1), 26_800);
        let interface = Ipv4Addr::new(10, 77, 0, 1);
        let config = config(PayloadStream::Multicast { group, interface, ttl: 1 }, true);
        assert_eq!(
            config.payload_out(),
            "aeron:udp?endpoint=239.9.0.1:26800|interface=10.77.0.1|ttl=1|\
             fc=tagged,g:1/1,t:300ms|term-length=4194304|mtu=1472|linger=0"
        );
        assert_eq!(
            config.payload_in(Ipv4Addr::new(10, 77, 0, 2)),
            "aeron:udp?endpoint=239.9.0.1:26800|interface=10.77.0.1|gtag=1"
        );
    }

    #[test]
    fn without_multicast_who_listens_asks_the_leader_for_it() {
        let config = config(PayloadStream::Destinations { control: 26_802 }, false);
        assert_eq!(
            config.payload_out(),
            "aeron:udp?control=10.77.0.1:26802|control-mode=dynamic|\
             fc=tagged,g:1/1,t:300ms|term-length=4194304|mtu=1472|linger=0"
        );
        assert_eq!(
            config.payload_in(Ipv4Addr::new(10, 77, 0, 2)),
            "aeron:udp?endpoint=10.77.0.1:0|control=10.77.0.2:26802|control-mode=dynamic",
            "an observer's pace does not count"
        );
    }

    #[test]
    fn votes_do_not_share_a_flow_with_repairs() {
        let config = config(PayloadStream::Destinations { control: 1 }, true);
        let peer = config.peers[0].1;
        assert_eq!(
            config.direct_out(peer, Stream::Consensus),
            "aeron:udp?endpoint=10.77.0.2:26801|term-length=262144|mtu=1472|linger=0"
        );
        assert_eq!(config.direct_in(), "aeron:udp?endpoint=10.77.0.1:26801");
        let numbers = [Stream::Payload, Stream::Consensus, Stream::Repair].map(|s| s.number(7));
        assert_eq!(numbers, [1_000_007, 2_000_007, 3_000_007]);
    }
}
