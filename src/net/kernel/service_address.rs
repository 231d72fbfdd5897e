//! The address of a service that moves from host to host: on an interface of this host's kernel as long as
//! the service is here, and told to everybody on the segment. Serves nobody.

use std::io;
use std::net::Ipv4Addr;

use crate::net::arp::ArpPacket;
use crate::net::ethernet::{ETHER_TYPE_ARP, EthernetHeader, MacAddress};
use crate::net::ipv4::Ipv4Network;
use crate::sys::interface::Interface;
use crate::types::Nanos;

/// An address that is here or elsewhere.
///
/// The kernel has it on loan only, which is renewed when the service is known to be here still: the kernel
/// of a host whose process died or was stopped, or that is cut off from those who decide, loses it by
/// itself, and does not go on answering for it for ever.
#[derive(Debug)]
pub(super) struct ServiceAddress {
    name: String,
    interface: Interface,
    network: Ipv4Network,
    /// When to renew the loan and to say again where the address is; none while it is elsewhere.
    renew_at: Option<Nanos>,
    /// Announcements that are still to be made in haste.
    hasty: u32,
}

/// How long the kernel has the address if nobody renews the loan.
const LOAN_SECONDS: u32 = 3;
/// How often it is renewed, and said again where the address is: whoever had it before may have answered
/// somebody meanwhile.
const RENEW_INTERVAL: Nanos = Nanos::SECOND;
/// The same at first, and how often: whoever had it before may not know yet that it has it no more.
const HASTY_INTERVAL: Nanos = Nanos::from_millis(100);
const HASTY_ANNOUNCEMENTS: u32 = 10;

impl ServiceAddress {
    /// The address is not here from now on: an earlier life of this process may have left it.
    pub(super) fn new(interface: &str, network: Ipv4Network) -> io::Result<Self> {
        let name = interface.to_owned();
        let interface = Interface::open(interface)?;
        let mut address = Self { name, interface, network, renew_at: None, hasty: 0 };
        address.give_up()?;
        Ok(address)
    }

    /// The interface's name.
    pub(super) fn interface(&self) -> &str {
        &self.name
    }

    /// The address is here from now on.
    pub(super) fn take(&mut self, now: Nanos) -> io::Result<()> {
        self.hasty = HASTY_ANNOUNCEMENTS;
        self.renew(now)
    }

    /// The address is not here any more.
    pub(super) fn give_up(&mut self) -> io::Result<()> {
        self.renew_at = None;
        self.interface.take_back(self.address(), self.network.prefix())
    }

    /// The address is known to be here still: renews the loan where that is due.
    pub(super) fn keep(&mut self, now: Nanos) -> io::Result<()> {
        match self.renew_at {
            Some(due) if due <= now => self.renew(now),
            _ => Ok(()),
        }
    }

    fn renew(&mut self, now: Nanos) -> io::Result<()> {
        let interval = if self.hasty > 0 { HASTY_INTERVAL } else { RENEW_INTERVAL };
        self.hasty = self.hasty.saturating_sub(1);
        self.renew_at = Some(now.after(interval));
        self.interface.lend(self.address(), self.network.prefix(), LOAN_SECONDS)?;
        self.announce()
    }

    fn address(&self) -> Ipv4Addr {
        self.network.address()
    }

    fn announce(&self) -> io::Result<()> {
        let mac = MacAddress(self.interface.mac());
        let header = EthernetHeader {
            destination: MacAddress::BROADCAST,
            source: mac,
            ether_type: ETHER_TYPE_ARP,
        };
        let packet = ArpPacket::announcement(mac, self.address());
        let mut frame = [0; EthernetHeader::LEN + ArpPacket::LEN];
        let (head, body) = frame.split_at_mut(EthernetHeader::LEN);
        head.copy_from_slice(&header.emit());
        body.copy_from_slice(&packet.emit());
        self.interface.send(&frame)
    }
}
