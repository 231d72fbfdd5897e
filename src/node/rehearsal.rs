//! A rehearsal: what an engine would say to the first commands of a log, before there is a log.
//!
//! A market that is refused in part would trade under definitions that nobody wrote.

use std::fmt::Write as _;

use super::NodeError;
use crate::engine::{ApplyError, CommandFrames, Engine, FrameList, IndexSeed};
use crate::types::command::{Command, VenueLimits};
use crate::types::event::Event;
use crate::types::{FRAME_COMMANDS_MAX, Line, Nanos, Refusal, split_record};

/// How many refusals are named; more have the same cause.
const NAMED_MAX: usize = 5;

/// Proves that an engine of these limits carries out every one of `commands`, which lie one behind
/// the other.
///
/// # Errors
/// [`NodeError::MarketRefused`], naming what it would not.
pub(super) fn rehearse(
    limits: &VenueLimits,
    seed: IndexSeed,
    commands: &[Line],
    now: Nanos,
) -> Result<(), NodeError> {
    let mut engine = Engine::new(limits, seed);
    let mut frames = CommandFrames::new();
    let mut refused = Vec::new();
    let mut rest = commands;
    while !rest.is_empty() {
        let mut batch = Vec::new();
        while let Ok((command, behind)) = split_record(rest)
            && batch.len() < FRAME_COMMANDS_MAX
        {
            frames.push_lines(command);
            batch.push(command);
            rest = behind;
        }
        let (header, payload) = frames.seal(now);
        let mut events = FrameList::default();
        match engine.apply(&header, &payload, &mut events) {
            Ok(()) => {}
            Err(ApplyError::Command(error)) => return Err(error.into()),
            Err(ApplyError::Sink(never)) => match never {},
        }
        for (_, event) in events.records() {
            if let Ok(Event::Refused(event)) = Event::parse(event) {
                let command = batch[usize::from(event.header.cause)];
                refused.push((name(command), Refusal::from_byte(event.reason)));
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for (command, reason) in refused.iter().take(NAMED_MAX) {
        let reason = reason.map_or("refused", why);
        let separator = if text.is_empty() { "" } else { "; " };
        write!(text, "{separator}{command}: {reason}").expect("text takes what is written");
    }
    if refused.len() > NAMED_MAX {
        write!(text, "; and {} more", refused.len() - NAMED_MAX).expect("as above");
    }
    Err(NodeError::MarketRefused { refused: text })
}

/// A command as the market file calls it.
fn name(command: &[Line]) -> String {
    match Command::parse(command) {
        Ok(Command::CurrencyDefine(c)) => format!("currency {}", c.code),
        Ok(Command::FirmDefine(c)) => format!("firm {}", c.code),
        Ok(Command::InstrumentDefine(c)) => format!("instrument {}", c.symbol),
        Ok(Command::AccountOpen(c)) => format!("account {}", c.account),
        Ok(Command::PortDefine(c)) => format!("port {}", c.name),
        Ok(Command::Transfer(c)) => format!("{} of account {}", c.asset, c.account),
        Ok(Command::Fee(c)) => format!("fee {}{}{}", c.firm, c.account, c.symbol),
        Ok(Command::RiskLimit(c)) => format!("limit {}{}{}", c.firm, c.account, c.symbol),
        Ok(Command::PriceBand(c)) => format!("price band of {}", c.symbol),
        Ok(Command::Calendar(c)) => match c.group {
            0 => "schedule".to_owned(),
            group => format!("schedule of {}", char::from(group)),
        },
        Ok(Command::DayStart(c)) => format!("day {}", c.date),
        other => format!("{other:?}"),
    }
}

const fn why(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAllowed => "not allowed",
        Refusal::RepeatedRequest => "asked before",
        Refusal::Unknown => "what it names does not exist",
        Refusal::Exists => "defined twice",
        Refusal::Invalid => "a value is out of range",
        Refusal::Day => "the day is in another state",
        Refusal::Balance => "the balance does not suffice",
        Refusal::Capacity => "no room is left",
        Refusal::RepeatedReference => "its reference was used before",
        Refusal::Phase => "the instrument is in another phase",
        Refusal::TradeOver => "the trade was busted or corrected",
        Refusal::TradeTerms => "the trade was another",
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;
    use crate::engine::{Capacity, MEMORY_SEGMENT_BYTES};
    use crate::types::command::{AccountOpen, CommandHeader, FirmDefine};
    use crate::types::{AccountId, AccountStatus, FirmCode, Record};

    #[test]
    fn a_market_that_is_refused_in_part_is_refused_by_name() {
        let limits = Capacity { accounts: 99, ..Capacity::SMALL }.limits(MEMORY_SEGMENT_BYTES);
        let firm = FirmCode::new("ALFA").unwrap();
        let define = FirmDefine {
            header: CommandHeader::internal::<FirmDefine>(Nanos::ZERO),
            code: firm,
            ..FirmDefine::new_zeroed()
        };
        let open = |account| AccountOpen {
            header: CommandHeader::internal::<AccountOpen>(Nanos::ZERO),
            account: AccountId(account),
            firm,
            status: AccountStatus::Approved.byte(),
            ..AccountOpen::new_zeroed()
        };
        let market = |accounts: u32| {
            let accounts = (1..=accounts).flat_map(|account| open(account).lines().to_vec());
            let definitions = [limits.lines(), define.lines()].concat();
            definitions.into_iter().chain(accounts).collect::<Vec<_>>()
        };
        let rehearse = |market: &[Line]| {
            rehearse(&limits, IndexSeed::new([0; 16]), market, Nanos::from_secs(1))
        };
        assert!(rehearse(&market(99)).is_ok());
        let error = rehearse(&market(101)).unwrap_err().to_string();
        assert!(error.contains("account 100: no room is left; account 101: no room"), "{error}");
        let twice = [market(1).as_slice(), define.lines()].concat();
        let error = rehearse(&twice).unwrap_err().to_string();
        assert!(error.contains("firm ALFA: defined twice"), "{error}");
        let error = rehearse(&market(106)).unwrap_err().to_string();
        assert!(error.contains("; and 2 more"), "{error}");
    }
}
