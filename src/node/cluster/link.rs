//! The way to the other nodes, as a node drives it.

use std::net::SocketAddrV4;

use crate::consensus::Transport;
use crate::consensus::udp::{UdpError, UdpTransport};

/// Sends messages, and takes those that came.
pub trait Link: Transport + Send {
    /// Takes a message into `message`, in place of what it held; `false` if none has come. Never waits.
    fn receive(&mut self, message: &mut Vec<u8>) -> bool;

    /// Another host can be reached from now on, at this address.
    ///
    /// # Errors
    /// Why it cannot.
    fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), UdpError>;
}

impl Link for UdpTransport {
    fn receive(&mut self, message: &mut Vec<u8>) -> bool {
        message.clear();
        // Who wrote it, its MAC says.
        let received = Self::receive(self);
        received.is_some_and(|(_, bytes)| {
            message.extend_from_slice(bytes);
            true
        })
    }

    fn reach(&mut self, host: u32, address: SocketAddrV4) -> Result<(), UdpError> {
        Self::reach(self, host, address)
    }
}
