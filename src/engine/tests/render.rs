//! The notation of events and views. A star says that the feed shows it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::render_orders::order_event;
use super::world::World;
use super::{busts, phases};
use crate::matching::{BookSide, Section};
use crate::order_manager::OrderManager;
use crate::types::command::CommandKind;
use crate::types::event::{Event, EventHeader, RiskLimitSet};
use crate::types::{
    AccountStatus, AssetKind, CurrencyId, DownReason, FirmId, InstrumentId, Line, OrderRef, PortId,
    Price, Refusal, RejectReason, RiskKey, RiskScope, Symbol, SystemCode, UserRefNum,
};

/// One event in a line.
pub(super) fn render(
    sequence: u64,
    record: &[Line],
    manager: &OrderManager,
    orders: &mut BTreeMap<OrderRef, String>,
) -> String {
    let header = EventHeader::view(record).unwrap();
    let words = Words { manager, instrument: header.instrument };
    let port = words.port(header.port);
    let line = match Event::parse(record).unwrap() {
        Event::TermStarted(e) => format!("term {} started by node {}", e.term, e.node),
        Event::DayStarted(e) => format!("day {} started, session {}", e.date, e.session),
        Event::DayEnded(_) => "day ended".to_owned(),
        Event::TimePassed(e) => format!("second {}", e.second),
        Event::StateConfirmed(e) => format!("state behind {} confirmed", e.at_sequence),
        Event::SystemMessage(e) => {
            format!("system {:?}", SystemCode::from_byte(e.code).unwrap())
        }
        Event::Refused(e) => format!(
            "refused {:?}, {:?}",
            CommandKind::from_number(e.command).unwrap(),
            Refusal::from_byte(e.reason).unwrap()
        ),
        Event::PortWentUp(e) => format!("{port} up, next {}", e.next_sequence),
        Event::PortWentDown(e) => {
            format!("{port} down, {:?}", DownReason::from_byte(e.reason).unwrap())
        }
        event @ (Event::Accepted(_)
        | Event::Replaced(_)
        | Event::Rested(_)
        | Event::Executed(_)
        | Event::Canceled(_)
        | Event::SelfMatchCanceled(_)
        | Event::Restated(_)
        | Event::Reduced(_)
        | Event::Modified(_)
        | Event::MassCanceled(_)
        | Event::EntrySwitched(_)
        | Event::AccountAnswered(_)
        | Event::Rejected(_)) => order_event(&event, &words, sequence, orders),
        event => busts::render(&event, &words, orders).unwrap_or_else(|| words.definition(&event)),
    };
    let stream = words.stream(header, matches!(Event::parse(record), Ok(Event::SystemMessage(_))));
    let feed = if header.feed_sequence > 0 { " *" } else { "" };
    line + &stream + feed
}

/// Both sides of a book in a line, each in the order it would trade: shares that are shown, and those
/// that are not.
pub(super) fn book(world: &World, symbol: &str) -> String {
    let manager = world.engine.order_manager();
    let instrument = manager.instrument(Symbol::new(symbol).unwrap()).unwrap();
    let words = Words { manager, instrument };
    let side = |section: Section, side: BookSide| {
        let orders = world.engine.books().orders_in(instrument, section, side).map(|order| {
            let no_limit = order.price == side.no_limit();
            let price = if no_limit { "market".to_owned() } else { words.price(order.price) };
            let hidden = order.open.0 - order.shown.0;
            let shares = match (section, hidden) {
                (Section::Continuous, 1..) => format!("{}+{hidden}", order.shown),
                // What waits is shown to nobody.
                _ => order.open.to_string(),
            };
            format!("{} {shares}@{price}", world.orders[&order.order])
        });
        orders.collect::<Vec<_>>().join(", ")
    };
    let sides = |section| {
        format!("bids [{}] asks [{}]", side(section, BookSide::Bids), side(section, BookSide::Asks))
    };
    let mut text = sides(Section::Continuous);
    for (name, section) in [("opening", Section::Opening), ("closing", Section::Closing)] {
        let waiting = sides(section);
        if waiting != "bids [] asks []" {
            write!(text, " {name} {waiting}").unwrap();
        }
    }
    text
}

/// An amount with its decimals.
pub(super) fn decimal(amount: i64, decimals: u8) -> String {
    let unit = 10_u64.pow(decimals.into());
    let sign = if amount < 0 { "-" } else { "" };
    let (whole, part) = (amount.unsigned_abs() / unit, amount.unsigned_abs() % unit);
    if decimals == 0 {
        return format!("{sign}{whole}");
    }
    let part = format!("{part:0width$}", width = usize::from(decimals));
    let cents = part.trim_end_matches('0').len().max(2).min(part.len());
    format!("{sign}{whole}.{}", &part[..cents])
}

pub(super) fn reject_reason(code: u16) -> String {
    use RejectReason as R;
    let known = [
        R::InvalidDisplay,
        R::InvalidMaxFloor,
        R::Halted,
        R::IsoNotAllowed,
        R::InvalidSide,
        R::FirmNotAuthorized,
        R::InvalidMinQuantity,
        R::Other,
        R::PeggingNotAllowed,
        R::InvalidQuantity,
        R::InvalidCross,
        R::ReplaceNotAllowed,
        R::PreMarket,
        R::PostMarket,
        R::RoutingNotAllowed,
        R::InvalidSymbol,
        R::InvalidPrice,
        R::SharesExceedThreshold,
        R::ExceedsMaxNotional,
        R::AggregateExposure,
        R::RestrictedStock,
        R::ShortSellRestricted,
        R::FatFinger,
        R::SymbolMessageRate,
        R::PortMessageRate,
        R::DuplicateOrder,
        R::OrderNotional,
        R::OrderQuantity,
        R::MarketOrderNotAllowed,
        R::InvalidSelfMatch,
    ];
    let reason = known.iter().find(|reason| reason.code() == code);
    reason.map_or(format!("{code:#04x}"), |reason| format!("{reason:?}"))
}

pub(super) struct Words<'a> {
    pub(super) manager: &'a OrderManager,
    instrument: InstrumentId,
}

impl Words<'_> {
    /// What exists, how much of it, and in which phase.
    fn definition(&self, event: &Event<'_>) -> String {
        match event {
            Event::VenueLimitsSet(e) => format!("limits set, {} orders", e.orders),
            Event::CurrencyDefined(e) => format!("currency {} is {}", e.code, e.currency),
            Event::FirmDefined(e) => format!("firm {} is {}", e.code, e.firm),
            Event::PortDefined(e) => format!("port {} is {}", e.name, e.port),
            Event::AccountDefined(e) => format!(
                "account {} of {} {:?}{}",
                e.account,
                e.firm,
                AccountStatus::from_byte(e.status).unwrap(),
                if e.short_allowed == 1 { " short" } else { "" }
            ),
            Event::BalanceChanged(e) => {
                let (asset, decimals) = match AssetKind::from_byte(e.asset_kind).unwrap() {
                    AssetKind::Cash => self.currency(e.currency),
                    AssetKind::Shares => (self.symbol(), 0),
                };
                format!(
                    "balance of {} is {} {asset}, {} held",
                    e.account,
                    decimal(e.balance, decimals),
                    decimal(e.held, decimals)
                )
            }
            Event::InstrumentDefined(e) => {
                format!("instrument {} is {}", e.symbol, e.header.instrument)
            }
            Event::FeeSet(e) => {
                let name = format!("{}{}", e.firm.text(), e.symbol.text());
                let scope = RiskScope::from_byte(e.scope).unwrap();
                let rates = [e.maker_rate, e.taker_rate].map(|rate| decimal(rate.into(), 2));
                let to = if e.account.is_none() { "" } else { &format!(" to {}", e.account) };
                format!("fee {scope:?} {name} maker {} taker {}{to}", rates[0], rates[1])
            }
            Event::RiskLimitSet(e) => self.limit(e),
            other => phases::render(other, self),
        }
    }

    pub(super) fn port(&self, port: PortId) -> String {
        self.manager.ports.get(port.0).map_or(String::new(), |port| port.name.text())
    }

    /// Whose stream a message is in, where its line does not say it.
    fn stream(&self, header: &EventHeader, is_system: bool) -> String {
        let port = self.port(header.port);
        match (is_system, header.port_sequence > 0, header.firm_sequence > 0) {
            (true, true, false) => format!(" -> {port}"),
            (true, false, true) => format!(" -> firm {}", self.firm(header.firm)),
            (true, true, true) => panic!("a firm's stream is no sum of its ports'"),
            (false, true, false) => format!(" -> {port} #{}", header.port_sequence),
            _ => String::new(),
        }
    }

    fn firm(&self, firm: FirmId) -> String {
        self.manager.firms.get(firm.0.into()).unwrap().code.text()
    }

    pub(super) fn name(&self, port: PortId, channel: u8, number: UserRefNum) -> String {
        let port = self.port(port);
        if channel == 0 { format!("{port}.{number}") } else { format!("{port}.{channel}/{number}") }
    }

    pub(super) fn symbol(&self) -> String {
        self.manager.instruments.get(self.instrument.0.into()).unwrap().symbol.text()
    }

    pub(super) fn price(&self, price: Price) -> String {
        if price == Price::MARKET {
            return "market".to_owned();
        }
        let instrument = self.manager.instruments.get(self.instrument.0.into()).unwrap();
        decimal(price.0.try_into().unwrap(), instrument.price_decimals)
    }

    pub(super) fn cash(&self, amount: i64, currency: CurrencyId) -> String {
        let (code, decimals) = self.currency(currency);
        format!("{} {code}", decimal(amount, decimals))
    }

    pub(super) fn fee(&self, fee: i64, currency: CurrencyId) -> String {
        let decimals = self.currency(currency).1;
        if fee == 0 { String::new() } else { format!(", fee {}", decimal(fee, decimals)) }
    }

    /// A limit, its amount with the decimals of its currency.
    fn limit(&self, e: &RiskLimitSet) -> String {
        let scope = RiskScope::from_byte(e.scope).unwrap();
        let key = RiskKey::from_byte(e.key).unwrap();
        let account = if e.account.is_none() { String::new() } else { e.account.to_string() };
        let mut line = format!("limit {scope:?}");
        for name in [e.port.text(), e.firm.text(), account, e.symbol.text(), e.currency.text()] {
            if !name.is_empty() {
                line = line + " " + &name;
            }
        }
        let traded = self.manager.instruments.get(e.header.instrument.0.into());
        let traded = traded.map(|instrument| instrument.currency);
        let value = match key {
            RiskKey::OrderNotional | RiskKey::GrossExposure | RiskKey::NetExposure => {
                let currency = self.manager.currency(e.currency).or(traded).unwrap();
                decimal(e.value.try_into().unwrap(), self.currency(currency).1)
            }
            _ => e.value.to_string(),
        };
        format!("{line} {key:?} {value}")
    }

    fn currency(&self, currency: CurrencyId) -> (String, u8) {
        let currency = self.manager.currencies.get(currency.0.into()).unwrap();
        (currency.code.text(), currency.cash_decimals)
    }
}
