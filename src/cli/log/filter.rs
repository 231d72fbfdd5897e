//! Which records of a log are wanted: by sequence, log time, port, symbol and kind.
//!
//! Filters narrow each other. What a record is about is found by the names of its fields, so a kind that
//! is new is filtered like the others.

use std::collections::BTreeSet;
use std::path::Path;

use super::LogError;
use super::fields::{Content, Field, View, kind_names};
use super::walk::{Walk, broken};
use crate::cli::{CliError, units};
use crate::event_store::{LogKind, LogRecord};
use crate::types::command::Command;
use crate::types::event::Event;
use crate::types::{FrameHeader, InstrumentId, Nanos, Symbol};

/// The filters, as arguments.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters (all of them must hold)")]
pub(super) struct FilterArgs {
    /// From the record of this sequence on.
    #[arg(long, value_name = "SEQUENCE")]
    from: Option<u64>,
    /// Up to the record of this sequence.
    #[arg(long, value_name = "SEQUENCE")]
    to: Option<u64>,
    /// From this log time on: "2026-11-22 09:30:00.000000001" (UTC), its beginning, or nanoseconds
    /// since 1970.
    #[arg(long, value_name = "TIME", value_parser = units::parse_moment)]
    since: Option<Nanos>,
    /// Before this log time.
    #[arg(long, value_name = "TIME", value_parser = units::parse_moment)]
    until: Option<Nanos>,
    /// Of, or for, the port of this number (its `PortDefined` event says it).
    #[arg(long, value_name = "NUMBER")]
    port: Option<u32>,
    /// About this instrument. Of commands: those that name it, and those about orders entered so.
    #[arg(long, value_parser = symbol)]
    symbol: Option<Symbol>,
    /// Of this kind, as in `NewOrder`; may be given more than once.
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Vec<String>,
}

fn symbol(text: &str) -> Result<Symbol, String> {
    let symbol = Symbol::new(text).filter(|symbol| *symbol != Symbol::BLANK);
    symbol.ok_or_else(|| "a symbol has 1 to 8 printable characters".to_owned())
}

/// Shows every wanted record of a log. That there is none is an error.
pub(super) fn select(
    directory: &Path,
    args: &FilterArgs,
    see: &mut dyn FnMut(&LogRecord<'_>, &Content<'_>) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let mut walk = Walk::open_filled(directory, "reading")?;
    let kind = walk.kind();
    let mut filter = Filter::new(args, kind)?;
    filter.skip(&mut walk)?;
    let mut seen = false;
    while let Some(frame) = walk.next()? {
        match filter.place(frame.header) {
            Place::Before => continue,
            Place::Behind => break,
            Place::Within => {}
        }
        for record in frame.records() {
            let record = record.map_err(|why| broken(directory, &frame, why))?;
            let content = Content::new(kind, record.lines);
            if filter.takes(&record, &content) {
                seen = true;
                see(&record, &content)?;
            }
        }
    }
    if seen { Ok(()) } else { Err(LogError::NothingMatches(directory.to_owned()).into()) }
}

/// What is known on the way through a log.
#[derive(Debug)]
struct Filter<'a> {
    args: &'a FilterArgs,
    about: Option<About>,
}

/// Who is about an instrument.
#[derive(Debug)]
struct About {
    symbol: Symbol,
    /// Its number, once an event has said it.
    instrument: Option<InstrumentId>,
    /// Its orders of the day, as commands name them: port, channel, user reference number. 24 bytes
    /// each, and a little more.
    orders: BTreeSet<(u64, u64, u64)>,
}

/// What a frame is for a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing in it is wanted, nor to be learned from it.
    Before,
    /// It may hold what is wanted.
    Within,
    /// Neither here nor behind it.
    Behind,
}

impl<'a> Filter<'a> {
    /// The filter that these arguments ask for in a log of this kind.
    fn new(args: &'a FilterArgs, kind: LogKind) -> Result<Self, LogError> {
        let names = kind_names(kind);
        if let Some(name) = args.kind.iter().find(|name| !names.contains(name)) {
            return Err(LogError::Kind { name: name.clone(), kind });
        }
        let about =
            args.symbol.map(|symbol| About { symbol, instrument: None, orders: BTreeSet::new() });
        Ok(Self { args, about })
    }

    /// Passes what need not be read, if the log is long.
    fn skip(&self, walk: &mut Walk) -> Result<(), CliError> {
        let &FilterArgs { from, since, .. } = self.args;
        if self.about.is_some() || (from.is_none() && since.is_none()) {
            return Ok(());
        }
        walk.skip_to(|header| {
            from.is_none_or(|from| header.first_sequence <= from)
                && since.is_none_or(|since| header.time < since)
        })
    }

    /// Where the frame lies.
    fn place(&self, header: &FrameHeader) -> Place {
        let &FilterArgs { from, to, since, until, .. } = self.args;
        let end = header.first_sequence + u64::from(header.count);
        if to.is_some_and(|to| header.first_sequence > to)
            || until.is_some_and(|until| header.time >= until)
        {
            Place::Behind
        } else if self.about.is_none()
            && (from.is_some_and(|from| end <= from)
                || since.is_some_and(|since| header.time < since))
        {
            Place::Before
        } else {
            Place::Within
        }
    }

    /// Whether the record is wanted. Must see every record of the frames that are not passed.
    fn takes(&mut self, record: &LogRecord<'_>, content: &Content<'_>) -> bool {
        // Asked first, since it learns.
        let about = self.about.as_mut().is_none_or(|about| about.holds(content));
        let &FilterArgs { from, to, since, port, ref kind, .. } = self.args;
        about
            && from.is_none_or(|from| record.sequence >= from)
            && to.is_none_or(|to| record.sequence <= to)
            && since.is_none_or(|since| record.header.time >= since)
            && port.is_none_or(|port| port_of(content) == Some(port.into()))
            && (kind.is_empty() || kind.iter().any(|name| name == content.name()))
    }
}

fn port_of(content: &Content<'_>) -> Option<u64> {
    let mut port = None;
    content.fields(&mut |field| {
        if field.in_header && field.name == "port" {
            port = Some(field.number());
        }
    });
    port
}

/// By what a record may be about an instrument.
#[derive(Default)]
struct Names {
    port: u64,
    channel: u64,
    instrument: Option<u64>,
    order: Option<u64>,
    original: Option<u64>,
    /// Whether it says a symbol, and whether it is the one.
    symbol: Option<bool>,
}

impl About {
    fn holds(&mut self, content: &Content<'_>) -> bool {
        match content.view {
            View::Command(Command::DayStart(_)) => self.orders.clear(),
            View::Event(Event::InstrumentDefined(defined)) if defined.symbol == self.symbol => {
                self.instrument = Some(defined.header.instrument);
            }
            _ => {}
        }
        let mut names = Names::default();
        content.fields(&mut |field| names.see(field, self.symbol));
        let Names { port, channel, instrument, order, original, symbol } = names;
        if let Some(instrument) = instrument {
            let here = self.instrument.is_some_and(|here| u64::from(here.0) == instrument);
            return here || symbol == Some(true);
        }
        let known = |order: Option<u64>| {
            order.is_some_and(|order| self.orders.contains(&(port, channel, order)))
        };
        let holds = symbol.unwrap_or_else(|| known(original) || known(order));
        if holds && let Some(order) = order {
            self.orders.insert((port, channel, order));
        }
        holds
    }
}

impl Names {
    fn see(&mut self, field: Field<'_>, wanted: Symbol) {
        match field.name {
            "port" if field.in_header => self.port = field.number(),
            "instrument" if field.in_header => self.instrument = Some(field.number()),
            "user_ref_idx" => self.channel = field.number(),
            "user_ref_num" => self.order = Some(field.number()),
            "orig_user_ref_num" => self.original = Some(field.number()),
            "symbol" | "asset" => self.symbol = Some(field.bytes == wanted.0),
            _ => {}
        }
    }
}
