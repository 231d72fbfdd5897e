//! Between messages and records: an order becomes its command, an event becomes its answer.
//!
//! It judges nothing: the form's first error, which goes along with a command, is found by `form`.

use zerocopy::FromZeros;
use zerocopy::byteorder::big_endian::U64;

use super::{
    Accepted, AiqCanceled, Cancel, CancelRejected, Canceled, Enter, Executed, MalformedAppendage,
    OUT_MAX, Options, Rejected, Replace, Replaced, SystemEvent, answers, form_error,
    replace_form_error, trades,
};
use crate::types::command::{self, CommandHeader};
use crate::types::event::{self, Event};
use crate::types::{
    AccountId, CancelReason, Epoch, Nanos, PortId, PortName, Price, Quantity, RejectReason,
    SystemCode, UserRefNum,
};

impl Enter {
    /// The command of this message. Whatever its form, it is one: the form's first error goes along,
    /// so that the user reference number is consumed in its turn.
    #[must_use]
    pub fn to_command(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::NewOrder {
        self.with_options(Options::parse(elements), port, epoch, receive_time)
    }

    /// The command of this order with these options.
    pub(in crate::wire) fn with_options(
        &self,
        parsed: Result<Options, MalformedAppendage>,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::NewOrder {
        let error = form_error(self, parsed.as_ref().ok());
        let options = parsed.unwrap_or_else(of_channel);
        let mut header = CommandHeader::new::<command::NewOrder>(port, epoch, receive_time);
        header.form_error = error.map_or(0, RejectReason::code);
        command::NewOrder {
            header,
            price: Price(self.price.get()),
            discretion_price: Price(options.discretion_price),
            symbol: self.symbol,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            quantity: Quantity(self.quantity.get()),
            min_quantity: Quantity(options.min_quantity),
            max_floor: Quantity(options.max_floor),
            expire_time_s: options.expire_time_s,
            account: options.account,
            user_ref_idx: options.user_ref_idx,
            side: self.side,
            time_in_force: self.time_in_force,
            display: self.display,
            capacity: self.capacity,
            intermarket_sweep: self.intermarket_sweep,
            cross_type: self.cross_type,
            price_type: options.price_type,
            cl_ord_id: self.cl_ord_id,
            group_id: options.group_id,
            firm: options.firm,
            locate_broker: options.locate_broker,
            route: options.route,
            peg_offset: options.peg_offset,
            random_reserves: options.random_reserves,
            discretion_peg_offset: options.discretion_peg_offset,
            discretion_price_type: options.discretion_price_type,
            customer_type: options.customer_type,
            post_only: options.post_only,
            handling: options.handling,
            shares_located: options.shares_located,
            self_match: options.self_match,
            bbo_weight: options.bbo_weight,
            trade_now: options.trade_now,
        }
    }
}

impl Replace {
    /// The command of this message, whatever its form, with the form's first error. Options that a
    /// Replace does not allow are stepped over: what they are about is the original's.
    #[must_use]
    pub fn to_command(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Replace {
        self.with_options(Options::parse(elements), port, epoch, receive_time)
    }

    /// The command of this replace with these options.
    pub(in crate::wire) fn with_options(
        &self,
        parsed: Result<Options, MalformedAppendage>,
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Replace {
        let error = replace_form_error(self, parsed.as_ref().ok());
        let options = parsed.unwrap_or_else(of_channel);
        let mut header = CommandHeader::new::<command::Replace>(port, epoch, receive_time);
        header.form_error = error.map_or(0, RejectReason::code);
        command::Replace {
            header,
            price: Price(self.price.get()),
            discretion_price: Price(options.discretion_price),
            orig_user_ref_num: UserRefNum(self.orig_user_ref_num.get()),
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            quantity: Quantity(self.quantity.get()),
            min_quantity: Quantity(options.min_quantity),
            max_floor: Quantity(options.max_floor),
            random_reserves: options.random_reserves,
            expire_time_s: options.expire_time_s,
            peg_offset: options.peg_offset,
            discretion_peg_offset: options.discretion_peg_offset,
            locate_broker: options.locate_broker,
            cl_ord_id: self.cl_ord_id,
            user_ref_idx: options.user_ref_idx,
            side: options.side,
            time_in_force: self.time_in_force,
            display: self.display,
            intermarket_sweep: self.intermarket_sweep,
            price_type: options.price_type,
            discretion_price_type: options.discretion_price_type,
            post_only: options.post_only,
            trade_now: options.trade_now,
            handling: options.handling,
            shares_located: options.shares_located,
            reserved: [0; 23],
        }
    }
}

impl Cancel {
    /// The command of this message. OUCH has no answer to a cancel that cannot be understood; one
    /// with a malformed appendage is marked, and the engine is silent about it.
    #[must_use]
    pub fn to_command(
        &self,
        elements: &[u8],
        port: PortId,
        epoch: Epoch,
        receive_time: Nanos,
    ) -> command::Cancel {
        let parsed = Options::parse(elements);
        let mut header = CommandHeader::new::<command::Cancel>(port, epoch, receive_time);
        header.form_error = if parsed.is_ok() { 0 } else { RejectReason::Other.code() };
        command::Cancel {
            header,
            user_ref_num: UserRefNum(self.user_ref_num.get()),
            quantity: Quantity(self.quantity.get()),
            user_ref_idx: parsed.unwrap_or_else(of_channel).user_ref_idx,
            ..command::Cancel::new_zeroed()
        }
    }
}

/// What is known of a malformed appendage: the channel, or [`Inbound::parse`](super::Inbound::parse)
/// would have refused the message.
pub(super) fn of_channel(malformed: MalformedAppendage) -> Options {
    let user_ref_idx = malformed.user_ref_idx.unwrap_or_default();
    Options { user_ref_idx, ..Options::default() }
}

/// What a message says beyond its event's own fields.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The event's own sequence.
    pub sequence: u64,
    /// Its log time, in nanoseconds since midnight.
    pub timestamp: u64,
    /// In a drop copy: the port whose message it repeats.
    pub copy_of: Option<PortName>,
}

impl Stamp {
    pub(super) fn timestamp(&self) -> U64 {
        self.timestamp.into()
    }

    /// A user reference number means nothing without its channel, so every answer names it; the first
    /// channel is number 0, which is said by saying nothing. In a drop copy it means nothing without
    /// its port either.
    pub(super) fn options(&self, user_ref_idx: u8) -> Options {
        let port = self.copy_of.map_or([0; 6], |PortName(name)| name);
        Options { user_ref_idx, port, ..Options::default() }
    }

    /// The account that an order was found to be of, for a drop copy alone: whoever entered it knows.
    fn account(&self, account: AccountId) -> AccountId {
        if self.copy_of.is_some() { account } else { AccountId::NONE }
    }
}

/// Writes the message that `event`, which is in the stream of an order entry port, is there to the front
/// of `out` and returns its size; `None` if OUCH has none for it.
pub fn emit(event: &Event<'_>, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> Option<usize> {
    Some(match event {
        Event::SystemMessage(e) => return system_event(e, stamp, out),
        Event::Accepted(e) => accepted(e, stamp, out),
        Event::Replaced(e) => replaced(e, stamp, out),
        Event::Executed(e) => executed(e, stamp, out),
        Event::Canceled(e) => canceled(e, stamp, out),
        Event::SelfMatchCanceled(e) => aiq_canceled(e, stamp, out),
        Event::CancelRejected(e) => cancel_rejected(e, stamp, out),
        Event::Rejected(e) => rejected(e, stamp, out),
        Event::Restated(e) => answers::restated(e, stamp, out),
        Event::FillBusted(e) => trades::broken(e, stamp, out),
        Event::FillCorrected(e) => trades::corrected(e, stamp, out),
        Event::Modified(e) => answers::modified(e, stamp, out),
        Event::MassCanceled(e) => answers::mass_canceled(e, stamp, out),
        Event::EntrySwitched(e) => answers::entry_switched(e, stamp, out),
        Event::AccountAnswered(e) => answers::account_answered(e, stamp, out),
        _ => return None,
    })
}

/// OUCH knows only the start and the end of the day.
fn system_event(
    event: &event::SystemMessage,
    stamp: &Stamp,
    out: &mut [u8; OUT_MAX],
) -> Option<usize> {
    let code = SystemCode::from_byte(event.code)?;
    let known = matches!(code, SystemCode::StartOfSystem | SystemCode::EndOfSystem);
    let message =
        SystemEvent { kind: SystemEvent::KIND, timestamp: stamp.timestamp(), code: code.byte() };
    known.then(|| message.emit(out))
}

/// The options are those entered. The side is not among them, it is a field; nor is the account but in
/// a drop copy, because the event has the one that was found by the port's rule.
fn accepted(event: &event::Accepted, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Accepted {
        kind: Accepted::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        side: event.side,
        quantity: event.quantity.0.into(),
        symbol: event.symbol,
        price: event.price.0.into(),
        time_in_force: event.time_in_force,
        display: event.display,
        order_ref: stamp.sequence.into(),
        capacity: event.capacity,
        intermarket_sweep: event.intermarket_sweep,
        cross_type: event.cross_type,
        order_state: event.order_state,
        cl_ord_id: event.cl_ord_id,
    };
    let options = Options {
        firm: event.firm,
        min_quantity: event.min_quantity.0,
        customer_type: event.customer_type,
        max_floor: event.max_floor.0,
        price_type: event.price_type,
        peg_offset: event.peg_offset,
        discretion_price: event.discretion_price.0,
        discretion_price_type: event.discretion_price_type,
        discretion_peg_offset: event.discretion_peg_offset,
        post_only: event.post_only,
        random_reserves: event.random_reserves,
        route: event.route,
        expire_time_s: event.expire_time_s,
        trade_now: event.trade_now,
        handling: event.handling,
        bbo_weight: event.bbo_weight,
        group_id: event.group_id,
        shares_located: event.shares_located,
        locate_broker: event.locate_broker,
        self_match: event.self_match,
        account: stamp.account(event.account),
        ..stamp.options(event.user_ref_idx)
    };
    message.emit(&options, out)
}

/// The options are those of the Replace, as an Accepted echoes those of the Enter.
fn replaced(event: &event::Replaced, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Replaced {
        kind: Replaced::KIND,
        timestamp: stamp.timestamp(),
        orig_user_ref_num: event.orig_user_ref_num.0.into(),
        user_ref_num: event.user_ref_num.0.into(),
        side: event.side,
        quantity: event.quantity.0.into(),
        symbol: event.symbol,
        price: event.price.0.into(),
        time_in_force: event.time_in_force,
        display: event.display,
        order_ref: stamp.sequence.into(),
        capacity: event.capacity,
        intermarket_sweep: event.intermarket_sweep,
        cross_type: event.cross_type,
        order_state: event.order_state,
        cl_ord_id: event.cl_ord_id,
    };
    let options = Options {
        min_quantity: event.min_quantity.0,
        max_floor: event.max_floor.0,
        price_type: event.price_type,
        peg_offset: event.peg_offset,
        discretion_price: event.discretion_price.0,
        discretion_price_type: event.discretion_price_type,
        discretion_peg_offset: event.discretion_peg_offset,
        post_only: event.post_only,
        random_reserves: event.random_reserves,
        expire_time_s: event.expire_time_s,
        trade_now: event.trade_now,
        handling: event.handling,
        shares_located: event.shares_located,
        locate_broker: event.locate_broker,
        account: stamp.account(event.account),
        ..stamp.options(event.user_ref_idx)
    };
    message.emit(&options, out)
}

fn executed(event: &event::Executed, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Executed {
        kind: Executed::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.quantity.0.into(),
        price: event.price.0.into(),
        liquidity: event.liquidity,
        match_number: event.match_number.0.into(),
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

fn canceled(event: &event::Canceled, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Canceled {
        kind: Canceled::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.decrement.0.into(),
        reason: event.reason,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

fn aiq_canceled(event: &event::SelfMatchCanceled, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = AiqCanceled {
        kind: AiqCanceled::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.decrement.0.into(),
        reason: CancelReason::SelfMatch.byte(),
        prevented: event.prevented.0.into(),
        price: event.price.0.into(),
        liquidity: event.liquidity,
        strategy: event.strategy,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

fn cancel_rejected(event: &event::CancelRejected, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = CancelRejected {
        kind: CancelRejected::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

fn rejected(event: &event::Rejected, stamp: &Stamp, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Rejected {
        kind: Rejected::KIND,
        timestamp: stamp.timestamp(),
        user_ref_num: event.user_ref_num.0.into(),
        reason: event.reason.into(),
        cl_ord_id: event.cl_ord_id,
    };
    message.emit(&stamp.options(event.user_ref_idx), out)
}

#[cfg(test)]
mod tests;
