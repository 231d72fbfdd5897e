//! An operator's session: who gives commands, how they are numbered, and what the node answers. Knows no
//! command.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::agent::real_time;
use crate::cli::CliError;
use crate::client::{Credentials, Incoming, SessionClient};
use crate::config::secrets::PortSecrets;
use crate::types::event::Event;
use crate::types::{LINE_BYTES, Line, PortName, RECORD_LINES_MAX, Refusal, SessionId};

/// How long a node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Who gives the command, and to which node.
#[derive(Debug, clap::Args)]
pub(super) struct Operator {
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

/// What became of a command that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    SessionOver,
}

impl Operator {
    /// Logs in, and hears what comes from message `sequence` on.
    pub(super) fn login(
        &self,
        session: SessionId,
        sequence: u64,
    ) -> Result<SessionClient, CliError> {
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

    /// The number of the first request. Microseconds: several requests that follow one another, each
    /// answered before the next, never count faster than the time.
    pub(super) fn request(&self) -> u64 {
        self.request.unwrap_or_else(|| real_time().0 / 1_000)
    }
}

/// Waits for the event that answers `request`.
pub(super) fn answer(session: &mut SessionClient, request: u64) -> Result<Answer, CliError> {
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
                    Ok(event) if answered(&event) == Some(request) => return Ok(Answer::Done),
                    _ => {}
                }
            }
        }
    }
    Err(CliError::NoAnswer(ANSWER_TIMEOUT))
}

/// The request that an event says was carried out.
fn answered(event: &Event<'_>) -> Option<u64> {
    match event {
        Event::DayStarted(event) => Some(event.request),
        Event::DayEnded(event) => Some(event.request),
        Event::CurrencyDefined(event) => Some(event.request),
        Event::FirmDefined(event) => Some(event.request),
        Event::PortDefined(event) => Some(event.request),
        Event::AccountDefined(event) => Some(event.request),
        Event::BalanceChanged(event) => Some(event.request),
        Event::InstrumentDefined(event) => Some(event.request),
        Event::FeeSet(event) => Some(event.request),
        Event::RiskLimitSet(event) => Some(event.request),
        Event::CalendarSet(event) => Some(event.request),
        Event::PriceBandSet(event) => Some(event.request),
        Event::TradingAction(event) => Some(event.request),
        Event::TradeBusted(event) => Some(event.request),
        Event::TradeCorrected(event) => Some(event.request),
        _ => None,
    }
}
