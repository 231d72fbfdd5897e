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

use super::link::{Link, LinkError};
use super::market::DemoMarket;
use super::report::{self, Counts, Latencies};
use super::trader::{NewOrder, Trader};
use crate::config::ConfigError;
use crate::config::secrets::PortSecrets;
use crate::types::{Liquidity, OrderState, Quantity, UserRefNum};
use crate::wire::ouch::{
    CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Options, OuchError, Outbound,
};
use crate::wire::soup::{self, Packet};

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
    /// No connection, or no more.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The file of secrets is none.
    #[error(transparent)]
    Secrets(#[from] ConfigError),
    /// The file of secrets does not know this broker.
    #[error("{0}: no secret for {1}", .1.display())]
    NoSecret(String, PathBuf),
    /// What came is not OUCH.
    #[error("the exchange sent {0}")]
    Ouch(#[from] OuchError),
    /// No answer to the login.
    #[error("no answer to the login within {} s", LOGIN_MAX.as_secs())]
    NoLogin,
    /// The demo has gone.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
}

/// What a broker prints when it may be told to begin.
pub(super) const READY: &str = "ready";

const LOGIN_MAX: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// Orders sent between two looks at what came in.
const BURST_MAX: u64 = 32;
/// What is missed of the schedule is made up for, but no more than so much of it.
const CATCH_UP_MAX: Duration = Duration::from_millis(500);
/// After the last order, the time for which nothing must come before we leave, and the most we stay.
const QUIET: Duration = Duration::from_millis(300);
const STAY_MAX: Duration = Duration::from_secs(5);

/// Logs in, says [`READY`], waits for a line on standard input, trades, and logs out. The end of
/// standard input ends it early.
///
/// # Errors
/// [`BrokerError`].
pub fn run(args: &Args) -> Result<(), BrokerError> {
    let name = DemoMarket::port(args.broker);
    let secrets = PortSecrets::read(&args.secrets)?;
    let secret = secrets.get(name);
    let secret =
        secret.ok_or_else(|| BrokerError::NoSecret(name.to_string(), args.secrets.clone()))?;

    let mut link = Link::connect(args.connect)?;
    link.log_in(name, secret)?;
    let asked = Instant::now();
    while link.login_answer()?.is_none() {
        if asked.elapsed() > LOGIN_MAX {
            return Err(BrokerError::NoLogin);
        }
        link.wait(SECOND)?;
    }
    say(READY)?;
    let stop = Arc::new(AtomicBool::new(false));
    let go = listen(&stop);
    while !go.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
        link.wait(Duration::from_millis(1))?;
        Broker::skip(&mut link)?;
    }
    let market = DemoMarket { symbols: args.symbols, brokers: args.brokers };
    let trader = Trader::new(args.seed, args.broker, market.instruments());
    let mut broker = Broker::new(link, trader);
    broker.trade(&Schedule::new(args), &stop)?;
    broker.leave()
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
    link: Link,
    desk: Desk,
    start: Instant,
    last_sent: Duration,
    last_received: Duration,
    next_report: Duration,
}

impl Broker {
    fn new(link: Link, trader: Trader) -> Self {
        Self {
            link,
            desk: Desk::new(trader),
            start: Instant::now(),
            last_sent: Duration::ZERO,
            last_received: Duration::ZERO,
            next_report: SECOND,
        }
    }

    /// Takes what comes before trading began: heartbeats, and the start of the day.
    fn skip(link: &mut Link) -> Result<(), BrokerError> {
        link.receive()?;
        while link.next_packet()?.is_some() {}
        Ok(())
    }

    fn trade(&mut self, schedule: &Schedule, stop: &AtomicBool) -> Result<(), BrokerError> {
        let mut passed = 0;
        let mut ending = None;
        loop {
            let elapsed = self.start.elapsed();
            let over = passed == schedule.orders || elapsed >= schedule.duration;
            if ending.is_none() && (over || stop.load(Ordering::Relaxed)) {
                ending = Some(elapsed);
            }
            match ending {
                None => passed += self.enter_due(schedule, passed, elapsed),
                Some(since) => {
                    let quiet = elapsed.saturating_sub(self.last_received.max(since)) > QUIET;
                    if quiet && self.desk.unanswered == 0 || elapsed - since > STAY_MAX {
                        return Ok(());
                    }
                }
            }
            self.beat(elapsed);
            self.link.flush()?;
            self.link.receive()?;
            self.hear()?;
            self.report(elapsed)?;

            let next = self.next_report.saturating_sub(elapsed);
            let next = match ending {
                None => next.min(schedule.until(passed, self.start.elapsed())),
                Some(_) => next.min(QUIET),
            };
            if !next.is_zero() {
                self.link.wait(next)?;
            }
        }
    }

    /// Enters what is due and returns by how many orders the schedule has moved.
    fn enter_due(&mut self, schedule: &Schedule, passed: u64, elapsed: Duration) -> u64 {
        let due = schedule.due(elapsed) - passed;
        let skipped = due.saturating_sub(schedule.catch_up_max());
        self.desk.counts.skipped += skipped;
        let mut entered = 0;
        while entered < (due - skipped).min(BURST_MAX) && self.link.has_room() {
            let order = self.desk.trader.enter(self.start.elapsed());
            self.enter(&order);
            if let Some(canceled) = self.desk.trader.cancel(&order) {
                self.cancel(canceled);
            }
            entered += 1;
        }
        skipped + entered
    }

    fn enter(&mut self, order: &NewOrder) {
        let message = Enter::new(
            order.user_ref_num,
            order.side,
            order.quantity,
            order.symbol,
            order.price,
            order.time_in_force,
        );
        let mut bytes = [0; ENTER_BYTES_MAX];
        let size = message.emit(&Options::default(), &mut bytes);
        self.link.send(&bytes[..size]);
        self.last_sent = self.start.elapsed();
        self.desk.counts.orders += 1;
        self.desk.unanswered += 1;
    }

    fn cancel(&mut self, order: UserRefNum) {
        let mut bytes = [0; CANCEL_BYTES_MAX];
        let size = Cancel::new(order, Quantity::ZERO).emit(&Options::default(), &mut bytes);
        self.link.send(&bytes[..size]);
    }

    /// A heartbeat when nothing was sent for a second.
    fn beat(&mut self, elapsed: Duration) {
        if elapsed.saturating_sub(self.last_sent) >= SECOND {
            self.link.send_packet(soup::CLIENT_HEARTBEAT);
            self.last_sent = elapsed;
        }
    }

    fn hear(&mut self) -> Result<(), BrokerError> {
        let elapsed = self.start.elapsed();
        while let Some(packet) = self.link.next_packet()? {
            match packet {
                Packet::SequencedData(message) => {
                    self.last_received = elapsed;
                    self.desk.take(Outbound::parse(message)?, elapsed);
                }
                Packet::EndOfSession => return Err(LinkError::Closed.into()),
                _ => {}
            }
        }
        Ok(())
    }

    fn report(&mut self, elapsed: Duration) -> Result<(), BrokerError> {
        if elapsed < self.next_report {
            return Ok(());
        }
        self.next_report += SECOND;
        self.say_counts()
    }

    fn say_counts(&mut self) -> Result<(), BrokerError> {
        let desk = &mut self.desk;
        say(&report::line(&desk.counts, &desk.latencies))?;
        desk.counts = Counts::default();
        desk.latencies.clear();
        Ok(())
    }

    /// Logs out; the orders that rest stay where they are.
    fn leave(mut self) -> Result<(), BrokerError> {
        self.say_counts()?;
        self.link.send_packet(soup::LOGOUT_REQUEST);
        let since = Instant::now();
        loop {
            let closed = self.link.flush().and_then(|()| self.link.receive());
            match closed {
                Err(LinkError::Closed | LinkError::Io(_)) => return Ok(()),
                Err(other) => return Err(other.into()),
                Ok(()) if since.elapsed() > SECOND => return Ok(()),
                Ok(()) => self.link.wait(SECOND)?,
            }
            while self.link.next_packet()?.is_some() {}
        }
    }
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
                let order = UserRefNum(canceled.user_ref_num.get());
                if self.trader.reduced(order, canceled.quantity.get()).is_some() {
                    self.counts.canceled += 1;
                }
            }
            Outbound::Rejected(rejected, _) => {
                *self.counts.rejected.entry(rejected.reason.get()).or_default() += 1;
                self.unanswered = self.unanswered.saturating_sub(1);
                self.trader.over(UserRefNum(rejected.user_ref_num.get()));
            }
            Outbound::SystemEvent(_) | Outbound::NotBuilt(_) => {}
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
        assert_eq!(schedule.due(Duration::from_secs(600)), 150_000);
        assert_eq!(schedule.until(2_500, Duration::from_secs(1)), Duration::from_micros(400));
    }

    #[test]
    fn a_rate_below_one_order_each_is_a_schedule_too() {
        let orders: u64 = (0..8).map(|broker| schedule(broker, 1, 1).orders).sum();
        assert_eq!(orders, 1);
        assert_eq!(schedule(7, 1, 1).due(Duration::from_secs(9)), 0);
    }
}
