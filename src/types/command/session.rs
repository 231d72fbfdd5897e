//! The commands that begin and end the session of a port, as a gateway proposes them. No participant sends
//! them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::CommandHeader;
use crate::types::Connection;

/// A participant proved who it is: its port's session begins, with this command's sequence as epoch.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortUp {
    /// Common fields; the epoch is that of the session to come, so it is none.
    pub header: CommandHeader,
    /// The gateway's number for the connection, returned by the event.
    pub connection: Connection,
    /// Source address.
    pub source_address: [u8; 4],
    /// Source port.
    pub source_port: u16,
    /// `T` TCP, `U` UDP.
    pub transport: u8,
    /// Zero.
    pub reserved: [u8; 25],
}

/// A session is over.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C, align(64))]
pub struct PortDown {
    /// Common fields; the epoch says which session.
    pub header: CommandHeader,
    /// A [`DownReason`](crate::types::DownReason).
    pub reason: u8,
    /// Zero.
    pub reserved: [u8; 39],
}
