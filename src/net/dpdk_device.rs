//! A DPDK port as a device of the stack.
//!
//! The driver behind it - `net_af_packet`, a physical NIC - is the choice of EAL's arguments alone.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::device::{BUFFERS_SPARE, Checksum, Device, FrameBurst, Offloads, RX_BURST_MAX};
use super::device_clock::{DeviceClock, Reading};
use super::ethernet::{EthernetHeader, MacAddress};
use super::ipv4::PROTOCOL_TCP;
use super::steering::SPREAD_KEY;
#[cfg(doc)]
use super::steering::Spread;
use crate::counters::{CounterBlock, CounterSet};
use crate::sys::dpdk::{
    Burst, DpdkError, Eal, FrameChecksum, Mempool, Port, PortConfig, PortStats, SPREAD_KEY_BYTES,
};
use crate::types::Nanos;

/// A pair of queues of a port with its pool of buffers. There is one port in a process: it starts EAL.
pub struct DpdkDevice {
    port: Port,
    eal: Arc<Eal>,
    /// Whether the thread that polls has its buffer caches.
    registered: bool,
    clock: DeviceClock,
    published: CounterBlock,
}

/// How to open a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpdkConfig {
    /// EAL's arguments. Without hugepages and with a kernel interface, for example: `--no-pci -l 0
    /// --no-telemetry --no-huge -m 128 --no-shconf --vdev=net_af_packet0,iface=rialto0`.
    pub eal_arguments: Vec<String>,
    /// Pairs of queues, of which each is a device of its own.
    pub queues: u16,
    /// Packet buffers of them all; one less than a power of two wastes no memory. Each takes some 2.3 kB.
    pub mbufs: u32,
    /// Descriptors of each receive queue. `net_af_packet` ignores both counts: its rings have as many
    /// frames each as its device argument `framecnt` says, 512 if it says nothing.
    pub rx_descriptors: u16,
    /// Descriptors of each transmit queue.
    pub tx_descriptors: u16,
}

impl DpdkConfig {
    /// Sizes that serve a gateway, with these arguments of EAL.
    #[must_use]
    pub fn new(eal_arguments: Vec<String>) -> Self {
        Self { eal_arguments, queues: 1, mbufs: 8191, rx_descriptors: 1024, tx_descriptors: 512 }
    }

    /// The device that the arguments name, without what they tell its driver.
    fn device(&self) -> Option<&str> {
        let named = self.eal_arguments.iter().find_map(|argument| {
            argument.strip_prefix("--vdev=").or_else(|| argument.strip_prefix("--allow="))
        });
        named.and_then(|device| device.split(',').next())
    }
}

/// Where the kernel lists PCI devices by their address.
const PCI_DEVICES: &str = "/sys/bus/pci/devices";

fn is_pci(device: &str) -> bool {
    device.contains(':')
}

/// How often the driver is asked what it counted: a NIC reads it from its registers, which takes tens
/// of microseconds.
const STATS_INTERVAL: Nanos = Nanos::SECOND;

const _: () = assert!(SPREAD_KEY.len() == SPREAD_KEY_BYTES);
const _: () = assert!(Burst::MAX == RX_BURST_MAX);
const _: () = assert!(Port::OUTBOX_MAX >= 2 * RX_BURST_MAX);

impl DpdkDevice {
    /// The only pair of queues of a port, see [`DpdkDevice::open_queues`].
    ///
    /// # Errors
    /// What EAL, the pool or the port refused.
    ///
    /// # Panics
    /// If more are configured.
    pub fn open(config: &DpdkConfig, published: CounterBlock) -> Result<Self, DpdkError> {
        assert_eq!(config.queues, 1, "of several queues each is a device");
        let mut devices = Self::open_queues(config, published)?;
        Ok(devices.pop().expect("a port has a pair of queues"))
    }

    /// Starts EAL and the first port it finds, which is that of the configured device; its driver's
    /// counts go to `published`. Any thread may; from the first poll on a device stays
    /// with the thread that polls it, which gets buffer caches.
    ///
    /// # Errors
    /// What EAL, the pool or the port refused.
    pub fn open_queues(
        config: &DpdkConfig,
        published: CounterBlock,
    ) -> Result<Vec<Self>, DpdkError> {
        let descriptors = u32::from(config.rx_descriptors) + u32::from(config.tx_descriptors);
        let least = u32::from(config.queues) * (descriptors + BUFFERS_SPARE);
        if config.mbufs < least {
            return Err(DpdkError::PoolSize { count: config.mbufs, least });
        }
        let device = config.device();
        if let Some(address) = device.filter(|device| is_pci(device))
            && !Path::new(PCI_DEVICES).join(address).exists()
        {
            return Err(DpdkError::NoDevice { device: address.to_owned() });
        }
        let eal = Eal::start(&config.eal_arguments)?;
        let pool = Mempool::new(&eal, config.mbufs)?;
        let queues = PortConfig {
            queues: config.queues,
            spread_key: &SPREAD_KEY,
            rx_descriptors: config.rx_descriptors,
            tx_descriptors: config.tx_descriptors,
        };
        let ports = Port::start(&pool, queues).map_err(|error| match (error, device) {
            (DpdkError::NoPort, Some(device)) => DpdkError::NotBound { device: device.to_owned() },
            (error, _) => error,
        })?;
        // What the driver counts is the whole port's.
        let mut published = Some(published.every(STATS_INTERVAL));
        let device = |port| {
            let published = published.take().unwrap_or_else(CounterBlock::none);
            let (eal, clock) = (Arc::clone(&eal), DeviceClock::default());
            Self { port, eal, registered: false, clock, published }
        };
        Ok(ports.into_iter().map(device).collect())
    }

    /// Places of the table by which the port spreads hosts over its queues, as [`Spread`] does; 0 where
    /// it spreads frames as it likes.
    #[must_use]
    pub fn places(&self) -> u16 {
        self.port.places()
    }

    /// What the driver counted.
    #[must_use]
    pub fn stats(&self) -> PortStats {
        self.port.stats()
    }

    /// Whether the link is up.
    #[must_use]
    pub fn link_is_up(&self) -> bool {
        self.port.link_is_up()
    }
}

/// What an operator wants to know of it.
impl fmt::Debug for DpdkDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpdkDevice")
            .field("link_is_up", &self.link_is_up())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl Device for DpdkDevice {
    type Burst = Burst;

    fn receive(&mut self) -> Option<Burst> {
        if !self.registered {
            self.eal.register_thread();
            self.registered = true;
        }
        self.port.receive()
    }

    fn room(&mut self) -> usize {
        self.port.room()
    }

    fn transmit<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        self.port.transmit(length, write)
    }

    fn flush(&mut self) -> usize {
        self.port.flush()
    }

    fn publish(&mut self, now: Nanos) {
        if self.published.is_due(now) {
            self.port.stats().publish(&mut self.published);
        }
    }

    fn offloads(&self) -> Offloads {
        Offloads {
            verifies: self.port.verifies_checksums(),
            fills: self.port.fills_checksums(),
            stamps: self.port.stamps(),
        }
    }

    fn arrival(&mut self, stamp: u64) -> Option<Instant> {
        let before = Instant::now();
        let ticks = self.port.clock()?;
        // The device said so about half way.
        self.clock.arrival(stamp, Reading { ticks, at: before + before.elapsed() / 2 })
    }

    fn fill_checksum(&mut self, protocol: u8) {
        self.port.fill_checksum(protocol == PROTOCOL_TCP);
    }

    fn hear_groups(&mut self, groups: &[MacAddress]) {
        let groups: Vec<_> = groups.iter().map(|group| group.0).collect();
        self.port.hear(&groups);
    }

    fn mac(&self) -> MacAddress {
        MacAddress(self.port.mac())
    }

    fn mtu(&self) -> usize {
        usize::from(self.port.mtu()).min(usize::from(Mempool::FRAME_BYTES) - EthernetHeader::LEN)
    }
}

impl CounterSet for PortStats {
    const NAMES: &'static [&'static str] = &[
        "rx_packets",
        "tx_packets",
        "rx_bytes",
        "tx_bytes",
        "rx_missed",
        "rx_errors",
        "tx_errors",
        "rx_no_mbuf",
    ];

    fn publish(&self, block: &mut CounterBlock) {
        let Self {
            rx_packets,
            tx_packets,
            rx_bytes,
            tx_bytes,
            rx_missed,
            rx_errors,
            tx_errors,
            rx_no_mbuf,
        } = *self;
        for value in [
            rx_packets, tx_packets, rx_bytes, tx_bytes, rx_missed, rx_errors, tx_errors, rx_no_mbuf,
        ] {
            block.put(value);
        }
    }
}

impl FrameBurst for Burst {
    fn next_frame(&mut self) -> Option<&[u8]> {
        Self::next_frame(self)
    }

    fn next_checksum(&self) -> Checksum {
        match Self::next_checksum(self) {
            FrameChecksum::Unknown => Checksum::Unknown,
            FrameChecksum::Right => Checksum::Right,
            FrameChecksum::Wrong => Checksum::Wrong,
        }
    }

    fn next_stamp(&self) -> Option<u64> {
        Self::next_stamp(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pci_device_that_is_not_there_is_named_before_anything_starts() {
        let arguments = ["--in-memory", "--allow=ffff:ff:1f.7,rx_vec_en=1"].map(str::to_owned);
        let error = DpdkDevice::open(&DpdkConfig::new(arguments.to_vec()), CounterBlock::none())
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "no PCI device ffff:ff:1f.7 in this machine: `lspci -D` shows those there are; \
             dpdk.device names the one to use"
        );
    }
}
