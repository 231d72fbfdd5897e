//! What is due: before a command is applied, everything fires whose time came before it, the earliest
//! first.
//!
//! Of one time, a port's grace comes before an order's expiry, and the older order's before the
//! younger's.

use super::Engine;
use super::events::Outlet;
use super::timers::TimerQueue;
use crate::order_manager::OpenOrder;
use crate::types::{CancelReason, Nanos, OrderHandle, OrderRef, PortId};

/// The deadlines that the engine keeps.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// Of disconnect grace, by port.
    pub(super) grace: TimerQueue,
    /// Of good-till-time orders, by handle.
    expiry: TimerQueue,
}

impl Deadlines {
    /// For so many ports and resting orders.
    pub(super) fn new(ports: u32, orders: u32) -> Self {
        // Numbers of both begin at 1.
        Self { grace: TimerQueue::new(ports + 1), expiry: TimerQueue::new(orders + 1) }
    }

    fn first(&self) -> Option<Nanos> {
        [self.grace.first(), self.expiry.first()].into_iter().flatten().min()
    }
}

impl Engine {
    /// Fires what is due at the log time that is reached.
    pub(super) fn fire_due(&mut self, out: &mut dyn Outlet) {
        while let Some(first) = self.deadlines.first().filter(|&first| first <= self.now) {
            if let Some(port) = self.deadlines.grace.pop_due(first) {
                self.end_grace(PortId(port), out);
            } else if let Some(order) = self.deadlines.expiry.pop_due(first) {
                self.cancel_rest(OrderHandle(order), CancelReason::Timeout, out);
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
