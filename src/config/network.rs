//! A block of IPv4 addresses, as `10.9.0.0/24`. Decides nothing; it only says what lies in it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// A block of IPv4 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    prefix: u8,
}

/// The longest prefix: a single address.
const PREFIX_MAX: u8 = 32;

impl Network {
    /// The block of `prefix` bits that `address` lies in. `None` if there are no such prefixes.
    #[must_use]
    pub fn around(address: Ipv4Addr, prefix: u8) -> Option<Self> {
        if prefix > PREFIX_MAX {
            return None;
        }
        let address = Ipv4Addr::from_bits(address.to_bits() & mask(prefix));
        Some(Self { address, prefix })
    }

    /// Its first address.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Bits of its mask.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix) == self.address.to_bits()
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(u32::from(PREFIX_MAX - prefix)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "must be a network such as 10.9.0.0/24, or a single address";
        let (address, prefix) = text.split_once('/').unwrap_or((text, "32"));
        let address: Ipv4Addr = address.parse().map_err(|_| RULE)?;
        let network = Self::around(address, prefix.parse().map_err(|_| RULE)?).ok_or(RULE)?;
        if network.address != address {
            return Err("must have no address bits below its prefix");
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        let network: Network = "10.9.0.0/24".parse().unwrap();
        assert!(network.contains(Ipv4Addr::new(10, 9, 0, 255)));
        assert!(!network.contains(Ipv4Addr::new(10, 9, 1, 0)));
        assert!("0.0.0.0/0".parse::<Network>().unwrap().contains(Ipv4Addr::new(1, 2, 3, 4)));
        assert_eq!("10.9.0.2".parse::<Network>().unwrap().to_string(), "10.9.0.2/32");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.9.0.0/33", "10.9.0/24", "10.9.0.0/x", "10.9.0.1/24"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
