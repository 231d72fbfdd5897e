//! The notation of phases and auctions: the commands that move them, and what comes of them.

use zerocopy::FromZeros;

use super::render::Words;
use super::script::{option, span};
use crate::types::command::{Calendar, CommandHeader, Halt, PriceBand, Resume, SetPhase};
use crate::types::event::Event;
use crate::types::{Cross, FirmCode, Line, Nanos, Phase, Record, Symbol, TradingState};

/// The command of a line, from whoever is in the header.
pub(super) fn command(header: CommandHeader, request: u64, words: &[&str]) -> Vec<Line> {
    match *words {
        ["halt", symbol, ref reason @ ..] => {
            let reason = FirmCode::new(reason.first().unwrap_or(&"")).unwrap().0;
            let (header, symbol) = (of::<Halt>(header), all_or(symbol));
            let halt = Halt { header, request, symbol, reason, ..FromZeros::new_zeroed() };
            halt.lines().to_vec()
        }
        ["resume", symbol, ref options @ ..] => {
            let resume = Resume {
                header: of::<Resume>(header),
                request,
                symbol: all_or(symbol),
                auction_ms: length(options),
                ..FromZeros::new_zeroed()
            };
            resume.lines().to_vec()
        }
        ["phase", symbol, phase, ref options @ ..] => {
            let set = SetPhase {
                header: of::<SetPhase>(header),
                request,
                symbol: all_or(symbol),
                auction_ms: length(options),
                phase: phase_of(phase),
                ..FromZeros::new_zeroed()
            };
            set.lines().to_vec()
        }
        ["band", symbol, bps, ref options @ ..] => {
            let band = PriceBand {
                header: of::<PriceBand>(header),
                request,
                symbol: Symbol::new(symbol).unwrap(),
                auction_ms: length(options),
                band_bps: bps.parse().unwrap(),
                ..FromZeros::new_zeroed()
            };
            band.lines().to_vec()
        }
        ["calendar", group, ref options @ ..] => {
            let time = |name| option::<String>(options, name).map_or(Nanos::ZERO, |t| clock(&t));
            let calendar = Calendar {
                header: of::<Calendar>(header),
                request,
                opening_auction: time("opening"),
                open: time("open"),
                closing_auction: time("closing"),
                close: time("close"),
                group: if group == "*" { 0 } else { group.as_bytes()[0] },
                ..FromZeros::new_zeroed()
            };
            calendar.lines().to_vec()
        }
        _ => panic!("not a line of the notation: {words:?}"),
    }
}

/// An event in a line.
pub(super) fn render(event: &Event<'_>, words: &Words<'_>) -> String {
    match *event {
        Event::TradingAction(e) => {
            let phase = Phase::from_byte(e.phase).unwrap();
            assert_eq!(TradingState::from_byte(e.state), Some(phase.trading_state()));
            let shown = match phase {
                Phase::Continuous => "Trading".to_owned(),
                phase => format!("{phase:?}"),
            };
            let reason = String::from_utf8_lossy(&e.reason);
            format!("{} {}", e.symbol, format!("{shown} {reason}").trim_end())
        }
        Event::CalendarSet(e) => {
            let group = if e.group == 0 { '*' } else { char::from(e.group) };
            let times = [e.opening_auction, e.open, e.closing_auction, e.close].map(time_of_day);
            format!("calendar of {group} is {}", times.join(" "))
        }
        Event::PriceBandSet(e) => {
            format!("band of {} is {} bps, {} ms", words.symbol(), e.band_bps, e.auction_ms)
        }
        Event::CrossTraded(e) => {
            let cross = Cross::from_byte(e.cross).unwrap();
            format!("crossed {cross:?} {} {} @{}", e.shares, words.symbol(), words.price(e.price))
        }
        Event::Indication(e) => format!(
            "indicated {:?} {} paired {} left {}{}, near {} far {} last {}{}",
            Cross::from_byte(e.cross).unwrap(),
            e.symbol,
            e.paired,
            e.imbalance,
            match e.direction {
                b'B' => " of buyers",
                b'S' => " of sellers",
                b'N' => "",
                b'O' => " of nothing",
                _ => panic!("no direction"),
            },
            words.price(e.near),
            words.price(e.far),
            words.price(e.reference),
            if e.variation == b' ' {
                String::new()
            } else {
                format!(" {}", char::from(e.variation))
            }
        ),
        Event::CancelRejected(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            format!("cancel of {name} rejected")
        }
        _ => panic!("not about phases: {event:?}"),
    }
}

/// The auction that an order is for.
pub(super) fn waits_for(cross_type: u8) -> String {
    Cross::from_byte(cross_type).map_or(String::new(), |cross| format!(" for {cross:?}"))
}

/// "09:30", or "-" for not at all.
fn time_of_day(time: Nanos) -> String {
    let minutes = time.second() / 60;
    if minutes == 0 { "-".to_owned() } else { format!("{:02}:{:02}", minutes / 60, minutes % 60) }
}

fn of<C: Record>(header: CommandHeader) -> CommandHeader {
    CommandHeader { kind: C::KIND, lines: C::LINES, ..header }
}

/// A symbol, or all for "*".
fn all_or(symbol: &str) -> Symbol {
    if symbol == "*" { Symbol::BLANK } else { Symbol::new(symbol).unwrap() }
}

fn phase_of(name: &str) -> u8 {
    let phase = match name {
        "preopen" => Phase::PreOpen,
        "opening" => Phase::OpeningAuction,
        "continuous" => Phase::Continuous,
        "volatility" => Phase::VolatilityAuction,
        "halted" => Phase::Halted,
        "reopening" => Phase::ReopeningAuction,
        "closing" => Phase::ClosingAuction,
        "closed" => Phase::Closed,
        number => return number.parse().unwrap(),
    };
    phase.byte()
}

fn length(options: &[&str]) -> u32 {
    let length = option::<String>(options, "for").map_or(Nanos::ZERO, |time| span(&time));
    u32::try_from(length.0 / 1_000_000).unwrap()
}

/// "14:30" as time since midnight.
fn clock(text: &str) -> Nanos {
    let (hours, minutes) = text.split_once(':').unwrap();
    let minutes = hours.parse::<u64>().unwrap() * 60 + minutes.parse::<u64>().unwrap();
    Nanos::from_secs(minutes * 60)
}
