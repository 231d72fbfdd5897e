//! Capacity: how much of everything the engine is made for.
//!
//! What does not fit is refused, and a refusal is an event: so it is the command log that says it, as
//! [`VenueLimits`], and never a node's own file.
//!
//! Room is judged before anything is changed, so that no command runs out of it half way:
//!
//! | room for | is judged | and beyond it |
//! |---|---|---|
//! | resting orders | when a firm is defined: all firms' limits together are at most the venue's orders | the definition is refused |
//! | a firm's or port's open orders | when an order is checked, unless it is immediate and never rests | the order is rejected with 0F |
//! | price levels | never: there are as many as resting orders, though only one for 32 of those is touched at the start | |
//! | balances | when an order is checked, or a transfer: those it may need are opened then | 0F, or the transfer is refused |
//! | references of transfers | when one is carried out: as many in a day as there may be balances | the transfer is refused |
//! | busts and corrections | when one is carried out: 16,384 in a day | it is refused |
//! | rows of definitions | when one is added | the definition is refused |
//! | whom limits are set for | when a limit is set: [`SUBJECTS_MAX`](super::limits::SUBJECTS_MAX) | it is refused |
//! | symbols of a port's messages within a second | where messages are limited by symbol: 256 | those of all others are counted together |
//! | orders that are remembered of an account | where the same again is refused: 16 | the oldest is forgotten |
//! | fills of one order | as it trades: [`FILLS_MAX`] | what is left of it is canceled in the same command, reason `Z` |
//! | events of one command | never: frames are cut where the next record does not fit | |
//! | numbers of a stream | after each command, with the worst next one in reserve | the port or firm is closed until the next day |

use serde::{Deserialize, Serialize};

use crate::types::Nanos;
use crate::types::command::{CommandHeader, VenueLimits};

/// How much of everything the engine is made for. All memory is taken at the start and nearly all is touched
/// then: that of a definition's row when it is made, that of many prices with few orders each, and that of
/// expiring orders' deadlines, as they come. A definition beyond its number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// Resting orders in all books, at most [`Capacity::ORDERS_MAX`]. The firms' limits share them.
    pub orders: u32,
    /// Balances: pairs of an account and a currency or instrument. Also the transfers of a day.
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

/// The most resting orders that one order meets. It bounds the time that all others wait for it, and the
/// events of its command: two records for each fill, some 2.5 MB.
pub(crate) const FILLS_MAX: usize = 10_000;

/// Open orders of a firm whose definition names no limit, in a venue with room for many such firms.
const OPEN_ORDERS_DEFAULT: u32 = 100_000;

/// A venue has room for so many firms that name no limit.
const FIRMS_BY_DEFAULT: u32 = 8;

impl Capacity {
    /// Open orders of a firm whose definition names no limit, in a venue of so many orders: 100,000, or
    /// an eighth of the venue's if that is less.
    #[must_use]
    pub fn open_orders_default(orders: u32) -> u32 {
        OPEN_ORDERS_DEFAULT.min(orders / FIRMS_BY_DEFAULT).max(1)
    }

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
    /// A million resting orders and ten thousand ports: about 350 MB with a hundred instruments.
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
