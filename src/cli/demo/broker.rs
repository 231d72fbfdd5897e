//! `rialto demo-broker`: one broker of the demo, a process that reaches the exchange through the
//! kernel's TCP alone. It enters orders by the clock, whether or not answers come (an open loop), and
//! says every second what became of them.

use std::io::{self, BufRead, Write};
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::market::DemoMarket;
use super::report::{self, Counts, Latencies};
use super::trader::{NewOrder, Trader};
use crate::client::{ClientError, Credentials, Incoming, SessionClient};
use crate::config::ConfigError;
use crate::config::secrets::PortSecrets;
use crate::types::{Liquidity, OrderState, PortName, Quantity, SessionId, UserRefNum};
use crate::wire::ouch::{Cancel, Enter, Options, OuchError, Outbound};

/// Arguments of `rialto demo-broker`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where the exchange listens.
    #[arg(long)]
    pub(super) connect: SocketAddrV4,
    /// The file of port secrets.
    #[arg(long)]
    pub(super) secrets: PathBuf,
    /// Which of the brokers this is, from 0.
    #[arg(long)]
    pub(super) broker: u64,
    /// Of how many.
    #[arg(long)]
    pub(super) brokers: u64,
    /// Instruments of the market.
    #[arg(long)]
    pub(super) symbols: u64,
    /// Enter messages a second, of all brokers together.
    #[arg(long)]
    pub(super) rate: u32,
    /// Seconds of trading.
    #[arg(long)]
    pub(super) duration: u32,
    /// Prices and orders are the same for the same seed.
    #[arg(long)]
    pub(super) seed: u64,
}

/// Why a broker gave up.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// No session, or no more.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The file of secrets is none.
    #[error(transparent)]
    Secrets(#[from] ConfigError),
    /// The file of secrets does not know this broker.
    #[error("{path}: no secret for {port}", path = .path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
        /// The broker's port.
        port: PortName,
    },
    /// What came is not OUCH.
    #[error("the exchange sent {0}")]
    Ouch(#[from] OuchError),
    /// The exchange has ended its day.
    #[error("the exchange ended the session")]
    EndOfSession,
    /// The demo has gone.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// What a broker prints when it may be told to begin.
pub(super) const READY: &str = "ready";

const LOGIN_MAX: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Orders sent between two looks at what came in, and messages taken between two orders.
const BURST_MAX: u64 = 32;
const HEARD_MAX: usize = 256;
/// Orders on their way at a time. More than that would fill the sockets' buffers both ways, and an
/// exchange that waits for us to read cannot read from us.
const UNANSWERED_MAX: u64 = 4_096;
/// What is missed of the schedule is made up for, but no more than so much of it.
const CATCH_UP_MAX: Duration = Duration::from_millis(500);
/// After the last order, the time for which nothing must come before we leave, and the most we stay.
const QUIET: Duration = Duration::from_millis(300);
const STAY_MAX: Duration = Duration::from_secs(5);

/// Logs in, says "ready", waits for a line on standard input, trades, and logs out. The end of
/// standard input ends it early.
///
/// # Errors
/// [`BrokerError`].
pub fn run(args: &Args) -> Result<(), BrokerError> {
    let credentials = credentials(args)?;
    let to = args.connect.into();
    let session = SessionClient::login(to, credentials, SessionId::BLANK, 0, LOGIN_MAX)?;
    say(READY)?;
    let market = DemoMarket { symbols: args.symbols, brokers: args.brokers };
    let trader = Trader::new(args.seed, args.broker, market.instruments());
    let mut broker = Broker::new(session, trader);
    let stop = Arc::new(AtomicBool::new(false));
    let go = listen(&stop);
    while !go.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
        broker.hear(Duration::from_millis(1))?;
    }
    broker.start = Instant::now();
    broker.trade(&Schedule::new(args), &stop)?;
    broker.leave()
}

fn credentials(args: &Args) -> Result<Credentials, BrokerError> {
    let port = DemoMarket::port(args.broker);
    let secrets = PortSecrets::read(&args.secrets)?;
    let known =
        secrets.get(port).and_then(|secret| Credentials::new(&port.text(), &secret.reveal()));
    known.ok_or_else(|| BrokerError::NoSecret { path: args.secrets.clone(), port })
}

/// When each order is due.
struct Schedule {
    interval: Duration,
    duration: Duration,
    orders: u64,
}

impl Schedule {
    fn new(args: &Args) -> Self {
        let orders = u64::from(args.rate) * u64::from(args.duration);
        let mine = orders / args.brokers + u64::from(args.broker < orders % args.brokers);
        let duration = Duration::from_secs(args.duration.into());
        let nanos = duration.as_nanos() / u128::from(mine.max(1));
        let interval = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX).max(1));
        Self { interval, duration, orders: mine }
    }

    /// Orders that should have been entered by then.
    fn due(&self, elapsed: Duration) -> u64 {
        let due = elapsed.as_nanos() / self.interval.as_nanos();
        u64::try_from(due).unwrap_or(u64::MAX).min(self.orders)
    }

    /// Until the order behind the first `count` is due.
    fn until(&self, count: u64, elapsed: Duration) -> Duration {
        let nanos = self.interval.as_nanos() * u128::from(count + 1);
        let at = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        at.saturating_sub(elapsed)
    }

    fn catch_up_max(&self) -> u64 {
        let orders = CATCH_UP_MAX.as_nanos() / self.interval.as_nanos();
        u64::try_from(orders).unwrap_or(u64::MAX).max(1)
    }
}

struct Broker {
    session: SessionClient,
    desk: Desk,
    start: Instant,
    last_heard: Duration,
    next_report: Duration,
}

impl Broker {
    fn new(session: SessionClient, trader: Trader) -> Self {
        Self {
            session,
            desk: Desk::new(trader),
            start: Instant::now(),
            last_heard: Duration::ZERO,
            next_report: SECOND,
        }
    }

    fn trade(&mut self, schedule: &Schedule, stop: &AtomicBool) -> Result<(), BrokerError> {
        let mut passed = 0;
        let mut ending = None;
        loop {
            let elapsed = self.start.elapsed();
            let over = passed == schedule.orders || elapsed > schedule.duration + CATCH_UP_MAX;
            if ending.is_none() && (over || stop.load(Ordering::Relaxed)) {
                ending = Some(elapsed);
            }
            match ending {
                None => passed += self.enter_due(schedule, passed, elapsed)?,
                Some(since) => {
                    let quiet = elapsed.saturating_sub(self.last_heard.max(since)) > QUIET;
                    let answered = self.desk.unanswered == 0;
                    if (quiet && answered) || elapsed.saturating_sub(since) > STAY_MAX {
                        return Ok(());
                    }
                }
            }
            if elapsed >= self.next_report {
                self.next_report += SECOND;
                self.report()?;
            }
            let next = self.next_report.saturating_sub(elapsed);
            let next = match ending {
                None => next.min(schedule.until(passed, self.start.elapsed())),
                Some(_) => next.min(QUIET),
            };
            self.hear(next)?;
        }
    }

    /// Enters what is due and returns by how many orders the schedule has moved.
    fn enter_due(
        &mut self,
        schedule: &Schedule,
        passed: u64,
        elapsed: Duration,
    ) -> Result<u64, BrokerError> {
        let due = schedule.due(elapsed).saturating_sub(passed);
        let skipped = due.saturating_sub(schedule.catch_up_max());
        self.desk.counts.skipped += skipped;
        let room = UNANSWERED_MAX.saturating_sub(self.desk.unanswered);
        let entered = (due - skipped).min(BURST_MAX).min(room);
        let none = Options::default();
        for _ in 0..entered {
            let (order, canceled) = self.desk.enter(self.start.elapsed());
            self.session.enter(&enter_message(&order), &none)?;
            if let Some(canceled) = canceled {
                self.session.cancel(&Cancel::new(canceled, Quantity::ZERO), &none)?;
            }
        }
        self.session.flush()?;
        Ok(skipped + entered)
    }

    /// Takes what has come; waits up to `limit` for something to come.
    fn hear(&mut self, limit: Duration) -> Result<(), BrokerError> {
        let mut wait = limit;
        for _ in 0..HEARD_MAX {
            let Some(incoming) = self.session.receive(wait)? else { break };
            let Incoming::Message { message, .. } = incoming else {
                return Err(BrokerError::EndOfSession);
            };
            let elapsed = self.start.elapsed();
            self.desk.take(Outbound::parse(message)?, elapsed);
            self.last_heard = elapsed;
            wait = Duration::ZERO;
        }
        Ok(())
    }

    fn report(&mut self) -> Result<(), BrokerError> {
        let desk = &mut self.desk;
        say(&report::line(&desk.counts, &desk.latencies))?;
        desk.counts = Counts::default();
        desk.latencies.clear();
        Ok(())
    }

    /// Logs out; the orders that rest stay where they are.
    fn leave(mut self) -> Result<(), BrokerError> {
        self.report()?;
        Ok(self.session.logout()?)
    }
}

fn enter_message(order: &NewOrder) -> Enter {
    let NewOrder { user_ref_num, symbol, side, quantity, price, time_in_force } = *order;
    Enter::new(user_ref_num, side, quantity, symbol, price, time_in_force)
}

/// What the broker knows of its orders, and has not yet reported.
struct Desk {
    trader: Trader,
    counts: Counts,
    latencies: Latencies,
    /// Orders entered and not yet answered.
    unanswered: u64,
}

impl Desk {
    fn new(trader: Trader) -> Self {
        Self { trader, counts: Counts::default(), latencies: Latencies::new(), unanswered: 0 }
    }

    /// The next order, and one to take back.
    fn enter(&mut self, elapsed: Duration) -> (NewOrder, Option<UserRefNum>) {
        let order = self.trader.enter(elapsed);
        self.counts.orders += 1;
        self.unanswered += 1;
        (order, self.trader.cancel(&order))
    }

    fn canceled(&mut self, order: UserRefNum, quantity: u32) {
        if self.trader.reduced(order, quantity).is_some() {
            self.counts.canceled += 1;
        }
    }

    fn take(&mut self, message: Outbound, elapsed: Duration) {
        match message {
            Outbound::Accepted(accepted, _) => {
                let order = UserRefNum(accepted.user_ref_num.get());
                let Some(latency) = self.trader.accepted(order, elapsed) else { return };
                self.latencies.record(latency);
                self.counts.accepted += 1;
                self.unanswered = self.unanswered.saturating_sub(1);
                if accepted.order_state == OrderState::Dead.byte() {
                    self.trader.over(order);
                }
            }
            Outbound::Executed(executed, _) => {
                let order = UserRefNum(executed.user_ref_num.get());
                let Some(instrument) = self.trader.reduced(order, executed.quantity.get()) else {
                    return;
                };
                // Each fill has a taker and a maker; counting the takers counts it once.
                if executed.liquidity == Liquidity::Removed.byte() {
                    self.counts.executions += 1;
                    self.counts.traded.insert(instrument);
                }
            }
            Outbound::Canceled(canceled, _) => {
                self.canceled(UserRefNum(canceled.user_ref_num.get()), canceled.quantity.get());
            }
            Outbound::AiqCanceled(canceled, _) => {
                self.canceled(UserRefNum(canceled.user_ref_num.get()), canceled.quantity.get());
            }
            Outbound::Rejected(rejected, _) => {
                *self.counts.rejected.entry(rejected.reason.get()).or_default() += 1;
                self.unanswered = self.unanswered.saturating_sub(1);
                self.trader.over(UserRefNum(rejected.user_ref_num.get()));
            }
            // These brokers replace nothing, and nothing of theirs is busted.
            Outbound::Replaced(..)
            | Outbound::BrokenTrade(..)
            | Outbound::TradeCorrection(..)
            | Outbound::Restated(..)
            | Outbound::Modified(..)
            | Outbound::MassCanceled(..)
            | Outbound::EntryAnswer(..)
            | Outbound::AccountAnswer(..)
            | Outbound::SystemEvent(_)
            | Outbound::CancelRejected(..)
            | Outbound::NotBuilt(_) => {}
        }
    }
}

/// The flag is set by the first line of standard input, `stop` by its end.
fn listen(stop: &Arc<AtomicBool>) -> Arc<AtomicBool> {
    let go = Arc::new(AtomicBool::new(false));
    let (heard, end) = (Arc::clone(&go), Arc::clone(stop));
    thread::spawn(move || {
        for _line in io::stdin().lock().lines().map_while(Result::ok) {
            heard.store(true, Ordering::Relaxed);
        }
        end.store(true, Ordering::Relaxed);
    });
    go
}

fn say(line: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(broker: u64, rate: u32, duration: u32) -> Schedule {
        Schedule::new(&Args {
            connect: "127.0.0.1:1".parse().unwrap(),
            secrets: PathBuf::new(),
            broker,
            brokers: 8,
            symbols: 1,
            rate,
            duration,
            seed: 1,
        })
    }

    #[test]
    fn the_brokers_schedules_add_up_to_the_rate() {
        let orders: u64 = (0..8).map(|broker| schedule(broker, 20_001, 3).orders).sum();
        assert_eq!(orders, 60_003);
        let schedule = schedule(0, 20_000, 60);
        assert_eq!(schedule.due(Duration::from_secs(1)), 2_500);
        assert_eq!(schedule.due(Duration::from_mins(10)), 150_000);
        assert_eq!(schedule.until(2_500, Duration::from_secs(1)), Duration::from_micros(400));
    }

    #[test]
    fn a_rate_below_one_order_each_is_a_schedule_too() {
        let orders: u64 = (0..8).map(|broker| schedule(broker, 1, 1).orders).sum();
        assert_eq!(orders, 1);
        assert_eq!(schedule(7, 1, 1).due(Duration::from_secs(9)), 0);
    }
}
