//! `[cluster] transport` and the `[cluster.aeron]` section: what carries the messages between nodes.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use serde::Deserialize;

use super::Node;
use super::error::{ConfigError, Source};
use super::table::{parsed, quoted};

/// What carries the messages between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterTransport {
    /// The kernel's UDP sockets: to each node directly.
    Udp,
    /// Aeron: payloads leave the leader once for all.
    Aeron(Aeron),
}

/// Aeron, in a driver of the node's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aeron {
    /// The driver's, in shared memory; emptied at the start.
    pub directory: PathBuf,
    /// How payloads go to all.
    pub payload: PayloadStream,
}

/// How payloads go to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadStream {
    /// By multicast.
    Multicast {
        /// The group; Aeron uses the address behind it too.
        group: SocketAddrV4,
        /// This node's address on the network where the group is; none = where it takes the messages.
        interface: Option<Ipv4Addr>,
        /// Routers it may cross, plus one.
        ttl: u8,
    },
    /// Where the network has no multicast: to each node that asked the leader for it, at this port.
    Destinations {
        /// The port, the same on each node.
        control_port: u16,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AeronTable {
    directory: Option<PathBuf>,
    group: Option<String>,
    interface: Option<Ipv4Addr>,
    #[serde(default = "AeronTable::ttl")]
    ttl: u8,
    control_port: Option<u16>,
}

impl AeronTable {
    const fn ttl() -> u8 {
        1
    }

    fn prove(self, source: &Source, node: &Node) -> Result<Aeron, ConfigError> {
        let Self { directory, group, interface, ttl, control_port } = self;
        let directory =
            directory.unwrap_or_else(|| format!("/dev/shm/rialto-aeron-{}", node.name).into());
        let payload = match (group, control_port) {
            (Some(text), None) => {
                let key = "cluster.aeron.group";
                let rule = "must be a multicast address whose last number is odd, and a port, such as \
                            239.9.8.1:9300: Aeron uses the address behind it too";
                let group: SocketAddrV4 = parsed(source, key, &text, rule)?;
                let is_one = group.ip().is_multicast()
                    && group.ip().octets()[3] % 2 == 1
                    && group.port() != 0;
                source.rule(is_one, key, group, rule)?;
                source.rule(ttl > 0, "cluster.aeron.ttl", ttl, "must be at least 1")?;
                PayloadStream::Multicast { group, interface, ttl }
            }
            (None, Some(control_port)) => {
                let rule = "must be in 1..=65535, a UDP port";
                let key = "cluster.aeron.control_port";
                source.rule(control_port != 0, key, control_port, rule)?;
                PayloadStream::Destinations { control_port }
            }
            (group, _) => {
                let said = if group.is_some() { "both are there" } else { "neither is there" };
                let rule = "one of the two says how payloads go to all nodes: by multicast, or where the \
                            network has none from a port of the leader";
                let keys = "cluster.aeron.group or control_port";
                return Err(source.broken(keys, format_args!("({said})"), rule));
            }
        };
        Ok(Aeron { directory, payload })
    }
}

/// The transport of this name.
pub(super) fn transport(
    source: &Source,
    name: &str,
    aeron: Option<AeronTable>,
    node: &Node,
) -> Result<ClusterTransport, ConfigError> {
    let key = "cluster.transport";
    match (name, aeron) {
        ("udp", None) => Ok(ClusterTransport::Udp),
        ("udp", Some(_)) => {
            let rule = "the section cluster.aeron is for \"aeron\": leave it out";
            Err(source.broken(key, quoted(name), rule))
        }
        ("aeron", _) if !cfg!(feature = "aeron") => {
            let rule = "this rialto was built without Aeron; use \"udp\", or build it with `cargo build \
                        --release --features aeron`, for which hwconfig/setup.sh test brings CMake";
            Err(source.broken(key, quoted(name), rule))
        }
        ("aeron", None) => {
            let rule = "wants a section [cluster.aeron]: a group, or where the network has no multicast a \
                        control_port";
            Err(source.broken(key, quoted(name), rule))
        }
        ("aeron", Some(table)) => Ok(ClusterTransport::Aeron(table.prove(source, node)?)),
        _ => Err(source.broken(key, quoted(name), "must be \"udp\" or \"aeron\"")),
    }
}
