//! The engine takes its memory when it is made: whatever comes then, on any channel and up to its limits,
//! asks nothing of the heap.
#![allow(clippy::unwrap_used, reason = "this is a test, its helpers too")]

use std::convert::Infallible;

use rialto::engine::{Capacity, CommandFrames, Engine, IndexSeed, MEMORY_SEGMENT_BYTES};
use rialto::sys::alloc_count::{CountingAllocator, counted};
use rialto::types::command::{
    AccountOpen, AccountUpdate, BustTrade, CommandHeader, CurrencyDefine, DayEnd, DayStart,
    FirmDefine, InstrumentDefine, NewOrder, PortDefine, PortDown, PortUp, RiskLimit, SetPhase,
    Tick, TradeCorrection, Transfer,
};
use rialto::types::event::{Event, Executed};
use rialto::types::{
    AccountId, AccountStatus, AssetKind, BustReason, ClOrdId, CurrencyCode, Date, DisconnectPolicy,
    DownReason, Epoch, FirmCode, FrameHeader, FrameSink, Line, MatchNumber, Nanos, Phase, PortId,
    PortKind, PortName, Price, Quantity, Record, RiskKey, RiskScope, SessionId, Side, Symbol,
    TimeInForce, TradeSide, TradeTerms, UserRefNum, split_record,
};
use zerocopy::FromZeros;

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

const CAPACITY: Capacity = Capacity {
    orders: 2_048,
    balances: 604,
    currencies: 1,
    firms: 1,
    ports: 2,
    accounts: 4,
    instruments: 150,
};
const ORDER_ENTRY: PortId = PortId(1);
const OPENING: Nanos = Nanos::from_secs(1_772_461_800);

#[test]
fn nothing_is_allocated_after_the_market_is_defined() {
    let mut venue = Venue::open();
    let epoch = Epoch(venue.give(&PortUp {
        header: CommandHeader::new::<PortUp>(ORDER_ENTRY, Epoch::NONE, OPENING),
        ..PortUp::new_zeroed()
    }));
    for reference in 1..=600_u32 {
        venue.transfer(reference.into(), 1 + reference % 4);
    }
    for round in 0..8_u32 {
        for channel in 0..=255 {
            let instrument = (u32::from(channel) + 37 * round) % 150;
            venue.give(&order(epoch, channel, round + 1, 1 + u32::from(channel) % 4, instrument));
        }
    }
    assert_eq!(venue.engine.books().order_count(), 2_048);
    // The accounts lose their orders, then the session is lost, and then the day ends and another begins.
    venue.give(&AccountUpdate {
        header: CommandHeader::internal::<AccountUpdate>(OPENING),
        account: AccountId(1),
        status: AccountStatus::Suspended.byte(),
        short_allowed: 1,
        ..AccountUpdate::new_zeroed()
    });
    venue.give(&PortDown {
        header: CommandHeader::new::<PortDown>(ORDER_ENTRY, epoch, OPENING),
        reason: DownReason::Lost.byte(),
        ..PortDown::new_zeroed()
    });
    venue.now = venue.now.after(Nanos::SECOND);
    let header = CommandHeader::internal::<Tick>(OPENING);
    venue.give(&Tick { header, ..Tick::new_zeroed() });
    assert_eq!(venue.engine.books().order_count(), 0);
    let header = CommandHeader::internal::<DayEnd>(OPENING);
    venue.give(&DayEnd { header, ..DayEnd::new_zeroed() });
    venue.give(&day(20_260_303));
    assert!(venue.engine.day().is_some());
    assert_eq!(venue.allocations, 0);
}

#[test]
fn a_bust_and_a_correction_allocate_nothing() {
    let mut venue = Venue::open();
    let epoch = Epoch(venue.give(&PortUp {
        header: CommandHeader::new::<PortUp>(ORDER_ENTRY, Epoch::NONE, OPENING),
        ..PortUp::new_zeroed()
    }));
    venue.transfer(1, 2);
    for number in [1, 3, 5] {
        venue.give(&order(epoch, 0, number, 1, 0));
        let buy = order(epoch, 0, number, 2, 0);
        let number = UserRefNum(number + 1);
        venue.give(&NewOrder { side: Side::Buy.byte(), user_ref_num: number, ..buy });
        let terms = venue.heard.terms(20_260_302);
        let header = CommandHeader::internal::<TradeCorrection>(OPENING);
        let price = Price(terms.price.0 + 1);
        let reason = BustReason::Consent.byte();
        let correction =
            TradeCorrection { header, terms, price, reason, ..TradeCorrection::new_zeroed() };
        venue.give(&correction);
        let header = CommandHeader::internal::<BustTrade>(OPENING);
        let terms = venue.heard.corrected.unwrap();
        venue.give(&BustTrade { header, terms, reason, ..BustTrade::new_zeroed() });
        assert_eq!(venue.heard.busted, Some(terms));
    }
    assert_eq!(venue.allocations, 0);
}

#[test]
fn no_limit_has_an_order_allocate_and_neither_has_an_auction() {
    let mut venue = Venue::open();
    let epoch = Epoch(venue.give(&PortUp {
        header: CommandHeader::new::<PortUp>(ORDER_ENTRY, Epoch::NONE, OPENING),
        ..PortUp::new_zeroed()
    }));
    for key in (0..=u8::MAX).filter_map(RiskKey::from_byte) {
        venue.limit(key);
    }
    venue.allocations = 0;
    let mut orders = (1..=8_u32).flat_map(|number| {
        (0..=255).map(move |channel| (number, channel, u32::from(channel) + 37 * number))
    });
    for (number, channel, instrument) in orders.by_ref().take(1_024) {
        let account = 1 + u32::from(channel) % 4;
        venue.give(&order(epoch, channel, number, account, instrument % 150));
    }
    venue.phase(Phase::PreOpen);
    for (number, channel, _) in orders.by_ref().take(1_000) {
        venue.give(&order(epoch, channel, number, 1 + u32::from(channel) % 4, 0));
    }
    assert_eq!(venue.engine.books().order_count(), 2_024);
    venue.transfer(1, 1);
    let (number, channel, _) = orders.next().unwrap();
    let buy = NewOrder { price: Price(10_000), ..order(epoch, channel, number, 1, 0) };
    venue.give(&NewOrder { side: Side::Buy.byte(), quantity: Quantity(5), ..buy });
    venue.phase(Phase::Continuous);
    assert_eq!(venue.engine.books().order_count(), 2_019);
    assert_eq!(venue.allocations, 0);
}

/// An engine whose allocations are counted from its first day on.
struct Venue {
    engine: Engine,
    commands: CommandFrames,
    now: Nanos,
    allocations: u64,
    heard: Heard,
}

/// What was last said of a trade; other events are not what this is about.
#[derive(Default)]
struct Heard {
    fills: [Option<Executed>; 2],
    corrected: Option<TradeTerms>,
    busted: Option<TradeTerms>,
}

impl FrameSink for Heard {
    type Error = Infallible;

    fn frame(&mut self, header: &FrameHeader, payload: &[Line]) -> Result<(), Infallible> {
        let mut rest = payload;
        for sequence in header.first_sequence.. {
            let Ok((record, behind)) = split_record(rest) else { break };
            rest = behind;
            match Event::parse(record) {
                Ok(Event::Executed(fill)) => self.fills = [self.fills[1], Some(*fill)],
                Ok(Event::TradeCorrected(e)) => {
                    self.corrected =
                        Some(TradeTerms { print_number: MatchNumber(sequence), ..e.terms });
                }
                Ok(Event::TradeBusted(e)) => self.busted = Some(e.terms),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Heard {
    /// The last trade, of a sale that rested.
    fn terms(&self, date: u32) -> TradeTerms {
        let [sold, bought] = self.fills.map(Option::unwrap);
        let side = |fill: &Executed| TradeSide {
            order: fill.order,
            fee: fill.fee,
            port: fill.header.port,
            account: fill.account,
            user_ref_num: fill.user_ref_num,
            cl_ord_id: ClOrdId::BLANK,
            user_ref_idx: fill.user_ref_idx,
            side: fill.side,
            liquidity: fill.liquidity,
            in_feed: u8::from(fill.header.feed_sequence != 0),
            reserved: [0; 2],
        };
        TradeTerms {
            match_number: sold.match_number,
            print_number: sold.match_number,
            price: sold.price,
            symbol: symbol(0),
            quantity: sold.quantity,
            date,
            buyer: side(&bought),
            seller: side(&sold),
        }
    }
}

impl Venue {
    fn open() -> Self {
        let limits = CAPACITY.limits(MEMORY_SEGMENT_BYTES);
        let mut venue = Self {
            engine: Engine::new(&limits, IndexSeed::new([3; IndexSeed::BYTES])),
            commands: CommandFrames::new(),
            now: OPENING,
            allocations: 0,
            heard: Heard::default(),
        };
        let firm = FirmCode::new("ALFA").unwrap();
        let currency = CurrencyCode::new("USD").unwrap();
        venue.give(&limits);
        venue.give(&CurrencyDefine {
            header: CommandHeader::internal::<CurrencyDefine>(OPENING),
            code: currency,
            cash_decimals: 4,
            ..CurrencyDefine::new_zeroed()
        });
        venue.give(&FirmDefine {
            header: CommandHeader::internal::<FirmDefine>(OPENING),
            code: firm,
            open_orders_max: 2_048,
            ..FirmDefine::new_zeroed()
        });
        for name in ["ALFA01", "ALFA02"] {
            venue.give(&PortDefine {
                header: CommandHeader::internal::<PortDefine>(OPENING),
                name: PortName::new(name).unwrap(),
                firm,
                kind: PortKind::OrderEntry.byte(),
                disconnect: DisconnectPolicy::Cancel.byte(),
                ..PortDefine::new_zeroed()
            });
        }
        for account in 1..=4 {
            venue.give(&AccountOpen {
                header: CommandHeader::internal::<AccountOpen>(OPENING),
                account: AccountId(account),
                firm,
                status: AccountStatus::Approved.byte(),
                short_allowed: 1,
                ..AccountOpen::new_zeroed()
            });
        }
        for instrument in 0..150 {
            venue.give(&InstrumentDefine {
                header: CommandHeader::internal::<InstrumentDefine>(OPENING),
                symbol: symbol(instrument),
                currency,
                price_decimals: 4,
                lot_size: 1,
                tick_size: 1,
                short_allowed: 1,
                ..InstrumentDefine::new_zeroed()
            });
        }
        venue.give(&day(20_260_302));
        venue.allocations = 0;
        venue
    }

    /// Applies a command and returns its sequence.
    fn give<C: Record>(&mut self, command: &C) -> u64 {
        let sequence = self.commands.push(command);
        let (header, payload) = self.commands.seal(self.now);
        let Self { engine, heard, .. } = self;
        let (applied, allocations) = counted(|| engine.apply(&header, &payload, heard));
        applied.unwrap();
        self.allocations += allocations;
        sequence
    }

    /// Limits the whole venue, and its firm, to more than anybody needs.
    fn limit(&mut self, key: RiskKey) {
        let is_amount =
            matches!(key, RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure);
        let currency = if is_amount { "USD" } else { "" };
        let value = match key {
            // It has no venue.
            RiskKey::Restricted => return,
            RiskKey::NoMarketOrders => 1,
            RiskKey::Collar => 10_000,
            RiskKey::OrderQuantity => 1_000,
            RiskKey::GrossExposure | RiskKey::NetExposure => 1_000_000_000,
            _ => 1_000_000,
        };
        let venue = RiskLimit {
            header: CommandHeader::internal::<RiskLimit>(OPENING),
            scope: RiskScope::Venue.byte(),
            key: key.byte(),
            value,
            currency: CurrencyCode::new(currency).unwrap_or(CurrencyCode::BLANK),
            ..RiskLimit::new_zeroed()
        };
        self.give(&venue);
        let firm = FirmCode::new("ALFA").unwrap();
        self.give(&RiskLimit { scope: RiskScope::Firm.byte(), firm, ..venue });
    }

    fn phase(&mut self, phase: Phase) {
        self.give(&SetPhase {
            header: CommandHeader::internal::<SetPhase>(OPENING),
            symbol: symbol(0),
            phase: phase.byte(),
            ..SetPhase::new_zeroed()
        });
    }

    fn transfer(&mut self, reference: u64, account: u32) {
        self.give(&Transfer {
            header: CommandHeader::internal::<Transfer>(OPENING),
            reference,
            amount: 1_000_000,
            asset: Symbol::new("USD").unwrap(),
            account: AccountId(account),
            asset_kind: AssetKind::Cash.byte(),
            ..Transfer::new_zeroed()
        });
    }
}

fn symbol(instrument: u32) -> Symbol {
    Symbol::new(&format!("S{instrument:03}")).unwrap()
}

fn day(date: u32) -> DayStart {
    DayStart {
        header: CommandHeader::internal::<DayStart>(OPENING),
        midnight: Date::of(OPENING).midnight(),
        date,
        session: SessionId::new(&format!("{:06}0001", date % 1_000_000)).unwrap(),
        ..DayStart::new_zeroed()
    }
}

/// A short sale at a price of its own, so that nothing trades and every level is used.
fn order(epoch: Epoch, channel: u8, number: u32, account: u32, instrument: u32) -> NewOrder {
    NewOrder {
        header: CommandHeader::new::<NewOrder>(ORDER_ENTRY, epoch, OPENING),
        price: Price(u64::from(channel) * 8 + u64::from(number)),
        symbol: symbol(instrument),
        user_ref_num: UserRefNum(number),
        quantity: Quantity(1),
        account: AccountId(account),
        user_ref_idx: channel,
        side: Side::SellShort.byte(),
        time_in_force: TimeInForce::Day.byte(),
        display: b'Y',
        capacity: b'A',
        intermarket_sweep: b'N',
        cross_type: b'N',
        ..NewOrder::new_zeroed()
    }
}
