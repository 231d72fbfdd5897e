//! Capacity: how much of everything the engine is made for.
//!
//! What does not fit is refused, and a refusal is an event: so it is the command log that says it, as
//! [`VenueLimits`], and never a node's own file.

use crate::types::Nanos;
use crate::types::command::{CommandHeader, VenueLimits};

/// How much of everything the engine is made for. Memory for orders and balances is taken at the
/// start; a definition beyond its number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Resting orders in all books, at most [`Capacity::ORDERS_MAX`]. An order that would rest beyond
    /// them is rejected.
    pub orders: u32,
    /// Balances: pairs of an account and a currency or instrument it ever had.
    pub balances: u32,
    /// Currencies.
    pub currencies: u16,
    /// Firms.
    pub firms: u16,
    /// Ports, at most [`Capacity::PORTS_MAX`].
    pub ports: u32,
    /// Accounts.
    pub accounts: u32,
    /// Instruments.
    pub instruments: u16,
}

impl Capacity {
    /// The most ports an engine can be made for: an open order's key has 24 bits for its port.
    pub const PORTS_MAX: u32 = (1 << 24) - 1;

    /// The most resting orders: what they may say to one port must fit its stream, with much to spare.
    pub const ORDERS_MAX: u32 = 1 << 28;

    /// A small venue: enough for examples and tests, made in no time.
    pub const SMALL: Self = Self {
        orders: 4_096,
        balances: 4_096,
        currencies: 8,
        firms: 64,
        ports: 256,
        accounts: 1_024,
        instruments: 64,
    };

    /// The command that says so, with the size of the event log's segments.
    #[must_use]
    pub const fn limits(&self, event_segment_bytes: u64) -> VenueLimits {
        let &Self { orders, balances, currencies, firms, .. } = self;
        let &Self { ports, accounts, instruments, .. } = self;
        VenueLimits {
            header: CommandHeader::internal::<VenueLimits>(Nanos::ZERO),
            event_segment_bytes,
            orders,
            balances,
            ports,
            accounts,
            currencies,
            firms,
            instruments,
            reserved: [0; 74],
        }
    }
}

impl From<&VenueLimits> for Capacity {
    fn from(limits: &VenueLimits) -> Self {
        let &VenueLimits { orders, balances, currencies, firms, .. } = limits;
        let &VenueLimits { ports, accounts, instruments, .. } = limits;
        Self { orders, balances, currencies, firms, ports, accounts, instruments }
    }
}

impl Default for Capacity {
    /// A million resting orders and ten thousand ports: about 260 MB with a hundred instruments.
    fn default() -> Self {
        Self {
            orders: 1 << 20,
            balances: 1 << 20,
            currencies: 64,
            firms: 4_096,
            ports: 16_384,
            accounts: 1 << 17,
            instruments: 4_096,
        }
    }
}
