//! Open orders: whose each resting order is, found by handle, by (port, channel, user reference
//! number), and port by port in the order of entry.
//!
//! The other half of an order, its price and its place in the book, is matching's, under the same
//! handle.

use super::{Account, BalanceId, FeeMeter, IdMap, IndexSeed, OrderManager, Port};
use crate::sys::memory::prefetch;
use crate::sys::prefault::prefaulted;
use crate::types::{
    AccountId, FirmId, InstrumentId, OrderHandle, OrderRef, PortId, Price, Quantity, Side,
    UserRefNum,
};

/// What matching need not know of a resting order: one cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct OpenOrder {
    /// Its reference.
    pub order: OrderRef,
    /// Its owner's cash in the instrument's currency.
    pub cash: BalanceId,
    /// Its owner's shares of the instrument.
    pub shares: BalanceId,
    /// The port it came from.
    pub port: PortId,
    /// The participant's number for it.
    pub user_ref_num: UserRefNum,
    /// The account that answers for it.
    pub account: AccountId,
    /// Shares executed so far, those of the orders it replaced included.
    pub executed: Quantity,
    /// The port's order entered before it.
    pub older: OrderHandle,
    /// The port's order entered after it.
    pub younger: OrderHandle,
    /// What it owes for what it trades.
    pub(crate) fee: FeeMeter,
    /// What a share of it is held and counted at, as it was when it entered: fewer bits than a price.
    pub(crate) worth: u32,
    /// The port's firm.
    pub firm: FirmId,
    /// The instrument.
    pub instrument: InstrumentId,
    /// Sub-account.
    pub group_id: u16,
    /// Channel.
    pub user_ref_idx: u8,
    /// As entered.
    pub side: Side,
    /// OUCH capacity, as entered.
    pub capacity: u8,
    /// OUCH cross type, as entered.
    pub cross_type: u8,
    /// Whether it has a time to live.
    pub expires: bool,
}

const _: () = assert!(size_of::<OpenOrder>() == 64);

impl OpenOrder {
    /// What a share of it is held and counted at.
    pub(crate) fn worth(&self) -> Price {
        Price(self.worth.into())
    }

    fn key(&self) -> u64 {
        key(self.port, self.user_ref_idx, self.user_ref_num)
    }

    /// What a handle has that was never used.
    fn none() -> Self {
        Self {
            order: OrderRef::default(),
            cash: BalanceId::default(),
            shares: BalanceId::default(),
            port: PortId::NONE,
            user_ref_num: UserRefNum::NONE,
            account: AccountId::NONE,
            executed: Quantity::ZERO,
            older: OrderHandle::NONE,
            younger: OrderHandle::NONE,
            fee: FeeMeter::default(),
            worth: 0,
            firm: FirmId::NONE,
            instrument: InstrumentId::NONE,
            group_id: 0,
            user_ref_idx: 0,
            side: Side::Buy,
            capacity: 0,
            cross_type: 0,
            expires: false,
        }
    }
}

/// All open orders.
#[derive(Debug)]
pub struct OpenOrders {
    /// By handle; what a free handle has here means nothing, but that it is of no port.
    orders: Vec<OpenOrder>,
    by_user_ref: IdMap,
}

impl OpenOrders {
    /// Room for `max` orders.
    #[must_use]
    pub(crate) fn new(max: u32, seed: IndexSeed) -> Self {
        Self {
            orders: prefaulted(OpenOrder::none(), max as usize),
            by_user_ref: IdMap::with_capacity(max as usize, seed),
        }
    }

    /// Notes an order that began to rest, as the youngest of its port.
    ///
    /// # Panics
    /// If the handle is out of range or the port has an order with that number.
    pub(crate) fn insert(&mut self, handle: OrderHandle, mut order: OpenOrder, port: &mut Port) {
        let key = order.key();
        self.by_user_ref.insert(key, handle.0, |id| is_key(&self.orders, id, key));
        order.older = port.youngest;
        order.younger = OrderHandle::NONE;
        if port.youngest.is_none() {
            port.oldest = handle;
        } else {
            self.get_mut(port.youngest).younger = handle;
        }
        port.youngest = handle;
        port.open_orders += 1;
        *self.get_mut(handle) = order;
    }

    /// Forgets an order that is over.
    ///
    /// # Panics
    /// If it is not open.
    pub(crate) fn remove(&mut self, handle: OrderHandle, port: &mut Port) {
        let order = *self.get(handle);
        let was_open = self.by_user_ref.remove(order.key(), handle.0);
        assert!(was_open, "order {} is not open", order.order);
        if order.older.is_none() {
            port.oldest = order.younger;
        } else {
            self.get_mut(order.older).younger = order.younger;
        }
        if order.younger.is_none() {
            port.youngest = order.older;
        } else {
            self.get_mut(order.younger).older = order.older;
        }
        port.open_orders -= 1;
        // A handle that is free has no key.
        self.get_mut(handle).port = PortId::NONE;
    }

    /// The open order a port means by a number.
    #[must_use]
    pub fn find(&self, port: PortId, channel: u8, number: UserRefNum) -> Option<OrderHandle> {
        let key = key(port, channel, number);
        let found = self.by_user_ref.get(key, |id| is_key(&self.orders, id, key));
        found.map(OrderHandle)
    }

    /// The same, most likely, without a look at the order.
    pub(crate) fn likely(&self, port: PortId, channel: u8, number: UserRefNum) -> OrderHandle {
        OrderHandle(self.by_user_ref.likely(key(port, channel, number)).unwrap_or(0))
    }

    /// Whether a handle is that of the open order a port means by a number; any handle will do.
    pub(super) fn is_open(
        &self,
        handle: OrderHandle,
        port: PortId,
        channel: u8,
        number: UserRefNum,
    ) -> bool {
        let order = self.orders.get((handle.0 as usize).wrapping_sub(1));
        order.is_some_and(|order| !port.is_none() && order.key() == key(port, channel, number))
    }

    /// Brings near what finds an order by number.
    pub(crate) fn expect_number(&self, port: PortId, channel: u8, number: UserRefNum) {
        self.by_user_ref.expect(key(port, channel, number));
    }

    /// Brings an order near; any handle will do.
    pub(crate) fn expect(&self, handle: OrderHandle) {
        if let Some(order) = self.orders.get((handle.0 as usize).wrapping_sub(1)) {
            prefetch(order);
        }
    }

    /// The most entries that a look-up by number steps over.
    #[cfg(test)]
    pub(crate) fn longest_probe(&self) -> usize {
        self.by_user_ref.probes().max().unwrap_or(0)
    }

    /// An open order.
    #[must_use]
    pub fn get(&self, handle: OrderHandle) -> &OpenOrder {
        &self.orders[handle.0 as usize - 1]
    }

    /// The same, to change.
    #[must_use]
    pub(crate) fn get_mut(&mut self, handle: OrderHandle) -> &mut OpenOrder {
        &mut self.orders[handle.0 as usize - 1]
    }
}

impl OrderManager {
    /// Notes an order that began to rest.
    pub(crate) fn open_order(&mut self, handle: OrderHandle, order: OpenOrder) {
        let port = self.ports.get_mut(order.port.0).expect("orders come from ports");
        self.orders.insert(handle, order, port);
        let firm = self.firms.get_mut(order.firm.0.into()).expect("their ports have a firm");
        firm.open_orders += 1;
        self.account_mut(order.cash).open_orders += 1;
    }

    /// Forgets an order that is over.
    pub(crate) fn close_order(&mut self, handle: OrderHandle) {
        let &OpenOrder { port, firm, cash, .. } = self.orders.get(handle);
        let port = self.ports.get_mut(port.0).expect("orders come from ports");
        self.orders.remove(handle, port);
        let firm = self.firms.get_mut(firm.0.into()).expect("their ports have a firm");
        firm.open_orders -= 1;
        self.account_mut(cash).open_orders -= 1;
    }

    /// The account that a balance is of.
    fn account_mut(&mut self, balance: BalanceId) -> &mut Account {
        let account = self.wallet.get(balance).account;
        self.accounts.get_mut(account).expect("balances belong to accounts")
    }
}

/// Whether the order at a handle has this key.
fn is_key(orders: &[OpenOrder], handle: u32, key: u64) -> bool {
    orders[handle as usize - 1].key() == key
}

/// Port 24 bits, channel 8, number 32; [`Capacity::PORTS_MAX`](super::Capacity::PORTS_MAX) keeps it so.
fn key(port: PortId, channel: u8, number: UserRefNum) -> u64 {
    u64::from(port.0) << 40 | u64::from(channel) << 32 | u64::from(number.0)
}
