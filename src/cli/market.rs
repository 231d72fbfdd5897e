//! `rialto market`: an operator's commands to a running node, over its administrative port.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use zerocopy::FromZeros as _;

use super::{CliError, now};
use crate::client::{Credentials, Incoming, SessionClient};
use crate::config::secrets::PortSecrets;
use crate::types::command::{CommandHeader, DayEnd, DayStart};
use crate::types::event::Event;
use crate::types::{
    Date, LINE_BYTES, Line, Nanos, PortName, RECORD_LINES_MAX, Record, Refusal, SessionId,
};

/// How long a node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Arguments of `rialto market`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Begin a trading day: a new session, sequences from 1, every definition told again.
    #[command(after_help = "Examples:\n  \
        rialto market day-start --port OPER01 --secrets secrets.txt\n  \
        rialto market day-start --port OPER01 --secret K3YK3YK3YK --date 2026-11-23")]
    DayStart {
        #[command(flatten)]
        operator: Operator,
        /// The day; today (UTC) if not given.
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<Date>,
    },
    /// End the trading day: open orders are canceled, the day's sessions end.
    #[command(after_help = "Example:\n  rialto market day-end --port OPER01 --secrets secrets.txt")]
    DayEnd {
        #[command(flatten)]
        operator: Operator,
    },
}

/// Who gives the command, and to which node.
#[derive(Debug, clap::Args)]
struct Operator {
    /// The node's administrative address.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9002")]
    admin: SocketAddr,
    /// The administrative port's name.
    #[arg(long, value_name = "NAME")]
    port: String,
    /// The file with the port's secret, as `rialto run --secrets` wrote it.
    #[arg(long, value_name = "FILE", required_unless_present = "secret")]
    secrets: Option<PathBuf>,
    /// The port's secret itself.
    #[arg(long, conflicts_with = "secrets")]
    secret: Option<String>,
    /// The request's number, above all before; by default the time. Repeat a number to make sure that
    /// a command whose answer was lost is carried out once.
    #[arg(long, value_name = "NUMBER")]
    request: Option<u64>,
}

/// Gives the command and prints what became of it.
///
/// # Errors
/// The node cannot be reached, or refuses.
pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::DayEnd { operator } => end_day(operator),
        Command::DayStart { operator, date } => {
            start_day(operator, date.unwrap_or_else(|| Date::of(now())))
        }
    }
}

fn end_day(operator: &Operator) -> Result<(), CliError> {
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let request = operator.request();
    let header = CommandHeader::internal::<DayEnd>(Nanos::ZERO);
    session.send(Line::bytes(DayEnd { header, request, reserved: [0; 32] }.lines()))?;
    answer(&mut session, request)?;
    println!("day of session {} ended", session.session());
    Ok(())
}

fn start_day(operator: &Operator, date: Date) -> Result<(), CliError> {
    let mut session = operator.login(SessionId::BLANK, 0)?;
    let request = operator.request();
    let day = DayStart {
        header: CommandHeader::internal::<DayStart>(Nanos::ZERO),
        request,
        midnight: date.midnight(),
        date: date.number(),
        session: date.session(date.generation_after(session.session())),
        ..DayStart::new_zeroed()
    };
    session.send(Line::bytes(day.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => {}
        // The operator's own stream begins again with the day; the answer is in the new one.
        Answer::SessionOver => {
            session = operator.login(day.session, 1)?;
            answer(&mut session, request)?;
        }
    }
    println!("day {date} started, session {}", session.session());
    Ok(())
}

enum Answer {
    Done,
    SessionOver,
}

/// Waits for the event that answers `request`.
fn answer(session: &mut SessionClient, request: u64) -> Result<Answer, CliError> {
    let deadline = Instant::now() + ANSWER_TIMEOUT;
    while Instant::now() < deadline {
        match session.receive(Duration::from_millis(100))? {
            None => {}
            Some(Incoming::EndOfSession) => return Ok(Answer::SessionOver),
            Some(Incoming::Message { message, .. }) => {
                let mut lines = [Line::ZERO; RECORD_LINES_MAX];
                let count = message.len().div_ceil(LINE_BYTES).min(RECORD_LINES_MAX);
                let size = message.len().min(count * LINE_BYTES);
                Line::bytes_mut(&mut lines)[..size].copy_from_slice(&message[..size]);
                match Event::parse(&lines[..count]) {
                    Ok(Event::Refused(refused)) if refused.request == request => {
                        return Err(CliError::Refused(Refusal::from_byte(refused.reason)));
                    }
                    Ok(Event::DayStarted(event)) if event.request == request => {
                        return Ok(Answer::Done);
                    }
                    Ok(Event::DayEnded(event)) if event.request == request => {
                        return Ok(Answer::Done);
                    }
                    _ => {}
                }
            }
        }
    }
    Err(CliError::NoAnswer(ANSWER_TIMEOUT))
}

impl Operator {
    fn login(&self, session: SessionId, sequence: u64) -> Result<SessionClient, CliError> {
        let name = PortName::new(&self.port).unwrap_or_default();
        let secret = match (&self.secret, &self.secrets) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) => {
                let secrets = PortSecrets::read(path)?;
                let secret = secrets.get(name).ok_or_else(|| CliError::NoSecret {
                    port: self.port.clone(),
                    path: path.clone(),
                })?;
                secret.reveal()
            }
            (None, None) => String::new(),
        };
        let credentials = Credentials::new(&self.port, &secret).ok_or(CliError::Credentials)?;
        let timeout = ANSWER_TIMEOUT;
        Ok(SessionClient::login(self.admin, credentials, session, sequence, timeout)?)
    }

    fn request(&self) -> u64 {
        self.request.unwrap_or_else(|| now().0 / 1_000_000)
    }
}
