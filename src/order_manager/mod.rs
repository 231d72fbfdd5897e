//! The order manager: who may trade, what they own, and which orders they have.
//!
//! Decides everything that matching does not: definitions, sessions, checks, holds and settlement.
//! Knows no book and no log; it is told the time.

mod busts;
mod capacity;
mod checks;
mod commitments;
mod definitions;
mod fees;
mod firm_activity;
mod guess;
mod id_map;
mod limits;
mod orders;
mod phase;
mod ports;
mod recent;
mod references;
mod risk;
mod snapshot;
mod symbol_messages;
mod table;
mod wallet;

pub(crate) use busts::{BUSTS_MAX, Busts, Party, StandingTrade, TradeValue};
pub use capacity::Capacity;
pub(crate) use capacity::FILLS_MAX;
pub(crate) use checks::{Admission, SelfMatch};
pub(crate) use commitments::Rest;
pub use definitions::{Account, Currency, Firm, Instrument, OrderManager};
pub(crate) use definitions::{DISABLED_BY_FIRM, DISABLED_BY_VENUE};
pub(crate) use fees::{FeeMeter, FeePayer};
pub use fees::{Fees, Rates};
pub(crate) use guess::Guess;
use id_map::IdMap;
pub use id_map::IndexSeed;
pub use limits::{Limits, Subject};
pub(crate) use limits::{limit_max, scope_takes};
pub use orders::{OpenOrder, OpenOrders};
pub(crate) use phase::cross_of;
pub use phase::{AUCTION_MS_DEFAULT, Trading};
pub use ports::{Port, UserRefNums};
use recent::{RecentMarks, RecentOrders};
use symbol_messages::SymbolMessages;
pub use table::Table;
pub(crate) use wallet::Settlement;
pub use wallet::{Asset, Balance, BalanceId, Wallet};
