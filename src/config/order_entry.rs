//! `[order_entry]` and `[order_entry.tls]` as written, with their defaults, and the proof that makes them an
//! [`OrderEntry`].

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

use super::access::networks;
use super::error::{ConfigError, Source};
use super::table::{in_range, parsed, quoted, whole};
use super::{Backend, OrderEntry, Tls};
use crate::net::ipv4::Ipv4Network;
use crate::net::steering::SHARDS_MAX;

const SHARDS: RangeInclusive<u8> = 1..=SHARDS_MAX;
const CONNECTIONS: RangeInclusive<u32> = 1..=65_536;
/// From a trader's own typing to as fast as a gateway reads.
const MESSAGES_PER_SECOND: RangeInclusive<u32> = 100..=1_000_000;
/// From a few sessions that are typed in to more than a core receives.
const FRAMES_PER_SECOND: RangeInclusive<u32> = 100..=100_000_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OrderEntryTable {
    backend: String,
    listen: String,
    ufo_port: Option<u16>,
    #[serde(default = "OrderEntryTable::prefix")]
    prefix: u8,
    interface: Option<String>,
    gateway: Option<String>,
    #[serde(default = "OrderEntryTable::shards")]
    shards: u8,
    #[serde(default = "OrderEntryTable::connections_max")]
    connections_max: u32,
    connections_per_source_max: Option<u32>,
    #[serde(default = "OrderEntryTable::messages_per_second_max")]
    messages_per_second_max: u32,
    #[serde(default = "OrderEntryTable::frames_per_second_per_source_max")]
    frames_per_second_per_source_max: u32,
    access_file: Option<PathBuf>,
    allow: Vec<String>,
    #[serde(default)]
    neighbours: BTreeMap<String, String>,
    tls: Option<TlsTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsTable {
    listen: String,
    certificate: PathBuf,
    key: PathBuf,
    #[serde(default = "OrderEntryTable::connections_max")]
    connections_max: u32,
    connections_per_source_max: Option<u32>,
}

impl OrderEntryTable {
    const fn prefix() -> u8 {
        24
    }

    const fn shards() -> u8 {
        1
    }

    const fn connections_max() -> u32 {
        1_024
    }

    /// A quarter of what the whole exchange has at its peak.
    const fn messages_per_second_max() -> u32 {
        50_000
    }

    /// Four of the busiest sessions, each order in a frame of its own.
    const fn frames_per_second_per_source_max() -> u32 {
        200_000
    }

    pub(super) fn prove(
        self,
        source: &Source,
        in_cluster: bool,
    ) -> Result<OrderEntry, ConfigError> {
        let Self { backend, listen, prefix, gateway, connections_max, allow, neighbours, .. } =
            self;
        let backend = match backend.as_str() {
            "kernel" => Backend::Kernel,
            "dpdk" if cfg!(feature = "dpdk") => Backend::Dpdk,
            "dpdk" => {
                let rule = "this rialto was built without DPDK; use \"kernel\", or build it without \
                            --no-default-features";
                return Err(source.broken("order_entry.backend", quoted(&backend), rule));
            }
            other => {
                let rule = "must be \"dpdk\" or \"kernel\"";
                return Err(source.broken("order_entry.backend", quoted(other), rule));
            }
        };
        let listen: SocketAddrV4 = parsed(
            source,
            "order_entry.listen",
            &listen,
            "must be an IPv4 address and a port, such as 10.9.0.1:9001",
        )?;
        let unicast = !listen.ip().is_multicast() && !listen.ip().is_broadcast();
        source.rule(unicast, "order_entry.listen", listen, "must be a unicast address")?;
        if backend == Backend::Dpdk {
            let whole = !listen.ip().is_unspecified() && listen.port() != 0;
            let rule = "must be a definite address and port: with DPDK the node owns them";
            source.rule(whole, "order_entry.listen", listen, rule)?;
        }
        let shards = self.shards;
        in_range(source, "order_entry.shards", shards, &SHARDS)?;
        let rule = "must be a definite port: the shards share it";
        source.rule(shards == 1 || listen.port() != 0, "order_entry.listen", listen, rule)?;
        let ufo_port = self.ufo_port;
        let rule = "must be in 1..=65535, a UDP port; without the key UFO is not spoken";
        source.rule(ufo_port != Some(0), "order_entry.ufo_port", 0, rule)?;
        let network = Ipv4Network::new(*listen.ip(), prefix).map(Ipv4Network::network);
        let network = network.ok_or_else(|| {
            source.broken("order_entry.prefix", prefix, "must be in 0..=32, the bits of a mask")
        })?;
        let gateway = match gateway {
            None => None,
            Some(text) => {
                let key = "order_entry.gateway";
                let gateway = parsed(source, key, &text, "must be an IPv4 address")?;
                let rule = format_args!("must lie in {network}, the network of listen and prefix");
                source.rule(network.contains(gateway), key, gateway, rule)?;
                Some(gateway)
            }
        };
        in_range(source, "order_entry.connections_max", connections_max, &CONNECTIONS)?;
        let quarter = connections_max.div_ceil(4);
        let connections_per_source_max = self.connections_per_source_max.unwrap_or(quarter);
        let key = "order_entry.connections_per_source_max";
        in_range(source, key, connections_per_source_max, &(1..=connections_max))?;
        let messages_per_second_max = self.messages_per_second_max;
        let key = "order_entry.messages_per_second_max";
        in_range(source, key, messages_per_second_max, &MESSAGES_PER_SECOND)?;
        let frames_per_second_per_source_max = self.frames_per_second_per_source_max;
        let key = "order_entry.frames_per_second_per_source_max";
        in_range(source, key, frames_per_second_per_source_max, &FRAMES_PER_SECOND)?;
        let rule = "must name who may connect; 0.0.0.0/0 is everybody";
        source.rule(!allow.is_empty(), "order_entry.allow", "[]", rule)?;
        let allow = networks(source, "order_entry.allow", &allow)?;
        let access_file =
            self.access_file.map(|path| whole(source, "order_entry.access_file", path));
        let rule = "is for DPDK; with the kernel's sockets use `ip neighbour replace`";
        let own = backend == Backend::Dpdk || neighbours.is_empty();
        source.rule(own, "order_entry.neighbours", format_args!("{neighbours:?}"), rule)?;
        let neighbours = neighbours.iter().map(|(host, mac)| {
            let key = format!("order_entry.neighbours.\"{host}\"");
            let rule = format_args!("must be for an address in {network}");
            let local = host.parse().ok().filter(|&host| network.contains(host));
            let host = local.ok_or_else(|| source.broken(&key, quoted(mac), rule))?;
            let mac = mac.parse().map_err(|rule| source.broken(&key, quoted(mac), rule))?;
            Ok((host, mac))
        });
        let neighbours = neighbours.collect::<Result<_, ConfigError>>()?;
        let key = "order_entry.interface";
        let named = format!("{:?}", self.interface.as_deref().unwrap_or_default());
        let rule = "is for the kernel's sockets of a node in a [cluster]: leave it out";
        let moves = backend == Backend::Kernel && in_cluster;
        source.rule(moves || self.interface.is_none(), key, &named, rule)?;
        let rule = "wants a definite address in order_entry.listen: it moves with the leader";
        let is_definite = !listen.ip().is_unspecified() && !listen.ip().is_loopback();
        source.rule(is_definite || self.interface.is_none(), key, &named, rule)?;
        let rule = "wants order_entry.shards = 1: who shares an address cannot take it one by one";
        source.rule(shards == 1 || self.interface.is_none(), key, &named, rule)?;
        let taken = (backend == Backend::Kernel).then_some(listen);
        let tls = self.tls.map(|table| table.prove(source, taken)).transpose()?;
        Ok(OrderEntry {
            backend,
            listen,
            ufo_port,
            shards,
            prefix,
            interface: self.interface,
            gateway,
            connections_max,
            connections_per_source_max,
            messages_per_second_max,
            frames_per_second_per_source_max,
            access_file: access_file.transpose()?,
            allow,
            neighbours,
            tls,
        })
    }
}

impl TlsTable {
    /// `taken` is where the kernel listens already.
    fn prove(self, source: &Source, taken: Option<SocketAddrV4>) -> Result<Tls, ConfigError> {
        let Self { listen, certificate, key, connections_max, .. } = self;
        let at = "order_entry.tls.listen";
        let rule = "is of no use: this rialto was built without TLS; build it without \
                    --no-default-features, or with --features tls";
        source.rule(cfg!(feature = "tls"), at, quoted(&listen), rule)?;
        let rule = "must be an IPv4 address of the kernel's and a port, such as 0.0.0.0:9443";
        let listen: SocketAddrV4 = parsed(source, at, &listen, rule)?;
        let unicast = !listen.ip().is_multicast() && !listen.ip().is_broadcast();
        source.rule(unicast, at, listen, "must be a unicast address")?;
        let is_free = taken.is_none_or(|taken| taken.port() == 0 || taken.port() != listen.port());
        source.rule(is_free, at, listen, "must have a port of its own")?;
        in_range(source, "order_entry.tls.connections_max", connections_max, &CONNECTIONS)?;
        let quarter = connections_max.div_ceil(4);
        let connections_per_source_max = self.connections_per_source_max.unwrap_or(quarter);
        let share = "order_entry.tls.connections_per_source_max";
        in_range(source, share, connections_per_source_max, &(1..=connections_max))?;
        Ok(Tls {
            listen,
            certificate: whole(source, "order_entry.tls.certificate", certificate)?,
            key: whole(source, "order_entry.tls.key", key)?,
            connections_max,
            connections_per_source_max,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;

    #[test]
    fn shards_that_share_an_address_cannot_have_one_that_moves() {
        let text = |shards: u8| {
            format!(
                r#"
                [node]
                id = 1
                name = "n"
                [logs]
                directory = "logs"
                [control]
                directory = "control"
                [order_entry]
                backend = "kernel"
                listen = "10.9.0.1:9001"
                interface = "eth1"
                shards = {shards}
                allow = ["10.9.0.0/24"]
                [feed]
                group = "239.9.9.9:9100"
                [cluster]
                members = [
                    {{ host = 1, address = "10.9.1.1:9200" }},
                    {{ host = 2, address = "10.9.1.2:9200" }},
                    {{ host = 3, address = "10.9.1.3:9200" }},
                ]
                "#
            )
        };
        let parse = |shards| Config::parse(Path::new("node.toml"), &text(shards));
        let one = parse(1).unwrap();
        assert_eq!(one.service().unwrap().order_entry.interface.as_deref(), Some("eth1"));
        assert_eq!(
            parse(2).unwrap_err().to_string(),
            "node.toml: order_entry.interface = \"eth1\": wants order_entry.shards = 1: who shares \
             an address cannot take it one by one"
        );
    }
}
