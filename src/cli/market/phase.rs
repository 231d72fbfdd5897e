//! `rialto market halt`, `resume` and `phase`: what an operator does instead of the calendar.

use zerocopy::FromZeros as _;

use super::operator::{Answer, Operator, answer};
use crate::cli::CliError;
use crate::types::command::{CommandHeader, Halt, Resume, SetPhase};
use crate::types::{Line, Nanos, Phase, Record, SessionId, Symbol};

/// Which instruments, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Instruments {
    /// The instrument; all where the command can be carried out if not given.
    #[arg(long, value_name = "SYMBOL", value_parser = symbol)]
    symbol: Option<Symbol>,
    /// What the feed says of why: up to four characters of ASCII.
    #[arg(long, value_name = "REASON", default_value = "", value_parser = reason)]
    reason: [u8; 4],
}

/// A phase, as an operator writes it.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum PhaseWord {
    /// Orders are collected for the opening.
    PreOpen,
    /// The same, and those for the opening are final.
    OpeningAuction,
    /// Orders trade as they come, behind the auction of what was collected.
    Continuous,
    /// Orders are collected; it ends by itself.
    VolatilityAuction,
    /// Nothing is taken but cancels.
    Halted,
    /// Orders are collected for the end of a halt; it ends by itself.
    ReopeningAuction,
    /// Orders are collected for the close, and those for it are final.
    ClosingAuction,
    /// No orders, behind the closing auction if one was collected for.
    Closed,
}

pub(super) fn halt(operator: &Operator, on: &Instruments) -> Result<(), CliError> {
    let request = operator.request();
    let halt = Halt {
        header: CommandHeader::internal::<Halt>(Nanos::ZERO),
        request,
        symbol: on.symbol.unwrap_or_default(),
        reason: on.reason,
        ..Halt::new_zeroed()
    };
    give(operator, &halt, request)
}

pub(super) fn resume(
    operator: &Operator,
    on: &Instruments,
    auction_ms: u32,
) -> Result<(), CliError> {
    let request = operator.request();
    let resume = Resume {
        header: CommandHeader::internal::<Resume>(Nanos::ZERO),
        request,
        symbol: on.symbol.unwrap_or_default(),
        reason: on.reason,
        auction_ms,
        ..Resume::new_zeroed()
    };
    give(operator, &resume, request)
}

pub(super) fn set(
    operator: &Operator,
    on: &Instruments,
    phase: PhaseWord,
    auction_ms: u32,
) -> Result<(), CliError> {
    let request = operator.request();
    let set = SetPhase {
        header: CommandHeader::internal::<SetPhase>(Nanos::ZERO),
        request,
        symbol: on.symbol.unwrap_or_default(),
        reason: on.reason,
        auction_ms,
        phase: Phase::from(phase).byte(),
        ..SetPhase::new_zeroed()
    };
    give(operator, &set, request)
}

fn give(operator: &Operator, command: &impl Record, request: u64) -> Result<(), CliError> {
    let mut session = operator.login(SessionId::BLANK, 0)?;
    session.send(Line::bytes(command.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => println!("done"),
        Answer::SessionOver => return Err(CliError::DayRolled),
    }
    Ok(())
}

fn symbol(text: &str) -> Result<Symbol, &'static str> {
    Symbol::new(text).ok_or("a symbol has up to eight characters")
}

fn reason(text: &str) -> Result<[u8; 4], &'static str> {
    let mut reason = [b' '; 4];
    let fits = text.len() <= reason.len() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !fits {
        return Err("a reason has up to four characters of ASCII");
    }
    reason[..text.len()].copy_from_slice(text.as_bytes());
    Ok(reason)
}

impl From<PhaseWord> for Phase {
    fn from(word: PhaseWord) -> Self {
        match word {
            PhaseWord::PreOpen => Self::PreOpen,
            PhaseWord::OpeningAuction => Self::OpeningAuction,
            PhaseWord::Continuous => Self::Continuous,
            PhaseWord::VolatilityAuction => Self::VolatilityAuction,
            PhaseWord::Halted => Self::Halted,
            PhaseWord::ReopeningAuction => Self::ReopeningAuction,
            PhaseWord::ClosingAuction => Self::ClosingAuction,
            PhaseWord::Closed => Self::Closed,
        }
    }
}
