//! What one sender may ask of us: a bucket of frames, and one of frames that want an answer though
//! nothing is known of who sent them.
//!
//! A sender is an IPv4 address together with the Ethernet address that its frames come from, so that
//! who writes another's address into packets from elsewhere spends nothing of the other's. It looks up
//! and counts down; what is dropped, the transport decides.

use std::net::Ipv4Addr;

use super::ethernet::MacAddress;
use super::limit::Rate;
use super::recent::{Lasting, Recent};
use crate::types::Nanos;

/// The buckets of all senders.
#[derive(Debug)]
pub(super) struct SourceLimit {
    frames: Rate,
    questions: Rate,
    senders: Recent<Buckets>,
}

/// When a sender has paid for what it was granted.
#[derive(Clone, Copy, Debug, Default)]
struct Buckets {
    frames: Nanos,
    questions: Nanos,
}

impl Lasting for Buckets {
    fn until(&self) -> Nanos {
        self.frames.max(self.questions)
    }
}

/// Senders that are remembered at a time: of one that was forgotten, the buckets are full again.
const SENDERS_MAX: usize = 8_192;
/// The part of a second's frames that may come at once: a tenth.
const FRAMES_BURST_DIVISOR: u64 = 10;
/// Questions a second of one sender. A broker whose sessions were all lost asks for each of them once;
/// how many that may be, its share of connections says, and so many may come at once.
const QUESTIONS_PER_SECOND_MAX: u64 = 2_000;
const QUESTIONS_BURST_MIN: u64 = 64;

impl SourceLimit {
    /// So many frames a second from each, of which each may have so many connections.
    pub(super) fn new(frames_per_second: u32, connections_per_source_max: usize) -> Self {
        let frames = u64::from(frames_per_second);
        let burst = (frames / FRAMES_BURST_DIVISOR).max(1);
        let questions = QUESTIONS_BURST_MIN.max(connections_per_source_max as u64);
        Self {
            frames: Rate::new(frames, burst),
            questions: Rate::new(QUESTIONS_PER_SECOND_MAX, questions),
            senders: Recent::new(SENDERS_MAX),
        }
    }

    /// Whether a frame of this sender is looked into.
    pub(super) fn take_frame(&mut self, mac: MacAddress, host: Ipv4Addr, now: Nanos) -> bool {
        let buckets = self.senders.entry(key(mac, host));
        self.frames.take(&mut buckets.frames, now)
    }

    /// Whether it is answered that it wants a connection, or asks who we are.
    pub(super) fn take_question(&mut self, mac: MacAddress, host: Ipv4Addr, now: Nanos) -> bool {
        let buckets = self.senders.entry(key(mac, host));
        self.questions.take(&mut buckets.questions, now)
    }
}

fn key(mac: MacAddress, host: Ipv4Addr) -> u128 {
    let mut bytes = [0; 16];
    bytes[2..8].copy_from_slice(&mac.0);
    bytes[12..].copy_from_slice(&host.octets());
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Nanos = Nanos::from_secs(5);
    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 7]);
    const OTHER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 8]);

    fn host(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 9, 0, last)
    }

    #[test]
    fn a_sender_has_its_frames_and_another_at_the_same_address_has_its_own() {
        let mut limit = SourceLimit::new(1_000, 8);
        let granted = |limit: &mut SourceLimit, mac, host| {
            (0..1_000).filter(|_| limit.take_frame(mac, host, NOW)).count()
        };
        assert_eq!(granted(&mut limit, MAC, host(2)), 100);
        assert_eq!(granted(&mut limit, MAC, host(2)), 0);
        assert_eq!(granted(&mut limit, OTHER_MAC, host(2)), 100);
        assert_eq!(granted(&mut limit, MAC, host(3)), 100);
    }

    #[test]
    fn a_sender_may_ask_at_once_for_as_many_connections_as_it_may_have() {
        for (share, at_once) in [(8, 64), (500, 500)] {
            let mut limit = SourceLimit::new(1_000_000, share);
            let asked = (0..2_000).filter(|_| limit.take_question(MAC, host(2), NOW));
            assert_eq!(asked.count(), at_once);
        }
    }
}
