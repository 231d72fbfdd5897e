//! What is known of the events before a place in the event log, so that who follows the log from there on
//! need not read them: the engine says it where it stands, gateways and the feed begin with it.

use super::event::PortDefined;
use super::{Epoch, Nanos, Position, SessionId, Symbol};

/// What those who read the event log must know of its part before a place.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The place: a frame ends there.
    pub position: Position,
    /// The session id of the day, which is open.
    pub session: SessionId,
    /// Its midnight.
    pub midnight: Nanos,
    /// The number of the feed's last message, 0 before the day's first.
    pub feed_sequence: u64,
    /// The symbols of the instruments, by number, which begins with 1.
    pub symbols: Vec<Symbol>,
    /// The ports, by number, which begins with 1.
    pub ports: Vec<PortStanding>,
    /// The ends of the firms' streams, by number, which begins with 1.
    pub firms: Vec<StreamEnd>,
}

/// A port.
#[derive(Clone, Copy, Debug)]
pub struct PortStanding {
    /// As it was defined.
    pub defined: PortDefined,
    /// Its session, none while it is down.
    pub epoch: Epoch,
    /// The end of its stream.
    pub stream: StreamEnd,
}

/// The last message of a port's or a firm's stream of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamEnd {
    /// Its number, 0 before the day's first.
    pub sequence: u32,
    /// Where its event lies.
    pub position: Position,
}
