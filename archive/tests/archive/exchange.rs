//! An exchange: a real engine with both logs in the event store, and a market of two currencies with
//! prices of three scales. Time is what the test says.

use std::collections::BTreeMap;
use std::path::Path;

use rialto::engine::{Capacity, Engine, IndexSeed};
use rialto::event_store::{LogKind, Options, Reader, Writer};
use rialto::order_manager::Asset;
use rialto::types::command::{
    AccountOpen, BustTrade, Cancel, CommandHeader, CurrencyDefine, DayEnd, DayStart, Fee,
    FirmDefine, Halt, InstrumentDefine, NewOrder, PortDefine, PortUp, Replace, Resume, SetPhase,
    Tick, TradeCorrection, Transfer,
};
use rialto::types::event::{Event, TradeSearch};
use rialto::types::{
    AccountId, AccountStatus, AssetKind, BustReason, Cause, ClOrdId, CurrencyCode, Date,
    DisconnectPolicy, Epoch, FirmCode, FrameKind, Line, MatchNumber, Nanos, Phase, PortId,
    PortKind, PortName, Price, Quantity, Record, RiskScope, SelfMatchKey, SessionId, Side, Symbol,
    TimeInForce, TradeTerms, UserRefNum,
};
use zerocopy::FromZeros;

const SEGMENT_BYTES: u64 = 1 << 20;
/// 2026-11-23 14:30 UTC.
const OPENING: Nanos = Nanos(1_795_444_200_000_000_000);

/// Ports, by what they are for.
pub(crate) const ALFA: PortId = PortId(1);
pub(crate) const BETA: PortId = PortId(2);
/// Two messages a second.
pub(crate) const SLOW: PortId = PortId(3);

pub(crate) struct Exchange {
    engine: Engine,
    commands: Writer,
    events: Writer,
    payload: Vec<Line>,
    count: u16,
    now: Nanos,
    epochs: BTreeMap<PortId, Epoch>,
    reference: u64,
    date: Date,
}

impl Exchange {
    /// With logs below `logs`, the market defined, and no day yet.
    pub(crate) fn new(logs: &Path) -> Self {
        let limits = Capacity::SMALL.limits(SEGMENT_BYTES);
        let log = |name, kind| {
            Writer::open(&logs.join(name), Options::new(kind, SEGMENT_BYTES)).unwrap().0
        };
        let mut exchange = Self {
            engine: Engine::new(&limits, IndexSeed::new([0; IndexSeed::BYTES])),
            commands: log("commands", LogKind::Commands),
            events: log("events", LogKind::Events),
            payload: Vec::new(),
            count: 0,
            now: OPENING,
            epochs: BTreeMap::new(),
            reference: 0,
            date: Date::of(OPENING),
        };
        exchange.give(&limits);
        exchange.define();
        exchange
    }

    /// Adds a command to the frame that is being made.
    pub(crate) fn push<C: Record>(&mut self, command: &C) -> u64 {
        self.payload.extend_from_slice(command.lines());
        self.count += 1;
        self.commands.chain().next_sequence + u64::from(self.count) - 1
    }

    /// How many commands wait for the end of the frame.
    pub(crate) const fn pending(&self) -> u16 {
        self.count
    }

    /// Ends the frame: appends it, applies it, appends what came of it.
    pub(crate) fn seal(&mut self) {
        self.now = self.now.after(Nanos::from_micros(3));
        let mut chain = *self.commands.chain();
        let cause = Cause { index: chain.index + 1, term: 1, time: self.now };
        let payload = std::mem::take(&mut self.payload);
        let header = chain.seal(FrameKind::Normal, cause, self.count, &payload);
        self.count = 0;
        self.commands.append(&header, &payload).unwrap();
        self.commands.commit(chain.end);
        self.engine.apply(&header, &payload, &mut self.events).unwrap();
        let end = self.events.chain().end;
        self.events.commit(end);
    }

    /// A command in a frame of its own.
    pub(crate) fn give<C: Record>(&mut self, command: &C) {
        self.push(command);
        self.seal();
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = self.now.after(Nanos::from_secs(seconds));
        self.give(&Tick { header: internal::<Tick>(), ..Tick::new_zeroed() });
    }

    /// Starts the next day, with everyone's session.
    pub(crate) fn start_day(&mut self) -> SessionId {
        let session = self.date.session(1);
        self.give(&DayStart {
            header: internal::<DayStart>(),
            midnight: self.date.midnight(),
            date: self.date.number(),
            session,
            ..DayStart::new_zeroed()
        });
        for port in [ALFA, BETA, SLOW] {
            let header = CommandHeader::new::<PortUp>(port, Epoch::NONE, self.now);
            let epoch = Epoch(self.push(&PortUp { header, ..PortUp::new_zeroed() }));
            self.epochs.insert(port, epoch);
            self.seal();
        }
        session
    }

    /// Ends the day, and goes on to the same time of the next.
    pub(crate) fn end_day(&mut self) {
        self.give(&day_end());
        self.next_date();
    }

    pub(crate) fn next_date(&mut self) {
        self.now = self.now.after(Nanos::from_secs(86_400));
        self.date = Date::of(self.now);
    }

    pub(crate) fn order(&self, port: PortId, number: u32, side: Side, what: &str) -> NewOrder {
        let mut words = what.split(' ');
        let mut word = || words.next().unwrap();
        let (quantity, symbol, price) = (word(), word(), word());
        NewOrder {
            header: self.header::<NewOrder>(port),
            price: Price(price.parse().unwrap()),
            symbol: Symbol::new(symbol).unwrap(),
            user_ref_num: UserRefNum(number),
            quantity: Quantity(quantity.parse().unwrap()),
            side: side.byte(),
            time_in_force: TimeInForce::Day.byte(),
            display: b'Y',
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            cl_ord_id: ClOrdId::new(&format!("id {number}")).unwrap(),
            ..NewOrder::new_zeroed()
        }
    }

    pub(crate) fn buy(&mut self, port: PortId, number: u32, what: &str) {
        self.give(&self.order(port, number, Side::Buy, what));
    }

    pub(crate) fn sell(&mut self, port: PortId, number: u32, what: &str) {
        self.give(&self.order(port, number, Side::Sell, what));
    }

    pub(crate) fn cancel(&mut self, port: PortId, number: u32) {
        self.give(&Cancel {
            header: self.header::<Cancel>(port),
            user_ref_num: UserRefNum(number),
            ..Cancel::new_zeroed()
        });
    }

    pub(crate) fn replace(&mut self, port: PortId, (old, new): (u32, u32), quantity: u32, to: u64) {
        self.give(&Replace {
            header: self.header::<Replace>(port),
            price: Price(to),
            orig_user_ref_num: UserRefNum(old),
            user_ref_num: UserRefNum(new),
            quantity: Quantity(quantity),
            time_in_force: TimeInForce::Day.byte(),
            display: b'Y',
            intermarket_sweep: b'N',
            cl_ord_id: ClOrdId::new(&format!("id {new}")).unwrap(),
            ..Replace::new_zeroed()
        });
    }

    /// Halts an instrument, and resumes it: an auction of a second begins.
    pub(crate) fn begin_auction(&mut self, symbol: &str) {
        let symbol = Symbol::new(symbol).unwrap();
        self.give(&Halt { header: internal::<Halt>(), symbol, ..Halt::new_zeroed() });
        let header = internal::<Resume>();
        self.give(&Resume { header, symbol, auction_ms: 1_000, ..Resume::new_zeroed() });
    }

    pub(crate) fn set_phase(&mut self, symbol: &str, phase: Phase) {
        self.give(&SetPhase {
            header: internal::<SetPhase>(),
            symbol: Symbol::new(symbol).unwrap(),
            phase: phase.byte(),
            ..SetPhase::new_zeroed()
        });
    }

    pub(crate) fn transfer(&mut self, account: u32, asset: &str, amount: i64) {
        let transfer = self.transfer_of(account, asset, amount);
        self.give(&transfer);
    }

    pub(crate) fn transfer_of(&mut self, account: u32, asset: &str, amount: i64) -> Transfer {
        self.reference += 1;
        let is_cash = ["USD", "KRW"].contains(&asset);
        let kind = if is_cash { AssetKind::Cash } else { AssetKind::Shares };
        Transfer {
            header: internal::<Transfer>(),
            reference: self.reference,
            amount,
            asset: Symbol::new(asset).unwrap(),
            account: AccountId(account),
            asset_kind: kind.byte(),
            ..Transfer::new_zeroed()
        }
    }

    /// Undoes a trade.
    pub(crate) fn bust(&mut self, trade: u64) {
        self.give(&BustTrade {
            header: internal::<BustTrade>(),
            terms: self.terms_of(trade),
            reason: BustReason::Erroneous.byte(),
            ..BustTrade::new_zeroed()
        });
    }

    /// Gives a trade another price.
    pub(crate) fn correct(&mut self, trade: u64, price: u64) {
        self.give(&TradeCorrection {
            header: internal::<TradeCorrection>(),
            terms: self.terms_of(trade),
            price: Price(price),
            reason: BustReason::Consent.byte(),
            ..TradeCorrection::new_zeroed()
        });
    }

    /// A trade as it stands.
    pub(crate) fn terms_of(&self, trade: u64) -> TradeTerms {
        let mut search = TradeSearch::new(MatchNumber(trade));
        for _ in 0..2 {
            self.each_event(|sequence, event| search.learn(sequence, event));
        }
        search.terms().unwrap()
    }

    /// The trades, in their order.
    pub(crate) fn trades(&self) -> Vec<u64> {
        let mut trades = Vec::new();
        self.each_event(|_, event| {
            if let Event::Executed(executed) = event {
                trades.push(executed.match_number.0);
            }
        });
        trades.dedup();
        trades
    }

    fn each_event(&self, mut see: impl FnMut(u64, &Event<'_>)) {
        let mut reader = self.event_reader();
        while let Some(frame) = reader.next_frame().unwrap() {
            for record in frame.records().map(Result::unwrap) {
                see(record.sequence, &Event::parse(record.lines).unwrap());
            }
        }
    }

    /// What the engine itself says everyone has, by account and the name of the asset.
    pub(crate) fn balances(&self) -> BTreeMap<(i64, String), i64> {
        let manager = self.engine.order_manager();
        let balances = manager.wallet.balances().iter().map(|balance| {
            let account = manager.accounts.get(balance.account).unwrap().id;
            let name = match balance.asset {
                Asset::Cash(id) => manager.currencies.get(id.0.into()).unwrap().code.text(),
                Asset::Shares(id) => manager.instruments.get(id.0.into()).unwrap().symbol.text(),
            };
            ((i64::from(account.0), name), balance.total)
        });
        balances.filter(|(_, total)| *total != 0).collect()
    }

    pub(crate) fn event_reader(&self) -> Reader {
        self.events.reader()
    }

    pub(crate) fn header<C: Record>(&self, port: PortId) -> CommandHeader {
        CommandHeader::new::<C>(port, self.epochs[&port], self.now)
    }

    fn define(&mut self) {
        for (code, cash_decimals) in [("USD", 6), ("KRW", 0)] {
            let code = CurrencyCode::new(code).unwrap();
            let header = internal::<CurrencyDefine>();
            self.give(&CurrencyDefine {
                header,
                code,
                cash_decimals,
                ..CurrencyDefine::new_zeroed()
            });
        }
        for (code, key) in [("ALFA", SelfMatchKey::None), ("BETA", SelfMatchKey::Firm)] {
            self.give(&FirmDefine {
                header: internal::<FirmDefine>(),
                code: FirmCode::new(code).unwrap(),
                self_match_key: key.byte(),
                ..FirmDefine::new_zeroed()
            });
        }
        for (name, firm, account, rate) in
            [("ALFA01", "ALFA", 1, 0), ("BETA01", "BETA", 2, 0), ("BETA02", "BETA", 2, 2)]
        {
            self.give(&PortDefine {
                header: internal::<PortDefine>(),
                name: PortName::new(name).unwrap(),
                firm: FirmCode::new(firm).unwrap(),
                kind: PortKind::OrderEntry.byte(),
                disconnect: DisconnectPolicy::Keep.byte(),
                default_account: AccountId(account),
                message_rate_max: rate,
                ..PortDefine::new_zeroed()
            });
        }
        for (account, firm) in [(1, "ALFA"), (2, "BETA"), (9, "ALFA")] {
            self.give(&AccountOpen {
                header: internal::<AccountOpen>(),
                account: AccountId(account),
                firm: FirmCode::new(firm).unwrap(),
                status: AccountStatus::Approved.byte(),
                ..AccountOpen::new_zeroed()
            });
        }
        for (symbol, currency, price_decimals) in
            [("ACME", "USD", 4), ("BOLT", "USD", 2), ("DOTS", "KRW", 0)]
        {
            self.give(&InstrumentDefine {
                header: internal::<InstrumentDefine>(),
                symbol: Symbol::new(symbol).unwrap(),
                currency: CurrencyCode::new(currency).unwrap(),
                price_decimals,
                lot_size: 1,
                tick_size: 1,
                ..InstrumentDefine::new_zeroed()
            });
        }
        self.give(&Fee {
            header: internal::<Fee>(),
            account: AccountId(9),
            maker_rate: -200,
            taker_rate: 300,
            scope: RiskScope::Venue.byte(),
            ..Fee::new_zeroed()
        });
        for account in [1, 2] {
            for asset in ["USD", "KRW", "ACME", "BOLT", "DOTS"] {
                self.transfer(account, asset, 1_000_000_000_000);
            }
        }
    }
}

pub(crate) fn day_end() -> DayEnd {
    DayEnd { header: internal::<DayEnd>(), ..DayEnd::new_zeroed() }
}

fn internal<C: Record>() -> CommandHeader {
    CommandHeader::internal::<C>(Nanos::ZERO)
}
