//! Busts and corrections: which trades do not stand as they were made, and what that moved.
//!
//! Three events are one row: the trade's, then the buyer's and the seller's, which have the amounts. Both
//! state the balances behind the whole of it, and the sums must say the same.

use rialto::types::event::{FillBusted, FillCorrected, TradeBusted, TradeCorrected};
use rialto::types::{
    AccountId, CurrencyId, InstrumentId, MatchNumber, OrderRef, Quantity, TradeTerms,
};

use super::fills::{Settled, is_buy};
use super::{Extractor, Origin, Refused, moment, signed};
use crate::ledger::Asset;
use crate::names::Named;
use crate::rows::TradeAmendmentRow;

/// A trade that is being busted or corrected.
#[derive(Debug)]
pub(super) struct Amendment {
    row: TradeAmendmentRow,
    /// The side that was told first.
    first: Option<Stated>,
}

/// What a side is said to have behind it.
#[derive(Clone, Copy, Debug)]
struct Stated {
    buys: bool,
    account: AccountId,
    currency: CurrencyId,
    instrument: InstrumentId,
    cash: i64,
    shares: i64,
}

/// A side as it was, and as it is.
struct Side {
    stated: Stated,
    order: OrderRef,
    match_number: MatchNumber,
    quantity: Quantity,
    old: Terms,
    new: Terms,
    /// Whether the shares go back.
    busted: bool,
}

/// What a side of a trade comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Terms {
    price: i64,
    notional: i64,
    fee: i64,
}

/// The side that one of the two events tells of.
macro_rules! side {
    ($event:expr, $old:expr, $new:expr, busted: $busted:expr) => {
        Side {
            stated: Stated {
                buys: is_buy($event.side)?,
                account: $event.account,
                currency: $event.currency,
                instrument: $event.header.instrument,
                cash: $event.cash,
                shares: $event.shares,
            },
            order: $event.order,
            match_number: $event.match_number,
            quantity: $event.quantity,
            old: $old,
            new: $new,
            busted: $busted,
        }
    };
}

impl Extractor {
    pub(super) fn trade_busted(
        &mut self,
        event: &TradeBusted,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let row = TradeAmendmentRow {
            action: self.actions.busted.clone(),
            reason: self.names.character(event.reason),
            request: signed(event.request),
            below_zero: event.below_zero.into(),
            ..self.amendment_row(&event.terms, origin)?
        };
        self.amendment = Some(Amendment { row, first: None });
        Ok(())
    }

    pub(super) fn trade_corrected(
        &mut self,
        event: &TradeCorrected,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let row = TradeAmendmentRow {
            action: self.actions.corrected.clone(),
            reason: self.names.character(event.reason),
            request: signed(event.request),
            below_zero: event.below_zero.into(),
            new_print: if event.terms.in_feed() { signed(origin.sequence) } else { 0 },
            ..self.amendment_row(&event.terms, origin)?
        };
        self.amendment = Some(Amendment { row, first: None });
        Ok(())
    }

    pub(super) fn fill_busted(
        &mut self,
        event: &FillBusted,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let price = signed(event.price.0);
        let old = Terms { price, notional: event.notional, fee: event.fee };
        let side = side!(event, old, Terms::default(), busted: true);
        self.amend(&side, origin)
    }

    pub(super) fn fill_corrected(
        &mut self,
        event: &FillCorrected,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let (old_price, price) = (signed(event.old_price.0), signed(event.price.0));
        let old = Terms { price: old_price, notional: event.old_notional, fee: event.old_fee };
        let new = Terms { price, notional: event.notional, fee: event.fee };
        let side = side!(event, old, new, busted: false);
        self.amend(&side, origin)
    }

    /// Takes a side in; with the second, the trade is a row.
    fn amend(&mut self, side: &Side, origin: Origin<'_>) -> Result<(), Refused> {
        let Some(Amendment { mut row, first }) = self.amendment.take() else {
            return Err(Refused::Event("a side of no bust and no correction".to_owned()));
        };
        let &Side { stated, order, match_number, quantity, old, new, busted } = side;
        let (kind, action) = if busted {
            (&self.actions.bust, &self.actions.busted)
        } else {
            (&self.actions.correction, &self.actions.corrected)
        };
        let belongs = row.match_number == signed(match_number.0)
            && row.quantity == i64::from(quantity.0)
            && row.action == *action
            && first.is_none_or(|first| {
                first.buys != stated.buys
                    && (row.old_price, row.old_notional) == (old.price, old.notional)
                    && (row.price, row.notional) == (new.price, new.notional)
            });
        if !belongs {
            return Err(Refused::Event("a side that is of another bust or correction".to_owned()));
        }
        let more = new.notional - old.notional;
        let went_back = if busted { i64::from(quantity.0) } else { 0 };
        let (cash, shares) = if stated.buys { (-more, -went_back) } else { (more, went_back) };
        let settled = Settled {
            kind: kind.clone(),
            account: stated.account,
            instrument: stated.instrument,
            currency: stated.currency,
            order,
            match_number,
            cash,
            fee: new.fee - old.fee,
            shares,
        };
        self.settle(&settled, origin)?;

        let currency = self.names.currency(stated.currency)?.clone();
        (row.currency, row.cash_decimals) = (currency.name, currency.decimals);
        (row.old_price, row.old_notional) = (old.price, old.notional);
        (row.price, row.notional) = (new.price, new.notional);
        let firm = self.names.firm(origin.header.firm)?;
        let (order, account) = (signed(order.0), stated.account.0.into());
        if stated.buys {
            (row.buy_order, row.buy_firm, row.buy_account) = (order, firm, account);
            (row.buy_old_fee, row.buy_fee) = (old.fee, new.fee);
        } else {
            (row.sell_order, row.sell_firm, row.sell_account) = (order, firm, account);
            (row.sell_old_fee, row.sell_fee) = (old.fee, new.fee);
        }
        let Some(first) = first else {
            self.amendment = Some(Amendment { row, first: Some(stated) });
            return Ok(());
        };
        for side in [first, stated] {
            self.ledger.state(side.account, Asset::Cash(side.currency), 0, side.cash)?;
            self.ledger.state(side.account, Asset::Shares(side.instrument), 0, side.shares)?;
        }
        Ok(self.tables.trade_amendments.push(row)?)
    }

    fn amendment_row(
        &self,
        terms: &TradeTerms,
        origin: Origin<'_>,
    ) -> Result<TradeAmendmentRow, String> {
        let Named { name: symbol, decimals: price_decimals } =
            self.names.instrument(origin.header.instrument)?.clone();
        let was_printed = origin.header.feed_sequence != 0;
        Ok(TradeAmendmentRow {
            sequence: signed(origin.sequence),
            time: moment(origin.time),
            command: signed(origin.cause.sequence),
            port: self.names.port(origin.header.port)?,
            match_number: signed(terms.match_number.0),
            broken_print: if was_printed { signed(terms.print_number.0) } else { 0 },
            symbol,
            quantity: terms.quantity.0.into(),
            price_decimals,
            ..TradeAmendmentRow::default()
        })
    }
}
