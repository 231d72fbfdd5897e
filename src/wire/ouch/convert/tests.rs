//! Messages of the wire as commands, and events as messages of the wire, byte for byte.

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
    let elements = b"\x05\x02LIME\x05\x03\0\0\0\x0A\x09\x09\0\0\0\0\0\0\0\x05\x05\x80\0\0\x12\x34\
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
    let Ok(Outbound::Replaced(replaced, elements)) = Outbound::parse(&message) else { panic!() };
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
    message_for(lines, None)
}

/// The same as the port is told it, or in a drop copy.
fn message_for(lines: &[Line], copy_of: Option<PortName>) -> Option<Vec<u8>> {
    let mut out = [0; OUT_MAX];
    let stamp = Stamp { sequence: 77, timestamp: 1_234, copy_of };
    let size = emit(&Event::parse(lines).unwrap(), &stamp, &mut out)?;
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
    let Ok(Outbound::Accepted(accepted, elements)) = Outbound::parse(&message) else { panic!() };
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
fn a_self_match_says_what_was_prevented_and_where() {
    let canceled = event::SelfMatchCanceled {
        header: header::<event::SelfMatchCanceled>(2),
        price: Price(100_000),
        user_ref_num: UserRefNum(7),
        decrement: Quantity(60),
        prevented: Quantity(40),
        liquidity: b'R',
        strategy: b'W',
        ..event::SelfMatchCanceled::new_zeroed()
    };
    let message = message_of(canceled.lines()).unwrap();
    let expected = b"\0\0\0\x07\0\0\0\x3CQ\0\0\0\x28\0\0\0\0\0\x01\x86\xA0RW";
    assert_eq!((message[0], &message[9..]), (b'D', &expected[..]));
}

#[test]
fn a_drop_copy_names_the_port_of_each_message_and_the_account_of_each_order() {
    let port = PortName::new("ALFA01");
    let accepted = event::Accepted {
        header: header::<event::Accepted>(1),
        account: AccountId(0x1234),
        user_ref_idx: 2,
        ..event::Accepted::new_zeroed()
    };
    let told = message_of(accepted.lines()).unwrap();
    let copied = message_for(accepted.lines(), port).unwrap();
    let fixed = told.len() - 2 - b"\x02\x1C\x02".len();
    assert_eq!(copied[..fixed], told[..fixed]);
    let options = b"\x02\x1C\x02\x05\x80\0\0\x12\x34\x07\x81ALFA01";
    assert_eq!(copied[fixed..], [&[0, 17], &options[..]].concat());
    let Ok(Outbound::Accepted(_, elements)) = Outbound::parse(&copied) else { panic!() };
    let read = Options::parse(elements).unwrap();
    assert_eq!((read.account, read.port), (AccountId(0x1234), *b"ALFA01"));

    let rejected =
        event::Rejected { header: header::<event::Rejected>(1), ..event::Rejected::new_zeroed() };
    let told = message_of(rejected.lines()).unwrap();
    let copied = message_for(rejected.lines(), port).unwrap();
    assert_eq!(copied, [&told[..], b"\0\x08\x07\x81ALFA01"].concat());
}

#[test]
fn an_event_that_no_participant_is_told_has_no_message() {
    let rested = event::Rested { header: header::<event::Rested>(5), ..FromZeros::new_zeroed() };
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
