//! The client of the wire bench: one echo or order at a time, spinning in between, pinned to a core.
//!
//! Over the kernel's sockets, or over a DPDK port of its own where no kernel is on the way.

use std::io::{self, ErrorKind, Write as _};

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::BenchError;
use super::greedy::{BesideGreedy, Greedy};
#[cfg(feature = "dpdk")]
use super::ways::{DpdkWire, open};
use super::ways::{KernelDatagrams, KernelWire, Wire};
use crate::agent::pin;
use crate::client::{ClientError, Credentials};
use crate::config::secrets::PortSecrets;
use crate::types::{PortName, Price, Quantity, SessionId, Side, Symbol, TimeInForce, UserRefNum};
use crate::wire::ouch::{CANCEL_BYTES_MAX, Cancel, ENTER_BYTES_MAX, Enter, Options, Outbound};
use crate::wire::soup::{self, LoginRequest, Packet};

/// Arguments of `rialto bench wire-client`.
#[derive(Clone, Debug, clap::Args)]
pub(in crate::cli::bench) struct Args {
    /// The node.
    #[arg(long)]
    connect: SocketAddrV4,
    /// The file of port secrets.
    #[arg(long)]
    secrets: PathBuf,
    /// Sessions, each with a port of its own; they order in turns.
    #[arg(long, default_value_t = 1)]
    sessions: u32,
    /// The number of the first one's port: a port that has ordered before goes on with other numbers.
    #[arg(long, default_value_t = 1)]
    first: u32,
    #[arg(long)]
    rounds: u32,
    #[arg(long)]
    samples: u32,
    /// The core to spin on.
    #[arg(long)]
    core: usize,
    /// The first port whose connections and datagrams the node echoes; without it there are no echoes.
    #[arg(long)]
    echo_port: Option<u16>,
    /// Connections from that port on that are echoed, in turns.
    #[arg(long, default_value_t = 1)]
    echoes: u16,
    /// Order beside a greedy session too, on the port behind the last.
    #[arg(long)]
    greedy: bool,
    /// Let the orders rest, instead of canceling each.
    #[arg(long)]
    keep: bool,
    /// The DPDK device to speak through, instead of the kernel.
    #[arg(long, requires = "address")]
    device: Option<String>,
    /// Our address, with a device.
    #[arg(long)]
    address: Option<Ipv4Addr>,
}

/// What was measured, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Measured {
    /// Until every session was logged in, from the first login request, behind one that saw the day
    /// open; their connections stood before.
    pub(super) login_ns: u64,
    pub(super) rounds: Vec<Round>,
}

/// One round's kinds of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Round {
    pub(super) echo: Percentiles,
    /// An echo over UDP, where the client can speak it.
    pub(super) datagram: Option<Percentiles>,
    pub(super) order: Percentiles,
    pub(super) beside_greedy: Option<BesideGreedy>,
}

/// Of the samples of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Percentiles {
    pub(super) p50: u64,
    pub(super) p99: u64,
}

impl Percentiles {
    pub(super) fn of(mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        let at = |percent| samples.get(samples.len() * percent / 100).copied().unwrap_or(0);
        Self { p50: at(50), p99: at(99) }
    }
}

/// An answer that takes longer will not come.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Between two logins while the day is not open.
const PAUSE_OPENING: Duration = Duration::from_millis(10);
/// Between two samples: the node has then done all that follows the last one, and waits.
const PAUSE: Duration = Duration::from_micros(20);
/// The silence that the node is asked to bear, the longest there is: a session waits long for its turn.
const HEARTBEAT_TIMEOUT_MS: u32 = 99_999;
/// How often all sessions say something nevertheless, between rounds.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);
/// Between one turn's session and the next one's, so that no cache expects it: a prime.
const STRIDE: usize = 7_919;
/// The first port of connections that are not to be echoed.
#[cfg(feature = "dpdk")]
pub(super) const FREE_PORT: u16 = 40_000;
const SYMBOL: &str = "ACME";
/// 25.00 dollars.
const PRICE: Price = Price(250_000);
const LOT: Quantity = Quantity(100);

/// Measures, and prints the result as a line of JSON.
pub(in crate::cli::bench) fn run(args: &Args) -> Result<(), BenchError> {
    let measured = match &args.device {
        None => {
            let mut connect = |port| KernelWire::connect(args.connect, port);
            let bind = |port| KernelDatagrams::bind(args.connect, port);
            let alone = args.echo_port.filter(|_| args.sessions == 1);
            let datagrams = alone.map(bind).transpose()?;
            measure(args, &mut connect, datagrams)?
        }
        #[cfg(feature = "dpdk")]
        Some(device) => {
            let address = args.address.expect("required with a device");
            let host = open(device, address, args.connect)?;
            let mut free = FREE_PORT..;
            let mut any = || free.next().expect("ports enough");
            let mut connect =
                |port: Option<u16>| DpdkWire::connect(&host, port.unwrap_or_else(&mut any));
            measure(args, &mut connect, None)?
        }
        #[cfg(not(feature = "dpdk"))]
        Some(_) => unreachable!("only a bench with DPDK asks for a device"),
    };
    let line = serde_json::to_string(&measured).expect("numbers and lists are JSON");
    writeln!(io::stdout(), "{line}").map_err(BenchError::file("standard output"))
}

fn measure<W: Wire>(
    args: &Args,
    connect: &mut impl FnMut(Option<u16>) -> Result<W, BenchError>,
    mut datagrams: Option<KernelDatagrams>,
) -> Result<Measured, BenchError> {
    if !pin(args.core) {
        return Err(BenchError::Core { core: args.core });
    }
    let secrets = PortSecrets::read(&args.secrets)?;
    let credentials =
        |number| credentials(&secrets, number).map_err(BenchError::file(&args.secrets));
    let last = args.first + args.sessions - 1;
    let mut sessions = vec![login_when_open(connect, credentials(args.first)?)?];
    let mut alive_at = Instant::now();
    let (others, login_ns) = login_at_once(args.first + 1..=last, connect, &credentials)?;
    sessions.extend(others);
    let greedy = args.greedy.then(|| Session::login(connect(None)?, credentials(last + 1)?));
    let mut greedy = greedy.transpose()?.map(Greedy::new);
    let mut echoes = Vec::new();
    for port in args.echo_port.into_iter().flat_map(|first| first..first + args.echoes) {
        echoes.push(connect(Some(port))?);
    }
    let mut turn = 0;
    let mut next = |of: usize| {
        turn += STRIDE;
        turn % of
    };
    let mut rounds = Vec::new();
    // One more than asked for: the first warms up and does not count.
    for round in 0..=args.rounds {
        let echo = match echoes.len() {
            0 => Percentiles::default(),
            count => sample(args.samples, || echoed(&mut echoes[next(count)]))?,
        };
        let datagram = match &mut datagrams {
            None => None,
            Some(wire) => Some(sample(args.samples, || echoed(wire))?),
        };
        let count = sessions.len();
        let mut order = || sessions[next(count)].accepted(args.keep);
        let alone = sample(args.samples, &mut order)?;
        let beside_greedy =
            greedy.as_mut().map(|greedy| greedy.beside(args.samples, &mut order)).transpose()?;
        if round > 0 {
            rounds.push(Round { echo, datagram, order: alone, beside_greedy });
        }
        keep_alive(&mut sessions, &mut alive_at)?;
    }
    Ok(Measured { login_ns, rounds })
}

/// Connects all, then has them all ask to be let in, and says how long it took until they were.
fn login_at_once<W: Wire>(
    numbers: RangeInclusive<u32>,
    connect: &mut impl FnMut(Option<u16>) -> Result<W, BenchError>,
    credentials: &impl Fn(u32) -> Result<Credentials, BenchError>,
) -> Result<(Vec<Session<W>>, u64), BenchError> {
    let mut sessions = Vec::new();
    for number in numbers {
        sessions.push((Session::over(connect(None)?), credentials(number)?));
    }
    let start = Instant::now();
    for (session, credentials) in &mut sessions {
        session.asks(*credentials)?;
    }
    let mut logged_in = Vec::with_capacity(sessions.len());
    for (mut session, _) in sessions {
        session.is_let_in()?;
        logged_in.push(session);
    }
    Ok((logged_in, u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)))
}

fn keep_alive<W: Wire>(
    sessions: &mut [Session<W>],
    alive_at: &mut Instant,
) -> Result<(), BenchError> {
    if alive_at.elapsed() >= HEARTBEAT_INTERVAL {
        *alive_at = Instant::now();
        for session in sessions {
            session.wire.send(&soup::CLIENT_HEARTBEAT)?;
        }
    }
    Ok(())
}

/// A node is ready before it has read a long market to its end and opened the day.
pub(super) fn login_when_open<W: Wire>(
    connect: &mut impl FnMut(Option<u16>) -> Result<W, BenchError>,
    credentials: Credentials,
) -> Result<Session<W>, BenchError> {
    let start = Instant::now();
    loop {
        match Session::login(connect(None)?, credentials) {
            Err(BenchError::Client(ClientError::Refused(_))) if start.elapsed() < ANSWER_MAX => {
                std::thread::sleep(PAUSE_OPENING);
            }
            result => return result,
        }
    }
}

pub(super) fn sample(
    samples: u32,
    mut one: impl FnMut() -> Result<Duration, BenchError>,
) -> Result<Percentiles, BenchError> {
    let mut times = Vec::new();
    for _ in 0..samples {
        times.push(u64::try_from(one()?.as_nanos()).unwrap_or(u64::MAX));
        let pause = Instant::now();
        while pause.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
    }
    Ok(Percentiles::of(times))
}

/// As many bytes as an order's packet, there and back.
fn echoed(wire: &mut impl Wire) -> Result<Duration, BenchError> {
    let sent = [b'e'; PACKET_BYTES];
    let mut answer = [0; PACKET_BYTES];
    // As an order's session does: it takes what came while others had their turn.
    let mut have = wire.receive(&mut answer)?;
    let start = Instant::now();
    wire.send(&sent)?;
    loop {
        have += wire.receive(&mut answer[have..])?;
        let elapsed = start.elapsed();
        if have == answer.len() {
            return Ok(elapsed);
        }
        if elapsed > ANSWER_MAX {
            return Err(silence("echo"));
        }
    }
}

/// Bytes of an order's packet: its header, the order, and the length of its empty appendage.
const PACKET_BYTES: usize = soup::HEADER_BYTES + size_of::<Enter>() + 2;

pub(super) fn silence(what: &'static str) -> BenchError {
    BenchError::Silence { what, seconds: ANSWER_MAX.as_secs() }
}

/// A broker's session.
pub(super) struct Session<W> {
    pub(super) wire: W,
    pub(super) received: Vec<u8>,
    last: u32,
}

/// What an answer is about, to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Accepted,
    Canceled,
}

impl<W: Wire> Session<W> {
    fn over(wire: W) -> Self {
        Self { wire, received: Vec::new(), last: 0 }
    }

    fn login(wire: W, credentials: Credentials) -> Result<Self, BenchError> {
        let mut session = Self::over(wire);
        session.asks(credentials)?;
        session.is_let_in()?;
        Ok(session)
    }

    fn asks(&mut self, credentials: Credentials) -> Result<(), BenchError> {
        let Credentials { name, secret } = credentials;
        let session = SessionId::BLANK;
        let heartbeat_timeout_ms = Some(HEARTBEAT_TIMEOUT_MS);
        let login = LoginRequest { name, secret, session, sequence: 0, heartbeat_timeout_ms };
        let mut packet = [0; soup::LOGIN_REQUEST_BYTES_MAX];
        let size = login.emit(&mut packet);
        self.wire.send(&packet[..size])
    }

    fn is_let_in(&mut self) -> Result<(), BenchError> {
        let start = Instant::now();
        loop {
            self.fill()?;
            match self.parse()? {
                Some((Packet::LoginAccepted(_), size)) => {
                    self.received.drain(..size);
                    return Ok(());
                }
                Some((Packet::LoginRejected(reason), _)) => {
                    return Err(ClientError::Refused(reason).into());
                }
                Some((other, _)) => return Err(BenchError::Answer(format!("{other:?}"))),
                None if start.elapsed() > ANSWER_MAX => return Err(silence("answer to the login")),
                None => {}
            }
        }
    }

    /// Enters an order and says how long its acceptance took. It is canceled, unless it is to be kept.
    fn accepted(&mut self, keep: bool) -> Result<Duration, BenchError> {
        // Heartbeats.
        if self.fill()? {
            self.take(Awaited::Accepted)?;
        }
        self.last += 1;
        let number = UserRefNum(self.last);
        let symbol = Symbol::new(SYMBOL).expect("four letters");
        let enter = Enter::new(number, Side::Buy, LOT, symbol, PRICE, TimeInForce::Day);
        let mut message = [0; ENTER_BYTES_MAX];
        let size = enter.emit(&Options::default(), &mut message);
        let accepted = self.ask(&message[..size], Awaited::Accepted)?;
        if !keep {
            let cancel = Cancel::new(number, Quantity::ZERO);
            let mut message = [0; CANCEL_BYTES_MAX];
            let size = cancel.emit(&Options::default(), &mut message);
            self.ask(&message[..size], Awaited::Canceled)?;
        }
        Ok(accepted)
    }

    /// Sends a message and waits for the last byte of its answer.
    fn ask(&mut self, message: &[u8], awaited: Awaited) -> Result<Duration, BenchError> {
        let header = soup::unsequenced_header(message.len()).expect("a short message");
        let packet = [&header[..], message].concat();
        let start = Instant::now();
        self.wire.send(&packet)?;
        loop {
            let came = self.fill()?;
            let elapsed = start.elapsed();
            if came && self.take(awaited)? {
                return Ok(elapsed);
            }
            if elapsed > ANSWER_MAX {
                return Err(silence("answer to an order"));
            }
        }
    }

    /// Takes what has come; whether the answer to the last order is among it.
    fn take(&mut self, awaited: Awaited) -> Result<bool, BenchError> {
        let mut found = false;
        while let Some((packet, size)) = self.parse()? {
            found |= match packet {
                Packet::SequencedData(message) => answers(message, awaited, self.last)?,
                _ => false,
            };
            self.received.drain(..size);
        }
        Ok(found)
    }

    fn parse(&self) -> Result<Option<(Packet<'_>, usize)>, BenchError> {
        Ok(soup::parse(&self.received, usize::from(u16::MAX)).map_err(ClientError::from)?)
    }

    pub(super) fn fill(&mut self) -> Result<bool, BenchError> {
        let mut bytes = [0; 2048];
        let count = self.wire.receive(&mut bytes)?;
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }
}

/// Whether `message` is the awaited answer to order `number`.
fn answers(message: &[u8], awaited: Awaited, number: u32) -> Result<bool, BenchError> {
    match Outbound::parse(message) {
        Ok(Outbound::Accepted(accepted, _)) if accepted.user_ref_num.get() == number => {
            Ok(awaited == Awaited::Accepted)
        }
        Ok(Outbound::Canceled(canceled, _)) if canceled.user_ref_num.get() == number => {
            Ok(awaited == Awaited::Canceled)
        }
        Ok(Outbound::SystemEvent(_)) => Ok(false),
        other => Err(BenchError::Answer(format!("{other:?}"))),
    }
}

/// Appends the packet of an order for a lot at the price that all of them name.
pub(super) fn append_order(
    packets: &mut Vec<u8>,
    number: UserRefNum,
    side: Side,
    time_in_force: TimeInForce,
) {
    let symbol = Symbol::new(SYMBOL).expect("four letters");
    let enter = Enter::new(number, side, LOT, symbol, PRICE, time_in_force);
    let mut message = [0; ENTER_BYTES_MAX];
    let length = enter.emit(&Options::default(), &mut message);
    packets.extend(soup::unsequenced_header(length).expect("a short message"));
    packets.extend(&message[..length]);
}

/// The name of a session's port; they count from 1.
pub(super) fn port_name(number: u32) -> String {
    format!("S{number:05}")
}

pub(super) fn credentials(secrets: &PortSecrets, number: u32) -> io::Result<Credentials> {
    let name = port_name(number);
    let secret = PortName::new(&name).and_then(|name| secrets.get(name));
    let credentials = secret.and_then(|secret| Credentials::new(&name, &secret.reveal()));
    let none = || io::Error::new(ErrorKind::InvalidData, format!("no secret for port {name}"));
    credentials.ok_or_else(none)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_samples() {
        let Percentiles { p50, p99 } = Percentiles::of((0..1_000).rev().collect());
        assert_eq!((p50, p99), (500, 990));
        assert_eq!(Percentiles::of(Vec::new()), Percentiles::default());
    }

    #[test]
    fn an_echo_has_the_size_of_an_order() {
        let symbol = Symbol::new(SYMBOL).unwrap();
        let enter = Enter::new(UserRefNum(1), Side::Buy, LOT, symbol, PRICE, TimeInForce::Day);
        let size = enter.emit(&Options::default(), &mut [0; ENTER_BYTES_MAX]);
        assert_eq!(soup::HEADER_BYTES + size, PACKET_BYTES);
    }
}
