//! Fills and transfers: who traded with whom, and what that moved.

use rialto::types::event::{BalanceChanged, Executed};
use rialto::types::{
    AccountId, AssetKind, Cross, CurrencyId, InstrumentId, Liquidity, MatchNumber, OrderRef, Side,
};

use super::{Extractor, Origin, Refused, moment, signed};
use crate::ledger::{Asset, Flow};
use crate::names::Named;
use crate::rows::{CashMovementRow, ExecutionRow, PositionMovementRow, TradeRow};
use crate::table::Text;

impl Extractor {
    pub(super) fn executed(&mut self, event: &Executed, origin: Origin<'_>) -> Result<(), Refused> {
        let Named { name: symbol, decimals: price_decimals } =
            self.names.instrument(event.header.instrument)?.clone();
        let currency = self.names.currency(event.currency)?.clone();
        self.tables.executions.push(ExecutionRow {
            sequence: signed(origin.sequence),
            time: moment(origin.time),
            command: signed(origin.cause.sequence),
            match_number: signed(event.match_number.0),
            order: signed(event.order.0),
            contra: signed(event.contra.0),
            port: self.names.port(event.header.port)?,
            firm: self.names.firm(event.header.firm)?,
            account: event.account.0.into(),
            group: event.group_id.into(),
            symbol,
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            side: self.names.character(event.side),
            liquidity: self.names.character(event.liquidity),
            price: signed(event.price.0),
            price_decimals,
            quantity: event.quantity.0.into(),
            shown: event.shown.0.into(),
            shown_as: signed(event.shown_as.0),
            leaves: event.leaves.0.into(),
            currency: currency.name,
            notional: event.notional,
            fee: event.fee,
            cash_decimals: currency.decimals,
        })?;
        let (cash, shares) = if is_buy(event.side)? {
            (-event.notional, i64::from(event.quantity.0))
        } else {
            (event.notional, -i64::from(event.quantity.0))
        };
        let side = Settled {
            kind: self.actions.trade.clone(),
            account: event.account,
            instrument: event.header.instrument,
            currency: event.currency,
            order: event.order,
            match_number: event.match_number,
            cash,
            fee: event.fee,
            shares,
        };
        self.settle(&side, origin)?;
        match self.half.take() {
            None => self.half = Some(*event),
            Some(first) => self.trade(&first, event, origin)?,
        }
        Ok(())
    }

    /// Moves what a side of a trade comes to.
    pub(super) fn settle(&mut self, side: &Settled, origin: Origin<'_>) -> Result<(), Refused> {
        self.move_cash(origin, side, side.account, Flow::Trade, side.cash)?;
        if side.fee != 0 {
            if self.fee_account.is_none() {
                return Err(Refused::Event("a fee, but no account that it goes to".to_owned()));
            }
            self.move_cash(origin, side, side.account, Flow::Fee, -side.fee)?;
            self.move_cash(origin, side, self.fee_account, Flow::Fee, side.fee)?;
        }
        if side.shares == 0 {
            return Ok(());
        }
        let asset = Asset::Shares(side.instrument);
        let balance = self.ledger.flow(side.account, asset, Flow::Trade, side.shares)?;
        Ok(self.tables.position_movements.push(PositionMovementRow {
            kind: side.kind.clone(),
            account: side.account.0.into(),
            amount: side.shares,
            balance,
            order: signed(side.order.0),
            match_number: signed(side.match_number.0),
            ..self.position_row(side.instrument, origin)?
        })?)
    }

    fn move_cash(
        &mut self,
        origin: Origin<'_>,
        side: &Settled,
        account: AccountId,
        flow: Flow,
        amount: i64,
    ) -> Result<(), Refused> {
        let balance = self.ledger.flow(account, Asset::Cash(side.currency), flow, amount)?;
        let kind = match flow {
            Flow::Trade => &side.kind,
            Flow::Fee => &self.actions.fee,
        };
        Ok(self.tables.cash_movements.push(CashMovementRow {
            kind: kind.clone(),
            account: account.0.into(),
            amount,
            balance,
            order: signed(side.order.0),
            match_number: signed(side.match_number.0),
            ..self.cash_row(side.currency, origin)?
        })?)
    }

    fn trade(
        &mut self,
        first: &Executed,
        second: &Executed,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let belong = first.match_number == second.match_number
            && first.order == second.contra
            && first.contra == second.order
            && (first.quantity, first.price, first.notional)
                == (second.quantity, second.price, second.notional);
        let (first_buys, second_buys) = (is_buy(first.side)?, is_buy(second.side)?);
        if !belong || first_buys == second_buys {
            return Err(Refused::Event("two sides of a fill that are not of one".to_owned()));
        }
        let (buyer, seller) = if first_buys { (first, second) } else { (second, first) };
        let came = |side: &Executed| side.liquidity == Liquidity::Removed.byte();
        let aggressor = match (came(buyer), came(seller)) {
            (true, _) => Side::Buy.byte(),
            (_, true) => Side::Sell.byte(),
            _ => 0,
        };
        let cross = Liquidity::from_byte(buyer.liquidity).and_then(Liquidity::cross);
        let Named { name: symbol, decimals: price_decimals } =
            self.names.instrument(buyer.header.instrument)?.clone();
        let currency = self.names.currency(buyer.currency)?.clone();
        Ok(self.tables.trades.push(TradeRow {
            match_number: signed(buyer.match_number.0),
            time: moment(origin.time),
            symbol,
            price: signed(buyer.price.0),
            price_decimals,
            quantity: buyer.quantity.0.into(),
            currency: currency.name,
            notional: buyer.notional,
            cash_decimals: currency.decimals,
            aggressor: self.names.character(aggressor),
            cross: self.names.character(cross.map_or(0, Cross::byte)),
            buy_order: signed(buyer.order.0),
            buy_firm: self.names.firm(buyer.header.firm)?,
            buy_account: buyer.account.0.into(),
            buy_fee: buyer.fee,
            sell_order: signed(seller.order.0),
            sell_firm: self.names.firm(seller.header.firm)?,
            sell_account: seller.account.0.into(),
            sell_fee: seller.fee,
        })?)
    }

    pub(super) fn balance_changed(
        &mut self,
        event: &BalanceChanged,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let &BalanceChanged { account, currency, change, balance, .. } = event;
        let kind = if change == 0 { &self.actions.opening } else { &self.actions.transfer }.clone();
        match AssetKind::from_byte(event.asset_kind) {
            Some(AssetKind::Cash) => {
                self.ledger.state(account, Asset::Cash(currency), change, balance)?;
                Ok(self.tables.cash_movements.push(CashMovementRow {
                    kind,
                    account: account.0.into(),
                    amount: change,
                    balance,
                    reference: signed(event.reference),
                    ..self.cash_row(currency, origin)?
                })?)
            }
            Some(AssetKind::Shares) => {
                let instrument = event.header.instrument;
                self.ledger.state(account, Asset::Shares(instrument), change, balance)?;
                Ok(self.tables.position_movements.push(PositionMovementRow {
                    kind,
                    account: account.0.into(),
                    amount: change,
                    balance,
                    reference: signed(event.reference),
                    ..self.position_row(instrument, origin)?
                })?)
            }
            None => Err(Refused::Event("a balance of neither cash nor shares".to_owned())),
        }
    }

    fn cash_row(&self, id: CurrencyId, origin: Origin<'_>) -> Result<CashMovementRow, String> {
        let Named { name: currency, decimals: cash_decimals } = self.names.currency(id)?.clone();
        Ok(CashMovementRow {
            sequence: signed(origin.sequence),
            time: moment(origin.time),
            currency,
            cash_decimals,
            ..CashMovementRow::default()
        })
    }

    fn position_row(
        &self,
        id: InstrumentId,
        origin: Origin<'_>,
    ) -> Result<PositionMovementRow, String> {
        Ok(PositionMovementRow {
            sequence: signed(origin.sequence),
            time: moment(origin.time),
            symbol: self.names.instrument(id)?.name.clone(),
            ..PositionMovementRow::default()
        })
    }
}

/// What a side of a trade comes to, when it is made, busted or corrected.
pub(super) struct Settled {
    /// Why.
    pub(super) kind: Text,
    pub(super) account: AccountId,
    pub(super) instrument: InstrumentId,
    pub(super) currency: CurrencyId,
    pub(super) order: OrderRef,
    pub(super) match_number: MatchNumber,
    /// What comes, but for the fee.
    pub(super) cash: i64,
    /// What it pays.
    pub(super) fee: i64,
    /// Those that come.
    pub(super) shares: i64,
}

pub(super) fn is_buy(side: u8) -> Result<bool, String> {
    Side::from_byte(side).map(Side::is_buy).ok_or_else(|| format!("an order of side {side}"))
}
