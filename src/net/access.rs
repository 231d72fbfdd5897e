//! Who may talk to us: the networks that are allowed, less those that are blocked; and from where each
//! port may log in.
//!
//! The list is made once and asked for every packet, so it is sorted and without overlaps, however the
//! operator wrote it.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::ipv4::Ipv4Network;
use crate::types::PortName;

/// The addresses that are let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessList {
    /// First and last address of each range, ascending, with others between them.
    ranges: Box<[(u32, u32)]>,
}

/// The networks from which a port may log in; those that are not named may from wherever they are let
/// in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNetworks {
    let_in: AccessList,
    networks: HashMap<PortName, Vec<Ipv4Network>>,
}

impl AccessList {
    /// The networks of `allow`, none = all, without those of `block`.
    #[must_use]
    pub fn new(allow: &[Ipv4Network], block: &[Ipv4Network]) -> Self {
        let everybody = [Ipv4Network::ALL];
        let allowed = merged(if allow.is_empty() { &everybody } else { allow });
        let blocked = merged(block);
        let mut ranges = Vec::new();
        for (first, last) in allowed {
            let mut from = Some(first);
            for &(begin, end) in blocked.iter().filter(|&&(b, e)| b <= last && e >= first) {
                match from {
                    Some(open) if open < begin => ranges.push((open, begin - 1)),
                    _ => {}
                }
                from = end.checked_add(1);
            }
            ranges.extend(from.filter(|&open| open <= last).map(|open| (open, last)));
        }
        Self { ranges: ranges.into_boxed_slice() }
    }

    /// Whether this address is let in.
    #[must_use]
    pub fn permits(&self, address: Ipv4Addr) -> bool {
        let address = address.to_bits();
        let behind = self.ranges.partition_point(|&(first, _)| first <= address);
        behind.checked_sub(1).is_some_and(|at| address <= self.ranges[at].1)
    }
}

impl PortNetworks {
    /// Each of these ports from its networks, of those who are `let_in`.
    #[must_use]
    pub fn new(
        let_in: AccessList,
        networks: impl IntoIterator<Item = (PortName, Vec<Ipv4Network>)>,
    ) -> Self {
        let networks = networks.into_iter().map(|(name, networks)| (name.upper(), networks));
        Self { let_in, networks: networks.collect() }
    }

    /// Whether anybody at `source` is let in.
    #[must_use]
    pub fn let_in(&self, source: Ipv4Addr) -> bool {
        self.let_in.permits(source)
    }

    /// Whether `port` may log in from `source`.
    #[must_use]
    pub fn permit(&self, port: PortName, source: Ipv4Addr) -> bool {
        let networks = self.networks.get(&port.upper());
        networks.is_none_or(|networks| networks.iter().any(|network| network.contains(source)))
    }
}

impl Default for PortNetworks {
    /// Everybody, from anywhere.
    fn default() -> Self {
        Self::new(AccessList::new(&[], &[]), [])
    }
}

/// The networks as ascending ranges that neither overlap nor touch.
fn merged(networks: &[Ipv4Network]) -> Vec<(u32, u32)> {
    let mut all: Vec<_> = networks.iter().map(|network| network.range()).collect();
    all.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::with_capacity(all.len());
    for (first, last) in all {
        match ranges.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => ranges.push((first, last)),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<Ipv4Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn list(allow: &[&str], block: &[&str]) -> AccessList {
        AccessList::new(&networks(allow), &networks(block))
    }

    fn permits(list: &AccessList, address: &str) -> bool {
        list.permits(address.parse().unwrap())
    }

    #[test]
    fn what_is_blocked_is_out_whether_it_is_allowed_or_not() {
        let list =
            list(&["10.9.0.0/24", "10.8.0.0/16"], &["10.9.0.66", "10.8.7.0/24", "1.0.0.0/8"]);
        for address in
            ["10.9.0.0", "10.9.0.65", "10.9.0.67", "10.9.0.255", "10.8.6.255", "10.8.8.0"]
        {
            assert!(permits(&list, address), "{address}");
        }
        for address in ["10.9.0.66", "10.8.7.0", "10.8.7.255", "10.9.1.0", "1.2.3.4", "0.0.0.0"] {
            assert!(!permits(&list, address), "{address}");
        }
    }

    #[test]
    fn nothing_allowed_is_everybody_but_those_who_are_blocked() {
        let list = list(&[], &["0.0.0.0", "255.255.255.255", "10.0.0.0/8"]);
        assert!(permits(&list, "0.0.0.1") && permits(&list, "255.255.255.254"));
        assert!(permits(&list, "9.255.255.255") && permits(&list, "11.0.0.0"));
        for address in ["0.0.0.0", "255.255.255.255", "10.0.0.0", "10.255.255.255"] {
            assert!(!permits(&list, address), "{address}");
        }
    }

    #[test]
    fn everybody_blocked_is_nobody() {
        let list = list(&["10.9.0.0/24"], &["0.0.0.0/0"]);
        assert!(!permits(&list, "10.9.0.1"));
    }

    #[test]
    fn networks_in_any_order_and_within_each_other_are_the_same_list() {
        let one = list(&["10.9.0.0/24"], &["10.9.0.128/25"]);
        let other = list(
            &["10.9.0.64/26", "10.9.0.0/25", "10.9.0.0/26"],
            &["10.9.0.192/26", "10.9.0.128/26"],
        );
        assert_eq!(one, other);
    }

    fn name(text: &str) -> PortName {
        PortName::new(text).unwrap()
    }

    #[test]
    fn a_port_logs_in_from_its_networks_only_and_one_without_from_anywhere() {
        let networks = vec!["10.9.0.0/28".parse().unwrap(), "10.8.0.1".parse().unwrap()];
        let networks = PortNetworks::new(list(&[], &["10.9.0.66"]), [(name("brkr01"), networks)]);
        let from = |text: &str| networks.permit(name("BRKR01"), text.parse().unwrap());
        assert!(from("10.9.0.15") && from("10.8.0.1"));
        assert!(!from("10.9.0.16") && !from("10.8.0.2"));
        assert!(networks.permit(name("BRKR02"), "10.9.0.16".parse().unwrap()));
        let let_in = |text: &str| networks.let_in(text.parse().unwrap());
        assert!(let_in("10.9.0.16") && !let_in("10.9.0.66"));
    }
}
