//! IGMP: membership in multicast groups, as switches and routers want to be told of it (RFC 2236, 3376).
//!
//! Sans-IO: takes messages and the time, returns reports. It speaks version 3 until a querier of
//! version 2 is heard, and joins every source of a group. Whoever sends queries, no more leaves than a
//! report for each group in a tenth of a second.

use std::net::Ipv4Addr;

use super::ethernet::MacAddress;
use super::ipv4::{checksum, sum};
use crate::types::Nanos;

/// The groups that a host is a member of.
#[derive(Debug)]
pub struct Membership {
    groups: Vec<Group>,
    /// A querier of version 2 is obeyed until then.
    version_2_until: Nanos,
    /// Mixed into delays, so that many hosts do not answer at one moment.
    jitter: u64,
}

/// A report to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The group, or for version 3 the routers that listen.
    pub to: Ipv4Addr,
    bytes: [u8; Report::LEN_MAX],
    length: usize,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    address: Ipv4Addr,
    /// When its next report is due.
    report_at: Nanos,
    /// Reports still to be made without being asked: the first may be lost.
    unasked: u8,
}

/// Groups of one host.
pub const GROUPS_MAX: usize = 16;
/// All hosts of a segment: who asks whether anybody is a member asks them.
pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// Where reports of version 3 go.
const ALL_ROUTERS_V3: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

const QUERY: u8 = 0x11;
const REPORT_V2: u8 = 0x16;
const REPORT_V3: u8 = 0x22;
/// A group record: all sources, now or from now on.
const MODE_IS_EXCLUDE: u8 = 2;
const CHANGE_TO_EXCLUDE: u8 = 4;

/// Reports of a membership that has begun, and the time between them.
const UNASKED_REPORTS: u8 = 2;
const UNASKED_INTERVAL: Nanos = Nanos::SECOND;
/// The unit of a query's time to answer.
const TENTH: Nanos = Nanos::from_millis(100);
/// How long a querier of version 2 is remembered: two queries and the time to answer.
const VERSION_2_MEMORY: Nanos = Nanos::from_secs(260);

impl Report {
    const LEN_MAX: usize = 16;
    /// What the IPv4 header of a report holds beside: the option that has routers look at it.
    pub const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

    /// The message.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Of version 2, that `group` has a member.
    fn version_2(group: Ipv4Addr) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        bytes[0] = REPORT_V2;
        bytes[4..8].copy_from_slice(&group.octets());
        Self { to: group, bytes, length: 8 }.with_checksum()
    }

    /// Of version 3, with one group.
    fn version_3(group: Ipv4Addr, kind: u8) -> Self {
        let mut bytes = [0; Self::LEN_MAX];
        bytes[0] = REPORT_V3;
        bytes[7] = 1;
        bytes[8] = kind;
        bytes[12..16].copy_from_slice(&group.octets());
        Self { to: ALL_ROUTERS_V3, bytes, length: 16 }.with_checksum()
    }

    fn with_checksum(mut self) -> Self {
        let check = checksum(sum(0, self.message()));
        self.bytes[2..4].copy_from_slice(&check.to_be_bytes());
        self
    }
}

impl Membership {
    /// In these groups from `now` on.
    #[must_use]
    pub fn new(groups: &[Ipv4Addr], jitter: u64, now: Nanos) -> Self {
        let join = |&address| Group { address, report_at: now, unasked: UNASKED_REPORTS };
        let groups = groups.iter().map(join).collect();
        Self { groups, version_2_until: Nanos::ZERO, jitter }
    }

    /// Whether frames to this address may be for a member.
    #[must_use]
    pub fn hears(&self, mac: MacAddress) -> bool {
        !self.groups.is_empty()
            && (mac == MacAddress::multicast(ALL_HOSTS)
                || self.groups.iter().any(|group| MacAddress::multicast(group.address) == mac))
    }

    /// Whether this group is one of them.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.groups.iter().any(|group| group.address == address)
    }

    /// Takes a message; `false` if it is none. A query has reports made within the time it gives.
    pub fn take(&mut self, message: &[u8], now: Nanos) -> bool {
        let Some(&[kind, code, _, _, a, b, c, d]) = message.first_chunk() else { return false };
        if checksum(sum(0, message)) != 0 {
            return false;
        }
        if kind != QUERY {
            return true;
        }
        let is_version_2 = message.len() < 12;
        if is_version_2 {
            self.version_2_until = now.after(VERSION_2_MEMORY);
        }
        let asked = Ipv4Addr::new(a, b, c, d);
        let within = Nanos(TENTH.0 * tenths(code, is_version_2));
        for group in &mut self.groups {
            if !asked.is_unspecified() && group.address != asked {
                continue;
            }
            // Spread over the time there is, by what nobody else has.
            self.jitter = self.jitter.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
            // 16 bits of it: together with the longest time they fit.
            let delay = Nanos(((self.jitter >> 48) * within.0) >> 16);
            group.report_at = group.report_at.min(now.after(delay.max(TENTH)));
        }
        true
    }

    /// The next report that is due.
    pub fn due(&mut self, now: Nanos) -> Option<Report> {
        let is_version_2 = now < self.version_2_until;
        let group = self.groups.iter_mut().find(|group| group.report_at <= now)?;
        let begins = group.unasked > 0;
        group.unasked = group.unasked.saturating_sub(1);
        group.report_at = if group.unasked > 0 { now.after(UNASKED_INTERVAL) } else { Nanos::MAX };
        Some(match (is_version_2, begins) {
            (true, _) => Report::version_2(group.address),
            (false, true) => Report::version_3(group.address, CHANGE_TO_EXCLUDE),
            (false, false) => Report::version_3(group.address, MODE_IS_EXCLUDE),
        })
    }
}

/// The time to answer that a query gives; version 3 has a floating form for long ones. Version 1, which
/// says none, means ten seconds.
fn tenths(code: u8, is_version_2: bool) -> u64 {
    let code = u64::from(code);
    match code {
        0 if is_version_2 => 100,
        128.. if !is_version_2 => (code & 0x0F | 0x10) << ((code >> 4 & 7) + 3),
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Nanos = Nanos::from_secs(100);
    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 7);
    const OTHER: Ipv4Addr = Ipv4Addr::new(239, 9, 0, 8);

    fn after(millis: u64) -> Nanos {
        START.after(Nanos::from_millis(millis))
    }

    fn query(code: u8, group: Ipv4Addr, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[..2].copy_from_slice(&[QUERY, code]);
        bytes[4..8].copy_from_slice(&group.octets());
        let check = checksum(sum(0, &bytes));
        bytes[2..4].copy_from_slice(&check.to_be_bytes());
        bytes
    }

    /// When which groups are reported, in milliseconds from the start, and by what type.
    fn reports(
        membership: &mut Membership,
        millis: std::ops::Range<u64>,
    ) -> Vec<(u64, Ipv4Addr, u8)> {
        let mut all = Vec::new();
        for milli in millis {
            while let Some(report) = membership.due(after(milli)) {
                let message = report.message();
                assert_eq!(checksum(sum(0, message)), 0);
                let at = if message.len() == 8 { 4 } else { 12 };
                let group = <[u8; 4]>::try_from(&message[at..at + 4]).unwrap();
                all.push((milli, group.into(), message[0]));
            }
        }
        all
    }

    #[test]
    fn a_membership_is_reported_at_once_and_again_a_second_later() {
        let mut membership = Membership::new(&[GROUP], 7, START);
        let first = membership.due(START).unwrap();
        assert_eq!(first.to, ALL_ROUTERS_V3);
        assert_eq!(first.message()[4..], [0, 0, 0, 1, CHANGE_TO_EXCLUDE, 0, 0, 0, 239, 9, 0, 7]);
        assert_eq!(reports(&mut membership, 0..100_000), [(1_000, GROUP, REPORT_V3)]);
    }

    #[test]
    fn a_query_is_answered_once_for_each_group_within_its_time_and_in_its_version() {
        for (length, kind) in [(8, REPORT_V2), (12, REPORT_V3)] {
            let mut membership = Membership::new(&[GROUP, OTHER], 7, START);
            reports(&mut membership, 0..2_000);
            let all = query(20, Ipv4Addr::UNSPECIFIED, length);
            assert!(membership.take(&all, after(2_000)) && membership.take(&all, after(2_000)));
            let mut answers = reports(&mut membership, 2_000..50_000);
            assert!(answers.iter().all(|&(at, _, type_)| at <= 4_000 && type_ == kind));
            answers.sort_by_key(|&(_, group, _)| group);
            assert_eq!(answers.iter().map(|answer| answer.1).collect::<Vec<_>>(), [GROUP, OTHER]);

            assert!(membership.take(&query(10, OTHER, length), after(50_000)));
            let answers = reports(&mut membership, 50_000..60_000);
            assert!(matches!(answers[..], [(50_100..=51_000, OTHER, _)]), "{answers:?}");
        }
    }

    #[test]
    fn a_flood_of_queries_is_answered_each_tenth_of_a_second_and_damaged_ones_never() {
        let mut membership = Membership::new(&[GROUP], 7, START);
        reports(&mut membership, 0..2_000);
        let mut count = 0;
        for milli in 2_000..12_000 {
            assert!(membership.take(&query(1, GROUP, 8), after(milli)));
            count += reports(&mut membership, milli..milli + 1).len();
        }
        assert!((90..=101).contains(&count), "{count} reports in ten seconds");
        let mut damaged = query(1, GROUP, 8);
        damaged[5] ^= 1;
        assert!(!membership.take(&damaged, after(12_000)) && !membership.take(&[], after(12_000)));
    }

    #[test]
    fn however_long_the_time_to_answer_the_answer_comes_within_it() {
        for (code, length, seconds) in [(100, 8, 10), (255, 8, 26), (127, 12, 13), (255, 12, 3_175)]
        {
            let mut last = Nanos::ZERO;
            for jitter in 0..64 {
                let mut membership = Membership::new(&[GROUP], jitter, START);
                reports(&mut membership, 0..2_000);
                assert!(membership.take(&query(code, GROUP, length), START));
                let report_at = membership.groups[0].report_at;
                assert!(
                    report_at <= START.after(Nanos::from_secs(seconds)),
                    "{code}: {report_at:?}"
                );
                last = last.max(report_at);
            }
            // And they are spread over all of it.
            assert!(last > START.after(Nanos::from_secs(seconds / 2)), "{code}: {last:?}");
        }
    }

    #[test]
    fn long_times_to_answer_have_a_form_of_their_own_in_version_3() {
        assert_eq!([tenths(0, true), tenths(127, false), tenths(200, true)], [100, 127, 200]);
        assert_eq!([tenths(0x80, false), tenths(0xFF, false)], [128, 31_744]);
    }
}
