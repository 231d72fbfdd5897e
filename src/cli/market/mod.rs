//! `rialto market`: an operator's commands to a running node, over its administrative port. Decides
//! nothing: what a command may do, the engine says.

mod apply;
mod day;
mod operator;
mod phase;
mod trade;

use super::CliError;
use crate::types::Date;
use operator::Operator;
use phase::{Instruments, PhaseWord};

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
    /// Halt trading: orders are refused, but cancels taken.
    #[command(after_help = "Example:\n  \
        rialto market halt --port OPER01 --secrets secrets.txt --symbol ACME --reason T1\n\n\
        A halt outlives the day; it ends with `resume`.")]
    Halt {
        #[command(flatten)]
        operator: Operator,
        #[command(flatten)]
        on: Instruments,
    },
    /// End a halt: orders are collected, then traded at one price.
    #[command(after_help = "Example:\n  \
        rialto market resume --port OPER01 --secrets secrets.txt --symbol ACME --auction-ms 300000")]
    Resume {
        #[command(flatten)]
        operator: Operator,
        #[command(flatten)]
        on: Instruments,
        /// How long orders are collected; 0 = as long as after a pause.
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
        auction_ms: u32,
    },
    /// Put instruments into a phase, whatever the calendar says.
    #[command(after_help = "Example:\n  \
        rialto market phase closing-auction --port OPER01 --secrets secrets.txt")]
    Phase {
        /// The phase.
        phase: PhaseWord,
        #[command(flatten)]
        operator: Operator,
        #[command(flatten)]
        on: Instruments,
        /// How long a phase that ends by itself lasts; 0 = as long as after a pause.
        #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
        auction_ms: u32,
    },
    /// Undo a trade of the day: cash, shares and fees go back.
    #[command(after_help = "Examples:\n  \
        rialto market bust --config node.toml --match 4711 --reason erroneous \\\n      \
        --port OPER01 --secrets secrets.txt\n  \
        rialto market bust --config node.toml --match 4711 --yes --port OPER01 --secret K3YK3YK3YK\n\n\
        On the node's machine: the trade's terms are read in its event log. Proceeds that are spent \
        become a debt of their account, which then buys nothing until it is paid.")]
    Bust(trade::Args),
    /// Give a trade of the day another price: both sides pay or get the difference.
    #[command(after_help = "Example:\n  \
        rialto market correct --config node.toml --match 4711 --price 25.10 \\\n      \
        --port OPER01 --secrets secrets.txt")]
    Correct {
        #[command(flatten)]
        args: trade::Args,
        /// The price that the trade should have had.
        #[arg(long, value_name = "PRICE")]
        price: String,
    },
    /// Compare a market file with what is defined, and say what it would change.
    #[command(after_help = "Example:\n  \
        rialto market plan --config node.toml --market market.toml\n\n\
        Nothing is ever removed, and opening balances are only of new accounts. The node may run or \
        not. Exit status 1 says that the file asks for what cannot be changed.")]
    Plan(apply::Files),
    /// Make what is defined what a market file says.
    #[command(after_help = "Example:\n  \
        rialto market apply --config node.toml --market market.toml \\\n      \
        --port OPER01 --secrets secrets.txt --new-secrets new-secrets.txt\n\n\
        It carries out the plan, on the node's machine. What was interrupted, the next one completes. \
        The secrets of new ports are shown once, before the ports are defined.")]
    Apply(apply::Args),
}

/// Gives the command and prints what became of it.
///
/// # Errors
/// The node cannot be reached, or refuses.
pub fn run(args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::DayEnd { operator } => day::end(operator),
        Command::DayStart { operator, date } => day::start(operator, *date),
        Command::Halt { operator, on } => phase::halt(operator, on),
        Command::Resume { operator, on, auction_ms } => phase::resume(operator, on, *auction_ms),
        Command::Phase { phase, operator, on, auction_ms } => {
            phase::set(operator, on, *phase, *auction_ms)
        }
        Command::Bust(args) => trade::bust(args),
        Command::Correct { args, price } => trade::correct(args, price),
        Command::Plan(files) => apply::plan(files),
        Command::Apply(args) => apply::apply(args),
    }
}
