//! The crate `slouch` reads the OUCH that we write, and we read what it writes.
//!
//! Not covered, because slouch cannot: it reads the first option of an appendage and no further; it
//! knows neither display `Z`, customer type `N`, self-match strategies (tag 29) nor reject reason 0x40;
//! it writes no route and no side on an Enter. Of what it writes, an appendage is never left away, and
//! no price is above that of its market orders. It has no Trade
//! Correction.

use proptest::prelude::*;
use proptest::sample::select;
use rialto::types::{
    BustReason, CancelReason, ClOrdId, FirmCode, Liquidity, OrderState, RejectReason, Side, Symbol,
    TimeInForce,
};
use rialto::wire::ouch::{
    Accepted, BrokenTrade, Canceled, Executed, Inbound, OUT_MAX, Options, Rejected, Replaced,
    SystemEvent,
};
use slouch::msg::{
    AccountQuery, CancelOrder, DisableOrderEntry, EnableOrderEntry, EnterOrder, MassCancel,
    ModifyOrder, OuchRequest, OuchResponse, ReplaceOrder, TagValue,
};
use slouch::types::{self as theirs, NaiveTime};

use crate::options::{
    ECHOED_TAGS, ENTER_TAGS, REPLACE_TAGS, channel_of, mpid, of_channel, options,
};

/// A value as our byte, and as theirs.
type Pair<T> = (u8, T);

const SIDES: [Pair<theirs::Side>; 4] = [
    (Side::Buy.byte(), theirs::Side::Buy),
    (Side::Sell.byte(), theirs::Side::Sell),
    (Side::SellShort.byte(), theirs::Side::SellShort),
    (Side::SellShortExempt.byte(), theirs::Side::SellShortExempt),
];
const BUST_REASONS: [Pair<theirs::BrokenReason>; 4] = [
    (BustReason::Erroneous.byte(), theirs::BrokenReason::Erroneous),
    (BustReason::Consent.byte(), theirs::BrokenReason::Consent),
    (BustReason::Supervisory.byte(), theirs::BrokenReason::Supervisory),
    (BustReason::External.byte(), theirs::BrokenReason::External),
];
const TIMES_IN_FORCE: [Pair<theirs::TimeInForce>; 5] = [
    (TimeInForce::Day.byte(), theirs::TimeInForce::Day),
    (TimeInForce::ImmediateOrCancel.byte(), theirs::TimeInForce::ImmediateOrCancel),
    (TimeInForce::Extended.byte(), theirs::TimeInForce::GoodTilExtended),
    (TimeInForce::GoodTillTime.byte(), theirs::TimeInForce::GoodTilTime),
    (TimeInForce::AfterHours.byte(), theirs::TimeInForce::AfterHours),
];
const DISPLAYS: [Pair<theirs::Display>; 3] = [
    (b'Y', theirs::Display::Visible),
    (b'N', theirs::Display::Hidden),
    (b'A', theirs::Display::Attributable),
];
const CAPACITIES: [Pair<theirs::Capacity>; 4] = [
    (b'A', theirs::Capacity::Agency),
    (b'P', theirs::Capacity::Principal),
    (b'R', theirs::Capacity::Riskless),
    (b'O', theirs::Capacity::Other),
];
const CROSS_TYPES: [Pair<theirs::CrossType>; 8] = [
    (b'N', theirs::CrossType::ContinuousMarket),
    (b'O', theirs::CrossType::Opening),
    (b'C', theirs::CrossType::Closing),
    (b'H', theirs::CrossType::Halt),
    (b'S', theirs::CrossType::Supplemental),
    (b'R', theirs::CrossType::Retail),
    (b'E', theirs::CrossType::ExtendedLife),
    (b'A', theirs::CrossType::AfterHoursClose),
];
const SWEEPS: [Pair<bool>; 2] = [(b'Y', true), (b'N', false)];
const ORDER_STATES: [Pair<theirs::OrderState>; 2] = [
    (OrderState::Live.byte(), theirs::OrderState::Live),
    (OrderState::Dead.byte(), theirs::OrderState::Dead),
];
const LIQUIDITIES: [Pair<theirs::Liquidity>; 2] = [
    (Liquidity::Added.byte(), theirs::Liquidity::Added),
    (Liquidity::Removed.byte(), theirs::Liquidity::Removed),
];
const CANCEL_REASONS: [Pair<theirs::CancelReason>; 8] = [
    (CancelReason::User.byte(), theirs::CancelReason::UserRequested),
    (CancelReason::ImmediateOrCancel.byte(), theirs::CancelReason::Immediate),
    (CancelReason::Timeout.byte(), theirs::CancelReason::Timeout),
    (CancelReason::Supervisory.byte(), theirs::CancelReason::Supervisory),
    (CancelReason::SelfMatch.byte(), theirs::CancelReason::SelfMatchPrevention),
    (CancelReason::System.byte(), theirs::CancelReason::System),
    (CancelReason::Closed.byte(), theirs::CancelReason::Closed),
    (CancelReason::Halted.byte(), theirs::CancelReason::Halted),
];
const REJECT_REASONS: [(RejectReason, theirs::RejectReason); 21] = [
    (RejectReason::InvalidDisplay, theirs::RejectReason::InvalidDisplay),
    (RejectReason::InvalidMaxFloor, theirs::RejectReason::InvalidMaxFloor),
    (RejectReason::Halted, theirs::RejectReason::Halted),
    (RejectReason::IsoNotAllowed, theirs::RejectReason::IsoNotAllowed),
    (RejectReason::InvalidSide, theirs::RejectReason::InvalidSide),
    (RejectReason::ProcessingError, theirs::RejectReason::ProcessingError),
    (RejectReason::FirmNotAuthorized, theirs::RejectReason::FirmNotAuthorized),
    (RejectReason::InvalidMinQuantity, theirs::RejectReason::InvalidMinQuantity),
    (RejectReason::Other, theirs::RejectReason::Other),
    (RejectReason::PeggingNotAllowed, theirs::RejectReason::PeggingNotAllowed),
    (RejectReason::InvalidQuantity, theirs::RejectReason::InvalidQuantity),
    (RejectReason::InvalidCross, theirs::RejectReason::InvalidCrossOrder),
    (RejectReason::RoutingNotAllowed, theirs::RejectReason::RoutingNotAllowed),
    (RejectReason::InvalidSymbol, theirs::RejectReason::InvalidSymbol),
    (RejectReason::InvalidPrice, theirs::RejectReason::InvalidPrice),
    (RejectReason::ExceedsMaxNotional, theirs::RejectReason::MaximumNotionalValue),
    (RejectReason::AggregateExposure, theirs::RejectReason::RiskAggregateExposureExceeded),
    (RejectReason::ShortSellRestricted, theirs::RejectReason::RiskShortSellRestricted),
    (RejectReason::PortMessageRate, theirs::RejectReason::RiskPortMessageRate),
    (RejectReason::MarketOrderNotAllowed, theirs::RejectReason::RiskMarketOrderNotAllowed),
    (RejectReason::PostMarket, theirs::RejectReason::RiskPostMarketNotAllowed),
];

/// What orders carry in either direction.
#[derive(Clone, Debug)]
struct Order {
    numbers: [u32; 2],
    side: Pair<theirs::Side>,
    quantity: u32,
    symbol: Symbol,
    price: u64,
    time_in_force: Pair<theirs::TimeInForce>,
    display: Pair<theirs::Display>,
    capacity: Pair<theirs::Capacity>,
    sweep: Pair<bool>,
    cross_type: Pair<theirs::CrossType>,
    cl_ord_id: ClOrdId,
}

/// What only our answers carry.
#[derive(Clone, Debug)]
struct Answer {
    timestamp: u64,
    order_ref: u64,
    order_state: Pair<theirs::OrderState>,
    /// As ours and theirs: none, or one.
    options: (Options, Vec<TagValue>),
}

prop_compose! {
    fn orders()(
        numbers: [u32; 2],
        side in select(&SIDES[..]),
        quantity in 0_u32..1_000_000,
        symbol in "[A-Z]{1,6}(\\.[A-Z])?",
        price in 0_u64..=1_999_999_900,
        time_in_force in select(&TIMES_IN_FORCE[..]),
        display in select(&DISPLAYS[..]),
        capacity in select(&CAPACITIES[..]),
        sweep in select(&SWEEPS[..]),
        cross_type in select(&CROSS_TYPES[..]),
        cl_ord_id in "[A-Za-z0-9 ]{0,14}",
    ) -> Order {
        let (symbol, cl_ord_id) = (Symbol::new(&symbol).unwrap(), ClOrdId::new(&cl_ord_id).unwrap());
        Order {
            numbers, side, quantity, symbol, price, time_in_force, display, capacity, sweep,
            cross_type, cl_ord_id,
        }
    }
}

prop_compose! {
    fn answers()(
        timestamp in timestamps(),
        order_ref: u64,
        order_state in select(&ORDER_STATES[..]),
        options in options(ECHOED_TAGS, 1),
    ) -> Answer {
        Answer { timestamp, order_ref, order_state, options }
    }
}

/// Nanoseconds of a day.
fn timestamps() -> impl Strategy<Value = u64> {
    0_u64..86_400_000_000_000
}

/// What slouch reads of a message.
fn read(message: &[u8]) -> OuchResponse {
    OuchResponse::parse(message).unwrap_or_else(|error| panic!("{error}: {message:02x?}")).1
}

fn nanoseconds(time: NaiveTime) -> u64 {
    let since_midnight = time.signed_duration_since(NaiveTime::MIN);
    since_midnight.num_nanoseconds().unwrap().cast_unsigned()
}

proptest! {
    #[test]
    fn slouch_reads_an_accepted(order in orders(), answer in answers(), price: u64) {
        let accepted = Accepted {
            kind: Accepted::KIND,
            timestamp: answer.timestamp.into(),
            user_ref_num: order.numbers[0].into(),
            side: order.side.0,
            quantity: order.quantity.into(),
            symbol: order.symbol,
            price: price.into(),
            time_in_force: order.time_in_force.0,
            display: order.display.0,
            order_ref: answer.order_ref.into(),
            capacity: order.capacity.0,
            intermarket_sweep: order.sweep.0,
            cross_type: order.cross_type.0,
            order_state: answer.order_state.0,
            cl_ord_id: order.cl_ord_id,
        };
        let mut out = [0; OUT_MAX];
        let size = accepted.emit(&answer.options.0, &mut out);
        let OuchResponse::OrderAccepted(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), answer.timestamp);
        prop_assert_eq!(read.user_ref_num().val(), order.numbers[0]);
        prop_assert_eq!(read.side(), order.side.1);
        prop_assert_eq!(read.quantity(), order.quantity);
        prop_assert_eq!(read.symbol().encode(), order.symbol.0);
        prop_assert_eq!(read.price().val(), price);
        prop_assert_eq!(read.time_in_force(), order.time_in_force.1);
        prop_assert_eq!(read.display(), order.display.1);
        prop_assert_eq!(read.order_ref_num(), answer.order_ref);
        prop_assert_eq!(read.capacity(), order.capacity.1);
        prop_assert_eq!(read.intermarket_sweep(), order.sweep.1);
        prop_assert_eq!(read.cross_type(), order.cross_type.1);
        prop_assert_eq!(read.order_state(), answer.order_state.1);
        prop_assert_eq!(read.order_token().encode(), order.cl_ord_id.0);
        prop_assert_eq!(read.options(), &answer.options.1);
    }

    #[test]
    fn slouch_reads_a_replaced(order in orders(), answer in answers(), price: u64) {
        let replaced = Replaced {
            kind: Replaced::KIND,
            timestamp: answer.timestamp.into(),
            orig_user_ref_num: order.numbers[0].into(),
            user_ref_num: order.numbers[1].into(),
            side: order.side.0,
            quantity: order.quantity.into(),
            symbol: order.symbol,
            price: price.into(),
            time_in_force: order.time_in_force.0,
            display: order.display.0,
            order_ref: answer.order_ref.into(),
            capacity: order.capacity.0,
            intermarket_sweep: order.sweep.0,
            cross_type: order.cross_type.0,
            order_state: answer.order_state.0,
            cl_ord_id: order.cl_ord_id,
        };
        let mut out = [0; OUT_MAX];
        let size = replaced.emit(&answer.options.0, &mut out);
        let OuchResponse::OrderReplaced(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), answer.timestamp);
        prop_assert_eq!(read.old_ref_num().val(), order.numbers[0]);
        prop_assert_eq!(read.new_ref_num().val(), order.numbers[1]);
        prop_assert_eq!(read.side(), order.side.1);
        prop_assert_eq!(read.quantity(), order.quantity);
        prop_assert_eq!(read.symbol().encode(), order.symbol.0);
        prop_assert_eq!(read.price().val(), price);
        prop_assert_eq!(read.time_in_force(), order.time_in_force.1);
        prop_assert_eq!(read.display(), order.display.1);
        prop_assert_eq!(read.order_ref_num(), answer.order_ref);
        prop_assert_eq!(read.capacity(), order.capacity.1);
        prop_assert_eq!(read.intermarket_sweep(), order.sweep.1);
        prop_assert_eq!(read.cross_type(), order.cross_type.1);
        prop_assert_eq!(read.order_state(), answer.order_state.1);
        prop_assert_eq!(read.order_token().encode(), order.cl_ord_id.0);
        prop_assert_eq!(read.options(), &answer.options.1);
    }

    #[test]
    fn slouch_reads_an_executed(
        timestamp in timestamps(),
        [number, quantity] in any::<[u32; 2]>(),
        [price, match_number] in any::<[u64; 2]>(),
        liquidity in select(&LIQUIDITIES[..]),
        channel: u8,
    ) {
        let executed = Executed {
            kind: Executed::KIND,
            timestamp: timestamp.into(),
            user_ref_num: number.into(),
            quantity: quantity.into(),
            price: price.into(),
            liquidity: liquidity.0,
            match_number: match_number.into(),
        };
        let mut out = [0; OUT_MAX];
        let size = executed.emit(&of_channel(channel), &mut out);
        let OuchResponse::OrderExecuted(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), timestamp);
        prop_assert_eq!(read.user_ref_num().val(), number);
        prop_assert_eq!(read.quantity(), quantity);
        prop_assert_eq!(read.price().val(), price);
        prop_assert_eq!(read.liquidity(), liquidity.1);
        prop_assert_eq!(read.match_number(), match_number);
        prop_assert_eq!(channel_of(read.options()), channel);
    }

    #[test]
    fn slouch_reads_a_canceled(
        timestamp in timestamps(),
        [number, quantity] in any::<[u32; 2]>(),
        reason in select(&CANCEL_REASONS[..]),
        channel: u8,
    ) {
        let canceled = Canceled {
            kind: Canceled::KIND,
            timestamp: timestamp.into(),
            user_ref_num: number.into(),
            quantity: quantity.into(),
            reason: reason.0,
        };
        let mut out = [0; OUT_MAX];
        let size = canceled.emit(&of_channel(channel), &mut out);
        let OuchResponse::OrderCanceled(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), timestamp);
        prop_assert_eq!(read.user_ref_num().val(), number);
        prop_assert_eq!(read.quantity(), quantity);
        prop_assert_eq!(read.reason(), reason.1);
        prop_assert_eq!(channel_of(read.options()), channel);
    }

    #[test]
    fn slouch_reads_a_broken_trade(
        timestamp in timestamps(),
        number: u32,
        match_number: u64,
        reason in select(&BUST_REASONS[..]),
        order in orders(),
        channel: u8,
    ) {
        let broken = BrokenTrade {
            kind: BrokenTrade::KIND,
            timestamp: timestamp.into(),
            user_ref_num: number.into(),
            match_number: match_number.into(),
            reason: reason.0,
            cl_ord_id: order.cl_ord_id,
        };
        let mut out = [0; OUT_MAX];
        let size = broken.emit(&of_channel(channel), &mut out);
        let OuchResponse::BrokenTrade(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), timestamp);
        prop_assert_eq!(read.user_ref_num().val(), number);
        prop_assert_eq!(read.match_number(), match_number);
        prop_assert_eq!(read.reason(), reason.1);
        prop_assert_eq!(read.order_token().encode(), order.cl_ord_id.0);
        prop_assert_eq!(channel_of(read.options()), channel);
    }

    #[test]
    fn slouch_reads_a_rejected(
        timestamp in timestamps(),
        number: u32,
        reason in select(&REJECT_REASONS[..]),
        order in orders(),
        channel: u8,
    ) {
        let rejected = Rejected {
            kind: Rejected::KIND,
            timestamp: timestamp.into(),
            user_ref_num: number.into(),
            reason: reason.0.code().into(),
            cl_ord_id: order.cl_ord_id,
        };
        let mut out = [0; OUT_MAX];
        let size = rejected.emit(&of_channel(channel), &mut out);
        let OuchResponse::OrderRejected(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!(nanoseconds(read.timestamp()), timestamp);
        prop_assert_eq!(read.user_ref_num().val(), number);
        prop_assert_eq!(read.reason(), reason.1);
        prop_assert_eq!(read.order_token().encode(), order.cl_ord_id.0);
        prop_assert_eq!(channel_of(read.options()), channel);
    }

    #[test]
    fn slouch_reads_a_system_event(timestamp in timestamps(), is_start: bool) {
        let (code, expected) = if is_start {
            (b'S', theirs::EventCode::StartOfDay)
        } else {
            (b'E', theirs::EventCode::EndOfDay)
        };
        let event = SystemEvent { kind: SystemEvent::KIND, timestamp: timestamp.into(), code };
        let mut out = [0; OUT_MAX];
        let size = event.emit(&mut out);
        let OuchResponse::SystemEvent(read) = read(&out[..size]) else { panic!("another type") };
        prop_assert_eq!((nanoseconds(read.timestamp()), read.event_code()), (timestamp, expected));
    }

    #[test]
    fn we_read_slouchs_enter(order in orders(), (expected, tags) in options(ENTER_TAGS, ENTER_TAGS.len())) {
        let mut enter = EnterOrder::new(
            their_number(order.numbers[0]),
            order.side.1,
            order.quantity,
            their_symbol(order.symbol),
            theirs::Price::new(order.price).unwrap(),
            order.time_in_force.1,
            order.display.1,
            order.capacity.1,
            order.sweep.1,
            order.cross_type.1,
            their_token(order.cl_ord_id),
        )
        .unwrap();
        for tag in tags {
            enter.add_option(tag).unwrap();
        }
        let bytes = OuchRequest::EnterOrder(enter).encode();
        let Ok(Inbound::Enter(read, elements)) = Inbound::parse(&bytes) else {
            panic!("not an Enter: {bytes:02x?}")
        };
        prop_assert_eq!(read.user_ref_num.get(), order.numbers[0]);
        prop_assert_eq!(read.side, order.side.0);
        prop_assert_eq!(read.quantity.get(), order.quantity);
        prop_assert_eq!(read.symbol, order.symbol);
        prop_assert_eq!(read.price.get(), order.price);
        prop_assert_eq!(read.time_in_force, order.time_in_force.0);
        prop_assert_eq!(read.display, order.display.0);
        prop_assert_eq!(read.capacity, order.capacity.0);
        prop_assert_eq!(read.intermarket_sweep, order.sweep.0);
        prop_assert_eq!(read.cross_type, order.cross_type.0);
        prop_assert_eq!(read.cl_ord_id, order.cl_ord_id);
        prop_assert_eq!(Options::parse(elements), Ok(expected));
    }

    #[test]
    fn we_read_slouchs_replace(order in orders(), (expected, tags) in options(REPLACE_TAGS, REPLACE_TAGS.len())) {
        let mut replace = ReplaceOrder::new(
            their_number(order.numbers[0]),
            their_number(order.numbers[1]),
            order.quantity,
            theirs::Price::new(order.price).unwrap(),
            order.time_in_force.1,
            order.display.1,
            order.sweep.1,
            their_token(order.cl_ord_id),
        )
        .unwrap();
        for tag in tags {
            replace.add_option(tag).unwrap();
        }
        let bytes = OuchRequest::ReplaceOrder(replace).encode();
        let Ok(Inbound::Replace(read, elements)) = Inbound::parse(&bytes) else {
            panic!("not a Replace: {bytes:02x?}")
        };
        prop_assert_eq!(read.orig_user_ref_num.get(), order.numbers[0]);
        prop_assert_eq!(read.user_ref_num.get(), order.numbers[1]);
        prop_assert_eq!(read.quantity.get(), order.quantity);
        prop_assert_eq!(read.price.get(), order.price);
        prop_assert_eq!(read.time_in_force, order.time_in_force.0);
        prop_assert_eq!(read.display, order.display.0);
        prop_assert_eq!(read.intermarket_sweep, order.sweep.0);
        prop_assert_eq!(read.cl_ord_id, order.cl_ord_id);
        prop_assert_eq!(Options::parse(elements), Ok(expected));
    }

    #[test]
    fn we_read_slouchs_cancel(number: u32, quantity in 0_u32..1_000_000, channel: u8) {
        let mut cancel = CancelOrder::new(their_number(number), quantity).unwrap();
        if channel != 0 {
            cancel.add_option(TagValue::UserRefIndex(channel)).unwrap();
        }
        let bytes = OuchRequest::CancelOrder(cancel).encode();
        let Ok(Inbound::Cancel(read, elements)) = Inbound::parse(&bytes) else {
            panic!("not a Cancel: {bytes:02x?}")
        };
        prop_assert_eq!((read.user_ref_num.get(), read.quantity.get()), (number, quantity));
        prop_assert_eq!(Options::parse(elements), Ok(of_channel(channel)));
    }

    #[test]
    fn we_read_slouchs_requests(order in orders(), channel: u8, has_option: bool) {
        let number = their_number(order.numbers[0]);
        let firm = FirmCode(*b"ALFA");
        let requests = [
            OuchRequest::ModifyOrder(
                ModifyOrder::new(number, order.side.1, order.quantity).unwrap(),
            ),
            OuchRequest::MassCancel(
                MassCancel::new(number, mpid(firm.0), their_symbol(order.symbol)),
            ),
            OuchRequest::DisableOrderEntry(DisableOrderEntry::new(number, mpid(firm.0))),
            OuchRequest::EnableOrderEntry(EnableOrderEntry::new(number, mpid(firm.0))),
            OuchRequest::AccountQuery(AccountQuery::new()),
        ];
        let has_option = has_option && channel != 0;
        for mut request in requests {
            if has_option {
                request.add_option(TagValue::UserRefIndex(channel)).unwrap();
            }
            let bytes = request.encode();
            let message = Inbound::parse(&bytes).unwrap();
            match message {
                Inbound::Modify(m, _) => {
                    let read = (m.user_ref_num.get(), m.side, m.quantity.get());
                    prop_assert_eq!(read, (order.numbers[0], order.side.0, order.quantity));
                }
                Inbound::MassCancel(m, _) => {
                    let read = (m.user_ref_num.get(), m.firm, m.symbol);
                    prop_assert_eq!(read, (order.numbers[0], firm, order.symbol));
                }
                Inbound::DisableEntry(m, _) | Inbound::EnableEntry(m, _) => {
                    prop_assert_eq!((m.user_ref_num.get(), m.firm), (order.numbers[0], firm));
                }
                Inbound::AccountQuery(_) => {}
                other => panic!("not a request: {other:?}"),
            }
            prop_assert_eq!(request.to_string(), char::from(bytes[0]).to_string());
            let (Inbound::Modify(_, elements)
            | Inbound::MassCancel(_, elements)
            | Inbound::DisableEntry(_, elements)
            | Inbound::EnableEntry(_, elements)
            | Inbound::AccountQuery(elements)) = message
            else {
                unreachable!()
            };
            let expected = of_channel(if has_option { channel } else { 0 });
            prop_assert_eq!(Options::parse(elements), Ok(expected));
        }
    }
}

fn their_number(number: u32) -> theirs::UserRefNum {
    theirs::UserRefNum::parse(&number.to_be_bytes()).unwrap().1
}

fn their_symbol(symbol: Symbol) -> theirs::StockSymbol {
    theirs::StockSymbol::from(symbol.text()).unwrap()
}

fn their_token(cl_ord_id: ClOrdId) -> theirs::OrderToken {
    theirs::OrderToken::from(String::from_utf8(cl_ord_id.0.to_vec()).unwrap()).unwrap()
}
