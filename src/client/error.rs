//! Why a client cannot go on, each with what its user can do about it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::soup::{LoginReject, SoupError};
use crate::wire::ufo::UfoError;

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error(
        "cannot connect to {address}: {source}; is the node running, and is this its order-entry \
         address?"
    )]
    Connect {
        /// The exchange.
        address: SocketAddr,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The operating system refused something else.
    #[error("cannot {action}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Its reason.
        source: io::Error,
    },
    /// The exchange refused the login.
    #[error("login refused: {}", refusal(*.0))]
    Refused(LoginReject),
    /// The exchange closed the connection.
    #[error("the exchange closed the connection")]
    Closed,
    /// It took too long.
    #[error("no {what} within {after:?}")]
    Timeout {
        /// What was waited for.
        what: &'static str,
        /// How long.
        after: Duration,
    },
    /// What came is not SoupBinTCP.
    #[error("not a SoupBinTCP packet: {0}; is this an order-entry address?")]
    Soup(#[from] SoupError),
    /// What came is not UFO.
    #[error("not a UFO packet: {0}; is this an order-entry address over UDP?")]
    Ufo(#[from] UfoError),
    /// A packet that has no place here.
    #[error("the exchange sent a packet that does not belong {0}")]
    OutOfPlace(&'static str),
    /// A message longer than a packet.
    #[error("a message of {0} bytes does not fit a packet")]
    TooLong(usize),
    /// The address is no group's.
    #[error("{0} is no multicast group; those are 224.0.0.0 to 239.255.255.255")]
    NotMulticast(std::net::Ipv4Addr),
}

fn refusal(reason: LoginReject) -> &'static str {
    match reason {
        LoginReject::NotAuthorized => "unknown user or wrong secret for it",
        LoginReject::SessionNotAvailable => {
            "the exchange has no such session, or has not reached the sequence asked for"
        }
    }
}
