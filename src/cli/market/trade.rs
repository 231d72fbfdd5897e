//! `rialto market bust` and `correct`: reads a trade's full terms in the event log, says what it would do,
//! and proposes it.
//!
//! Nothing but the log says what a trade was: the node only holds the terms against what it knows.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use zerocopy::FromZeros as _;

use super::operator::{Answer, Operator, answer};
use crate::cli::CliError;
use crate::cli::units::show_price;
use crate::config::{Config, decimal};
use crate::event_store::Reader;
use crate::types::command::{BustTrade, CommandHeader, TradeCorrection};
use crate::types::event::{Event, TradeSearch};
use crate::types::{
    BustReason, Date, Line, MatchNumber, Nanos, PortId, PortName, Price, Record, SessionId, Symbol,
    TradeSide, TradeTerms,
};

/// Which trade, and why.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration of the node, which says where its logs are.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The trade's match number, as both sides' execution reports have it.
    #[arg(long = "match", value_name = "NUMBER")]
    number: u64,
    /// What both sides are told of why.
    #[arg(long, value_name = "REASON", default_value = "supervisory")]
    reason: ReasonWord,
    /// Do it without asking; without a terminal to ask on, nothing is done but with this.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    operator: Operator,
}

/// A reason, as an operator writes it.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ReasonWord {
    /// The trade was clearly erroneous.
    Erroneous,
    /// Both sides agreed.
    Consent,
    /// The exchange's supervision.
    Supervisory,
    /// Somebody outside the exchange.
    External,
}

/// A trade, and what is needed to speak of it.
struct Found {
    terms: TradeTerms,
    /// Decimals of its prices.
    decimals: u8,
    ports: BTreeMap<PortId, PortName>,
}

/// Undoes a trade.
pub(super) fn bust(args: &Args) -> Result<(), CliError> {
    let found = find(Config::load(&args.config)?.logs().events().as_path(), args.number)?;
    println!("bust {}", found.text());
    confirm(args.yes)?;
    let request = args.operator.request();
    let bust = BustTrade {
        header: CommandHeader::internal::<BustTrade>(Nanos::ZERO),
        request,
        terms: found.terms,
        reason: BustReason::from(args.reason).byte(),
        ..BustTrade::new_zeroed()
    };
    propose(args, &bust, request)
}

/// Gives a trade another price.
pub(super) fn correct(args: &Args, price: &str) -> Result<(), CliError> {
    let found = find(Config::load(&args.config)?.logs().events().as_path(), args.number)?;
    let units = decimal::parse(price, found.decimals).map_err(CliError::Price)?;
    println!("correct to {} {}", show_price(units, found.decimals), found.text());
    confirm(args.yes)?;
    let request = args.operator.request();
    let correction = TradeCorrection {
        header: CommandHeader::internal::<TradeCorrection>(Nanos::ZERO),
        request,
        terms: found.terms,
        price: Price(units),
        reason: BustReason::from(args.reason).byte(),
        ..TradeCorrection::new_zeroed()
    };
    propose(args, &correction, request)
}

fn propose(args: &Args, command: &impl Record, request: u64) -> Result<(), CliError> {
    let mut session = args.operator.login(SessionId::BLANK, 0)?;
    session.send(Line::bytes(command.lines()))?;
    match answer(&mut session, request)? {
        Answer::Done => println!("done"),
        Answer::SessionOver => return Err(CliError::DayRolled),
    }
    session.logout()?;
    Ok(())
}

/// Asks whoever sits at the terminal.
fn confirm(yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::Unconfirmed);
    }
    print!("Both sides' accounts are settled anew. Do it? [y/N] ");
    io::stdout().flush()?;
    let mut said = String::new();
    io::stdin().read_line(&mut said)?;
    if matches!(said.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(CliError::Unconfirmed) }
}

/// Reads the log twice: a trade's orders are known only once it is, and came before.
fn find(events: &Path, number: u64) -> Result<Found, CliError> {
    let mut search = TradeSearch::new(MatchNumber(number));
    let (mut decimals, mut ports) = (BTreeMap::<Symbol, u8>::new(), BTreeMap::new());
    for _ in 0..2 {
        let mut reader = Reader::open(events)?;
        while let Some(frame) = reader.next_frame()? {
            for record in frame.records() {
                let record = record?;
                // A kind of a later version says nothing of trades that this one could undo.
                let Ok(event) = Event::parse(record.lines) else { continue };
                search.learn(record.sequence, &event);
                match event {
                    Event::InstrumentDefined(e) => {
                        decimals.insert(e.symbol, e.price_decimals);
                    }
                    Event::PortDefined(e) => {
                        ports.insert(e.port, e.name);
                    }
                    _ => {}
                }
            }
        }
    }
    let terms = search.terms()?;
    let decimals = decimals.get(&terms.symbol).copied().unwrap_or(0);
    Ok(Found { terms, decimals, ports })
}

impl Found {
    fn text(&self) -> String {
        let TradeTerms { match_number, price, symbol, quantity, date, buyer, seller, .. } =
            self.terms;
        let day = Date::from_number(date).map_or(date.to_string(), |day| day.to_string());
        format!(
            "trade {match_number} of {day}: {quantity} {symbol} at {}\n  buyer   {}\n  seller  {}",
            show_price(price.0, self.decimals),
            self.side(&buyer),
            self.side(&seller)
        )
    }

    fn side(&self, side: &TradeSide) -> String {
        let port = self.ports.get(&side.port).map_or(side.port.to_string(), PortName::text);
        let (account, number, order) = (side.account, side.user_ref_num, side.order);
        format!("account {account}, port {port}, ref {number}, order {order}")
    }
}

impl From<ReasonWord> for BustReason {
    fn from(word: ReasonWord) -> Self {
        match word {
            ReasonWord::Erroneous => Self::Erroneous,
            ReasonWord::Consent => Self::Consent,
            ReasonWord::Supervisory => Self::Supervisory,
            ReasonWord::External => Self::External,
        }
    }
}
