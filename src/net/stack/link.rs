//! The TCP engine's view of the device: one packet in, packets out to one neighbour.
//!
//! The engine knows no Ethernet; whose frame it is was decided before, and the reply's address is
//! that of the connection.

use std::ops::Range;

use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

use crate::net::device::{Device, Offloads};
use crate::net::ethernet::{ETHER_TYPE_IPV4, EthernetHeader, MacAddress};
use crate::net::ipv4::{Ipv4Header, PROTOCOL_TCP, checksum};
use crate::net::tcp::Progress;

/// Lends a device to the engine for one call.
pub(super) struct Link<'a, D> {
    device: &'a mut D,
    packet: Option<&'a [u8]>,
    neighbour: MacAddress,
    progress: Option<&'a mut Progress>,
}

impl<'a, D: Device> Link<'a, D> {
    /// For sending.
    pub(super) fn to(device: &'a mut D, neighbour: MacAddress) -> Self {
        Self { device, packet: None, neighbour, progress: None }
    }

    /// For taking `packet`, which came from `neighbour`, while the device has room for an answer.
    pub(super) fn with(device: &'a mut D, neighbour: MacAddress, packet: &'a [u8]) -> Self {
        Self { device, packet: Some(packet), neighbour, progress: None }
    }

    /// What is sent is a connection's: its progress is to be known.
    pub(super) fn noting(self, progress: &'a mut Progress) -> Self {
        Self { progress: Some(progress), ..self }
    }

    fn outgoing(&mut self) -> Outgoing<'_, D> {
        let progress = self.progress.as_deref_mut();
        Outgoing { device: self.device, neighbour: self.neighbour, progress }
    }
}

impl<D: Device> phy::Device for Link<'_, D> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Outgoing<'t, D>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(Received<'_>, Outgoing<'_, D>)> {
        let packet = self.packet.take()?;
        Some((Received(packet), self.outgoing()))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outgoing<'_, D>> {
        (self.device.room() > 0).then(|| self.outgoing())
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.device.mtu();
        capabilities.checksum.tcp = engine_checksums(self.device.offloads());
        capabilities
    }
}

/// What is left to the engine of TCP's checksums. Where the device looks at those that are received,
/// the demux has seen to what it says.
fn engine_checksums(Offloads { verifies, fills, .. }: Offloads) -> phy::Checksum {
    match (verifies, fills) {
        (false, false) => phy::Checksum::Both,
        (true, false) => phy::Checksum::Tx,
        (false, true) => phy::Checksum::Rx,
        (true, true) => phy::Checksum::None,
    }
}

pub(super) struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

pub(super) struct Outgoing<'a, D> {
    device: &'a mut D,
    neighbour: MacAddress,
    progress: Option<&'a mut Progress>,
}

/// Prepares a segment of the engine for a device that fills in its checksum; `false` if it is none.
fn leave_checksum(packet: &mut [u8]) -> bool {
    let Some((ip, _)) = Ipv4Header::parse(packet) else { return false };
    let Some(field) = packet.get_mut(TCP_CHECKSUM).filter(|_| ip.protocol == PROTOCOL_TCP) else {
        return false;
    };
    field.copy_from_slice(&(!checksum(ip.pseudo_sum())).to_be_bytes());
    true
}

/// Where a segment of the engine, whose IPv4 header has no options, has its checksum.
const TCP_CHECKSUM: Range<usize> = Ipv4Header::LEN + 16..Ipv4Header::LEN + 18;

impl<D: Device> phy::TxToken for Outgoing<'_, D> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let header = EthernetHeader {
            destination: self.neighbour,
            source: self.device.mac(),
            ether_type: ETHER_TYPE_IPV4,
        };
        let fills = self.device.offloads().fills;
        let sent = self.device.transmit(EthernetHeader::LEN + length, |frame| {
            let (head, packet) = frame.split_at_mut(EthernetHeader::LEN);
            head.copy_from_slice(&header.emit());
            let written = write(packet);
            if let Some(progress) = self.progress {
                progress.note(packet.get(Ipv4Header::LEN..).unwrap_or_default());
            }
            (written, fills && leave_checksum(packet))
        });
        let (written, leaves) =
            sent.expect("the device had room when it was lent, and the engine keeps to its MTU");
        if leaves {
            self.device.fill_checksum(PROTOCOL_TCP);
        }
        written
    }
}
