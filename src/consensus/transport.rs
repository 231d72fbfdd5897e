//! How messages leave a node. None is promised to arrive, nor once, nor in order.

use super::codec::ENVELOPE_BYTES;
use crate::types::{FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX};

/// The most bytes of a message: that of the largest frame. An append of 64 entries is far less.
pub const MESSAGE_BYTES_MAX: usize = ENVELOPE_BYTES + FRAME_HEADER_BYTES + FRAME_PAYLOAD_BYTES_MAX;

/// Sends encoded messages.
pub trait Transport {
    /// Sends to one host.
    fn send(&mut self, host: u32, message: &[u8]);

    /// Sends to every other host at once: the payload stream.
    fn publish(&mut self, message: &[u8]);
}

impl<T: Transport + ?Sized> Transport for Box<T> {
    fn send(&mut self, host: u32, message: &[u8]) {
        (**self).send(host, message);
    }

    fn publish(&mut self, message: &[u8]) {
        (**self).publish(message);
    }
}

/// How payloads reach the followers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadMode {
    /// To each follower, directly before the entries it belongs to. Needs nothing of the network, costs
    /// the leader a copy for each follower; the oracle of the other.
    Unicast,
    /// Once to all, when the leader writes the frame; what is lost is fetched.
    Multicast,
}
