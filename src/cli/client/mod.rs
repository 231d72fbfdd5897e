//! `rialto client`: a broker's side of an order-entry port, for people and scripts.

mod action;
mod show;

use std::collections::HashMap;
use std::io::{self, BufRead as _, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use self::action::{Action, Order};
use crate::agent::StopFlag;
use crate::cli::{CliError, units};
use crate::client::{Credentials, Incoming, Protocol, SessionClient};
use crate::types::{Price, SessionId, UserRefNum};
use crate::wire::ouch::{
    AccountQuery, Cancel, Enter, EntrySwitch, MassCancel, Modify, Options, Outbound,
    REQUEST_BYTES_MAX, Replace,
};

/// How long to wait for a connection and for the answer to the login.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the stream must be quiet before what was replayed counts as all.
const REPLAY_QUIET: Duration = Duration::from_millis(300);
/// How long to wait for a message before looking at the keyboard again.
const TURN: Duration = Duration::from_millis(20);
/// The variable that may hold the secret: other users cannot see it among the processes.
const SECRET_VARIABLE: &str = "RIALTO_SECRET";

/// Arguments of `rialto client`.
#[derive(Debug, clap::Args)]
#[command(after_help = format!("Orders:\n  {}\n\n{EXAMPLES}", action::GRAMMAR))]
pub struct Args {
    /// The exchange's order-entry address.
    #[arg(long, value_name = "ADDRESS:PORT")]
    connect: SocketAddr,
    /// How: over TCP, or over UDP at the address and port where the exchange speaks UFO.
    #[arg(long, value_name = "PROTOCOL", default_value = "soup")]
    protocol: ProtocolArg,
    /// The port to log in as.
    #[arg(long, value_name = "NAME")]
    user: String,
    /// Its secret; without it, the variable `RIALTO_SECRET` is read.
    #[arg(long)]
    secret: Option<String>,
    /// The session to log in to; without it, the current one.
    #[arg(long, value_name = "ID", value_parser = parse_session)]
    session: Option<SessionId>,
    /// The first message wanted again, 0 = none. From 1 on, the next free reference is known.
    #[arg(long, default_value_t = 1)]
    sequence: u64,
    /// The reference of the first new order; without it, the one behind the highest that was replayed.
    #[arg(long, value_name = "NUMBER")]
    first_ref: Option<u32>,
    /// Decimals of prices.
    #[arg(long, default_value_t = 4, value_parser = units::decimals())]
    decimals: u8,
    /// With orders as arguments: how long the stream must be quiet before the client leaves.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500)]
    wait_ms: u64,
    /// Print each message as a JSON object; prices are then integers.
    #[arg(long)]
    json: bool,
    /// Orders, each an argument; without any, they are read from standard input, one a line.
    #[arg(value_name = "ORDER")]
    orders: Vec<String>,
}

/// What carries the session.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ProtocolArg {
    /// SoupBinTCP.
    Soup,
    /// UFO: what is sent may be lost.
    Ufo,
}

impl From<ProtocolArg> for Protocol {
    fn from(argument: ProtocolArg) -> Self {
        match argument {
            ProtocolArg::Soup => Self::Soup,
            ProtocolArg::Ufo => Self::Ufo,
        }
    }
}

const EXAMPLES: &str = "\
Examples:\n  \
    export RIALTO_SECRET=K2M5Q8T0XZ\n  \
    rialto client --connect 10.9.0.1:9001 --user BRKR01 \"buy 100 ACME 10.50\" \"cancel 1\"\n  \
    rialto client --connect 10.9.0.1:9001 --user BRKR01 replace 1 60 10.55\n  \
    rialto client --connect 10.9.0.1:9001 --user BRKR01 sell 100 ACME market\n  \
    rialto client --connect 10.9.0.1:9001 --user BRKR01          then type orders, end with quit\n\n\
A client that was cut off goes on with the session and the sequence it printed last:\n  \
    rialto client --connect 10.9.0.1:9001 --user BRKR01 --session 2611220001 --sequence 17";

fn parse_session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).ok_or_else(|| "is up to ten letters or digits".to_owned())
}

/// Runs the client until its orders are done, its input ends, or it is told to stop.
///
/// # Errors
/// What the exchange or the operating system refused, or an order that cannot be read.
pub fn run(args: &Args) -> Result<(), CliError> {
    let stop = StopFlag::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.shared())?;
    }
    let given = given_actions(args)?;
    let credentials = credentials(args)?;
    let session = args.session.unwrap_or(SessionId::BLANK);
    let (protocol, sequence) = (args.protocol.into(), args.sequence);
    let client = SessionClient::login_by(
        protocol,
        args.connect,
        credentials,
        session,
        sequence,
        LOGIN_TIMEOUT,
    )?;
    let next_ref = UserRefNum(args.first_ref.unwrap_or(1));
    let out = io::stdout();
    let prices = HashMap::new();
    let terminal = Terminal { client, args, next_ref, prices, ended: false, out };
    match terminal.run(&given, &stop) {
        Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

fn credentials(args: &Args) -> Result<Credentials, CliError> {
    let from_environment = || std::env::var(SECRET_VARIABLE).ok();
    let secret = args.secret.clone().or_else(from_environment).ok_or_else(|| {
        invalid(format!("no secret: give --secret, or set the variable {SECRET_VARIABLE}"))
    })?;
    Credentials::new(&args.user, &secret).ok_or_else(|| {
        invalid("--user has at most 6 characters and the secret 10, all plain ASCII".to_owned())
    })
}

/// The orders on the command line, read before anything is sent. One order may be given without
/// quotes.
fn given_actions(args: &Args) -> Result<Vec<Action>, CliError> {
    let quoted = args.orders.iter().any(|order| order.contains(' '));
    let joined = [args.orders.join(" ")];
    let orders = if quoted || args.orders.is_empty() { args.orders.as_slice() } else { &joined };
    let parse = |order: &String| {
        action::parse(order, args.decimals).map_err(|error| invalid(error.to_string()))
    };
    orders.iter().map(parse).collect()
}

fn invalid(message: String) -> CliError {
    CliError::Io(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// A session with somebody in front of it.
struct Terminal<'a, W> {
    client: SessionClient,
    args: &'a Args,
    next_ref: UserRefNum,
    /// Of every order that was sent from here or told by the stream.
    prices: HashMap<UserRefNum, Price>,
    ended: bool,
    out: W,
}

impl<W: Write> Terminal<'_, W> {
    fn run(mut self, given: &[Action], stop: &StopFlag) -> Result<(), CliError> {
        self.note(&format!(
            "logged in to session {}, next message {}",
            self.client.session(),
            self.client.next_sequence()
        ))?;
        self.listen(REPLAY_QUIET, stop)?;
        if given.is_empty() {
            self.converse(&keyboard(), stop)?;
        } else {
            for &action in given {
                self.act(action)?;
            }
        }
        self.listen(Duration::from_millis(self.args.wait_ms), stop)?;
        let session = self.client.session();
        let next = self.client.next_sequence();
        self.note(&format!("logged out of session {session}, next message {next}"))?;
        if self.ended { Ok(()) } else { Ok(self.client.logout()?) }
    }

    /// Takes lines as they are typed and messages as they come.
    fn converse(&mut self, lines: &Receiver<String>, stop: &StopFlag) -> Result<(), CliError> {
        while !stop.is_set() && !self.ended {
            match lines.try_recv() {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => match action::parse(&line, self.args.decimals) {
                    Ok(Action::Quit) => break,
                    Ok(action) => self.act(action)?,
                    Err(error) => self.note(&error.to_string())?,
                },
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.hear(TURN)?;
                }
            }
        }
        Ok(())
    }

    /// Prints what comes until nothing came for `quiet`.
    fn listen(&mut self, quiet: Duration, stop: &StopFlag) -> Result<(), CliError> {
        while !stop.is_set() && !self.ended && self.hear(quiet)? {}
        Ok(())
    }

    /// Prints the next message; false if none came within `wait`.
    fn hear(&mut self, wait: Duration) -> Result<bool, CliError> {
        match self.client.receive(wait)? {
            None => return Ok(false),
            Some(Incoming::EndOfSession) => {
                self.ended = true;
                self.note("end of session")?;
            }
            Some(Incoming::Message { sequence, message }) => {
                let line = match Outbound::parse(message) {
                    Ok(message) if self.args.json => show::json(sequence, &message).to_string(),
                    Ok(message) => show::text(sequence, &message, self.args.decimals),
                    Err(error) => format!("{sequence} {error}"),
                };
                if let Some((used, price)) = told(message) {
                    self.prices.extend(price.map(|price| (used, price)));
                    let given = self.args.first_ref.is_some();
                    let behind = UserRefNum(used.0.saturating_add(1));
                    self.next_ref = if given { self.next_ref } else { self.next_ref.max(behind) };
                }
                writeln!(self.out, "{line}")?;
                self.out.flush()?;
            }
        }
        Ok(true)
    }

    fn act(&mut self, action: Action) -> Result<(), CliError> {
        match action {
            Action::Quit => {}
            Action::Replace { order, quantity, price } => {
                let Some(price) = price.or_else(|| self.prices.get(&order).copied()) else {
                    return self.note(&format!("the price of ref {order} is not known: give it"));
                };
                let reference = self.take_ref();
                self.prices.insert(reference, price);
                self.note(&format!("replace ref {order} by ref {reference}"))?;
                let replace = Replace::new(order, reference, quantity, price);
                self.client.replace(&replace, &Options::default())?;
            }
            Action::Cancel { order, quantity } => {
                self.note(&format!("cancel ref {order} down to {quantity}"))?;
                self.client.cancel(&Cancel::new(order, quantity), &Options::default())?;
            }
            Action::Enter(order) => {
                let Order { side, quantity, symbol, price, time_in_force, .. } = order;
                let reference = self.take_ref();
                self.prices.insert(reference, price);
                self.note(&format!("enter ref {reference}"))?;
                let mut enter = Enter::new(reference, side, quantity, symbol, price, time_in_force);
                enter.display = if order.hidden { b'N' } else { b'Y' };
                self.client.enter(&enter, &order.options)?;
            }
            Action::Modify { order, side, quantity } => {
                self.note(&format!("modify ref {order}"))?;
                let modify = Modify::new(order, side, quantity);
                self.request(|out| modify.emit(&Options::default(), out))?;
            }
            Action::CancelAll { symbol } => {
                let reference = self.take_ref();
                self.note(&format!("cancel all, ref {reference}"))?;
                let mass = MassCancel::new(reference, symbol);
                self.request(|out| mass.emit(&Options::default(), out))?;
            }
            Action::SwitchEntry { enables } => {
                let reference = self.take_ref();
                self.note(&format!("switch order entry, ref {reference}"))?;
                let switch = EntrySwitch::new(reference, enables);
                self.request(|out| switch.emit(&Options::default(), out))?;
            }
            Action::Query => self.request(|out| AccountQuery::emit(&Options::default(), out))?,
        }
        Ok(self.client.flush()?)
    }

    fn request(
        &mut self,
        emit: impl FnOnce(&mut [u8; REQUEST_BYTES_MAX]) -> usize,
    ) -> Result<(), CliError> {
        let mut message = [0; REQUEST_BYTES_MAX];
        let size = emit(&mut message);
        Ok(self.client.send(&message[..size])?)
    }

    fn take_ref(&mut self) -> UserRefNum {
        let reference = self.next_ref;
        self.next_ref.0 = self.next_ref.0.saturating_add(1);
        reference
    }

    /// What the client itself has to say: not mixed with what comes from the exchange if a program
    /// reads that.
    fn note(&mut self, text: &str) -> Result<(), CliError> {
        if self.args.json {
            writeln!(io::stderr(), "{text}")?;
        } else {
            writeln!(self.out, "{text}")?;
            self.out.flush()?;
        }
        Ok(())
    }
}

/// The number that a message says was used, and the price of the order that now has it.
fn told(message: &[u8]) -> Option<(UserRefNum, Option<Price>)> {
    let (used, price) = match Outbound::parse(message).ok()? {
        Outbound::Accepted(m, _) => (m.user_ref_num, Some(m.price)),
        Outbound::Replaced(m, _) => (m.user_ref_num, Some(m.price)),
        Outbound::Rejected(m, _) => (m.user_ref_num, None),
        Outbound::MassCanceled(m, _) => (m.user_ref_num, None),
        Outbound::EntryAnswer(m, _) => (m.user_ref_num, None),
        _ => return None,
    };
    Some((UserRefNum(used.get()), price.map(|price| Price(price.get()))))
}

/// The lines of standard input, until it ends. The thread that reads them ends with the process.
fn keyboard() -> Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(64);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use clap::Parser;
    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::types::{ClOrdId, Symbol};
    use crate::wire::ouch::{Inbound, Rejected};
    use crate::wire::soup::{self, LoginAccepted, Packet};

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    fn args(address: SocketAddr, more: &[&str]) -> Args {
        let address = address.to_string();
        let first =
            ["client", "--connect", &address, "--user", "BRKR01", "--secret", "S", "--wait-ms=50"];
        Command::try_parse_from(first.iter().chain(more)).unwrap().args
    }

    /// The next message that is no heartbeat.
    fn next_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Vec<u8> {
        loop {
            if let Some((packet, size)) = soup::parse(buffer, 1_000).unwrap() {
                let message = match packet {
                    Packet::UnsequencedData(message) => Some(message.to_vec()),
                    _ => None,
                };
                buffer.drain(..size);
                if let Some(message) = message {
                    return message;
                }
                continue;
            }
            let mut bytes = [0; 500];
            let count = stream.read(&mut bytes).unwrap();
            assert_ne!(count, 0);
            buffer.extend_from_slice(&bytes[..count]);
        }
    }

    fn rejected(user_ref_num: u32) -> Vec<u8> {
        let rejected = Rejected {
            kind: Rejected::KIND,
            timestamp: 0.into(),
            user_ref_num: user_ref_num.into(),
            reason: 0x17.into(),
            cl_ord_id: ClOrdId::BLANK,
        };
        let mut packet = [0; 100];
        let size = Packet::SequencedData(rejected.as_bytes()).emit(&mut packet).unwrap();
        packet[..size].to_vec()
    }

    #[test]
    fn orders_go_on_behind_those_of_the_stream_and_answers_are_printed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let exchange = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut login = [0; 49];
            stream.read_exact(&mut login).unwrap();
            let session = SessionId::new("2611220001").unwrap();
            stream.write_all(&LoginAccepted { session, sequence: 1 }.emit()).unwrap();
            stream.write_all(&rejected(41)).unwrap();

            let mut buffer = Vec::new();
            let enter = next_message(&mut stream, &mut buffer);
            let Ok(Inbound::Enter(enter, _)) = Inbound::parse(&enter) else { panic!("no order") };
            assert_eq!((enter.user_ref_num.get(), enter.quantity.get()), (42, 100));
            assert_eq!(enter.symbol, Symbol::new("ACME").unwrap());
            stream.write_all(&rejected(42)).unwrap();
            let replace = next_message(&mut stream, &mut buffer);
            let Ok(Inbound::Replace(replace, _)) = Inbound::parse(&replace) else { panic!("no U") };
            assert_eq!((replace.orig_user_ref_num.get(), replace.user_ref_num.get()), (42, 43));
            assert_eq!((replace.quantity.get(), replace.price.get()), (60, 105_000));
            let cancel = next_message(&mut stream, &mut buffer);
            assert!(matches!(Inbound::parse(&cancel), Ok(Inbound::Cancel(..))));
        });

        let args =
            args(address, &["buy 100 ACME 10.50", "replace 7 60", "replace 42 60", "cancel 42"]);
        let given = given_actions(&args).unwrap();
        let credentials = credentials(&args).unwrap();
        let blank = SessionId::BLANK;
        let client = SessionClient::login(address, credentials, blank, 1, LOGIN_TIMEOUT).unwrap();
        let mut out = Vec::new();
        let next_ref = UserRefNum(1);
        let prices = HashMap::new();
        let args = &args;
        let terminal = Terminal { client, args, next_ref, prices, ended: false, out: &mut out };
        // The exchange closes the connection, perhaps before the client has said goodbye.
        let _ = terminal.run(&given, &StopFlag::default());
        exchange.join().unwrap();
        let out = String::from_utf8(out).unwrap();
        let expected = "logged in to session 2611220001, next message 1\n\
                        1 00:00:00.000000000 rejected  ref 41 (0x17 InvalidSymbol)\n\
                        enter ref 42\n\
                        the price of ref 7 is not known: give it\n\
                        replace ref 42 by ref 43\n\
                        cancel ref 42 down to 0\n\
                        2 00:00:00.000000000 rejected  ref 42 (0x17 InvalidSymbol)\n";
        assert!(out.starts_with(expected), "{out}");
    }

    #[test]
    fn one_order_needs_no_quotes_and_several_do() {
        let address = "127.0.0.1:1".parse().unwrap();
        let one = given_actions(&args(address, &["sell", "5", "ACME", "market"])).unwrap();
        assert_eq!(one.len(), 1);
        let two = given_actions(&args(address, &["sell 5 ACME 1", "cancel 1"])).unwrap();
        assert_eq!(two.len(), 2);
        let error = given_actions(&args(address, &["hold"])).unwrap_err();
        assert!(error.to_string().contains("cancel REF"));
    }
}
