//! Steps: each in the notation, which the engine is told, and what the naive exchange says of it.

use super::super::naive::{Change, LISTINGS, LOGINS, Limit, MARKET, Naive, Shift, Ticket, Wishes};
use super::super::render::decimal;

/// What somebody does.
#[derive(Clone, Debug)]
pub(in super::super) enum Step {
    Enter(Ticket),
    /// Originals are named by how many steps they are back.
    Replace(Change),
    Cancel {
        login: usize,
        back: u32,
        intended: u32,
    },
    Modify {
        login: usize,
        back: u32,
        side: &'static str,
        intended: u32,
    },
    MassCancel {
        login: usize,
        listing: Option<usize>,
        side: Option<&'static str>,
    },
    Switch {
        login: usize,
        enables: bool,
    },
    Query(usize),
    Bust(usize),
    Correct {
        trade: usize,
        ticks: i64,
    },
    Limit(Limit),
    /// An instrument's phase, or that of all.
    Phase {
        listing: Option<usize>,
        phase: &'static str,
        seconds: u64,
    },
    Halt(Option<usize>),
    Resume {
        listing: Option<usize>,
        seconds: u64,
    },
    Band {
        listing: usize,
        bps: u64,
        seconds: u64,
    },
    LogOut(usize),
    LogIn(usize),
    Wait {
        seconds: u64,
    },
}

fn numbered(ticket: Ticket, step: u32) -> Ticket {
    Ticket { number: number_at(step), ..ticket }
}

fn of_step(change: Change, step: u32) -> Change {
    let original = step.saturating_sub(change.original);
    Change { original, number: number_at(step), ..change }
}

/// The number of an order is its step's, but that each ninth repeats an older one.
fn number_at(step: u32) -> u32 {
    if step.is_multiple_of(9) { step / 2 } else { step }
}

/// What an order asks for beyond its price, in the notation.
fn words(immediate: bool, wishes: Wishes) -> String {
    let Wishes { min, post_only, expires, display } = wishes;
    let display = match display {
        None => String::new(),
        Some(0) => " display=N".to_owned(),
        Some(shown) => format!(" floor={shown}"),
    };
    let post_only = if post_only { " postonly=P" } else { "" };
    let life = match (immediate, expires) {
        (true, _) => "ioc".to_owned(),
        (false, 0) => "day".to_owned(),
        (false, seconds) => format!("tif=6 expires={seconds}"),
    };
    format!("{life} min={min}{post_only}{display}")
}

/// What the naive exchange says of the step.
pub(super) fn answer(naive: &mut Naive, step: &Step, number: u32) -> Vec<String> {
    match *step {
        Step::Enter(ticket) => naive.enter(&numbered(ticket, number)),
        Step::Replace(change) => naive.replace(&of_step(change, number)),
        Step::Cancel { login, back, intended } => {
            naive.cancel(login, number.saturating_sub(back), intended)
        }
        Step::Modify { login, back, side, intended } => {
            naive.modify(login, number.saturating_sub(back), (side, intended))
        }
        Step::MassCancel { login, listing, side } => {
            naive.mass_cancel(login, number_at(number), (listing, side))
        }
        Step::Switch { login, enables } => naive.switch(login, number_at(number), enables),
        Step::Query(login) => naive.query(login),
        Step::Bust(trade) => naive.bust(trade),
        Step::Correct { trade, ticks } => naive.correct(trade, ticks),
        Step::Limit(limit) => naive.limit(limit),
        Step::Phase { listing, phase, seconds } => naive.set_phase(listing, phase, seconds),
        Step::Halt(listing) => naive.halt(listing),
        Step::Resume { listing, seconds } => naive.resume(listing, seconds),
        Step::Band { listing, bps, seconds } => naive.set_band(listing, bps, seconds),
        Step::LogOut(login) => naive.log_out(login),
        Step::LogIn(login) => naive.log_in(login),
        Step::Wait { .. } => Vec::new(),
    }
}

/// The step in the notation.
pub(in super::super) fn line(step: &Step, number: u32) -> String {
    match step {
        Step::Enter(ticket) => {
            let Ticket { login, number, side, quantity, listing, price, .. } =
                numbered(*ticket, number);
            let Ticket { account, immediate, cross, strategy, wishes, .. } = *ticket;
            let (symbol, decimals) = (LISTINGS[listing].symbol, LISTINGS[listing].decimals);
            let price = match price {
                MARKET => "market".to_owned(),
                price => decimal(price.try_into().unwrap(), decimals),
            };
            let (port, wishes) = (LOGINS[login].name, words(immediate, wishes));
            let strategy = strategy.map_or(String::new(), |byte| format!(" selfmatch={byte}"));
            format!(
                "{port} {side} {number} {quantity} {symbol} @{price} {wishes} cross={cross} \
                 account={account}{strategy}"
            )
        }
        Step::Replace(change) => {
            let Change { login, original, number, quantity, ticks, immediate, wishes } =
                of_step(*change, number);
            let price = match ticks {
                Shift::Ticks(ticks) => format!("{ticks:+}t"),
                Shift::Off => "off".to_owned(),
                Shift::Market => "market".to_owned(),
            };
            let (port, wishes) = (LOGINS[login].name, words(immediate, wishes));
            format!("{port} replace {original} by {number} {quantity} @{price} {wishes}")
        }
        Step::Cancel { login, back, intended } => {
            let number = number.saturating_sub(*back);
            format!("{} cancel {number} to {intended}", LOGINS[*login].name)
        }
        Step::Modify { login, back, side, intended } => {
            let number = number.saturating_sub(*back);
            format!("{} modify {number} {side} to {intended}", LOGINS[*login].name)
        }
        Step::MassCancel { login, listing, side } => {
            let symbol =
                listing.map_or(String::new(), |row| format!("symbol={}", LISTINGS[row].symbol));
            let side = side.map_or(String::new(), |side| format!("side={side}"));
            format!("{} masscancel {} {symbol} {side}", LOGINS[*login].name, number_at(number))
        }
        Step::Switch { login, enables } => {
            let verb = if *enables { "enable" } else { "disable" };
            format!("{} {verb} {}", LOGINS[*login].name, number_at(number))
        }
        Step::Phase { listing, phase, seconds } => {
            format!("phase {} {phase} for={seconds}s", symbol_or_all(*listing))
        }
        Step::Halt(listing) => format!("halt {} T1", symbol_or_all(*listing)),
        Step::Resume { listing, seconds } => {
            format!("resume {} for={seconds}s", symbol_or_all(*listing))
        }
        Step::Band { listing, bps, seconds } => {
            format!("band {} {bps} for={seconds}s", LISTINGS[*listing].symbol)
        }
        Step::Limit(limit) => format!("limit {} {} {}", limit.subject, limit.key, limit.text()),
        Step::Bust(trade) => format!("bust ~{trade} erroneous"),
        Step::Correct { trade, ticks } => format!("correct ~{trade} @{ticks:+}t erroneous"),
        Step::Query(login) => format!("{} query", LOGINS[*login].name),
        Step::LogOut(login) => format!("down {}", LOGINS[*login].name),
        Step::LogIn(login) => format!("up {}", LOGINS[*login].name),
        Step::Wait { seconds } => format!("wait {seconds}s"),
    }
}

fn symbol_or_all(listing: Option<usize>) -> &'static str {
    listing.map_or("*", |listing| LISTINGS[listing].symbol)
}
