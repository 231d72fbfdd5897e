//! The engine: applies committed commands to the order manager and the books, and derives the events.
//!
//! A pure function of the command log: no clock, no I/O, no randomness, no float. The same commands
//! give the same event log, byte for byte, on every node.

mod administration;
mod agent;
mod bands;
mod busts;
mod calendar;
mod canceling;
mod crossing;
mod day;
mod definitions;
mod display;
mod due;
mod error;
mod events;
mod executing;
mod look_ahead;
mod memory;
mod modifying;
mod phases;
mod replacing;
mod requests;
mod risk;
mod self_match;
mod sessions;
mod snapshot;
mod standing;
mod state_hash;
mod timers;
mod trading;
mod version;

pub use agent::{EngineAgent, EngineGauges, OnClose, RecoveryError, Replayed};
pub use day::DAY_LENGTH_MAX;
pub use error::{ApplyError, CommandError};
pub use memory::{CommandFrames, FrameList, MEMORY_SEGMENT_BYTES};
pub use snapshot::{SNAPSHOT_FORMAT, full_state_hash};
pub use state_hash::{SAMPLE_INTERVAL, StateSample};
pub use version::VERSION_MAX;

use serde::{Deserialize, Serialize};

use self::due::Deadlines;
use self::events::{EventWriter, FirstError, Outlet, Route};
use self::look_ahead::LookAhead;
use self::phases::Phases;
use self::state_hash::Samples;
use crate::counters::counter_set;
use crate::matching::Books;
pub use crate::order_manager::{Capacity, IndexSeed};
use crate::order_manager::{Guess, OrderManager};
use crate::types::command::{Command, CommandKind, VenueLimits};
use crate::types::event::{EventHeader, TimePassed};
use crate::types::{
    Cause, FrameChain, FrameHeader, FrameKind, FrameSink, InstrumentId, Line, Nanos, OrderHandle,
    OrderRef, Record, RecordError, SessionId, split_record,
};

/// The deterministic core of the exchange: commands in, events out.
///
/// It needs no file, device or thread. A market, a day and a trade:
///
/// ```
/// use rialto::engine::{Capacity, CommandFrames, Engine, FrameList, IndexSeed, MEMORY_SEGMENT_BYTES};
/// use rialto::matching::BookSide;
/// use rialto::types::command::*;
/// use rialto::types::event::Event;
/// use rialto::types::*;
/// use zerocopy::FromZeros;
///
/// let usd = CurrencyCode::new("USD").unwrap();
/// let firm = FirmCode::new("ALFA").unwrap();
/// let symbol = Symbol::new("ACME").unwrap();
/// let account = AccountId(1);
/// let now = Nanos::from_secs(1_772_461_800);
/// let mut commands = CommandFrames::new();
///
/// // How much of everything, and the market. What is not said is zero.
/// let limits = Capacity::SMALL.limits(MEMORY_SEGMENT_BYTES);
/// commands.push(&limits);
/// commands.push(&CurrencyDefine {
///     header: CommandHeader::internal::<CurrencyDefine>(now),
///     code: usd,
///     cash_decimals: 4,
///     ..CurrencyDefine::new_zeroed()
/// });
/// commands.push(&FirmDefine {
///     header: CommandHeader::internal::<FirmDefine>(now),
///     code: firm,
///     ..FirmDefine::new_zeroed()
/// });
/// commands.push(&PortDefine {
///     header: CommandHeader::internal::<PortDefine>(now),
///     name: PortName::new("ALFA01").unwrap(),
///     firm,
///     kind: PortKind::OrderEntry.byte(),
///     disconnect: DisconnectPolicy::Keep.byte(),
///     default_account: account,
///     ..PortDefine::new_zeroed()
/// });
/// commands.push(&AccountOpen {
///     header: CommandHeader::internal::<AccountOpen>(now),
///     account,
///     firm,
///     status: AccountStatus::Approved.byte(),
///     ..AccountOpen::new_zeroed()
/// });
/// commands.push(&InstrumentDefine {
///     header: CommandHeader::internal::<InstrumentDefine>(now),
///     symbol,
///     currency: usd,
///     price_decimals: 4,
///     lot_size: 1,
///     tick_size: 100,
///     ..InstrumentDefine::new_zeroed()
/// });
/// for (reference, kind, asset, amount) in [
///     (1, AssetKind::Cash, "USD", 10_000_0000), // 10,000.0000
///     (2, AssetKind::Shares, "ACME", 500),
/// ] {
///     commands.push(&Transfer {
///         header: CommandHeader::internal::<Transfer>(now),
///         reference,
///         amount,
///         asset: Symbol::new(asset).unwrap(),
///         account,
///         asset_kind: kind.byte(),
///         ..Transfer::new_zeroed()
///     });
/// }
///
/// // A day, and a session. Numbers are dense from 1, and a session's epoch is its command's sequence.
/// commands.push(&DayStart {
///     header: CommandHeader::internal::<DayStart>(now),
///     midnight: Date::of(now).midnight(),
///     date: 20_260_302,
///     session: SessionId::new("2603020001").unwrap(),
///     ..DayStart::new_zeroed()
/// });
/// let port = PortId(1);
/// let epoch = Epoch(commands.push(&PortUp {
///     header: CommandHeader::new::<PortUp>(port, Epoch::NONE, now),
///     ..PortUp::new_zeroed()
/// }));
///
/// // Two orders that meet.
/// for (number, side, price) in [(1, Side::Sell, 99_9900), (2, Side::Buy, 100_0000)] {
///     commands.push(&NewOrder {
///         header: CommandHeader::new::<NewOrder>(port, epoch, now),
///         price: Price(price),
///         symbol,
///         user_ref_num: UserRefNum(number),
///         quantity: Quantity(number * 30),
///         side: side.byte(),
///         time_in_force: TimeInForce::Day.byte(),
///         display: b'Y',
///         capacity: b'A',
///         intermarket_sweep: b'N',
///         cross_type: b'N',
///         ..NewOrder::new_zeroed()
///     });
/// }
///
/// let seed = IndexSeed::new([0; 16]); // A node draws it at random; no outcome depends on it.
/// let mut engine = Engine::new(&limits, seed);
/// let mut events = FrameList::default();
/// let (header, payload) = commands.seal(now);
/// engine.apply(&header, &payload, &mut events)?;
///
/// let fills: Vec<_> = events
///     .records()
///     .filter_map(|(_, record)| match Event::parse(record) {
///         Ok(Event::Executed(fill)) => Some((fill.user_ref_num.0, fill.quantity.0, fill.price.0)),
///         _ => None,
///     })
///     .collect();
/// assert_eq!(fills, [(1, 30, 99_9900), (2, 30, 99_9900)]);
/// let bid = engine.books().levels(InstrumentId(1), BookSide::Bids).next().unwrap();
/// assert_eq!((bid.price, bid.quantity), (Price(100_0000), 30));
/// # Ok::<(), rialto::engine::ApplyError<std::convert::Infallible>>(())
/// ```
#[derive(Debug)]
pub struct Engine {
    manager: OrderManager,
    books: Books,
    events: EventWriter,
    deadlines: Deadlines,
    /// The calendar, and auctions.
    phases: Phases,
    /// What it was made for.
    limits: VenueLimits,
    /// Whether the log has said so too.
    limits_set: bool,
    /// The version of the logic that counts.
    version: u32,
    day: Option<Day>,
    /// Date and generation of this day or the last: what its session id is made of.
    last_day: (u32, u32),
    counters: EngineCounters,
    /// The sequence of the next frame's first command.
    next_command: u64,
    /// The sequence of the command being applied.
    sequence: u64,
    /// Log time.
    now: Nanos,
    /// What the state was.
    samples: Samples,
    /// Orders behind a balance while what it does not cover is found; room for all there may be.
    behind: Vec<(OrderRef, OrderHandle)>,
    /// Whether guesses about commands are made at random, to see that nothing comes of it.
    #[cfg(test)]
    pub(crate) guesses_wildly: bool,
}

/// The trading day that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// YYYYMMDD.
    pub date: u32,
    /// Local midnight.
    pub midnight: Nanos,
    /// The session id of its streams.
    pub session: SessionId,
}

counter_set! {
    /// What the engine passed over in silence. Nothing here decides an outcome.
    pub struct EngineCounters {
        /// Commands taken, whatever became of them.
        commands,
        /// Commands of a session that is over.
        stale_epochs,
        /// Orders, replaces and requests whose user reference number was used before: retransmissions.
        duplicate_orders,
        /// Cancels of what is not open, or that would take nothing.
        idle_cancels,
        /// Cancels, modifies and queries whose form is wrong.
        malformed_cancels,
        /// Cancels of orders that are final.
        late_cancels,
        /// Replaces of what is not open.
        idle_replaces,
        /// Modifies of what is not open, or that may or would change nothing.
        idle_modifies,
        /// Logins to ports that do not exist, that need an open day, or whose stream is full.
        refused_logins,
        /// Commands of a port that may not give them.
        not_allowed,
        /// State hashes of which this node has no sample.
        unknown_samples,
    }
}

impl Engine {
    /// An engine at the start of a command log that begins with these limits. Its indexes are keyed
    /// with `seed`, on which no outcome depends.
    #[must_use]
    pub fn new(limits: &VenueLimits, seed: IndexSeed) -> Self {
        let capacity = Capacity::from(limits);
        let Capacity { orders, instruments, ports, .. } = capacity;
        Self {
            limits: *limits,
            limits_set: false,
            version: 1,
            manager: OrderManager::new(&capacity, seed),
            books: Books::new(orders, instruments),
            events: EventWriter::new(limits),
            deadlines: Deadlines::new(ports, orders),
            phases: Phases::new(instruments, orders),
            day: None,
            last_day: (0, 0),
            counters: EngineCounters::default(),
            next_command: 1,
            sequence: 0,
            now: Nanos::ZERO,
            samples: Samples::default(),
            behind: Vec::with_capacity(orders as usize),
            #[cfg(test)]
            guesses_wildly: false,
        }
    }

    /// Applies the next command frame. Its event frames go to `out`: none if nothing came of it, more
    /// than one if they do not fit one.
    ///
    /// # Errors
    /// The sink's, or that of a command which cannot be applied. The events behind the error are lost
    /// with it, so the engine is of no more use: a node stops, and its next engine starts from the
    /// command log.
    ///
    /// # Panics
    /// If it is not the next frame: applying a command twice would move money twice. If the log's
    /// limits are not those that the engine was made for. If cash or shares are not conserved.
    pub fn apply<S: FrameSink>(
        &mut self,
        header: &FrameHeader,
        payload: &[Line],
        out: &mut S,
    ) -> Result<(), ApplyError<S::Error>> {
        assert_eq!(header.first_sequence, self.next_command, "not the next command frame");
        if header.kind != FrameKind::Normal as u8 {
            // Of consensus alone: it holds no command.
            return Ok(());
        }
        self.next_command += u64::from(header.count);
        let mut out = FirstError { sink: out, result: Ok(()) };
        self.events.begin_frame(Cause {
            index: header.index,
            term: header.term,
            time: header.time,
        });
        let mut rest = payload;
        let mut ahead = LookAhead::new(header.count, payload);
        for ordinal in 0..header.count {
            self.sequence = header.first_sequence + u64::from(ordinal);
            self.manager.guess = self.guess(&mut ahead, ordinal.into());
            let (command, behind) = self.read(rest)?;
            rest = behind;
            self.counters.commands += 1;
            self.events.begin_command(ordinal);
            self.advance_time(header.time, &command, &mut out);
            match command {
                Command::StateHash(theirs) => self.compare_state(theirs, &mut out)?,
                Command::ActivateVersion(c) => self.activate_version(c)?,
                command => self.apply_command(command, &mut out),
            }
            self.close_full_streams(&mut out);
            self.events.end_command();
        }
        if !rest.is_empty() {
            return Err(CommandError::Surplus { sequence: self.sequence }.into());
        }
        self.events.end_frame(&mut out);
        self.sample_state(header.first_sequence);
        self.audit(header.count);
        out.result.map_err(ApplyError::Sink)
    }

    /// Adds up balances, so many for each command of a frame that none are left at the next sample of the
    /// state, where their sum is judged.
    fn audit(&mut self, commands: u16) {
        let balances = self.manager.wallet.balances().len();
        let interval = usize::try_from(SAMPLE_INTERVAL).expect("a few thousand");
        self.manager.wallet.audit(usize::from(commands) * balances.div_ceil(interval));
    }

    /// Looks ahead, and says what the command `ordinal` may be about.
    fn guess(&self, ahead: &mut LookAhead<'_>, ordinal: usize) -> Guess {
        let guess = ahead.look(self, ordinal);
        #[cfg(test)]
        if self.guesses_wildly {
            return Guess::wild(self.sequence);
        }
        guess
    }

    /// The end of the event log it has derived.
    #[must_use]
    pub const fn chain(&self) -> &FrameChain {
        self.events.chain()
    }

    /// The sequence of the next command.
    #[must_use]
    pub const fn next_command(&self) -> u64 {
        self.next_command
    }

    /// Log time: that of the last command frame.
    #[must_use]
    pub const fn log_time(&self) -> Nanos {
        self.now
    }

    /// What was passed over in silence.
    #[must_use]
    pub const fn counters(&self) -> &EngineCounters {
        &self.counters
    }

    /// The definitions, balances and open orders' owners.
    #[must_use]
    pub const fn order_manager(&self) -> &OrderManager {
        &self.manager
    }

    /// The books.
    #[must_use]
    pub const fn books(&self) -> &Books {
        &self.books
    }

    /// The open day.
    #[must_use]
    pub const fn day(&self) -> Option<&Day> {
        self.day.as_ref()
    }

    /// The number of the feed's last message, 0 before the first of the day.
    #[must_use]
    pub const fn feed_sequence(&self) -> u64 {
        self.events.feed_sequence()
    }

    /// Reads the first command of `lines`: it, and the lines behind it. One that this version does not
    /// understand to its last line is none of its own, and ends its part in the log.
    fn read<'a>(&self, lines: &'a [Line]) -> Result<(Command<'a>, &'a [Line]), CommandError> {
        let sequence = self.sequence;
        let unreadable = |why| CommandError::Unreadable { sequence, why };
        let (record, behind) = split_record(lines).map_err(unreadable)?;
        let command = Command::parse(record).map_err(unreadable)?;
        let (kind, size) = (record[0].0[0], record[0].0[1]);
        if CommandKind::from_number(kind).is_none_or(|kind| kind.lines() != size) {
            return Err(unreadable(RecordError::Lines { kind, lines: size }));
        }
        if !self.limits_set && !matches!(command, Command::TermStart(_) | Command::VenueLimits(_)) {
            return Err(CommandError::BeforeLimits { sequence });
        }
        Ok((command, behind))
    }

    /// Moves log time to that of `command`, which says when another second began and fires what is due.
    fn advance_time(&mut self, time: Nanos, command: &Command<'_>, out: &mut dyn Outlet) {
        let is_first = self.now == Nanos::ZERO;
        let second = time.second();
        if second != self.now.second() && !is_first {
            let passed =
                TimePassed { header: EventHeader::new::<TimePassed>(), second, reserved: [0; 16] };
            self.events.emit(Route::NONE, &passed, out);
        }
        self.now = time;
        if let Command::TermStart(start) = command
            && start.header.port.is_none()
        {
            self.postpone_graces(start);
        }
        self.fire_due(out);
    }

    fn apply_command(&mut self, command: Command<'_>, out: &mut dyn Outlet) {
        match command {
            Command::VenueLimits(c) => self.set_limits(c, out),
            Command::NewOrder(c) => self.new_order(c, out),
            Command::Cancel(c) => self.cancel(c, out),
            Command::Replace(c) => self.replace(c, out),
            Command::Modify(c) => self.modify(c, out),
            Command::MassCancel(c) => self.mass_cancel(c, out),
            Command::DisableEntry(c) => self.disable_entry(c, out),
            Command::EnableEntry(c) => self.enable_entry(c, out),
            Command::AccountQuery(c) => self.answer_query(c, out),
            Command::PortUp(c) => self.port_up(c, out),
            Command::PortDown(c) => self.port_down(c, out),
            Command::TermStart(c) => self.term_start(c, out),
            // A tick has moved log time, which is all it is for; the others were applied before.
            Command::Tick(_) | Command::StateHash(_) | Command::ActivateVersion(_) => {}
            Command::DayStart(c) => self.administer(c, Self::start_day, out),
            Command::DayEnd(c) => self.administer(c, Self::end_day, out),
            Command::CurrencyDefine(c) => self.administer(c, Self::define_currency, out),
            Command::FirmDefine(c) => self.administer(c, Self::define_firm, out),
            Command::PortDefine(c) => self.administer(c, Self::define_port, out),
            Command::AccountOpen(c) => self.administer(c, Self::open_account, out),
            Command::AccountUpdate(c) => self.administer(c, Self::update_account, out),
            Command::Transfer(c) => self.administer(c, Self::transfer, out),
            Command::InstrumentDefine(c) => self.administer(c, Self::define_instrument, out),
            Command::Fee(c) => self.administer(c, Self::set_fee, out),
            Command::RiskLimit(c) => self.administer(c, Self::set_limit, out),
            Command::Calendar(c) => self.administer(c, Self::set_calendar, out),
            Command::PriceBand(c) => self.administer(c, Self::set_price_band, out),
            Command::Halt(c) => self.administer(c, Self::halt, out),
            Command::Resume(c) => self.administer(c, Self::resume, out),
            Command::SetPhase(c) => self.administer(c, Self::override_phase, out),
            Command::BustTrade(c) => self.administer(c, Self::bust_trade, out),
            Command::TradeCorrection(c) => self.administer(c, Self::correct_trade, out),
        }
    }
}

/// The header of an event about an instrument.
fn header_of<R: Record>(instrument: InstrumentId) -> EventHeader {
    EventHeader { instrument, ..EventHeader::new::<R>() }
}

#[cfg(test)]
mod tests;
