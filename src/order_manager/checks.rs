//! The checks of a new order, in the order in which they are made: the first that fails is the reason.
//!
//! 1. what the gateway found wrong with its form
//! 2. the instrument: known (17), taking orders in its phase (07, 2E)
//! 3. the terms: side (09), short selling allowed here (23), time in force (0F), display (03), reserve
//!    (04), cross type and phase (14, 2D, 07), what is of no use to an order that waits for an auction (03,
//!    04, 0D, 0F), sweep (08), minimum quantity (0D), peg and discretion (11), route (16), post-only and
//!    immediate, handling, trade now and an expiry without a time in force that asks for one (0F), self-match
//!    strategy, if the firm has a rule for it (40)
//! 4. the price: the market sentinel only if immediate, or for an auction, of an instrument that has a price
//!    (2C), else in range and on a tick (1D)
//! 5. the quantity: in range and in lots (13)
//! 6. the account: found, of the port's firm, which has not switched its entry off, approved (0C), and may
//!    sell short (23)
//! 7. open orders of the port and of the firm (0F)
//! 8. the value: can be counted (1F)
//! 9. the limits of `risk`, in the order of its table
//! 10. cash for it and its fees, or shares, available, and room in the wallet to settle (20 and 0F)
//!
//! A Replace asks for an order like any other: its own terms, and the rest its original's. The original
//! is closed before the checks, so that what it held, and its place among the open orders, are free for
//! its successor.
//!
//! Epoch, user reference number and message rates come before. Nothing is changed by a check; once all
//! are passed, the balances that the order needs come to be.

use zerocopy::FromZeros;

use super::phase::{check_cross, check_held, check_phase, cross_of};
use super::risk::Counted;
use super::wallet::Activity;
use super::{Account, Asset, BalanceId, FeeMeter, Instrument, OpenOrder, OrderManager, Port};
use super::{Rates, risk};
use crate::types::command::{CommandHeader, NewOrder, Replace};
use crate::types::{
    AccountId, AccountStatus, CurrencyId, FirmId, InstrumentId, Nanos, Price, Quantity,
    RejectReason, SelfMatchKey, SelfMatchStrategy, Side, Symbol, TimeInForce, notional,
};

/// A good-till-time order lives less than a day.
const EXPIRE_TIME_S_MAX: u32 = 86_399;

/// An order that may trade, with what the checks found out about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admission {
    /// The instrument.
    pub(crate) instrument: InstrumentId,
    /// The currency it settles in.
    pub(crate) currency: CurrencyId,
    /// Cash units in a price unit.
    pub(crate) scale: i64,
    /// The worst price it may trade at.
    pub(crate) limit: Price,
    /// What a buy holds for each share, and what one counts for on either side.
    pub(crate) worth: Price,
    /// The side as entered.
    pub(crate) side: Side,
    /// Immediate or cancel; else it rests until its time or the day is over.
    pub(crate) immediate: bool,
    /// The account that answers for it.
    pub(crate) account: AccountId,
    /// The port's firm.
    pub(crate) firm: FirmId,
    /// The account's cash.
    pub(crate) cash: BalanceId,
    /// The account's shares.
    pub(crate) shares: BalanceId,
    /// What it holds while it is open, in cash units; a sale holds its shares.
    pub(crate) notional: i64,
    /// What a buy holds for fees besides.
    pub(crate) fee_hold: i64,
    /// What it pays for what it trades.
    pub(crate) rates: Rates,
    /// Shares executed of the orders it replaces, one after another.
    pub(crate) executed: Quantity,
    /// What keeps it from meeting others of its owner.
    pub(crate) self_match: Option<SelfMatch>,
}

/// Which orders an order may not meet, and what becomes of the two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelfMatch {
    pub(crate) key: SelfMatchKey,
    pub(crate) strategy: SelfMatchStrategy,
}

impl OrderManager {
    /// Makes all the checks listed above, of an order that came at `now`.
    ///
    /// # Errors
    /// The code of the first that failed: a [`RejectReason`], or what the gateway found.
    ///
    /// # Panics
    /// If the port does not exist: its session was checked.
    pub(crate) fn admit(
        &mut self,
        order: &NewOrder,
        now: Nanos,
        best_bid: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Result<Admission, u16> {
        if order.header.form_error != 0 {
            return Err(order.header.form_error);
        }
        self.admit_formed(order, Some(now), best_bid).map_err(RejectReason::code)
    }

    /// The order that `replace` asks for, if it may take the place of `original`, which is closed.
    ///
    /// # Panics
    /// If the port or the instrument does not exist: the original was open.
    pub(crate) fn admit_successor(
        &mut self,
        replace: &Replace,
        original: &OpenOrder,
        best_bid: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Option<(NewOrder, Admission)> {
        let same_side = replace.side == 0 || replace.side == original.side.byte();
        if !same_side || replace.quantity > Quantity::MAX {
            return None;
        }
        let instrument = self.instruments.get(original.instrument.0.into()).expect("it trades");
        let order = successor(replace, original, instrument.symbol);
        if order.header.form_error != 0 {
            return None;
        }
        let admission = self.admit_formed(&order, None, best_bid).ok()?;
        Some((order, Admission { executed: original.executed, ..admission }))
    }

    /// `now` is when it came, unless it is the successor of another: then it repeats none.
    fn admit_formed(
        &mut self,
        order: &NewOrder,
        now: Option<Nanos>,
        best_bid: impl Fn(InstrumentId) -> Option<Price>,
    ) -> Result<Admission, RejectReason> {
        let port = self.ports.get(order.header.port.0).expect("the port has a session");
        let instrument = self
            .instrument(order.symbol)
            .and_then(|id| self.instruments.get(id.0.into()))
            .ok_or(RejectReason::InvalidSymbol)?;
        check_phase(instrument.trading.phase)?;
        let (side, immediate) = check_terms(order, instrument)?;
        let self_match = self.check_self_match(order, port)?;
        check_price(order, immediate, instrument)?;
        check_quantity(order.quantity, instrument)?;
        let (account, row) = self.check_account(order, port)?;
        require(!is_short(side) || row.short_allowed, RejectReason::ShortSellRestricted)?;
        self.check_open_orders(port, immediate)?;
        let owner = (account, row.firm);
        let currency = instrument.currency;
        let cash = self.balance(account, Asset::Cash(instrument.currency));
        let shares = self.balance(account, Asset::Shares(instrument.id));
        let traded = (instrument.id, currency);
        let firm = self.firms.get(port.firm.0.into()).expect("order entry ports have a firm");
        let of_firm = Counted {
            open_orders: firm.open_orders,
            shares: self.firm_activity.shares(firm.id, instrument.id),
            value: self.firm_value(firm.id, currency),
        };
        let (position, exposure) =
            self.limits.resolve(&mut self.wallet, (shares, cash), owner, traded);
        let row = self.accounts.get(account).expect("found above");
        let today =
            |id: Option<_>| id.map_or_else(Activity::default, |id| self.wallet.get(id).today);
        let of_account = Counted {
            open_orders: row.open_orders,
            shares: today(shares).buys,
            value: today(cash),
        };
        let (limit, worth) = risk::limit_of(order, side, position, instrument, best_bid);
        let notional = notional(worth, order.quantity, instrument.scale)
            .ok_or(RejectReason::ExceedsMaxNotional)?;
        risk::check(
            order,
            (side, immediate),
            instrument,
            (position, exposure),
            (&of_account, &of_firm),
            notional,
        )?;
        let window = position.duplicate_window_ms;
        if let Some(now) = now
            && window != 0
        {
            let entered = (account, &row.recent);
            let repeats = self.recent.has(entered, order, instrument.id, window, now);
            require(!repeats, RejectReason::DuplicateOrder)?;
        }

        let rates = self.rates(firm, instrument);
        let fee_hold = match side {
            Side::Buy => FeeMeter::new(rates.maker.max(rates.taker)).hold(notional),
            Side::Sell | Side::SellShort | Side::SellShortExempt => 0,
        };
        let needed = notional.checked_add(fee_hold).ok_or(RejectReason::ExceedsMaxNotional)?;

        let &Instrument { id: instrument, currency, scale, .. } = instrument;
        let (firm, account_id) = (port.firm, row.id);
        let (cash, shares) = self.check_funds(
            account,
            side,
            (Asset::Cash(currency), cash, needed),
            (Asset::Shares(instrument), shares, order.quantity),
        )?;
        if let Some(now) = now
            && window != 0
        {
            let row = self.accounts.get_mut(account).expect("found above");
            self.recent.note((account, &mut row.recent), order, instrument, now);
        }
        Ok(Admission {
            instrument,
            currency,
            scale,
            limit,
            worth,
            side,
            immediate,
            account: account_id,
            firm,
            cash,
            shares,
            notional,
            fee_hold,
            rates,
            executed: Quantity::ZERO,
            self_match,
        })
    }

    /// The account that answers for an order: the one it names, else the port's for its group, else
    /// the port's default.
    fn check_account(
        &self,
        order: &NewOrder,
        port: &Port,
    ) -> Result<(u32, &Account), RejectReason> {
        let names_firm = order.firm != [0; 4] && order.firm != *b"    ";
        require(!names_firm || order.firm == port.firm_code.0, RejectReason::FirmNotAuthorized)?;
        let account = if !order.account.is_none() {
            self.account(order.account)
        } else if port.account_by_group && order.group_id != 0 {
            self.account_of_group(port.firm, order.group_id)
        } else {
            self.account(port.default_account)
        };
        let account = account.ok_or(RejectReason::FirmNotAuthorized)?;
        let firm = self.firms.get(port.firm.0.into()).expect("order entry ports have a firm");
        require(firm.entry_disabled == 0, RejectReason::FirmNotAuthorized)?;
        let row = self.accounts.get(account).expect("the maps hold rows");
        require(row.firm == port.firm, RejectReason::FirmNotAuthorized)?;
        require(row.status == AccountStatus::Approved, RejectReason::FirmNotAuthorized)?;
        Ok((account, row))
    }

    /// What keeps the order from meeting others of its owner, if anything does. Who asks for a strategy
    /// relies on it, so its firm must have a rule, and the order must not be for an auction, which has
    /// none.
    fn check_self_match(
        &self,
        order: &NewOrder,
        port: &Port,
    ) -> Result<Option<SelfMatch>, RejectReason> {
        let key = self.firms.get(port.firm.0.into()).expect("it has one").self_match_key;
        let named = order.self_match != 0;
        if key == SelfMatchKey::None || order.cross_type != b'N' {
            return if named { Err(RejectReason::InvalidSelfMatch) } else { Ok(None) };
        }
        let strategy = match order.self_match {
            0 => Some(SelfMatchStrategy::CancelNewest),
            named => SelfMatchStrategy::from_byte(named),
        };
        let strategy = strategy.ok_or(RejectReason::InvalidSelfMatch)?;
        Ok(Some(SelfMatch { key, strategy }))
    }

    /// An immediate order is never open, so no number of open orders keeps it out.
    fn check_open_orders(&self, port: &Port, immediate: bool) -> Result<(), RejectReason> {
        let firm = self.firms.get(port.firm.0.into()).expect("order entry ports have a firm");
        let port_full = port.open_orders_max != 0 && port.open_orders >= port.open_orders_max;
        let firm_full = firm.open_orders >= firm.open_orders_max;
        require(immediate || !(port_full || firm_full), RejectReason::Other)
    }

    /// The account's cash and shares, with enough available of what the order holds. The last check:
    /// it opens those that are not there yet.
    fn check_funds(
        &mut self,
        account: u32,
        side: Side,
        (cash, cash_id, needed): (Asset, Option<BalanceId>, i64),
        (shares, shares_id, quantity): (Asset, Option<BalanceId>, Quantity),
    ) -> Result<(BalanceId, BalanceId), RejectReason> {
        let available = |id: Option<_>| id.map_or(0, |id| self.wallet.get(id).available());
        let enough = match side {
            Side::Buy => available(cash_id) >= needed,
            Side::Sell => available(shares_id) >= i64::from(quantity.0),
            Side::SellShort | Side::SellShortExempt => true,
        };
        require(enough, RejectReason::AggregateExposure)?;
        if let (Some(cash), Some(shares)) = (cash_id, shares_id) {
            return Ok((cash, shares));
        }
        require(self.wallet.has_room(account, &[cash, shares]), RejectReason::Other)?;
        let mut open = |asset| self.wallet.open(account, asset).expect("there is room for it");
        Ok((open(cash), open(shares)))
    }
}

/// The new order of a Replace.
fn successor(replace: &Replace, original: &OpenOrder, symbol: Symbol) -> NewOrder {
    let CommandHeader { port, epoch, receive_time, form_error, .. } = replace.header;
    let header = CommandHeader::new::<NewOrder>(port, epoch, receive_time);
    NewOrder {
        header: CommandHeader { form_error, ..header },
        price: replace.price,
        discretion_price: replace.discretion_price,
        symbol,
        user_ref_num: replace.user_ref_num,
        quantity: Quantity(replace.quantity.0.saturating_sub(original.executed.0)),
        min_quantity: replace.min_quantity,
        max_floor: replace.max_floor,
        expire_time_s: replace.expire_time_s,
        account: original.account,
        user_ref_idx: replace.user_ref_idx,
        side: original.side.byte(),
        time_in_force: replace.time_in_force,
        display: replace.display,
        capacity: original.capacity,
        intermarket_sweep: replace.intermarket_sweep,
        cross_type: original.cross_type,
        price_type: replace.price_type,
        cl_ord_id: replace.cl_ord_id,
        group_id: original.group_id,
        locate_broker: replace.locate_broker,
        peg_offset: replace.peg_offset,
        random_reserves: replace.random_reserves,
        discretion_peg_offset: replace.discretion_peg_offset,
        discretion_price_type: replace.discretion_price_type,
        post_only: replace.post_only,
        handling: replace.handling,
        shares_located: replace.shares_located,
        trade_now: replace.trade_now,
        ..NewOrder::new_zeroed()
    }
}

/// The side, and whether it is immediate or cancel. What this exchange does not do yet is refused, never
/// ignored: its silence would be taken for consent.
fn check_terms(order: &NewOrder, instrument: &Instrument) -> Result<(Side, bool), RejectReason> {
    let side = Side::from_byte(order.side).ok_or(RejectReason::InvalidSide)?;
    require(!is_short(side) || instrument.short_allowed, RejectReason::ShortSellRestricted)?;
    let immediate = match TimeInForce::from_byte(order.time_in_force) {
        Some(TimeInForce::Day | TimeInForce::GoodTillTime) => false,
        Some(TimeInForce::ImmediateOrCancel) => true,
        _ => return Err(RejectReason::Other),
    };
    require(matches!(order.display, b'Y' | b'N' | b'A' | b'Z'), RejectReason::InvalidDisplay)?;
    let is_reserve = !order.max_floor.is_zero();
    let floor_fits = order.max_floor.0.is_multiple_of(instrument.lot_size);
    require(!is_reserve || (floor_fits && order.display != b'N'), RejectReason::InvalidMaxFloor)?;
    require(order.random_reserves == 0, RejectReason::InvalidMaxFloor)?;
    check_cross(order, instrument.trading.phase)?;
    check_held(order)?;
    require(order.intermarket_sweep != b'Y', RejectReason::IsoNotAllowed)?;
    // One that rests would have to be passed over by whoever brings less.
    let possible = order.min_quantity.is_zero() || immediate;
    require(possible && order.min_quantity <= order.quantity, RejectReason::InvalidMinQuantity)?;
    require(
        matches!(order.price_type, 0 | b' ' | b'L') && order.peg_offset == 0,
        RejectReason::PeggingNotAllowed,
    )?;
    let discretion = order.discretion_price != Price::default()
        || order.discretion_price_type != 0
        || order.discretion_peg_offset != 0;
    require(!discretion, RejectReason::PeggingNotAllowed)?;
    require(matches!(&order.route, [0, 0, 0, 0] | b"    "), RejectReason::RoutingNotAllowed)?;
    require(
        matches!(order.post_only, 0 | b' ' | b'N') || order.post_only == b'P' && !immediate,
        RejectReason::Other,
    )?;
    require(matches!(order.handling, 0 | b' '), RejectReason::Other)?;
    require(matches!(order.trade_now, 0 | b' ' | b'N'), RejectReason::Other)?;
    // Whoever gives an expiry relies on it, and the other times in force outlive it.
    let expires = order.time_in_force == TimeInForce::GoodTillTime.byte();
    require(expires == (order.expire_time_s != 0), RejectReason::Other)?;
    require(order.expire_time_s <= EXPIRE_TIME_S_MAX, RejectReason::Other)?;
    // What waits for an auction rests until then, whatever its time in force.
    Ok((side, immediate && cross_of(order).is_none()))
}

fn check_price(
    order: &NewOrder,
    immediate: bool,
    instrument: &Instrument,
) -> Result<(), RejectReason> {
    let price = order.price;
    if price == Price::MARKET {
        let may = match cross_of(order) {
            Some(_) => instrument.trading.collar > Price(0),
            None => immediate && instrument.reference() > Price(0),
        };
        return require(may, RejectReason::MarketOrderNotAllowed);
    }
    require((Price(1)..=Price::MAX).contains(&price), RejectReason::InvalidPrice)?;
    require(price.0.is_multiple_of(instrument.tick_size), RejectReason::InvalidPrice)
}

fn check_quantity(quantity: Quantity, instrument: &Instrument) -> Result<(), RejectReason> {
    require((Quantity(1)..=Quantity::MAX).contains(&quantity), RejectReason::InvalidQuantity)?;
    require(quantity.0.is_multiple_of(instrument.lot_size), RejectReason::InvalidQuantity)
}

const fn is_short(side: Side) -> bool {
    matches!(side, Side::SellShort | Side::SellShortExempt)
}

fn require(rule: bool, otherwise: RejectReason) -> Result<(), RejectReason> {
    if rule { Ok(()) } else { Err(otherwise) }
}
