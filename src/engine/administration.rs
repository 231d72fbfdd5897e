//! Administration: who may give the commands that define and open the market, and how a refusal is
//! said.
//!
//! A port's requests carry rising numbers, so a request that is retried is carried out once.

use super::Engine;
use super::events::{Outlet, Route};
use crate::types::command::AdminHeader;
use crate::types::event::{EventHeader, Refused};
use crate::types::{PortId, PortKind, Record, Refusal};

/// Who asked for an administrative command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// The operator's port, none for the node itself.
    pub(super) port: PortId,
    /// The request, to be answered with its number.
    pub(super) request: u64,
}

impl Asker {
    /// Nobody asked: it is the calendar's doing, or that of a price.
    pub(super) const NOBODY: Self = Self { port: PortId::NONE, request: 0 };
}

impl Engine {
    /// Carries out what only an operator or the node itself may ask for, or says why not.
    pub(super) fn administer<C: Record>(
        &mut self,
        command: &C,
        carry_out: fn(&mut Self, &C, Asker, &mut dyn Outlet) -> Result<(), Refusal>,
        out: &mut dyn Outlet,
    ) {
        let &AdminHeader { ref common, request } =
            AdminHeader::view(command.lines()).expect("a whole line");
        if !common.port.is_none() && self.manager.session(common.port, common.epoch).is_none() {
            self.counters.stale_epochs += 1;
            return;
        }
        let asker = Asker { port: common.port, request };
        let done = self.allow(asker).and_then(|()| carry_out(self, command, asker, out));
        let Err(refusal) = done else { return };
        let refused = refused::<C>(request, refusal);
        // A broker's stream has no message that would say so.
        let route = if refusal == Refusal::NotAllowed {
            Route::about(asker.port)
        } else {
            Route::port(asker.port)
        };
        self.events.emit(route, &refused, out);
    }

    /// Whether the port may ask, and has not asked this before.
    fn allow(&mut self, asker: Asker) -> Result<(), Refusal> {
        let Some(port) = self.manager.ports.get_mut(asker.port.0) else {
            return Ok(()); // The node itself.
        };
        if port.kind != PortKind::Admin {
            self.counters.not_allowed += 1;
            return Err(Refusal::NotAllowed);
        }
        if asker.request <= port.last_request {
            return Err(Refusal::RepeatedRequest);
        }
        port.last_request = asker.request;
        Ok(())
    }
}

/// Says that a `C` was not carried out.
pub(super) fn refused<C: Record>(request: u64, refusal: Refusal) -> Refused {
    Refused {
        header: EventHeader::new::<Refused>(),
        request,
        command: C::KIND,
        reason: refusal.byte(),
        reserved: [0; 14],
    }
}
