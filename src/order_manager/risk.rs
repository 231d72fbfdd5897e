//! Risk: what an order is refused for although it could be paid. One table of limits and their codes.
//!
//! | limit ([`RiskKey`](crate::types::RiskKey)) | an order is refused if | code |
//! |---|---|---|
//! | `MessageRate` | its port has sent so many this second of log time | 29 |
//! | `SymbolMessageRate` | its port has sent so many of the instrument this second | 28 |
//! | `Restricted` | the instrument is restricted, for all, its firm or its account | 22 |
//! | `NoMarketOrders` | it is a market order | 2C |
//! | `OrderQuantity` | it has more shares | 31 |
//! | `Collar` | it would pay so far above the reference price, or take so far below it | 26 |
//! | `OrderNotional` | it is worth more | 30 |
//! | `SharesPerDay` | its account's shares of the instrument today would be more, or its firm's | 1E |
//! | `OpenOrders` | its account has so many open orders, or its firm, and it may rest | 0F |
//! | `GrossExposure` | what its account buys and sells today would be worth more, or its firm | 20 |
//! | `NetExposure` | the same, one side less the other, would be worth more | 20 |
//! | `DuplicateWindow` | its account entered the same one so little time ago | 2A |
//!
//! A port's messages are counted by instrument for [`SYMBOLS_COUNTED_MAX`](super::symbol_messages) instruments of a
//! second, in the order in which they come; those of all others together, so whoever sends so many meets
//! the rate sooner. The rates are counted first, whatever becomes of the message, and a Replace beyond them leaves the
//! original alone. The others are checked in this order behind the account. A limit holds for every
//! order from then on, and the tightest of those that apply: what is open stays open.
//!
//! Where the table says "or its firm", a limit of the firm is that of all its accounts together, whoever of
//! them did what; a limit of anyone else is that of each account by itself.
//!
//! - The reference price is the last trade's, before the first one the definition's. The collar is
//!   one-sided: it keeps an order from trading far away, and one that waits far away harms nobody.
//! - Shares and value count what was traded today and what open orders may still trade; a cancel gives
//!   back, and so does a price improvement. Value is counted by currency, in cash units: of an
//!   order to buy at its limit. An order to sell below the market brings more than its limit, so it counts
//!   at the market's price as it came, or its limit if that is higher, until it trades: the reference
//!   price's, or the best bid's if that is higher and orders trade as they come, or if there is no
//!   reference. An order without a limit is worth on either side what one to buy holds. One that waits for
//!   an auction is under no collar here: the auction has its own. Others are never refused for theirs:
//!   it is how far they trade and what they hold, with none set [`MARKET_COLLAR`].
//! - What adds up to more than 63 bits is not known any more: until the day is over it is more than any
//!   limit. Without a limit nothing is too much.
//! - Net exposure is the worse of two cases: that all orders to buy trade and none to sell, or the
//!   reverse.
//! - The same order is one of the same instrument, side, quantity and price;
//!   [`RECENT_MAX`](super::recent) orders of an account are remembered. A Replace is never one: what it repeats is gone.

use super::limits::{Exposure, ExposureMax, Profile};
use super::wallet::Activity;
use super::{Instrument, OrderManager, cross_of};
use crate::types::command::NewOrder;
use crate::types::{
    InstrumentId, Nanos, Phase, PortId, Price, RejectReason, RiskKey, Side, Symbol,
};

const BASIS_POINTS: u64 = 10_000;

/// The collar of market orders where no other is set: a buy pays at most twice the reference price.
const MARKET_COLLAR: u32 = 10_000;

/// The last price at which an order of this side may trade: `collar` basis points beyond the reference,
/// on the last tick before that.
#[must_use]
fn collar_price(reference: Price, collar: u32, tick_size: u64, buys: bool) -> Price {
    // No reference is beyond the highest price, and no tick; so 64 bits hold the product.
    let reference = reference.min(Price::MAX).0;
    let (tick_size, collar) = (tick_size.clamp(1, Price::MAX.0), u64::from(collar));
    let bound = if buys {
        let bound = reference * (BASIS_POINTS + collar) / BASIS_POINTS;
        bound - bound % tick_size
    } else {
        let bound = (reference * BASIS_POINTS.saturating_sub(collar)).div_ceil(BASIS_POINTS);
        bound.next_multiple_of(tick_size).max(tick_size)
    };
    Price(bound).min(Price::MAX)
}

impl OrderManager {
    /// Counts a message about an order of `symbol`.
    ///
    /// # Errors
    /// The rate that it breaks.
    ///
    /// # Panics
    /// If the port does not exist: its session was checked.
    pub(crate) fn take_message(
        &mut self,
        port: PortId,
        symbol: Symbol,
        now: Nanos,
    ) -> Result<(), RejectReason> {
        require(self.takes_message(port, now), RejectReason::PortMessageRate)?;
        if !self.limits.has(RiskKey::SymbolMessageRate) {
            return Ok(());
        }
        let Some(instrument) = self.instrument(symbol) else { return Ok(()) };
        let most = self.instruments.get(instrument.0.into()).expect("found").symbol_messages_max;
        let row = self.ports.get_mut(port.0).expect("as above");
        let most = most.min(row.symbol_messages_max);
        let messages = self.symbol_messages.count((port, row), instrument);
        require(messages <= most, RejectReason::SymbolMessageRate)
    }

    /// Counts a message of a port; false if it has had its share of this second.
    ///
    /// # Panics
    /// If the port does not exist: its session was checked.
    pub(crate) fn takes_message(&mut self, port: PortId, now: Nanos) -> bool {
        let row = self.ports.get_mut(port.0).expect("it has a session");
        if row.rate_second != now.second() {
            row.rate_second = now.second();
            row.messages = 0;
            self.symbol_messages.clear((port, row));
        }
        row.messages = row.messages.saturating_add(1);
        row.messages <= row.messages_max
    }
}

/// The worst price that an order may trade at, and what a share of it is held and counted at. A limit is
/// both, but that a sale counts at the market's price if that is higher. A market order trades as far as
/// its collar, and counts on either side as one to buy; one that waits for an auction has no worst price,
/// and its instrument says what it counts for: beyond that no auction trades it.
pub(super) fn limit_of(
    order: &NewOrder,
    side: Side,
    position: &Profile,
    instrument: &Instrument,
    best_bid: impl Fn(InstrumentId) -> Option<Price>,
) -> (Price, Price) {
    if order.price != Price::MARKET || cross_of(order).is_some() {
        let at_limit = instrument.trading.worth(order.price);
        let has_limit = order.price != Price::MARKET;
        let counts_market = has_limit && !side.is_buy();
        let market = if counts_market { market_price(instrument, best_bid) } else { Price(0) };
        return (order.price, at_limit.max(market));
    }
    let collar = position.collar.min(MARKET_COLLAR);
    let bound = |buys| collar_price(instrument.reference(), collar, instrument.tick_size, buys);
    (bound(side.is_buy()), bound(true))
}

/// What a sale may bring now, 0 = nobody knows. In an auction one bid says little about its price.
fn market_price(
    instrument: &Instrument,
    best_bid: impl Fn(InstrumentId) -> Option<Price>,
) -> Price {
    let reference = instrument.reference();
    if instrument.trading.phase != Phase::Continuous && reference.0 != 0 {
        return reference;
    }
    best_bid(instrument.id).map_or(reference, |bid| bid.max(reference))
}

/// What is counted of an account, or of all those of a firm, for the limits of an order.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) open_orders: u32,
    /// Of the order's instrument.
    pub(super) shares: i64,
    /// In its currency.
    pub(super) value: Activity,
}

/// Checks an order against what holds for its account and its firm.
pub(super) fn check(
    order: &NewOrder,
    (side, immediate): (Side, bool),
    instrument: &Instrument,
    (position, exposure): (&Profile, &Exposure),
    (account, firm): (&Counted, &Counted),
    notional: i64,
) -> Result<(), RejectReason> {
    let &NewOrder { price, quantity, .. } = order;
    require(!position.restricted, RejectReason::RestrictedStock)?;
    let is_market = price == Price::MARKET;
    require(!(is_market && position.no_market_orders), RejectReason::MarketOrderNotAllowed)?;
    require(quantity.0 <= position.quantity_max, RejectReason::OrderQuantity)?;
    if let Some(bound) = bound(position, instrument, side)
        && !is_market
    {
        let within = if side.is_buy() { price <= bound } else { price >= bound };
        require(within, RejectReason::FatFinger)?;
    }
    let notional = notional.unsigned_abs();
    require(notional <= position.notional_max, RejectReason::OrderNotional)?;
    let shares = |counted: &Counted| i128::from(counted.shares) + i128::from(quantity.0);
    let within = shares(account) <= i128::from(position.shares_max)
        && shares(firm) <= i128::from(position.firm_shares_max);
    require(within, RejectReason::SharesExceedThreshold)?;
    let has_place = account.open_orders < position.open_orders_max
        && firm.open_orders < position.firm_open_orders_max;
    require(immediate || has_place, RejectReason::Other)?;
    let within = exposure.account.takes(account.value.with(side, notional))
        && exposure.firm.takes(firm.value.with(side, notional));
    require(within, RejectReason::AggregateExposure)
}

impl ExposureMax {
    fn takes(&self, (gross, net): (i128, i128)) -> bool {
        let within = |most: u64, counted| most == u64::MAX || counted <= i128::from(most);
        within(self.gross, gross) && within(self.net, net)
    }
}

/// How far an order may trade, if a collar says so.
fn bound(position: &Profile, instrument: &Instrument, side: Side) -> Option<Price> {
    let reference = instrument.reference();
    let is_set = position.collar != u32::MAX && reference.0 != 0;
    is_set.then(|| collar_price(reference, position.collar, instrument.tick_size, side.is_buy()))
}

impl Activity {
    /// Gross and net exposure with another order; above any limit if a count of them is not known.
    fn with(self, side: Side, notional: u64) -> (i128, i128) {
        let Self { buys, bought, sells, sold } = self;
        if [buys, bought, sells, sold].contains(&i64::MAX) {
            return (i128::MAX, i128::MAX);
        }
        let wide = i128::from;
        let (mut buys, mut sells) = (wide(buys), wide(sells));
        *if side.is_buy() { &mut buys } else { &mut sells } += i128::from(notional);
        let long = buys - wide(sold);
        let short = sells - wide(bought);
        (buys + sells, long.max(short))
    }
}

fn require(rule: bool, otherwise: RejectReason) -> Result<(), RejectReason> {
    if rule { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collar_ends_on_the_last_tick_before_it() {
        let at =
            |reference, collar, tick, buys| collar_price(Price(reference), collar, tick, buys).0;
        assert_eq!(at(1_000_000, 500, 100, true), 1_050_000);
        assert_eq!(at(1_000_000, 500, 100, false), 950_000);
        // 33 basis points of 10.01 are 330.33 units: it ends within them.
        assert_eq!(at(100_100, 33, 100, true), 100_400);
        assert_eq!(at(100_100, 33, 100, false), 99_800);
    }

    #[test]
    fn a_collar_leaves_a_price_to_trade_at_and_none_beyond_the_highest() {
        assert_eq!(collar_price(Price(5), 10_000, 100, false), Price(100));
        assert_eq!(collar_price(Price::MAX, 10_000, 1, true), Price::MAX);
        assert_eq!(collar_price(Price(u64::MAX), u32::MAX, u64::MAX, true), Price::MAX);
        assert_eq!(collar_price(Price(0), 0, 0, true), Price(0));
    }

    #[test]
    fn net_exposure_is_the_worse_of_two_cases() {
        let traded = Activity { buys: 700, bought: 300, sells: 500, sold: 500 };
        // If the 400 open trade, 200 more were bought than sold; if not, 200 more were sold.
        assert_eq!(traded.with(Side::Buy, 0), (1_200, 200));
        assert_eq!(traded.with(Side::Buy, 100), (1_300, 300));
        assert_eq!(traded.with(Side::SellShort, 100), (1_300, 300));
    }

    #[test]
    fn a_count_that_is_not_known_is_more_than_any_limit() {
        let traded = Activity { sold: i64::MAX, ..Activity::default() };
        let (gross, net) = traded.with(Side::Buy, 0);
        assert!(gross > i128::from(u64::MAX) && net > i128::from(u64::MAX));
    }
}
