//! The brokers of the rate bench: sessions that enter orders by the clock, whether or not answers come,
//! each segment as many orders as a busy broker puts into one.
//!
//! An order's time begins when it was due, so what the exchange does not keep up with counts.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::BenchError;
#[cfg(feature = "dpdk")]
use super::client::FREE_PORT;
use super::client::{Session, append_order, credentials, login_when_open};
#[cfg(feature = "dpdk")]
use super::ways::{DpdkWire, open};
use super::ways::{KernelWire, Wire};
use crate::agent::pin;
use crate::client::ClientError;
use crate::config::secrets::PortSecrets;
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::{Side, TimeInForce, UserRefNum};
use crate::wire::ouch::Outbound;
use crate::wire::soup::{self, Packet};

/// Arguments of `rialto bench rate-client`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct Args {
    /// The node.
    #[arg(long)]
    connect: SocketAddrV4,
    /// The file of port secrets.
    #[arg(long)]
    secrets: PathBuf,
    /// Sessions, an even number: of every two, one buys what the other sells.
    #[arg(long)]
    sessions: u32,
    /// Orders a second, of all sessions together.
    #[arg(long)]
    rate: u64,
    /// Seconds of orders.
    #[arg(long)]
    seconds: u64,
    /// Orders in a segment.
    #[arg(long)]
    batch: u32,
    /// The core to spin on.
    #[arg(long)]
    core: usize,
    /// The DPDK device to speak through, instead of the kernel.
    #[arg(long, requires = "address")]
    device: Option<String>,
    /// Our address, with a device.
    #[arg(long)]
    address: Option<Ipv4Addr>,
}

/// What became of the orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    /// Orders entered, accepted, and answered with anything else.
    pub(super) entered: u64,
    pub(super) accepted: u64,
    pub(super) refused: u64,
    /// From the first order's time to the last acceptance.
    pub(super) elapsed_ns: u64,
    /// From when an order was due to its acceptance.
    pub(super) p50_ns: u64,
    pub(super) p90_ns: u64,
    pub(super) p99_ns: u64,
    pub(super) p999_ns: u64,
    pub(super) max_ns: u64,
    /// The client's time on a core, which it shares with its kernel.
    pub(super) cpu_ns: u64,
    /// Of its time that in which it sent or heard something; the rest of it is looking.
    pub(super) busy_ns: u64,
}

/// Longer than this nothing is answered any more.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Segments made up for at a time before anything is read.
const SEGMENTS_PER_TURN_MAX: u64 = 16;
const READ_BYTES: usize = 64 * 1024;
/// The longest time that is told from longer ones.
const LATENCY_MAX_NS: u64 = 60_000_000_000;
const DIGITS: u8 = 3;

/// Measures, and prints the outcome as a line of JSON.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    if !pin(args.core) {
        return Err(BenchError::Core { core: args.core });
    }
    let outcome = match &args.device {
        None => trade(args, |port| KernelWire::connect(args.connect, port))?,
        #[cfg(feature = "dpdk")]
        Some(device) => {
            let host = open(device, args.address.expect("required with a device"), args.connect)?;
            let mut ports = FREE_PORT..;
            trade(args, |_| DpdkWire::connect(&host, ports.next().expect("ports enough")))?
        }
        #[cfg(not(feature = "dpdk"))]
        Some(_) => unreachable!("only a bench with DPDK asks for a device"),
    };
    let line = serde_json::to_string(&outcome).expect("numbers are JSON");
    writeln!(io::stdout(), "{line}").map_err(BenchError::file("standard output"))
}

/// Has all brokers log in over connections of their own, and trade.
fn trade<W: Wire>(
    args: &Args,
    mut connect: impl FnMut(Option<u16>) -> Result<W, BenchError>,
) -> Result<Outcome, BenchError> {
    let secrets = PortSecrets::read(&args.secrets)?;
    let mut brokers = Vec::new();
    for number in 1..=args.sessions {
        let credentials = credentials(&secrets, number).map_err(BenchError::file(&args.secrets))?;
        brokers.push(Broker::new(login_when_open(&mut connect, credentials)?));
    }
    trade_with(args, &mut brokers)
}

fn trade_with<W: Wire>(args: &Args, brokers: &mut [Broker<W>]) -> Result<Outcome, BenchError> {
    let mut times: Histogram<u64> =
        Histogram::new_with_bounds(1, LATENCY_MAX_NS, DIGITS).expect("the bounds are sound");
    let mut bytes = vec![0; READ_BYTES];
    let batch = u64::from(args.batch);
    let segments = (args.rate * args.seconds / batch).max(1);
    let due = |segment: u64| segment * batch * 1_000_000_000 / args.rate;
    let count = brokers.len() as u64;
    let mut outcome = Outcome::default();
    let (cpu, start) = (thread_cpu_time(), Instant::now());
    let (mut next, mut heard_at) = (0, 0);
    loop {
        let now = nanos_since(start);
        let mut sent = 0;
        while next < segments && due(next) <= now && sent < SEGMENTS_PER_TURN_MAX {
            let session = next % count;
            let buys = (session + next / count).is_multiple_of(2);
            let broker = &mut brokers[usize::try_from(session).expect("a small number")];
            broker.enters(if buys { Side::Buy } else { Side::Sell }, args.batch, due(next));
            outcome.entered += batch;
            next += 1;
            sent += 1;
        }
        let mut has_done = sent > 0;
        for broker in &mut *brokers {
            broker.push()?;
            let before = outcome.accepted + outcome.refused;
            has_done |= broker.hear(&mut bytes, start, &mut times, &mut outcome)?;
            if outcome.accepted + outcome.refused > before {
                heard_at = nanos_since(start);
            }
        }
        if has_done {
            outcome.busy_ns += nanos_since(start) - now;
        }
        let is_all = outcome.accepted + outcome.refused == outcome.entered;
        let is_silent = nanos_since(start) > heard_at.max(due(segments)) + nanos(SILENCE_MAX);
        if next == segments && (is_all || is_silent) {
            break;
        }
    }
    outcome.elapsed_ns = heard_at;
    outcome.cpu_ns = thread_cpu_time().since(cpu).0;
    let at = |quantile| times.value_at_quantile(quantile);
    (outcome.p50_ns, outcome.p90_ns, outcome.p99_ns) = (at(0.5), at(0.9), at(0.99));
    (outcome.p999_ns, outcome.max_ns) = (at(0.999), times.max());
    Ok(outcome)
}

fn nanos_since(start: Instant) -> u64 {
    nanos(start.elapsed())
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// A broker's session.
struct Broker<W> {
    wire: W,
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// When the orders were due that are not answered, the oldest first.
    due: VecDeque<u64>,
    last: u32,
}

impl<W: Wire> Broker<W> {
    fn new(Session { wire, received, .. }: Session<W>) -> Self {
        Self { wire, unsent: Vec::new(), received, due: VecDeque::new(), last: 0 }
    }

    /// Queues a segment of orders that are due now, all for the same price.
    fn enters(&mut self, side: Side, count: u32, due: u64) {
        for _ in 0..count {
            self.last += 1;
            append_order(&mut self.unsent, UserRefNum(self.last), side, TimeInForce::Day);
            self.due.push_back(due);
        }
    }

    /// Sends what finds room.
    fn push(&mut self) -> Result<(), BenchError> {
        if !self.unsent.is_empty() {
            let count = self.wire.send_some(&self.unsent)?;
            self.unsent.drain(..count);
        }
        Ok(())
    }

    /// Takes what has come; whether anything has.
    fn hear(
        &mut self,
        bytes: &mut [u8],
        start: Instant,
        times: &mut Histogram<u64>,
        outcome: &mut Outcome,
    ) -> Result<bool, BenchError> {
        let count = self.wire.receive(bytes)?;
        if count == 0 {
            return Ok(false);
        }
        self.received.extend_from_slice(&bytes[..count]);
        let now = nanos_since(start);
        let mut taken = 0;
        while let Some((packet, size)) = soup::parse(&self.received[taken..], usize::from(u16::MAX))
            .map_err(ClientError::from)?
        {
            taken += size;
            let Packet::SequencedData(message) = packet else { continue };
            match Outbound::parse(message) {
                Ok(Outbound::Accepted(..)) => {
                    let due = self.due.pop_front().unwrap_or(now);
                    times.saturating_record(now.saturating_sub(due));
                    outcome.accepted += 1;
                }
                Ok(Outbound::Executed(..) | Outbound::SystemEvent(_)) => {}
                other => {
                    // The first is worth more than their number.
                    if outcome.refused == 0 {
                        tracing::warn!(?other, "an order was not accepted");
                    }
                    self.due.pop_front();
                    outcome.refused += 1;
                }
            }
        }
        self.received.drain(..taken);
        Ok(true)
    }
}
