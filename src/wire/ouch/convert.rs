//! Between messages and records: an order becomes its command, an event becomes its answer.
//!
//! It judges nothing: the form's first error, which goes along with a command, is found by `form`.

use zerocopy::FromZeros;

use super::{
    Accepted, Cancel, CancelRejected, Canceled, Enter, Executed, MalformedAppendage, OUT_MAX,
    Options, Rejected, Replace, Replaced, SystemEvent, answers, form_error, replace_form_error,
};
use crate::types::command::{self, CommandHeader};
use crate::types::event::{self, Event};
use crate::types::{
    AccountId, Epoch, Nanos, PortId, Price, Quantity, RejectReason, SystemCode, UserRefNum,
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
        let parsed = Options::parse(elements);
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
        let parsed = Options::parse(elements);
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
    channel(malformed.user_ref_idx.unwrap_or_default())
}

/// Writes the message that `event` is in its port's stream to the front of `out` and returns its
/// size; `None` if it is in no stream of an order-entry port. `sequence` is the event's own,
/// `timestamp` its log time in nanoseconds since midnight.
pub fn emit(
    event: &Event<'_>,
    sequence: u64,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> Option<usize> {
    match event {
        Event::SystemMessage(e) if e.header.port_sequence != 0 => system_event(e, timestamp, out),
        Event::Accepted(e) if e.header.port_sequence != 0 => {
            Some(accepted(e, sequence, timestamp, out))
        }
        Event::Replaced(e) if e.header.port_sequence != 0 => {
            Some(replaced(e, sequence, timestamp, out))
        }
        Event::Executed(e) if e.header.port_sequence != 0 => Some(executed(e, timestamp, out)),
        Event::Canceled(e) if e.header.port_sequence != 0 => Some(canceled(e, timestamp, out)),
        Event::CancelRejected(e) if e.header.port_sequence != 0 => {
            Some(cancel_rejected(e, timestamp, out))
        }
        Event::Rejected(e) if e.header.port_sequence != 0 => Some(rejected(e, timestamp, out)),
        Event::Restated(e) if e.header.port_sequence != 0 => {
            Some(answers::restated(e, sequence, timestamp, out))
        }
        Event::Modified(e) => Some(answers::modified(e, timestamp, out)),
        Event::MassCanceled(e) => Some(answers::mass_canceled(e, timestamp, out)),
        Event::EntrySwitched(e) => Some(answers::entry_switched(e, timestamp, out)),
        Event::AccountAnswered(e) => Some(answers::account_answered(e, timestamp, out)),
        _ => None,
    }
}

/// OUCH knows only the start and the end of the day.
fn system_event(
    event: &event::SystemMessage,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> Option<usize> {
    let code = SystemCode::from_byte(event.code)?;
    let known = matches!(code, SystemCode::StartOfSystem | SystemCode::EndOfSystem);
    let message =
        SystemEvent { kind: SystemEvent::KIND, timestamp: timestamp.into(), code: code.byte() };
    known.then(|| message.emit(out))
}

/// The options are those entered; the account is not among them, because the event has the one that
/// was found by the port's rule, and the side is a field.
fn accepted(
    event: &event::Accepted,
    sequence: u64,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = Accepted {
        kind: Accepted::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
        side: event.side,
        quantity: event.quantity.0.into(),
        symbol: event.symbol,
        price: event.price.0.into(),
        time_in_force: event.time_in_force,
        display: event.display,
        order_ref: sequence.into(),
        capacity: event.capacity,
        intermarket_sweep: event.intermarket_sweep,
        cross_type: event.cross_type,
        order_state: event.order_state,
        cl_ord_id: event.cl_ord_id,
    };
    let options = Options {
        secondary_ref: 0,
        display_quantity: 0,
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
        side: 0,
        user_ref_idx: event.user_ref_idx,
        self_match: event.self_match,
        account: AccountId::NONE,
    };
    message.emit(&options, out)
}

/// The options are those of the Replace, as an Accepted echoes those of the Enter.
fn replaced(
    event: &event::Replaced,
    sequence: u64,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = Replaced {
        kind: Replaced::KIND,
        timestamp: timestamp.into(),
        orig_user_ref_num: event.orig_user_ref_num.0.into(),
        user_ref_num: event.user_ref_num.0.into(),
        side: event.side,
        quantity: event.quantity.0.into(),
        symbol: event.symbol,
        price: event.price.0.into(),
        time_in_force: event.time_in_force,
        display: event.display,
        order_ref: sequence.into(),
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
        user_ref_idx: event.user_ref_idx,
        ..Options::default()
    };
    message.emit(&options, out)
}

fn executed(event: &event::Executed, timestamp: u64, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Executed {
        kind: Executed::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.quantity.0.into(),
        price: event.price.0.into(),
        liquidity: event.liquidity,
        match_number: event.match_number.0.into(),
    };
    message.emit(&channel(event.user_ref_idx), out)
}

fn canceled(event: &event::Canceled, timestamp: u64, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Canceled {
        kind: Canceled::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
        quantity: event.decrement.0.into(),
        reason: event.reason,
    };
    message.emit(&channel(event.user_ref_idx), out)
}

fn cancel_rejected(
    event: &event::CancelRejected,
    timestamp: u64,
    out: &mut [u8; OUT_MAX],
) -> usize {
    let message = CancelRejected {
        kind: CancelRejected::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
    };
    message.emit(&channel(event.user_ref_idx), out)
}

fn rejected(event: &event::Rejected, timestamp: u64, out: &mut [u8; OUT_MAX]) -> usize {
    let message = Rejected {
        kind: Rejected::KIND,
        timestamp: timestamp.into(),
        user_ref_num: event.user_ref_num.0.into(),
        reason: event.reason.into(),
        cl_ord_id: event.cl_ord_id,
    };
    message.emit(&channel(event.user_ref_idx), out)
}

/// A user reference number means nothing without its channel, so every answer names it; the first
/// channel is number 0, which is said by saying nothing.
pub(super) fn channel(user_ref_idx: u8) -> Options {
    Options { user_ref_idx, ..Options::default() }
}

#[cfg(test)]
mod tests {
    use super::super::{Inbound, Outbound};
    use super::*;
    use crate::types::event::EventHeader;
    use crate::types::{
        ClOrdId, InstrumentId, Line, MatchNumber, OrderRef, Record as _, Side, Symbol, TimeInForce,
    };

    fn sound() -> Enter {
        Enter::new(
            UserRefNum(7),
            Side::Buy,
            Quantity(100),
            Symbol::new("ACME").unwrap(),
            Price(105_000),
            TimeInForce::Day,
        )
    }

    #[test]
    fn an_order_becomes_a_command_with_its_options() {
        let elements = b"\x05\x02LIME\x05\x03\0\0\0\x0A\x09\x09\0\0\0\0\0\0\0\x05\x02\x0AL\
                         \x05\x80\0\0\x12\x34\x02\x1C\x03";
        let command = sound().to_command(elements, PortId(3), Epoch(9), Nanos(5));
        assert_eq!((command.header.kind, command.header.lines), (40, 2));
        assert_eq!((command.header.port, command.header.epoch), (PortId(3), Epoch(9)));
        assert_eq!((command.header.receive_time, command.header.form_error), (Nanos(5), 0));
        assert_eq!((command.price, command.quantity), (Price(105_000), Quantity(100)));
        assert_eq!((command.firm, command.min_quantity), (*b"LIME", Quantity(10)));
        assert_eq!((command.discretion_price, command.discretion_price_type), (Price(5), b'L'));
        assert_eq!((command.account, command.user_ref_idx), (AccountId(0x1234), 3));
    }

    #[test]
    fn a_malformed_appendage_is_a_form_error_of_the_command_and_keeps_its_channel() {
        let elements = b"\x02\x1C\x03\x05\x02";
        let enter = sound().to_command(elements, PortId(3), Epoch(9), Nanos(5));
        assert_eq!(enter.header.form_error, RejectReason::Other.code());
        assert_eq!((enter.user_ref_num, enter.user_ref_idx), (UserRefNum(7), 3));
        let replace = replacement().to_command(elements, PortId(3), Epoch(9), Nanos(5));
        assert_eq!(replace.header.form_error, RejectReason::Other.code());
        assert_eq!(replace.user_ref_idx, 3);
        let cancel = Cancel::new(UserRefNum(7), Quantity(1));
        let command = cancel.to_command(elements, PortId(3), Epoch(9), Nanos(5));
        assert_eq!(command.header.form_error, RejectReason::Other.code());
        assert_eq!(command.user_ref_idx, 3);
    }

    fn replacement() -> Replace {
        Replace::new(UserRefNum(7), UserRefNum(8), Quantity(60), Price(105_100))
    }

    #[test]
    fn a_replace_becomes_a_command_with_its_options_and_no_others() {
        let elements =
            b"\x05\x02LIME\x05\x03\0\0\0\x0A\x09\x09\0\0\0\0\0\0\0\x05\x05\x80\0\0\x12\x34\
                         \x02\x1BE\x02\x1C\x03";
        let command = replacement().to_command(elements, PortId(3), Epoch(9), Nanos(5));
        assert_eq!((command.header.kind, command.header.lines), (42, 2));
        assert_eq!((command.header.port, command.header.epoch), (PortId(3), Epoch(9)));
        assert_eq!((command.header.receive_time, command.header.form_error), (Nanos(5), 0));
        let numbers = (command.orig_user_ref_num, command.user_ref_num);
        assert_eq!(numbers, (UserRefNum(7), UserRefNum(8)));
        assert_eq!((command.price, command.quantity), (Price(105_100), Quantity(60)));
        assert_eq!((command.min_quantity, command.discretion_price), (Quantity(10), Price(5)));
        assert_eq!((command.side, command.user_ref_idx), (b'E', 3));
    }

    #[test]
    fn a_replaced_order_is_answered_with_both_numbers_and_its_new_reference() {
        let event = event::Replaced {
            header: header::<event::Replaced>(1),
            original: OrderRef(70),
            price: Price(105_100),
            symbol: Symbol::new("ACME").unwrap(),
            orig_user_ref_num: UserRefNum(7),
            user_ref_num: UserRefNum(8),
            quantity: Quantity(40),
            executed: Quantity(20),
            account: AccountId(5),
            side: b'T',
            capacity: b'P',
            order_state: b'L',
            user_ref_idx: 2,
            shares_located: b'Y',
            peg_offset: -2,
            discretion_price_type: b'L',
            random_reserves: 13,
            trade_now: b'N',
            locate_broker: *b"LOCB",
            rests: 1,
            ..event::Replaced::new_zeroed()
        };
        let message = message_of(event.lines()).unwrap();
        let Ok(Outbound::Replaced(replaced, elements)) = Outbound::parse(&message) else {
            panic!()
        };
        assert_eq!((replaced.order_ref.get(), replaced.timestamp.get()), (77, 1_234));
        assert_eq!((replaced.orig_user_ref_num.get(), replaced.user_ref_num.get()), (7, 8));
        assert_eq!((replaced.price.get(), replaced.quantity.get()), (105_100, 40));
        assert_eq!((replaced.side, replaced.capacity), (b'T', b'P'));
        let expected = [
            &b"\x05\x07\xFF\xFF\xFF\xFE\x02\x0AL\x05\x0D\0\0\0\x0D\x02\x10N\x02\x19Y"[..],
            b"\x05\x1ALOCB\x02\x1C\x02",
        ];
        assert_eq!(elements, expected.concat());
    }

    #[test]
    fn a_cancel_becomes_a_command_of_its_channel() {
        let cancel = Cancel::new(UserRefNum(7), Quantity(50));
        let command = cancel.to_command(b"\x02\x1C\x03", PortId(3), Epoch(9), Nanos(5));
        assert_eq!((command.user_ref_num, command.quantity), (UserRefNum(7), Quantity(50)));
        assert_eq!((command.user_ref_idx, command.header.form_error), (3, 0));
        assert_eq!((command.header.kind, command.header.lines), (41, 1));
    }

    /// The message of the event in `lines`.
    fn message_of(lines: &[Line]) -> Option<Vec<u8>> {
        let mut out = [0; OUT_MAX];
        let size = emit(&Event::parse(lines).unwrap(), 77, 1_234, &mut out)?;
        Some(out[..size].to_vec())
    }

    fn header<T: crate::types::Record>(port_sequence: u32) -> EventHeader {
        EventHeader { port_sequence, instrument: InstrumentId(4), ..EventHeader::new::<T>() }
    }

    #[test]
    fn an_accepted_order_is_answered_with_its_reference_and_its_options() {
        let event = event::Accepted {
            header: header::<event::Accepted>(1),
            price: Price(105_000),
            symbol: Symbol::new("ACME").unwrap(),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(100),
            firm: *b"LIME",
            account: AccountId(5),
            cl_ord_id: ClOrdId::new("mine").unwrap(),
            side: b'B',
            peg_offset: -2,
            discretion_price: Price(9),
            discretion_price_type: b'L',
            discretion_peg_offset: 11,
            random_reserves: 13,
            route: *b"ARCA",
            trade_now: b'N',
            locate_broker: *b"LOCB",
            ..event::Accepted::new_zeroed()
        };
        let message = message_of(event.lines()).unwrap();
        let Ok(Outbound::Accepted(accepted, elements)) = Outbound::parse(&message) else {
            panic!()
        };
        assert_eq!((accepted.order_ref.get(), accepted.timestamp.get()), (77, 1_234));
        assert_eq!((accepted.price.get(), accepted.quantity.get()), (105_000, 100));
        let expected = [
            &b"\x05\x02LIME\x05\x07\xFF\xFF\xFF\xFE\x09\x09\0\0\0\0\0\0\0\x09\x02\x0AL"[..],
            b"\x05\x0B\0\0\0\x0B\x05\x0D\0\0\0\x0D\x05\x0EARCA\x02\x10N\x05\x1ALOCB",
        ];
        assert_eq!(elements, expected.concat());
    }

    #[test]
    fn a_fill_is_answered_with_its_match_number() {
        let event = event::Executed {
            header: header::<event::Executed>(2),
            match_number: MatchNumber(90),
            price: Price(105_000),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(60),
            liquidity: b'A',
            ..event::Executed::new_zeroed()
        };
        let message = message_of(event.lines()).unwrap();
        assert_eq!(message.len(), 36);
        let Ok(Outbound::Executed(executed, [])) = Outbound::parse(&message) else { panic!() };
        assert_eq!((executed.match_number.get(), executed.quantity.get()), (90, 60));
    }

    #[test]
    fn a_cancel_and_a_reject_name_their_channel_only_if_it_is_not_the_first() {
        let mut canceled = event::Canceled {
            header: header::<event::Canceled>(2),
            decrement: Quantity(60),
            leaves: Quantity(40),
            reason: b'U',
            ..event::Canceled::new_zeroed()
        };
        assert_eq!(message_of(canceled.lines()).unwrap().len(), 18);
        canceled.user_ref_idx = 2;
        assert!(message_of(canceled.lines()).unwrap().ends_with(b"\x00\x03\x02\x1C\x02"));

        let rejected = event::Rejected {
            header: header::<event::Rejected>(2),
            reason: RejectReason::InvalidSymbol.code(),
            ..event::Rejected::new_zeroed()
        };
        let message = message_of(rejected.lines()).unwrap();
        let Ok(Outbound::Rejected(rejected, [])) = Outbound::parse(&message) else { panic!() };
        assert_eq!(rejected.reason.get(), 0x17);
    }

    #[test]
    fn an_event_in_no_port_stream_has_no_message() {
        let feed_only =
            event::Canceled { header: header::<event::Canceled>(0), ..FromZeros::new_zeroed() };
        assert_eq!(message_of(feed_only.lines()), None);
        let rested =
            event::Rested { header: header::<event::Rested>(5), ..FromZeros::new_zeroed() };
        assert_eq!(message_of(rested.lines()), None);
    }

    #[test]
    fn only_the_days_start_and_end_are_system_events_of_a_port() {
        let mut event = event::SystemMessage {
            header: header::<event::SystemMessage>(1),
            code: b'S',
            ..event::SystemMessage::new_zeroed()
        };
        assert_eq!(message_of(event.lines()).unwrap(), b"S\0\0\0\0\0\0\x04\xD2S");
        event.code = b'Q';
        assert_eq!(message_of(event.lines()), None);
    }

    #[test]
    fn a_message_from_the_wire_goes_through_as_it_is() {
        let mut out = [0; super::super::ENTER_BYTES_MAX];
        let size = sound().emit(&Options::default(), &mut out);
        let Ok(Inbound::Enter(enter, elements)) = Inbound::parse(&out[..size]) else { panic!() };
        let command = enter.to_command(elements, PortId(1), Epoch(1), Nanos(1));
        assert_eq!(command.header.form_error, 0);
    }
}
