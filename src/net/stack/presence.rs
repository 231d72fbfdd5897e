//! Whether the stack is there, and in which groups: it says so to the segment when it comes, and is silent
//! when it is not.

use super::connection::Phase;
use super::{
    ANNOUNCE_INTERVAL, ANNOUNCEMENTS, HASTY_ANNOUNCEMENTS, HASTY_INTERVAL, Stack, send_arp,
};
use crate::net::device::{Device, FrameBurst};
use crate::net::ethernet::{ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::net::igmp::Report;
use crate::net::ipv4::{Ipv4Header, PROTOCOL_IGMP};
use crate::types::Nanos;

/// What is still to be said of where our address is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcing {
    left: u8,
    /// The next not before this time.
    next_at: Nanos,
    interval: Nanos,
}

impl Announcing {
    /// From the start on.
    pub(super) const AT_START: Self =
        Self { left: ANNOUNCEMENTS, next_at: Nanos::ZERO, interval: ANNOUNCE_INTERVAL };
    /// From when the address came from another host, which may not know yet.
    const AT_ONCE: Self =
        Self { left: HASTY_ANNOUNCEMENTS, next_at: Nanos::ZERO, interval: HASTY_INTERVAL };
    /// Nothing.
    pub(super) const OVER: Self =
        Self { left: 0, next_at: Nanos::MAX, interval: ANNOUNCE_INTERVAL };
}

impl<D: Device> Stack<D> {
    /// Is there from now on.
    pub(super) fn appear(&mut self) {
        if self.is_shut {
            self.is_shut = false;
            let speaks = self.steering.as_ref().is_none_or(|steering| steering.is_first());
            self.announcing = if speaks { Announcing::AT_ONCE } else { Announcing::OVER };
        }
    }

    /// Reports the groups that we are in, at the start and when asked.
    pub(super) fn report_membership(&mut self) {
        let now = self.clock.now();
        // Room first: what is due is due once.
        while self.device.room() > 0
            && let Some(report) = self.membership.due(now)
        {
            let ip = Ipv4Header {
                source: self.config.address,
                destination: report.to,
                protocol: PROTOCOL_IGMP,
                ttl: 1,
                payload_len: u16::try_from(report.message().len()).expect("a few bytes"),
            };
            let ip = ip.emit_with_option(Report::ROUTER_ALERT);
            let header = EthernetHeader {
                destination: MacAddress::multicast(report.to),
                source: self.mac,
                ether_type: ETHER_TYPE_IPV4,
            };
            let parts = [&header.emit()[..], &ip, report.message()];
            let length = parts.iter().map(|part| part.len()).sum();
            self.device.transmit(length, |mut frame| {
                for part in parts {
                    let (head, rest) = frame.split_at_mut(part.len());
                    head.copy_from_slice(part);
                    frame = rest;
                }
            });
            self.counters.membership_reports += 1;
        }
    }

    /// Is not there any more. Nobody is told: the segments of those who were connected are answered by
    /// whoever has the address next.
    pub(super) fn vanish(&mut self) {
        // What the last poll answered is of now, and no news when we are here again.
        self.flush_device();
        self.is_shut = true;
        self.announcing = Announcing::OVER;
        self.half_open.clear();
        for slot in 0..u32::try_from(self.connections.len()).unwrap_or(u32::MAX) {
            if self.connections[slot as usize].phase != Phase::Free {
                self.release(slot);
            }
        }
        self.events.clear();
        self.inbox.clear();
    }

    /// Lets go of what comes, which is for somebody else.
    pub(super) fn ignore(&mut self) -> usize {
        if let Some(steering) = &mut self.steering {
            while steering.next_frame().is_some() {}
        }
        let Some(mut burst) = self.device.receive() else { return 0 };
        let mut frames = 0;
        while burst.next_frame().is_some() {
            frames += 1;
        }
        self.counters.rx_frames += frames as u64;
        self.counters.not_ours += frames as u64;
        frames
    }

    /// Tells the segment that our address is here now: switches, and hosts that knew it elsewhere or have
    /// given it up.
    pub(super) fn announce(&mut self) {
        let now = self.clock.now();
        let Announcing { left, next_at, interval } = self.announcing;
        if left == 0 || now < next_at || !self.has_room(1) {
            return;
        }
        let packet = self.neighbours.announcement();
        if send_arp(&mut self.device, MacAddress::BROADCAST, &packet) {
            self.announcing = Announcing { left: left - 1, next_at: now.after(interval), interval };
        }
    }
}
