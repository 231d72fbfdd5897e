//! Steps in the lives of orders. Each is a row; fields that the event has not are empty.

use rialto::types::Quantity;
use rialto::types::command::Command;
use rialto::types::event::{
    Accepted, CancelRejected, Canceled, Modified, Reduced, Rejected, Replaced, Restated, Rested,
    SelfMatchCanceled,
};

use super::{Extractor, Origin, Refused, moment, signed};
use crate::rows::OrderRow;
use crate::table::Text;

/// The row with the terms that an order, its successor, and the commands that ask for them all have, under
/// the same names.
macro_rules! with_terms {
    ($row:expr, $order:expr, $names:expr) => {{
        let (row, order) = ($row, $order);
        let character = |byte| $names.character(byte);
        OrderRow {
            side: character(order.side),
            price: signed(order.price.0),
            quantity: order.quantity.0.into(),
            min_quantity: order.min_quantity.0.into(),
            max_floor: order.max_floor.0.into(),
            random_reserves: order.random_reserves.into(),
            time_in_force: character(order.time_in_force),
            expire_time_s: order.expire_time_s.into(),
            display: character(order.display),
            intermarket_sweep: character(order.intermarket_sweep),
            post_only: character(order.post_only),
            handling: character(order.handling),
            price_type: character(order.price_type),
            peg_offset: order.peg_offset.into(),
            discretion_price: signed(order.discretion_price.0),
            discretion_price_type: character(order.discretion_price_type),
            discretion_peg_offset: order.discretion_peg_offset.into(),
            shares_located: character(order.shares_located),
            locate_broker: Text::of_record(&order.locate_broker),
            trade_now: character(order.trade_now),
            ..row
        }
    }};
}

impl Extractor {
    pub(super) fn accepted(&mut self, event: &Accepted, origin: Origin<'_>) -> Result<(), Refused> {
        let character = |byte| self.names.character(byte);
        let row = OrderRow {
            action: self.actions.accepted.clone(),
            order: signed(origin.sequence),
            shown_as: own_number(event.shown, origin),
            account: event.account.0.into(),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            cl_ord_id: Text::of_record(&event.cl_ord_id.0),
            shown: event.shown.0.into(),
            capacity: character(event.capacity),
            cross_type: character(event.cross_type),
            order_state: character(event.order_state),
            customer_type: character(event.customer_type),
            route: Text::of_record(&event.route),
            bbo_weight: character(event.bbo_weight),
            self_match: character(event.self_match),
            named_firm: Text::of_record(&event.firm),
            group: event.group_id.into(),
            ..with_terms!(self.order_row(origin)?, event, self.names)
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn replaced(&mut self, event: &Replaced, origin: Origin<'_>) -> Result<(), Refused> {
        let character = |byte| self.names.character(byte);
        let row = OrderRow {
            action: self.actions.replaced.clone(),
            order: signed(origin.sequence),
            shown_as: own_number(event.shown, origin),
            original: signed(event.original.0),
            original_shown_as: signed(event.original_shown_as.0),
            account: event.account.0.into(),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            orig_user_ref_num: event.orig_user_ref_num.0.into(),
            cl_ord_id: Text::of_record(&event.cl_ord_id.0),
            shown: event.shown.0.into(),
            executed: event.executed.0.into(),
            capacity: character(event.capacity),
            cross_type: character(event.cross_type),
            order_state: character(event.order_state),
            group: event.group_id.into(),
            rests: event.rests.into(),
            ..with_terms!(self.order_row(origin)?, event, self.names)
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn canceled(&mut self, event: &Canceled, origin: Origin<'_>) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.canceled.clone(),
            order: signed(event.order.0),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            canceled: event.decrement.0.into(),
            leaves: event.leaves.0.into(),
            reason: self.names.character(event.reason),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn self_match_canceled(
        &mut self,
        event: &SelfMatchCanceled,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.self_match_canceled.clone(),
            order: signed(event.order.0),
            contra: signed(event.contra.0),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            price: signed(event.price.0),
            quantity: event.prevented.0.into(),
            canceled: event.decrement.0.into(),
            leaves: event.leaves.0.into(),
            self_match: self.names.character(event.strategy),
            liquidity: self.names.character(event.liquidity),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    /// The event says only that and why; the terms are those of the command.
    pub(super) fn rejected(&mut self, event: &Rejected, origin: Origin<'_>) -> Result<(), Refused> {
        let character = |byte| self.names.character(byte);
        let row = OrderRow {
            action: self.actions.rejected.clone(),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            cl_ord_id: Text::of_record(&event.cl_ord_id.0),
            reject_reason: event.reason.into(),
            ..self.order_row(origin)?
        };
        let row = match origin.cause.command {
            Command::NewOrder(order) => {
                let symbol = Text::of_record(&order.symbol.0);
                OrderRow {
                    account: order.account.0.into(),
                    price_decimals: self.names.price_decimals(&symbol),
                    symbol,
                    capacity: character(order.capacity),
                    cross_type: character(order.cross_type),
                    customer_type: character(order.customer_type),
                    route: Text::of_record(&order.route),
                    bbo_weight: character(order.bbo_weight),
                    self_match: character(order.self_match),
                    named_firm: Text::of_record(&order.firm),
                    group: order.group_id.into(),
                    ..with_terms!(row, order, self.names)
                }
            }
            Command::Replace(replace) => OrderRow {
                orig_user_ref_num: replace.orig_user_ref_num.0.into(),
                ..with_terms!(row, replace, self.names)
            },
            // What is refused is no order.
            Command::MassCancel(_) | Command::DisableEntry(_) | Command::EnableEntry(_) => {
                return Ok(());
            }
            other @ (Command::TermStart(_)
            | Command::DayStart(_)
            | Command::DayEnd(_)
            | Command::Tick(_)
            | Command::StateHash(_)
            | Command::ActivateVersion(_)
            | Command::VenueLimits(_)
            | Command::CurrencyDefine(_)
            | Command::FirmDefine(_)
            | Command::PortDefine(_)
            | Command::AccountOpen(_)
            | Command::AccountUpdate(_)
            | Command::Transfer(_)
            | Command::InstrumentDefine(_)
            | Command::Fee(_)
            | Command::RiskLimit(_)
            | Command::Calendar(_)
            | Command::PriceBand(_)
            | Command::PortUp(_)
            | Command::PortDown(_)
            | Command::Cancel(_)
            | Command::Modify(_)
            | Command::AccountQuery(_)
            | Command::BustTrade(_)
            | Command::TradeCorrection(_)
            | Command::Halt(_)
            | Command::Resume(_)
            | Command::SetPhase(_)) => {
                return Err(Refused::Event(format!("a rejected order is no order: {other:?}")));
            }
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn rested(&mut self, event: &Rested, origin: Origin<'_>) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.rested.clone(),
            order: signed(event.order.0),
            shown_as: signed(event.order.0),
            side: self.names.character(event.side),
            price: signed(event.price.0),
            shown: event.quantity.0.into(),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn restated(&mut self, event: &Restated, origin: Origin<'_>) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.restated.clone(),
            order: signed(event.order.0),
            shown_as: own_number(event.quantity, origin),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            side: self.names.character(event.side),
            price: signed(event.price.0),
            shown: event.quantity.0.into(),
            reason: self.names.character(event.reason),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn modified(&mut self, event: &Modified, origin: Origin<'_>) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.modified.clone(),
            order: signed(event.order.0),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            side: self.names.character(event.side),
            leaves: event.quantity.0.into(),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn reduced(&mut self, event: &Reduced, origin: Origin<'_>) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.reduced.clone(),
            shown_as: signed(event.shown_as.0),
            quantity: event.quantity.0.into(),
            shown: event.leaves.0.into(),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    pub(super) fn cancel_rejected(
        &mut self,
        event: &CancelRejected,
        origin: Origin<'_>,
    ) -> Result<(), Refused> {
        let row = OrderRow {
            action: self.actions.cancel_rejected.clone(),
            channel: event.user_ref_idx.into(),
            user_ref_num: event.user_ref_num.0.into(),
            ..self.order_row(origin)?
        };
        Ok(self.tables.orders.push(row)?)
    }

    /// What every row of an order has.
    fn order_row(&self, origin: Origin<'_>) -> Result<OrderRow, String> {
        let instrument = self.names.instrument(origin.header.instrument)?;
        Ok(OrderRow {
            sequence: signed(origin.sequence),
            time: moment(origin.time),
            command: signed(origin.cause.sequence),
            receive_time: moment(origin.cause.header.receive_time),
            port: self.names.port(origin.header.port)?,
            firm: self.names.firm(origin.header.firm)?,
            symbol: instrument.name.clone(),
            price_decimals: instrument.decimals,
            ..OrderRow::default()
        })
    }
}

/// Under which number the feed shows so many shares from this event on.
const fn own_number(shown: Quantity, origin: Origin<'_>) -> i64 {
    if shown.is_zero() { 0 } else { signed(origin.sequence) }
}
