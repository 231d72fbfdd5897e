//! What gateways and the feed must know of the events so far, to follow the event log from here on.

use super::Engine;
use super::definitions::port_defined;
use crate::types::{OuchVersion, PortStanding, Standing};

impl Engine {
    /// What is known behind the last command frame; `None` while no day is open, when streams are between
    /// their end and their beginning, and where a port has tokens, which only the events of its day tell.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        let day = self.day.as_ref()?;
        let manager = &self.manager;
        if manager.ports.rows().iter().any(|port| port.ouch_version == OuchVersion::V42) {
            return None;
        }
        let ports = manager.ports.rows().iter().map(|port| PortStanding {
            defined: port_defined(port, 0),
            epoch: port.epoch,
            stream: self.events.port_end(port.id),
        });
        let firms = manager.firms.rows().iter().map(|firm| self.events.firm_end(firm.id));
        Some(Standing {
            position: self.events.chain().end,
            session: day.session,
            midnight: day.midnight,
            feed_sequence: self.events.feed_sequence(),
            symbols: manager.instruments.rows().iter().map(|row| row.symbol).collect(),
            ports: ports.collect(),
            firms: firms.collect(),
        })
    }
}
