//! From events to messages: what an event of a port's stream is in OUCH 4.2.

use zerocopy::IntoBytes as _;
use zerocopy::byteorder::big_endian::{U32, U64};

use super::outbound::{
    Accepted, AiqCanceled, BrokenTrade, CancelRejected, Canceled, Executed, Modified, OUT_MAX,
    Rejected, Replaced, SystemEvent, TradeCorrection,
};
use super::{Token, time};
use crate::types::event::{Event, SystemMessage};
use crate::types::{
    CancelReason, FirmCode, Price, RejectReason, SystemCode, TimeInForce, UserRefNum,
};

/// What a message says beyond its event's own fields.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The event's own sequence.
    pub sequence: u64,
    /// Its log time, in nanoseconds since midnight.
    pub timestamp: u64,
}

/// Letters of reasons that have one of their own; `O` is any other.
const REASONS: [(RejectReason, u8); 20] = [
    (RejectReason::InvalidDisplay, b'D'),
    (RejectReason::Halted, b'H'),
    (RejectReason::IsoNotAllowed, b'd'),
    (RejectReason::FirmNotAuthorized, b'a'),
    (RejectReason::InvalidMinQuantity, b'N'),
    (RejectReason::InvalidQuantity, b'Z'),
    (RejectReason::InvalidCross, b'R'),
    (RejectReason::InvalidSymbol, b'S'),
    (RejectReason::InvalidPrice, b'X'),
    (RejectReason::SharesExceedThreshold, b'm'),
    (RejectReason::ExceedsMaxNotional, b'n'),
    (RejectReason::AggregateExposure, b'n'),
    (RejectReason::RestrictedStock, b'c'),
    (RejectReason::ShortSellRestricted, b'i'),
    (RejectReason::FatFinger, b'X'),
    (RejectReason::MarketOrderNotAllowed, b'X'),
    (RejectReason::PreMarket, b'g'),
    (RejectReason::PostMarket, b'h'),
    (RejectReason::OrderNotional, b'n'),
    (RejectReason::OrderQuantity, b'm'),
];

/// The letter of a reason of 5.0.
fn reason(code: u16) -> u8 {
    let letter = REASONS.iter().find(|(reason, _)| reason.code() == code);
    letter.map_or(b'O', |&(_, letter)| letter)
}

/// Writes the message that `event`, which is in the stream of a port of this edition, is there to the
/// front of `out` and returns its size; `None` if there is none for it. `token_of` knows what each number
/// is called.
pub fn emit(
    event: &Event<'_>,
    stamp: &Stamp,
    token_of: impl Fn(UserRefNum) -> Token,
    out: &mut [u8; OUT_MAX],
) -> Option<usize> {
    let timestamp = U64::new(stamp.timestamp);
    let order_ref = U64::new(stamp.sequence);
    let mut put = |bytes: &[u8]| {
        out[..bytes.len()].copy_from_slice(bytes);
        Some(bytes.len())
    };
    match event {
        Event::SystemMessage(e) => put(system_event(e, timestamp)?.as_bytes()),
        Event::Accepted(e) => put(Accepted {
            kind: Accepted::KIND,
            timestamp,
            token: e.cl_ord_id,
            side: e.side,
            quantity: e.quantity.0.into(),
            symbol: e.symbol,
            price: price(e.price),
            time_in_force: time_in_force(e.time_in_force, e.expire_time_s),
            firm: if e.firm == [0; FirmCode::SIZE] { FirmCode::BLANK } else { FirmCode(e.firm) },
            display: display(e.display, e.post_only),
            order_ref,
            capacity: e.capacity,
            intermarket_sweep: e.intermarket_sweep,
            min_quantity: e.min_quantity.0.into(),
            cross_type: e.cross_type,
            order_state: e.order_state,
            bbo_weight: b' ',
        }
        .as_bytes()),
        Event::Replaced(e) => put(Replaced {
            kind: Replaced::KIND,
            timestamp,
            token: e.cl_ord_id,
            side: e.side,
            quantity: e.quantity.0.into(),
            symbol: e.symbol,
            price: price(e.price),
            time_in_force: time_in_force(e.time_in_force, e.expire_time_s),
            firm: FirmCode::BLANK,
            display: display(e.display, e.post_only),
            order_ref,
            capacity: e.capacity,
            intermarket_sweep: e.intermarket_sweep,
            min_quantity: e.min_quantity.0.into(),
            cross_type: e.cross_type,
            order_state: e.order_state,
            previous: token_of(e.orig_user_ref_num),
            bbo_weight: b' ',
        }
        .as_bytes()),
        Event::Canceled(e) => put(Canceled {
            kind: Canceled::KIND,
            timestamp,
            token: token_of(e.user_ref_num),
            quantity: e.decrement.0.into(),
            reason: e.reason,
        }
        .as_bytes()),
        Event::SelfMatchCanceled(e) => put(AiqCanceled {
            kind: AiqCanceled::KIND,
            timestamp,
            token: token_of(e.user_ref_num),
            quantity: e.decrement.0.into(),
            reason: CancelReason::SelfMatch.byte(),
            prevented: e.prevented.0.into(),
            price: price(e.price),
            liquidity: e.liquidity,
        }
        .as_bytes()),
        Event::Executed(e) => put(Executed {
            kind: Executed::KIND,
            timestamp,
            token: token_of(e.user_ref_num),
            quantity: e.quantity.0.into(),
            price: price(e.price),
            liquidity: e.liquidity,
            match_number: e.match_number.0.into(),
        }
        .as_bytes()),
        Event::FillBusted(e) => put(BrokenTrade {
            kind: BrokenTrade::KIND,
            timestamp,
            token: e.cl_ord_id,
            match_number: e.match_number.0.into(),
            reason: e.reason,
        }
        .as_bytes()),
        Event::FillCorrected(e) => put(TradeCorrection {
            kind: TradeCorrection::KIND,
            timestamp,
            token: e.cl_ord_id,
            quantity: e.quantity.0.into(),
            price: price(e.price),
            liquidity: e.liquidity,
            match_number: e.match_number.0.into(),
            reason: e.reason,
        }
        .as_bytes()),
        Event::Rejected(e) => put(Rejected {
            kind: Rejected::KIND,
            timestamp,
            token: e.cl_ord_id,
            reason: reason(e.reason),
        }
        .as_bytes()),
        Event::CancelRejected(e) => put(CancelRejected {
            kind: CancelRejected::KIND,
            timestamp,
            token: token_of(e.user_ref_num),
        }
        .as_bytes()),
        Event::Modified(e) => put(Modified {
            kind: Modified::KIND,
            timestamp,
            token: token_of(e.user_ref_num),
            side: e.side,
            quantity: e.quantity.0.into(),
        }
        .as_bytes()),
        _ => None,
    }
}

/// OUCH knows only the start and the end of the day.
fn system_event(event: &SystemMessage, timestamp: U64) -> Option<SystemEvent> {
    let code = SystemCode::from_byte(event.code)?;
    let known = matches!(code, SystemCode::StartOfSystem | SystemCode::EndOfSystem);
    known.then_some(SystemEvent { kind: SystemEvent::KIND, timestamp, code: code.byte() })
}

/// Every price there is fits four bytes: an order could not be entered at another.
fn price(price: Price) -> U32 {
    u32::try_from(price.0).unwrap_or(u32::MAX).into()
}

fn time_in_force(byte: u8, expire_time_s: u32) -> U32 {
    let seconds = match TimeInForce::from_byte(byte) {
        Some(TimeInForce::ImmediateOrCancel) => 0,
        Some(TimeInForce::GoodTillTime) => expire_time_s,
        _ => time::MARKET_HOURS,
    };
    seconds.into()
}

fn display(display: u8, post_only: u8) -> u8 {
    match (display, post_only) {
        (b'Y', b'P') => b'P',
        (b'A', b'P') => b'L',
        (other, _) => other,
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::super::{Outbound, Token};
    use super::*;
    use crate::types::event::{self, EventHeader};
    use crate::types::{ClOrdId, Line, MatchNumber, Quantity, Record, Symbol};

    fn header<E: Record>() -> EventHeader {
        EventHeader { port_sequence: 9, ..EventHeader::new::<E>() }
    }

    /// `TOK7` is number 7.
    fn token_of(number: UserRefNum) -> Token {
        Token::new(&format!("TOK{number}")).unwrap()
    }

    /// The message of the event in `lines`, whose sequence is 80.
    fn message_of(lines: &[Line]) -> Vec<u8> {
        let mut out = [0; OUT_MAX];
        let stamp = Stamp { sequence: 80, timestamp: 0x0102_0304 };
        let size = emit(&Event::parse(lines).unwrap(), &stamp, token_of, &mut out).unwrap();
        assert_eq!(Outbound::parse(&out[..size]).unwrap().as_bytes(), &out[..size]);
        out[..size].to_vec()
    }

    const TIME: &[u8] = b"\0\0\0\0\x01\x02\x03\x04";

    #[test]
    fn an_accepted_order_is_told_as_it_was_entered() {
        let mut event = event::Accepted {
            header: header::<event::Accepted>(),
            price: Price(630_200),
            symbol: Symbol::new("ACME").unwrap(),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(100),
            cl_ord_id: ClOrdId::new("TOK7").unwrap(),
            side: b'B',
            time_in_force: b'0',
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state: b'L',
            firm: *b"LIME",
            ..event::Accepted::new_zeroed()
        };
        let expected = [
            b"A",
            TIME,
            b"TOK7          B\0\0\0\x64ACME    \0\x09\x9D\xB8\0\x01\x86\x9ELIMEY\
              \0\0\0\0\0\0\0\x50AN\0\0\0\0NL ",
        ]
        .concat();
        assert_eq!(message_of(event.lines()), expected);
        (event.firm, event.time_in_force, event.expire_time_s) = ([0; 4], b'6', 60);
        event.post_only = b'P';
        let message = message_of(event.lines());
        assert_eq!(&message[40..49], b"\0\0\0\x3C    P");
        event.time_in_force = b'3';
        assert_eq!(&message_of(event.lines())[40..44], b"\0\0\0\0");
    }

    #[test]
    fn a_replaced_order_names_the_one_that_was_there_before() {
        let event = event::Replaced {
            header: header::<event::Replaced>(),
            price: Price(630_200),
            symbol: Symbol::new("ACME").unwrap(),
            orig_user_ref_num: UserRefNum(7),
            user_ref_num: UserRefNum(8),
            quantity: Quantity(100),
            cl_ord_id: ClOrdId::new("TOK8").unwrap(),
            side: b'S',
            time_in_force: b'0',
            display: b'N',
            capacity: b'P',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state: b'L',
            ..event::Replaced::new_zeroed()
        };
        let expected = [
            b"U",
            TIME,
            b"TOK8          S\0\0\0\x64ACME    \0\x09\x9D\xB8\0\x01\x86\x9E    N\
              \0\0\0\0\0\0\0\x50PN\0\0\0\0NLTOK7           ",
        ]
        .concat();
        assert_eq!(message_of(event.lines()), expected);
    }

    #[test]
    fn what_becomes_of_an_order_is_told_by_its_token() {
        let event = event::Executed {
            header: header::<event::Executed>(),
            match_number: MatchNumber(0x66),
            price: Price(630_200),
            user_ref_num: UserRefNum(7),
            quantity: Quantity(40),
            liquidity: b'A',
            ..event::Executed::new_zeroed()
        };
        let fill = b"TOK7          \0\0\0\x28\0\x09\x9D\xB8A\0\0\0\0\0\0\0\x66";
        assert_eq!(message_of(event.lines()), [b"E", TIME, fill].concat());

        let event = event::Canceled {
            header: header::<event::Canceled>(),
            user_ref_num: UserRefNum(7),
            decrement: Quantity(60),
            reason: b'U',
            ..event::Canceled::new_zeroed()
        };
        let expected = [b"C", TIME, b"TOK7          \0\0\0\x3CU"].concat();
        assert_eq!(message_of(event.lines()), expected);

        let event = event::SelfMatchCanceled {
            header: header::<event::SelfMatchCanceled>(),
            user_ref_num: UserRefNum(7),
            decrement: Quantity(60),
            prevented: Quantity(60),
            price: Price(630_200),
            liquidity: b'R',
            ..event::SelfMatchCanceled::new_zeroed()
        };
        let expected = [b"D", TIME, b"TOK7          \0\0\0\x3CQ\0\0\0\x3C\0\x09\x9D\xB8R"].concat();
        assert_eq!(message_of(event.lines()), expected);

        let event = event::Modified {
            header: header::<event::Modified>(),
            user_ref_num: UserRefNum(7),
            side: b'T',
            quantity: Quantity(40),
            ..event::Modified::new_zeroed()
        };
        let expected = [b"M", TIME, b"TOK7          T\0\0\0\x28"].concat();
        assert_eq!(message_of(event.lines()), expected);

        let event = event::CancelRejected {
            header: header::<event::CancelRejected>(),
            user_ref_num: UserRefNum(7),
            ..event::CancelRejected::new_zeroed()
        };
        assert_eq!(message_of(event.lines()), [b"I", TIME, b"TOK7          "].concat());
    }

    #[test]
    fn a_fill_that_is_undone_or_corrected_is_told_by_its_match_number() {
        let event = event::FillBusted {
            header: header::<event::FillBusted>(),
            match_number: MatchNumber(0x66),
            reason: b'E',
            cl_ord_id: ClOrdId::new("TOK7").unwrap(),
            ..event::FillBusted::new_zeroed()
        };
        let expected = [b"B", TIME, b"TOK7          \0\0\0\0\0\0\0\x66E"].concat();
        assert_eq!(message_of(event.lines()), expected);
        let event = event::FillCorrected {
            header: header::<event::FillCorrected>(),
            match_number: MatchNumber(0x66),
            price: Price(630_200),
            quantity: Quantity(40),
            liquidity: b'A',
            reason: b'E',
            cl_ord_id: ClOrdId::new("TOK7").unwrap(),
            ..event::FillCorrected::new_zeroed()
        };
        let fill = b"TOK7          \0\0\0\x28\0\x09\x9D\xB8A\0\0\0\0\0\0\0\x66E";
        assert_eq!(message_of(event.lines()), [b"F", TIME, fill].concat());
    }

    #[test]
    fn a_rejected_order_has_a_letter() {
        let mut event = event::Rejected {
            header: header::<event::Rejected>(),
            cl_ord_id: ClOrdId::new("TOK7").unwrap(),
            ..event::Rejected::new_zeroed()
        };
        for (code, letter) in [
            (RejectReason::Halted, b'H'),
            (RejectReason::InvalidSymbol, b'S'),
            (RejectReason::Other, b'O'),
        ] {
            event.reason = code.code();
            let expected = [b"J", TIME, b"TOK7          ", &[letter]].concat();
            assert_eq!(message_of(event.lines()), expected);
        }
    }

    #[test]
    fn the_day_begins_and_ends_and_other_events_are_no_messages() {
        let mut event = SystemMessage {
            header: header::<SystemMessage>(),
            code: SystemCode::StartOfSystem.byte(),
            ..SystemMessage::new_zeroed()
        };
        assert_eq!(message_of(event.lines()), [b"S", TIME, b"S"].concat());
        event.code = SystemCode::StartOfMarket.byte();
        let stamp = Stamp { sequence: 1, timestamp: 1 };
        let parsed = Event::parse(event.lines()).unwrap();
        assert_eq!(emit(&parsed, &stamp, token_of, &mut [0; OUT_MAX]), None);
    }
}
