//! What is due: before a command is applied, everything fires whose time came before it, the earliest
//! first.
//!
//! Of one time, the phases' timers come first, then ports' grace, then orders' expiry; each in the order
//! of their numbers, the older order before the younger. An order expires in whatever phase it waits.

use super::Engine;
use super::events::Outlet;
use super::timers::TimerQueue;
use crate::order_manager::OpenOrder;
use crate::types::{CancelReason, Nanos, OrderHandle, OrderRef, PortId};

/// The deadlines that the engine keeps beside those of phases.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// Of disconnect grace, by port.
    pub(super) grace: TimerQueue,
    /// Of good-till-time orders, by handle.
    pub(super) expiry: TimerQueue,
}

impl Deadlines {
    /// For so many ports and resting orders.
    pub(super) fn new(ports: u32, orders: u32) -> Self {
        Self { grace: TimerQueue::new(ports), expiry: TimerQueue::sparse(orders) }
    }
}

impl Engine {
    /// Fires what is due at the log time that is reached.
    pub(super) fn fire_due(&mut self, out: &mut dyn Outlet) {
        loop {
            let (phases, Deadlines { grace, expiry }) =
                (&mut self.phases.timers, &mut self.deadlines);
            let first = phases.next().min(grace.next()).min(expiry.next());
            if first > self.now {
                return;
            }
            if let Some(timer) = phases.pop_due(first) {
                self.fire_phase_timer(timer, out);
            } else if let Some(port) = grace.pop_due(first) {
                self.end_grace(PortId(port), out);
            } else if let Some(order) = expiry.pop_due(first) {
                self.cancel_rest(OrderHandle(order), CancelReason::Timeout, out);
            } else {
                return;
            }
        }
    }

    /// Lets an order that began to rest expire, if it asked to.
    pub(super) fn arm_expiry(&mut self, handle: OrderHandle, order: OrderRef, lifetime_s: u32) {
        if lifetime_s != 0 {
            let deadline = self.now.after(Nanos::from_secs(lifetime_s.into()));
            self.deadlines.expiry.arm_ranked(handle.0, order.0, deadline);
        }
    }

    /// Forgets an order that is over.
    pub(super) fn close_order(&mut self, handle: OrderHandle) {
        let &OpenOrder { expires, .. } = self.manager.orders.get(handle);
        if expires {
            self.deadlines.expiry.disarm(handle.0);
        }
        self.manager.close_order(handle);
    }
}
