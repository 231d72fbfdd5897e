//! The gateway's agent: connects sessions, the command ring and the event log.
//!
//! What a session says becomes commands on the ring; what the event log says of a port is sent to its
//! session. The log is the only buffer: a session that cannot take its next message now reads it from
//! the log later. Nothing is sent before the start of this term is in the event log.

use tracing::info;

use super::core::Core;
use super::{GatewayConfig, GatewayCounters};
use crate::agent::{Agent, AgentError, Leads, WorkResult};
use crate::counters::{CounterBlock, CounterSet as _};
use crate::event_store::{Reader, StoreError};
use crate::net::{Datagram, Transport};
use crate::ring;
use crate::types::{Nanos, PortKind, Position, Standing};

/// Event frames read in a duty cycle.
const FRAMES_PER_CYCLE_MAX: usize = 8;
/// The same before it serves: nobody waits for anything else.
const PAST_FRAMES_PER_CYCLE_MAX: usize = 1_024;
/// Datagrams relayed in a duty cycle.
const DATAGRAMS_PER_CYCLE_MAX: usize = 32;

/// The stage between sessions and the logs.
#[derive(Debug)]
pub struct Gateway<T: Transport> {
    transport: T,
    /// Datagrams of other stages that leave through this gateway's device.
    datagrams: Option<ring::Consumer>,
    tail: Reader,
    core: Core,
    published: CounterBlock,
}

impl<T: Transport> Gateway<T> {
    /// Serves the ports of `config` over `transport`. `tail` and `history` read the same event log, and
    /// `tail` from its beginning: where segments were retired, what lies before the first day that begins
    /// is passed over.
    #[must_use]
    pub fn new(
        config: GatewayConfig,
        transport: T,
        commands: ring::Producer,
        datagrams: Option<ring::Consumer>,
        tail: Reader,
        history: Reader,
        published: CounterBlock,
    ) -> Self {
        let mut core = Core::new(config, commands, history);
        core.awaits_day = tail.position() > Position::FIRST;
        Self { transport, datagrams, tail, core, published }
    }

    /// Has it read on from a place where all that it must know of what lies before is known.
    ///
    /// # Errors
    /// The log's, if it has no such place.
    pub fn resume(mut self, standing: &Standing) -> Result<Self, StoreError> {
        self.tail.seek(standing.position)?;
        self.core.resume(standing);
        Ok(self)
    }

    fn publish(&mut self, now: Nanos) {
        self.transport.publish(now);
        if self.published.is_due(now) {
            self.core.counters.ring_lines = self.core.commands.waiting() as u64;
            self.core.counters.publish(&mut self.published);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &GatewayCounters {
        &self.core.counters
    }

    /// Datagrams of a time when it led are nobody's business any more.
    fn drop_datagrams(&mut self) {
        let Some(ring) = &mut self.datagrams else { return };
        while ring.peek().is_some() {
            ring.pop();
        }
    }

    fn relay_datagrams(&mut self) -> usize {
        let Some(ring) = &mut self.datagrams else { return 0 };
        for sent in 0..DATAGRAMS_PER_CYCLE_MAX {
            let Some(message) = ring.peek() else { return sent };
            if let Some((to, payload)) = Datagram::read(message)
                && !self.transport.send_datagram(to, payload)
            {
                return sent;
            }
            ring.pop();
        }
        DATAGRAMS_PER_CYCLE_MAX
    }
}

impl<T: Transport + std::fmt::Debug> Agent for Gateway<T> {
    fn name(&self) -> &'static str {
        match self.core.config.serves {
            PortKind::Admin => "admin",
            PortKind::OrderEntry | PortKind::DropCopy => "order_entry",
        }
    }

    fn do_work(&mut self, now: Nanos) -> WorkResult {
        let (mut work, mut is_all) = (0, false);
        let frames_max =
            if self.core.ready { FRAMES_PER_CYCLE_MAX } else { PAST_FRAMES_PER_CYCLE_MAX };
        for _ in 0..frames_max {
            let Some(frame) = self.tail.next_frame()? else {
                is_all = true;
                break;
            };
            self.core.take_frame(&frame, &mut self.transport, now);
            if let Some(traces) = &self.core.traces {
                traces.emitted(frame.header.index);
            }
            work += 1;
        }
        if !self.core.ready {
            // Behind the start of a day comes the market.
            if !(is_all && self.core.may_serve()) {
                return Ok(work);
            }
            self.transport.open()?;
            self.core.begin_to_serve();
        }
        if work > 0 {
            if self.core.leads() {
                // Others agreed to this a moment ago.
                self.transport.confirm();
            }
            // Answers leave before anything else is looked at.
            self.core.send_datagrams(&mut self.transport);
            self.transport.flush(now);
        }
        if let Some(traces) = &mut self.core.traces {
            traces.flushed(now, |stamp| self.transport.arrival(stamp));
        }
        work += self.core.catch_up(&mut self.transport, now);
        work += self.core.report_departures(now);
        work += self.relay_datagrams();
        self.core.run_timers(&mut self.transport, now);
        self.core.send_datagrams(&mut self.transport);
        work += self.transport.flush(now);
        self.publish(now);
        self.core.follow_networks(&mut self.transport);
        // Last, so that an order goes from the network to the ring and on with nothing between.
        if let Some(traces) = &mut self.core.traces {
            traces.look(now);
        }
        work += self.transport.poll(now);
        work += self.core.take_net_events(&mut self.transport, now);
        work += self.core.take_datagrams(&mut self.transport, now);
        work += self.core.serve_waiting(&mut self.transport, now);
        Ok(work)
    }

    fn on_close(&mut self) -> Result<(), AgentError> {
        for connection in self.core.connections.iter_mut().filter_map(Option::take) {
            connection.link.close(&mut self.transport);
        }
        self.relay_datagrams();
        self.transport.flush(self.core.now);
        self.publish(Nanos::MAX);
        info!(gateway = self.name(), transport = ?self.transport, "its network");
        info!(gateway = self.name(), counters = ?self.core.counters, "closed");
        Ok(())
    }
}

impl<T: Transport + std::fmt::Debug> Leads for Gateway<T> {
    fn lead(&mut self, term: u32) {
        self.drop_datagrams();
        self.core.config.term = term;
        self.core.wants_day = true;
    }

    fn follow(&mut self) {
        self.core.config.term = 0;
        self.core.leave_all(&mut self.transport);
        self.transport.shut();
        self.drop_datagrams();
    }
}
