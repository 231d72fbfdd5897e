//! The crate `itchy` reads the ITCH that we write, in the message blocks of our `MoldUDP64` packets,
//! which are framed as its files are.
//!
//! Not covered: itchy writes nothing, so nothing of its goes to our parser. It does not know the market
//! category `M`, and says only yes or no of what has more than two values.

use itchy::{
    Body, EventCode, FinancialStatus, IssueClassification, IssueSubType, LuldRefPriceTier,
    MarketCategory, Message, MessageStream,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use rialto::types::event::{self, Event, EventHeader};
use rialto::types::{
    InstrumentId, Line, MatchNumber, OrderRef, Price, Quantity, Record, SessionId, Side, Symbol,
    SystemCode, TradingState,
};
use rialto::wire::itch;
use rialto::wire::mold::{HEADER_BYTES, PacketBuilder};
use zerocopy::FromZeros as _;

/// A message as we write it, and what itchy must read.
type Case = (Vec<u8>, Message);

const SYSTEM_CODES: [(SystemCode, EventCode); 6] = [
    (SystemCode::StartOfMessages, EventCode::StartOfMessages),
    (SystemCode::StartOfSystem, EventCode::StartOfSystemHours),
    (SystemCode::StartOfMarket, EventCode::StartOfMarketHours),
    (SystemCode::EndOfMarket, EventCode::EndOfMarketHours),
    (SystemCode::EndOfSystem, EventCode::EndOfSystemHours),
    (SystemCode::EndOfMessages, EventCode::EndOfMessages),
];
const TRADING_STATES: [(TradingState, itchy::TradingState); 4] = [
    (TradingState::Halted, itchy::TradingState::Halted),
    (TradingState::Paused, itchy::TradingState::Paused),
    (TradingState::QuotationOnly, itchy::TradingState::QuotationOnly),
    (TradingState::Trading, itchy::TradingState::Trading),
];
/// The feed does not tell short sales from others.
const SIDES: [(Side, itchy::Side); 4] = [
    (Side::Buy, itchy::Side::Buy),
    (Side::Sell, itchy::Side::Sell),
    (Side::SellShort, itchy::Side::Sell),
    (Side::SellShortExempt, itchy::Side::Sell),
];
const MARKET_CATEGORIES: [(u8, MarketCategory); 8] = [
    (b'Q', MarketCategory::NasdaqGlobalSelect),
    (b'G', MarketCategory::NasdaqGlobalMarket),
    (b'S', MarketCategory::NasdaqCapitalMarket),
    (b'N', MarketCategory::Nyse),
    (b'A', MarketCategory::NyseMkt),
    (b'P', MarketCategory::NyseArca),
    (b'Z', MarketCategory::BatsZExchange),
    (b'V', MarketCategory::InvestorsExchange),
];
const PRODUCTS: [(u8, IssueClassification); 16] = [
    (b'A', IssueClassification::AmericanDepositaryShare),
    (b'B', IssueClassification::Bond),
    (b'C', IssueClassification::CommonStock),
    (b'F', IssueClassification::DepositoryReceipt),
    (b'I', IssueClassification::A144),
    (b'L', IssueClassification::LimitedPartnership),
    (b'N', IssueClassification::Notes),
    (b'O', IssueClassification::OrdinaryShare),
    (b'P', IssueClassification::PreferredStock),
    (b'Q', IssueClassification::OtherSecurities),
    (b'R', IssueClassification::Right),
    (b'S', IssueClassification::SharesOfBeneficialInterest),
    (b'T', IssueClassification::ConvertibleDebenture),
    (b'U', IssueClassification::Unit),
    (b'V', IssueClassification::UnitsPerBenifInt),
    (b'W', IssueClassification::Warrant),
];

/// Where and when an event is, and what of it the feed shows.
#[derive(Clone, Copy, Debug)]
struct Place {
    instrument: u16,
    sequence: u64,
    timestamp: u64,
    symbol: Symbol,
}

prop_compose! {
    fn places()(
        instrument: u16,
        sequence: u64,
        timestamp in 0_u64..86_400_000_000_000,
        symbol in "[A-Z0-9.]{1,8}",
    ) -> Place {
        Place { instrument, sequence, timestamp, symbol: Symbol::new(&symbol).unwrap() }
    }
}

impl Place {
    fn header<T: Record>(&self) -> EventHeader {
        let instrument = InstrumentId(self.instrument);
        EventHeader { instrument, feed_sequence: 1, ..EventHeader::new::<T>() }
    }

    /// The event as we write it, and `body` of the type `tag` as itchy must read it.
    fn case(&self, lines: &[Line], tag: u8, body: Body) -> Case {
        let event = Event::parse(lines).unwrap();
        let mut out = [0; itch::OUT_MAX];
        let size = itch::emit(&event, self.sequence, self.timestamp, self.symbol, &mut out);
        let message = Message {
            tag,
            stock_locate: self.instrument,
            tracking_number: 0,
            timestamp: self.timestamp,
            body,
        };
        (out[..size.expect("the feed shows it")].to_vec(), message)
    }
}

prop_compose! {
    fn system_events()(place in places(), code in select(&SYSTEM_CODES[..])) -> Case {
        let event = event::SystemMessage {
            header: place.header::<event::SystemMessage>(),
            code: code.0.byte(),
            ..event::SystemMessage::new_zeroed()
        };
        place.case(event.lines(), b'S', Body::SystemEvent { event: code.1 })
    }
}

prop_compose! {
    fn directories()(
        place in places(),
        lot_size: u32,
        (market_category, their_category) in select(&MARKET_CATEGORIES[..]),
        (product, their_classification) in select(&PRODUCTS[..]),
    ) -> Case {
        let event = event::InstrumentDefined {
            header: place.header::<event::InstrumentDefined>(),
            symbol: place.symbol,
            lot_size,
            market_category,
            product,
            ..event::InstrumentDefined::new_zeroed()
        };
        let directory = itchy::StockDirectory {
            stock: padded(place.symbol),
            market_category: their_category,
            financial_status: FinancialStatus::Unavailable,
            round_lot_size: lot_size,
            round_lots_only: true,
            issue_classification: their_classification,
            issue_subtype: IssueSubType::NotApplicable,
            authenticity: true,
            short_sale_threshold: None,
            ipo_flag: None,
            luld_ref_price_tier: LuldRefPriceTier::Na,
            etp_flag: None,
            etp_leverage_factor: 0,
            inverse_indicator: false,
        };
        place.case(event.lines(), b'R', Body::StockDirectory(directory))
    }
}

prop_compose! {
    fn trading_actions()(
        place in places(),
        (state, trading_state) in select(&TRADING_STATES[..]),
        reason in "[A-Z0-9]{4}",
    ) -> Case {
        let event = event::TradingAction {
            header: place.header::<event::TradingAction>(),
            symbol: place.symbol,
            reason: reason.as_bytes().try_into().unwrap(),
            state: state.byte(),
            ..event::TradingAction::new_zeroed()
        };
        let reason = itchy::ArrayString4::from(&reason).unwrap();
        let stock = padded(place.symbol);
        place.case(event.lines(), b'H', Body::TradingAction { stock, trading_state, reason })
    }
}

prop_compose! {
    /// Of an order that rests as it came, or of what is left of one that traded first.
    fn adds()(
        place in places(),
        (side, their_side) in select(&SIDES[..]),
        (order, shares) in any::<(u64, u32)>(),
        price in 0..=Price::MAX.0,
        traded: bool,
    ) -> Case {
        let add = itchy::AddOrder {
            reference: if traded { order } else { place.sequence },
            side: their_side,
            shares,
            stock: padded(place.symbol),
            price: u32::try_from(price).unwrap().into(),
            mpid: None,
        };
        if traded {
            let event = event::Rested {
                header: place.header::<event::Rested>(),
                order: OrderRef(order),
                price: Price(price),
                quantity: Quantity(shares),
                side: side.byte(),
                ..event::Rested::new_zeroed()
            };
            return place.case(event.lines(), b'A', Body::AddOrder(add));
        }
        let event = event::Accepted {
            header: place.header::<event::Accepted>(),
            price: Price(price),
            shown: Quantity(shares),
            side: side.byte(),
            ..event::Accepted::new_zeroed()
        };
        place.case(event.lines(), b'A', Body::AddOrder(add))
    }
}

prop_compose! {
    fn executions()(
        place in places(),
        reference in 1_u64..,
        (executed, match_number) in any::<(u32, u64)>(),
    ) -> Case {
        let event = event::Executed {
            header: place.header::<event::Executed>(),
            shown_as: OrderRef(reference),
            quantity: Quantity(executed),
            match_number: MatchNumber(match_number),
            ..event::Executed::new_zeroed()
        };
        let body = Body::OrderExecuted { reference, executed, match_number };
        place.case(event.lines(), b'E', body)
    }
}

prop_compose! {
    /// With an order that was hidden.
    fn trades()(
        place in places(),
        (order, shares, match_number) in any::<(u64, u32, u64)>(),
        price in 0..=Price::MAX.0,
    ) -> Case {
        let event = event::Executed {
            header: place.header::<event::Executed>(),
            order: OrderRef(order),
            price: Price(price),
            quantity: Quantity(shares),
            match_number: MatchNumber(match_number),
            ..event::Executed::new_zeroed()
        };
        let trade = itchy::NonCrossTrade {
            reference: 0,
            side: itchy::Side::Buy,
            shares,
            stock: padded(place.symbol),
            price: u32::try_from(price).unwrap().into(),
            match_number,
        };
        place.case(event.lines(), b'P', Body::NonCrossTrade(trade))
    }
}

prop_compose! {
    /// Of a trade that is undone, or has another price.
    fn broken_trades()(place in places(), match_number: u64, corrected: bool) -> Case {
        let body = Body::BrokenTrade { match_number };
        let mut event = event::TradeBusted {
            header: place.header::<event::TradeBusted>(),
            ..event::TradeBusted::new_zeroed()
        };
        event.terms.print_number = MatchNumber(match_number);
        if !corrected {
            return place.case(event.lines(), b'B', body);
        }
        let event = event::TradeCorrected {
            header: place.header::<event::TradeCorrected>(),
            terms: event.terms,
            ..event::TradeCorrected::new_zeroed()
        };
        place.case(event.lines(), b'B', body)
    }
}

prop_compose! {
    /// Of a part of an order, or of all that was left of it.
    fn cancels()(
        place in places(),
        (reference, cancelled) in any::<(u64, u32)>(),
        leaves in prop_oneof![Just(0), 1_u32..],
    ) -> Case {
        let event = event::Canceled {
            header: place.header::<event::Canceled>(),
            order: OrderRef(reference),
            decrement: Quantity(cancelled),
            leaves: Quantity(leaves),
            ..event::Canceled::new_zeroed()
        };
        if leaves == 0 {
            place.case(event.lines(), b'D', Body::DeleteOrder { reference })
        } else {
            place.case(event.lines(), b'X', Body::OrderCancelled { reference, cancelled })
        }
    }
}

prop_compose! {
    /// By an order that rests, or by one that trades first.
    fn replaces()(
        place in places(),
        (reference, shares) in (1_u64.., 1_u32..),
        price in 0..=Price::MAX.0,
        rests: bool,
    ) -> Case {
        let event = event::Replaced {
            header: place.header::<event::Replaced>(),
            original_shown_as: OrderRef(reference),
            price: Price(price),
            shown: Quantity(if rests { shares } else { 0 }),
            rests: rests.into(),
            ..event::Replaced::new_zeroed()
        };
        if !rests {
            return place.case(event.lines(), b'D', Body::DeleteOrder { reference });
        }
        let replace = itchy::ReplaceOrder {
            old_reference: reference,
            new_reference: place.sequence,
            shares,
            price: u32::try_from(price).unwrap().into(),
        };
        place.case(event.lines(), b'U', Body::ReplaceOrder(replace))
    }
}

fn padded(symbol: Symbol) -> itchy::ArrayString8 {
    itchy::ArrayString8::from(str::from_utf8(&symbol.0).unwrap()).unwrap()
}

/// Any message of the feed.
fn cases() -> impl Strategy<Value = Case> {
    prop_oneof![
        system_events(),
        directories(),
        trading_actions(),
        adds(),
        executions(),
        trades(),
        broken_trades(),
        cancels(),
        replaces(),
    ]
}

proptest! {
    #[test]
    fn itchy_reads_every_message_of_a_packet(cases in vec(cases(), 1..=30)) {
        let mut packet = PacketBuilder::new(SessionId::BLANK, 1);
        for (message, _) in &cases {
            packet.push(message).unwrap();
        }
        let read: Vec<_> = MessageStream::from_reader(&packet.packet()[HEADER_BYTES..])
            .map(Result::unwrap)
            .collect();
        let expected: Vec<_> = cases.into_iter().map(|(_, message)| message).collect();
        prop_assert_eq!(read, expected);
    }
}
