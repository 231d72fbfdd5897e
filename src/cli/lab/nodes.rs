//! The lab of a cluster: each node in a namespace, on a network with brokers, `front`, and on one with the
//! other nodes, `back`. Whoever works inside is at the switches, and can pull a node's cables.

use std::net::Ipv4Addr;
use std::process::Command;

use super::{LabError, exe, ip};

/// The interface of each node where brokers are.
pub(in crate::cli) const FRONT: &str = "front";
/// The network of all that is there.
pub(in crate::cli) const NETWORK: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 0);
/// Bits of the networks' masks.
pub(in crate::cli) const PREFIX: u8 = 24;
/// The address that moves with the leader.
pub(in crate::cli) const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// Whoever works inside, to the front.
pub(in crate::cli) const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 100);

/// A network of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Network {
    /// With brokers.
    Front,
    /// With the other nodes.
    Back,
}

/// A node's own address to the front, whoever leads.
pub(in crate::cli) fn front_address(node: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 9, 0, 10).to_bits() + node)
}

/// A node's address among nodes.
pub(in crate::cli) fn back_address(node: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 9, 1, 0).to_bits() + node)
}

/// This program in the namespace of a node, from 1.
pub(in crate::cli) fn rialto_on(node: u32) -> Result<Command, LabError> {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &format!("node{node}")]).arg(exe()?);
    Ok(command)
}

/// Takes the other end of a node's cable out of the switch, which the node does not see; or puts it back.
pub(in crate::cli) fn cut(network: Network, node: u32, is_cut: bool) -> Result<(), LabError> {
    let switch = match network {
        Network::Front => "front",
        Network::Back => "back",
    };
    let cable = format!("{switch}{node}");
    if is_cut {
        ip(&["link", "set", "dev", &cable, "nomaster"])
    } else {
        ip(&["link", "set", "dev", &cable, "master", switch])
    }
}
