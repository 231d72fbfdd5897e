//! The way to the other nodes, as a node drives it.

use std::net::SocketAddrV4;

#[cfg(feature = "aeron")]
use crate::agent::AgentError;
use crate::agent::WorkResult;
use crate::config::{self, ClusterTransport, Config, Peer};
#[cfg(feature = "aeron")]
use crate::consensus::aeron::{AeronConfig, AeronTransport, PayloadStream};
use crate::consensus::udp::{UdpConfig, UdpTransport};
use crate::consensus::{PayloadMode, Transport};
use crate::node::NodeError;

/// Sends messages, and takes those that came.
pub trait Link: Transport + Send {
    /// Moves what was sent, and what comes, where that does not happen by itself: at the beginning and at
    /// the end of a duty cycle.
    ///
    /// # Errors
    /// It moves nothing any more.
    fn do_work(&mut self) -> WorkResult {
        Ok(0)
    }

    /// Takes a message into `message`, in place of what it held; `false` if none has come. Never waits.
    fn receive(&mut self, message: &mut Vec<u8>) -> bool;

    /// Another host can be reached from now on, at this address.
    ///
    /// # Errors
    /// Why it cannot.
    fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), NodeError>;
}

impl Link for UdpTransport {
    fn receive(&mut self, message: &mut Vec<u8>) -> bool {
        // Who wrote it, its MAC says.
        keep(Self::receive(self), message)
    }

    fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), NodeError> {
        Ok(Self::reach(self, host, address)?)
    }
}

#[cfg(feature = "aeron")]
impl Link for AeronTransport {
    fn do_work(&mut self) -> WorkResult {
        Self::do_work(self).map_err(AgentError::from)
    }

    fn receive(&mut self, message: &mut Vec<u8>) -> bool {
        keep(Self::receive(self), message)
    }

    fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), NodeError> {
        Ok(Self::reach(self, host, address)?)
    }
}

fn keep(received: Option<(u32, &[u8])>, message: &mut Vec<u8>) -> bool {
    message.clear();
    received.is_some_and(|(_, bytes)| {
        message.extend_from_slice(bytes);
        true
    })
}

/// How payloads travel by the configured transport.
pub(super) const fn payload_mode(transport: &ClusterTransport) -> PayloadMode {
    match transport {
        ClusterTransport::Udp => PayloadMode::Unicast,
        ClusterTransport::Aeron(_) => PayloadMode::Multicast,
    }
}

/// The configured way.
pub(super) fn open(config: &Config, cluster: &config::Cluster) -> Result<Box<dyn Link>, NodeError> {
    let host = config.node().id;
    let (own, peers): (Vec<&Peer>, Vec<&Peer>) =
        cluster.peers.iter().partition(|peer| peer.host == host);
    let own = own.first().expect("the configuration is proven");
    let (bind, mtu) = (own.address, cluster.mtu);
    let peers = peers.iter().map(|peer| (peer.host, peer.address)).collect();
    match &cluster.transport {
        ClusterTransport::Udp => {
            Ok(Box::new(UdpTransport::new(&UdpConfig { host, bind, peers, mtu })?))
        }
        #[cfg(feature = "aeron")]
        ClusterTransport::Aeron(aeron) => {
            let payload = match aeron.payload {
                config::PayloadStream::Multicast { group, interface, ttl } => {
                    let interface = interface.unwrap_or(*bind.ip());
                    PayloadStream::Multicast { group, interface, ttl }
                }
                config::PayloadStream::Destinations { control_port } => {
                    PayloadStream::Destinations { control: control_port }
                }
            };
            let config = AeronConfig {
                host,
                directory: aeron.directory.clone(),
                bind,
                peers,
                voters: cluster.hosts(true).len(),
                votes: own.votes,
                payload,
                mtu,
            };
            Ok(Box::new(AeronTransport::new(&config)?))
        }
        #[cfg(not(feature = "aeron"))]
        ClusterTransport::Aeron(_) => {
            unreachable!("a configuration for Aeron is not proven without it")
        }
    }
}
