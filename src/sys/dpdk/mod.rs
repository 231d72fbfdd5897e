//! DPDK: the environment (EAL), pools of packet buffers, and ports.
//!
//! Safe types over the C shim of `dpdk-sys`. One EAL per process and lifetime: it cannot start twice.

mod eal;
mod mbuf;
mod mempool;
mod port;

use std::ffi::CStr;

pub use eal::Eal;
pub use mbuf::{Burst, FrameChecksum};
pub use mempool::Mempool;
pub use port::{Port, PortConfig, PortStats, SPREAD_KEY_BYTES};

/// Why DPDK cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DpdkError {
    /// A second start of EAL.
    #[error("EAL was started before in this process; DPDK allows it once")]
    StartedBefore,
    /// An argument that C cannot hold.
    #[error("EAL argument {0:?} contains a zero byte")]
    Argument(String),
    /// EAL refused to start.
    #[error(
        "EAL does not start with arguments {arguments:?}: {reason}; its own lines in the log say more \
         (without hugepages it needs --no-huge, and net_af_packet needs CAP_NET_RAW and CAP_NET_ADMIN)"
    )]
    Eal {
        /// What it was given.
        arguments: Vec<String>,
        /// DPDK's text.
        reason: String,
    },
    /// No memory for packet buffers.
    #[error("no pool of {count} packet buffers: {reason}; give EAL more memory (-m, or hugepages)")]
    Pool {
        /// How many were asked for.
        count: u32,
        /// DPDK's text.
        reason: String,
    },
    /// Too few packet buffers to fill the queues and still send.
    #[error("{count} packet buffers are too few for these queues; use {least} or more")]
    PoolSize {
        /// How many were asked for.
        count: u32,
        /// How many it takes.
        least: u32,
    },
    /// EAL found no device.
    #[error(
        "EAL found no port; name one, as in --vdev=net_af_packet0,iface=eth1 or -a 0000:03:00.0"
    )]
    NoPort,
    /// The machine has no such device.
    #[error(
        "no PCI device {device} in this machine: `lspci -D` shows those there are; dpdk.device names \
         the one to use"
    )]
    NoDevice {
        /// Its address.
        device: String,
    },
    /// The device is there, and DPDK has no port in it.
    #[error(
        "DPDK finds no port in {device}: bind it to vfio-pci (`dpdk-devbind.py --bind=vfio-pci \
         {device}`; NVIDIA's keep their kernel driver), and see in the log which driver was tried"
    )]
    NotBound {
        /// The device.
        device: String,
    },
    /// A port has fewer queues than there are shards.
    #[error(
        "port {port} can have {most} pairs of queues, {wanted} are wanted: use fewer shards, or tell its \
         driver of more queues in dpdk.device"
    )]
    Queues {
        /// Its number.
        port: u16,
        /// How many are wanted.
        wanted: u16,
        /// How many there can be.
        most: i32,
    },
    /// A port refused.
    #[error("port {port}: cannot {action}: {reason}")]
    Port {
        /// Its number.
        port: u16,
        /// What was tried.
        action: &'static str,
        /// DPDK's text.
        reason: String,
    },
}

/// The version of the DPDK library that is linked.
#[must_use]
pub fn version() -> String {
    // SAFETY: takes nothing and returns a pointer to a static string.
    let text = unsafe { dpdk_sys::rialto_version() };
    // SAFETY: rte_version() formats into a static, zero-terminated buffer that lives for ever.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// DPDK's text for a negative errno value.
fn reason(error: i32) -> String {
    // SAFETY: takes an integer; rte_strerror() knows an answer for every one.
    let text = unsafe { dpdk_sys::rialto_strerror(error) };
    // SAFETY: rte_strerror() returns a zero-terminated string that is static or the thread's own, and
    // it is copied before this thread can ask again.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
