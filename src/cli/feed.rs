//! `rialto feed`: a subscriber of the market data feed that sees only the multicast.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::StopFlag;
use crate::cli::CliError;
use crate::cli::units::{self, show_price, show_time};
use crate::client::{BookBuilder, FeedItem, FeedOrder, FeedSocket};
use crate::types::BookDumpHeader;
use crate::wire::itch::Message;

/// How long to wait for a datagram before looking at the clock and at the signals.
const TURN: Duration = Duration::from_millis(50);
/// What has arrived when the subscriber is told to stop is taken, but for no longer than this.
const DRAIN_MAX: Duration = Duration::from_secs(2);
const SECOND: Duration = Duration::from_secs(1);

/// Arguments of `rialto feed`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    rialto feed --group 239.9.9.9:9100 --interface 10.9.0.2\n  \
    rialto feed --group 239.9.9.9:9100 --interface 10.9.0.2 --quiet --from-start --books-out books.txt\n  \
    rialto feed --group 239.9.9.9:9100 --interface 10.9.0.2 --quiet --drop 100 --json    what a gap does\n\n\
    The books are written at the end of the session, at --until, or at SIGINT or SIGTERM.")]
pub struct Args {
    /// The feed's multicast group.
    #[arg(long, value_name = "GROUP:PORT")]
    group: SocketAddrV4,
    /// The address of the interface to join it on.
    #[arg(long, value_name = "ADDRESS", default_value_t = Ipv4Addr::LOCALHOST)]
    interface: Ipv4Addr,
    /// Print a line each second instead of one for each message.
    #[arg(long)]
    quiet: bool,
    /// Count what was sent before the first datagram as missing.
    #[arg(long)]
    from_start: bool,
    /// Where to write every book at the end.
    #[arg(long, value_name = "FILE")]
    books_out: Option<PathBuf>,
    /// End with the message of this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    until: Option<u64>,
    /// Discard the N-th datagram, as a bad network would.
    #[arg(long, value_name = "N")]
    drop: Option<u64>,
    /// Decimals of prices.
    #[arg(long, default_value_t = 4, value_parser = units::decimals())]
    decimals: u8,
    /// Print what was seen as a JSON object, as the last line.
    #[arg(long)]
    json: bool,
}

/// Runs the subscriber until its end.
///
/// # Errors
/// What the operating system refused.
pub fn run(args: &Args) -> Result<(), CliError> {
    let stop = StopFlag::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.shared())?;
    }
    let socket = FeedSocket::join(args.group, args.interface)?;
    let out = BufWriter::new(io::stdout().lock());
    let subscriber = Subscriber {
        args,
        order: FeedOrder::new(args.from_start),
        books: BookBuilder::new(),
        datagrams: 0,
        applied: 0,
        over: false,
        out,
    };
    match subscriber.run(socket, &stop) {
        Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A subscriber and what it has made of the feed.
struct Subscriber<'a, W> {
    args: &'a Args,
    order: FeedOrder,
    books: BookBuilder,
    datagrams: u64,
    /// The last message that is in the books.
    applied: u64,
    /// The session ended, or the last message wanted is in the books.
    over: bool,
    out: W,
}

impl<W: Write> Subscriber<'_, W> {
    fn run(mut self, mut socket: FeedSocket, stop: &StopFlag) -> Result<(), CliError> {
        let (group, buffer) = (self.args.group, socket.receive_buffer_bytes());
        writeln!(self.out, "joined {group}, receive buffer {buffer} bytes")?;
        self.out.flush()?;
        let mut line_at = Instant::now() + SECOND;
        let mut messages_before = 0;
        let mut drained_by = None;
        while !self.over {
            let now = Instant::now();
            if now >= line_at {
                line_at = now + SECOND;
                messages_before = self.each_second(messages_before)?;
            }
            if stop.is_set() && now > *drained_by.get_or_insert(now + DRAIN_MAX) {
                break;
            }
            match socket.receive(TURN)? {
                Some(datagram) => self.take(datagram)?,
                None if stop.is_set() => break,
                None => self.out.flush()?,
            }
        }
        self.finish(buffer)
    }

    fn take(&mut self, datagram: &[u8]) -> io::Result<()> {
        self.datagrams += 1;
        if self.args.drop == Some(self.datagrams) {
            return Ok(());
        }
        let Self { args, order, books, applied, over, out, .. } = self;
        let mut written = Ok(());
        order.take(datagram, |item| {
            let last = args.until.unwrap_or(u64::MAX);
            let line = match item {
                _ if *over => return,
                FeedItem::SessionBegan(session) => {
                    *books = BookBuilder::new();
                    *applied = 0;
                    format!("session {session}")
                }
                FeedItem::Gap { first, count } => {
                    *applied = (first + count - 1).min(last);
                    *over = *applied == last;
                    format!("gap: {count} messages from {first} on are missing")
                }
                FeedItem::EndOfSession => {
                    *over = true;
                    "end of session".to_owned()
                }
                FeedItem::Message { sequence, message } => {
                    books.apply(message);
                    *applied = sequence;
                    *over = *applied == last;
                    if args.quiet {
                        return;
                    }
                    format!("{sequence} {}", show(message, args.decimals))
                }
            };
            if written.is_ok() {
                written = writeln!(out, "{line}");
            }
        });
        written
    }

    /// Prints the line of a second and returns the messages so far.
    fn each_second(&mut self, before: u64) -> io::Result<u64> {
        let seen = self.order.counters();
        if self.args.quiet {
            writeln!(
                self.out,
                "sequence {} messages/s {} gaps {} missing {} orders {}",
                self.applied,
                seen.messages.saturating_sub(before),
                seen.gaps,
                seen.missing,
                self.books.orders()
            )?;
        }
        self.out.flush()?;
        Ok(seen.messages)
    }

    fn finish(mut self, receive_buffer: usize) -> Result<(), CliError> {
        let seen = self.order.counters();
        let complete = self.order.is_complete() && self.books.anomalies() == 0;
        if let Some(path) = &self.args.books_out {
            let header = BookDumpHeader { sequence: self.applied, gaps: seen.gaps, complete };
            let mut text = String::new();
            self.books.write(header, &mut text).map_err(io::Error::other)?;
            fs::write(path, text).map_err(|error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            })?;
        }
        if self.args.json {
            let summary = json!({
                "session": self.order.session().map(|session| session.text()),
                "sequence": self.applied,
                "feed_messages": seen.messages,
                "feed_gaps": seen.gaps,
                "feed_missing": seen.missing,
                "feed_duplicates": seen.duplicates,
                "datagrams": self.datagrams,
                "rcvbuf": receive_buffer,
                "instruments": self.books.instruments(),
                "orders": self.books.orders(),
                "anomalies": self.books.anomalies(),
                "complete": complete,
            });
            writeln!(self.out, "{summary}")?;
        }
        Ok(self.out.flush()?)
    }
}

/// A message in words.
fn show(message: &[u8], decimals: u8) -> String {
    let price = |price: u32| show_price(u64::from(price), decimals);
    let (header, what) = match Message::parse(message) {
        Err(error) => return error.to_string(),
        Ok(Message::Other(kind)) => return format!("message of type {}", char::from(kind)),
        Ok(Message::SystemEvent(m)) => (m.header, format!("system    {}", char::from(m.code))),
        Ok(Message::StockDirectory(m)) => {
            let (locate, lot) = (m.header.locate, m.round_lot_size);
            (m.header, format!("directory {} locate {locate} lot {lot}", m.symbol))
        }
        Ok(Message::TradingAction(m)) => {
            (m.header, format!("trading   {} {}", m.symbol, char::from(m.state)))
        }
        Ok(Message::AddOrder(m)) => {
            let side = if m.side == b'B' { "buy" } else { "sell" };
            let at = price(m.price.get());
            let (order, shares, symbol) = (m.order_ref, m.shares, m.symbol);
            (m.header, format!("add       order {order} {side} {shares} {symbol} at {at}"))
        }
        Ok(Message::OrderExecuted(m)) => {
            let (order, shares, number) = (m.order_ref, m.shares, m.match_number);
            (m.header, format!("executed  order {order} {shares} match {number}"))
        }
        Ok(Message::OrderCancel(m)) => {
            (m.header, format!("cancel    order {} {}", m.order_ref, m.shares))
        }
        Ok(Message::OrderReplace(m)) => {
            let at = price(m.price.get());
            let (original, order, shares) = (m.original, m.order_ref, m.shares);
            (m.header, format!("replace   order {original} by {order} {shares} at {at}"))
        }
        Ok(Message::Trade(m)) => {
            let (shares, symbol, number) = (m.shares, m.symbol, m.match_number);
            let at = price(m.price.get());
            (m.header, format!("trade     {shares} {symbol} at {at} match {number}"))
        }
        Ok(Message::OrderExecutedWithPrice(m)) => {
            let at = price(m.price.get());
            let (order, shares, number) = (m.order_ref, m.shares, m.match_number);
            (m.header, format!("executed  order {order} {shares} at {at} match {number}"))
        }
        Ok(Message::BrokenTrade(m)) => (m.header, format!("broken    match {}", m.match_number)),
        Ok(Message::CrossTrade(m)) => {
            let at = price(m.price.get());
            let (shares, symbol, cross) = (m.shares, m.symbol, char::from(m.cross));
            (m.header, format!("cross     {cross} {shares} {symbol} at {at}"))
        }
        Ok(Message::Imbalance(m)) => {
            let (near, far) = (price(m.near.get()), price(m.far.get()));
            let (paired, imbalance, symbol) = (m.paired, m.imbalance, m.symbol);
            let side = char::from(m.direction);
            let shares = format!("{paired} paired {imbalance} left {side}");
            (m.header, format!("indicated {symbol} {shares} near {near} far {far}"))
        }
        Ok(Message::OrderDelete(m)) => (m.header, format!("delete    order {}", m.order_ref)),
    };
    format!("{} {what}", show_time(header.timestamp()))
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::types::{InstrumentId, SessionId, Symbol};
    use crate::wire::itch::{AddOrder, Header, StockDirectory};
    use crate::wire::mold::{PacketBuilder, end_of_session};

    fn args() -> Args {
        Args {
            group: SocketAddrV4::new(Ipv4Addr::new(239, 9, 9, 9), 9_100),
            interface: Ipv4Addr::LOCALHOST,
            quiet: false,
            from_start: true,
            books_out: None,
            until: None,
            drop: None,
            decimals: 4,
            json: false,
        }
    }

    fn subscriber(args: &Args) -> Subscriber<'_, Vec<u8>> {
        Subscriber {
            args,
            order: FeedOrder::new(args.from_start),
            books: BookBuilder::new(),
            datagrams: 0,
            applied: 0,
            over: false,
            out: Vec::new(),
        }
    }

    fn day() -> SessionId {
        SessionId::new("2611220001").unwrap()
    }

    /// A directory and three orders, a datagram each.
    fn datagrams() -> Vec<Vec<u8>> {
        let symbol = Symbol::new("ACME").unwrap();
        let mut directory = [b' '; 39];
        let header = Header::new(b'R', InstrumentId(1), 0);
        directory[..11].copy_from_slice(header.as_bytes());
        directory[11..19].copy_from_slice(&symbol.0);
        assert_eq!(directory.len(), size_of::<StockDirectory>());
        let mut messages = vec![directory.to_vec()];
        for order_ref in 11_u64..14 {
            let header = Header::new(b'A', InstrumentId(1), 34_200_000_000_001);
            let (order_ref, shares, price) = (order_ref.into(), 100.into(), 105_000.into());
            let add = AddOrder { header, order_ref, side: b'B', shares, symbol, price };
            messages.push(add.as_bytes().to_vec());
        }
        let datagram = |(sequence, message): (u64, Vec<u8>)| {
            let mut builder = PacketBuilder::new(day(), sequence);
            builder.push(&message).unwrap();
            builder.packet().to_vec()
        };
        (1..).zip(messages).map(datagram).collect()
    }

    fn told(subscriber: &Subscriber<'_, Vec<u8>>) -> String {
        String::from_utf8(subscriber.out.clone()).unwrap()
    }

    #[derive(Debug, clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_examples_of_the_help_are_arguments() {
        let help =
            <Command as clap::CommandFactory>::command().get_after_help().unwrap().to_string();
        let examples = help.lines().filter_map(|line| line.trim().strip_prefix("rialto "));
        let mut tried = 0;
        for example in examples {
            let words = example.split("  ").next().unwrap().split(' ');
            let parsed = <Command as clap::Parser>::try_parse_from(words);
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
            tried += 1;
        }
        assert_eq!(tried, 3);
    }

    #[test]
    fn messages_are_worded_and_the_books_kept() {
        let args = args();
        let mut subscriber = subscriber(&args);
        for datagram in datagrams() {
            subscriber.take(&datagram).unwrap();
        }
        let told = told(&subscriber);
        assert!(told.starts_with("session 2611220001\n1 00:00:00.000000000 directory ACME"));
        let add = "2 09:30:00.000000001 add       order 11 buy 100 ACME at 10.5000\n";
        assert!(told.contains(add), "{told}");
        assert_eq!((subscriber.applied, subscriber.books.orders()), (4, 3));
        subscriber.take(&end_of_session(day(), 5)).unwrap();
        assert!(subscriber.over);
    }

    #[test]
    fn a_dropped_datagram_is_a_gap_and_leaves_the_books_incomplete() {
        let args = Args { drop: Some(3), quiet: true, ..args() };
        let mut subscriber = subscriber(&args);
        for datagram in datagrams() {
            subscriber.take(&datagram).unwrap();
        }
        assert_eq!(
            told(&subscriber),
            "session 2611220001\ngap: 1 messages from 3 on are missing\n"
        );
        assert_eq!((subscriber.books.orders(), subscriber.order.is_complete()), (2, false));
    }

    #[test]
    fn the_books_stop_at_the_sequence_asked_for() {
        let args = Args { until: Some(3), ..args() };
        let mut subscriber = subscriber(&args);
        for datagram in datagrams() {
            subscriber.take(&datagram).unwrap();
        }
        assert!(subscriber.over);
        assert_eq!((subscriber.applied, subscriber.books.orders()), (3, 2));
    }
}
