//! The notation of commands: one line each, as a trader or an operator would say it.

use zerocopy::FromZeros;

use super::super::EngineCounters;
use super::super::events::Owner;
use super::phases;
use super::render::{book, decimal};
use super::risk;
use super::world::World;
use crate::order_manager::Asset;
use crate::types::command::{
    AccountOpen, AccountUpdate, Cancel, CommandHeader, CurrencyDefine, DayEnd, DayStart, Fee,
    FirmDefine, Halt, InstrumentDefine, NewOrder, PortDefine, PortDown, PortUp, Replace, RiskLimit,
    TermStart, Tick, Transfer,
};
use crate::types::{
    AccountId, AccountStatus, AssetKind, ClOrdId, Connection, CurrencyCode, DisconnectPolicy,
    DownReason, Epoch, FirmCode, Nanos, PortKind, PortName, Price, Quantity, Record, SessionId,
    Side, Symbol, TimeInForce, UserRefNum,
};

/// The lines that say something.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Carries out a line and says what came of it.
pub(super) fn run(world: &mut World, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut speaker = Speaker { world, port: None, request: 0, stale: false, form_error: 0 };
    speaker.run(&words)
}

/// Who gives a command, and what is odd about it.
pub(super) struct Speaker<'a> {
    pub(super) world: &'a mut World,
    pub(super) port: Option<&'a str>,
    pub(super) request: u64,
    stale: bool,
    form_error: u16,
}

impl<'a> Speaker<'a> {
    fn run(&mut self, words: &[&'a str]) -> Vec<String> {
        match *words {
            ["as", port, request, ref rest @ ..] => {
                self.port = Some(port);
                self.request = request.strip_prefix('#').unwrap().parse().unwrap();
                self.run(rest)
            }
            // What is not the story's point.
            ["quietly", ref rest @ ..] => {
                self.run(rest);
                Vec::new()
            }
            ["stale", ref rest @ ..] => {
                self.stale = true;
                self.run(rest)
            }
            ["malformed", code, ref rest @ ..] => {
                self.form_error = u16::from_str_radix(code, 16).unwrap();
                self.run(rest)
            }
            ["term", term] => {
                let header = CommandHeader::internal::<TermStart>(Nanos::ZERO);
                let term = term.parse().unwrap();
                self.world.apply(&TermStart {
                    header,
                    term,
                    node: 1,
                    term_grace_ms: 10_000,
                    ..FromZeros::new_zeroed()
                })
            }
            ["nearly", "full", name] => {
                let events = &mut self.world.engine.events;
                let port =
                    self.world.engine.manager.ports.rows().iter().find(|p| p.name.text() == *name);
                let firm =
                    FirmCode::new(name).and_then(|code| self.world.engine.manager.firm(code));
                let owner = port.map_or_else(|| Owner::Firm(firm.unwrap()), |p| Owner::Port(p.id));
                events.leave(owner, 2);
                Vec::new()
            }
            ["away", time] => {
                self.world.now = self.world.now.after(span(time));
                Vec::new()
            }
            ["limits", ref options @ ..] => {
                let usual = super::super::Capacity::SMALL;
                let orders = option(options, "orders").unwrap_or(usual.orders);
                let capacity = super::super::Capacity { orders, ..usual };
                self.world.apply(&capacity.limits(super::world::SEGMENT_BYTES))
            }
            ["wait", time] => {
                self.world.now = self.world.now.after(span(time));
                let header = CommandHeader::internal::<Tick>(Nanos::ZERO);
                self.world.apply(&Tick { header, reserved: [0; 40] })
            }
            ["up", port] => {
                let header =
                    CommandHeader::new::<PortUp>(self.world.port(port), Epoch::NONE, Nanos::ZERO);
                let connection = Connection(7);
                self.world.apply(&PortUp { header, connection, ..FromZeros::new_zeroed() })
            }
            ["down", port, ref reason @ ..] => {
                self.port = Some(port);
                let header = self.header::<PortDown>();
                let reason = match *reason {
                    ["logout"] => DownReason::Logout,
                    _ => DownReason::Lost,
                };
                let reason = reason.byte();
                self.world.apply(&PortDown { header, reason, ..FromZeros::new_zeroed() })
            }
            ["show", "book", symbol] => vec![book(self.world, symbol)],
            ["show", "balance", account, asset] => vec![self.balance(account, asset)],
            ["show", "orders"] => {
                vec![format!("{} open orders", self.world.engine.books().order_count())]
            }
            ["show", "ignored"] => vec![self.ignored()],
            [port, "cancel", number, ref intended @ ..] => {
                self.port = Some(port);
                let header = self.header::<Cancel>();
                let (user_ref_idx, user_ref_num) = number_of(number);
                let quantity = match *intended {
                    ["to", quantity] => Quantity(quantity.parse().unwrap()),
                    _ => Quantity::ZERO,
                };
                self.world.apply(&Cancel {
                    header,
                    user_ref_num,
                    quantity,
                    user_ref_idx,
                    ..FromZeros::new_zeroed()
                })
            }
            [port, "replace", original, "by", number, quantity, price, ref options @ ..] => {
                self.port = Some(port);
                let header = self.header::<Replace>();
                let replace =
                    self.replacement(header, (original, number), (quantity, price), options);
                self.world.apply(&replace)
            }
            [port, side, number, quantity, symbol, price, ref options @ ..]
                if price.starts_with('@') =>
            {
                self.port = Some(port);
                let header = self.header::<NewOrder>();
                let order = self.order(header, side, number, (quantity, symbol, price), options);
                self.world.apply(&order)
            }
            _ => self.request(words).unwrap_or_else(|| self.administer(words)),
        }
    }

    /// The lines of operators, and of the market file.
    fn administer(&mut self, words: &[&str]) -> Vec<String> {
        match *words {
            ["currency", code, decimals] => {
                let header = self.header::<CurrencyDefine>();
                self.world.apply(&CurrencyDefine {
                    header,
                    request: self.request,
                    code: CurrencyCode::new(code).unwrap(),
                    cash_decimals: decimals.parse().unwrap(),
                    ..FromZeros::new_zeroed()
                })
            }
            ["firm", code, ref options @ ..] => {
                let header = self.header::<FirmDefine>();
                self.world.apply(&FirmDefine {
                    header,
                    request: self.request,
                    code: FirmCode::new(code).unwrap(),
                    open_orders_max: option(options, "open").unwrap_or(0),
                    self_match_key: option(options, "selfmatch").unwrap_or(0),
                    ..FromZeros::new_zeroed()
                })
            }
            ["port", name, firm, kind, ref options @ ..] => {
                self.define_port(name, firm, kind, options)
            }
            ["account", number, firm, ref options @ ..] => {
                let header = self.header::<AccountOpen>();
                self.world.apply(&AccountOpen {
                    header,
                    request: self.request,
                    account: AccountId(number.parse().unwrap()),
                    firm: FirmCode::new(firm).unwrap(),
                    status: status(options),
                    short_allowed: u8::from(options.contains(&"short")),
                    group_id: option(options, "group").unwrap_or(0),
                    ..FromZeros::new_zeroed()
                })
            }
            ["status", number, ref options @ ..] => {
                let header = self.header::<AccountUpdate>();
                self.world.apply(&AccountUpdate {
                    header,
                    request: self.request,
                    account: AccountId(number.parse().unwrap()),
                    status: status(options),
                    short_allowed: u8::from(options.contains(&"short")),
                    ..FromZeros::new_zeroed()
                })
            }
            ["instrument", symbol, currency, decimals, ref options @ ..] => {
                let header = self.header::<InstrumentDefine>();
                self.world.apply(&InstrumentDefine {
                    header,
                    request: self.request,
                    symbol: Symbol::new(symbol).unwrap(),
                    display_symbol: [b' '; 16],
                    currency: CurrencyCode::new(currency).unwrap(),
                    price_decimals: decimals.parse().unwrap(),
                    lot_size: option(options, "lot").unwrap_or(1),
                    tick_size: option(options, "tick").unwrap_or(1),
                    reference_price: Price(option::<String>(options, "ref").map_or(0, |price| {
                        parse_decimal(&price, decimals.parse().unwrap()).try_into().unwrap()
                    })),
                    market_category: option::<char>(options, "group").map_or(0, |c| c as u8),
                    product: b'C',
                    short_allowed: u8::from(options.contains(&"short")),
                    ..FromZeros::new_zeroed()
                })
            }
            ["limit", scope, ref subject @ .., key, value] => {
                let header = self.header::<RiskLimit>();
                let manager = self.world.engine.order_manager();
                let limit = risk::limit(manager, (scope, subject), (key, value));
                self.world.apply(&RiskLimit { header, request: self.request, ..limit })
            }
            ["fee", scope, ref rest @ ..] => {
                let header = self.header::<Fee>();
                let fee = risk::fee(scope, rest);
                self.world.apply(&Fee { header, request: self.request, ..fee })
            }
            ["deposit", account, amount, asset, ref options @ ..] => {
                self.transfer(account, 1, amount, asset, options)
            }
            ["withdraw", account, amount, asset, ref options @ ..] => {
                self.transfer(account, -1, amount, asset, options)
            }
            ["day", "start", date, ref options @ ..] => {
                let date: u32 = date.parse().unwrap();
                let generation = option(options, "generation").unwrap_or(1);
                let session = format!("{:06}{generation:04}", date % 1_000_000);
                let session = option(options, "session").unwrap_or(session);
                let early = options.contains(&"early").then(|| self.world.now.after(Nanos::SECOND));
                let midnight =
                    early.unwrap_or(Nanos(super::world::OPENING.0 - 52_200 * Nanos::SECOND.0));
                let header = self.header::<DayStart>();
                self.world.apply(&DayStart {
                    header,
                    request: self.request,
                    midnight,
                    date,
                    session: SessionId::new(&session).unwrap(),
                    ..FromZeros::new_zeroed()
                })
            }
            ["day", "end"] => {
                let header = self.header::<DayEnd>();
                self.world.apply(&DayEnd {
                    header,
                    request: self.request,
                    ..FromZeros::new_zeroed()
                })
            }
            _ => {
                let header = self.header::<Halt>();
                let command = phases::command(header, self.request, words);
                self.world.apply_lines(&command)
            }
        }
    }

    pub(super) fn header<C: Record>(&self) -> CommandHeader {
        let mut header = self
            .port
            .map_or(CommandHeader::internal::<C>(Nanos::ZERO), |port| self.world.header::<C>(port));
        if self.stale {
            header.epoch.0 = header.epoch.0.checked_sub(1).unwrap_or(1);
        }
        header.form_error = self.form_error;
        header
    }

    fn define_port(&mut self, name: &str, firm: &str, kind: &str, options: &[&str]) -> Vec<String> {
        let header = self.header::<PortDefine>();
        let grace: Option<String> = option(options, "grace");
        let policy = grace.as_ref().map_or(DisconnectPolicy::Keep, |_| DisconnectPolicy::Cancel);
        let grace = grace.map_or(Nanos::ZERO, |time| span(&time));
        let kind = match kind {
            "orders" => PortKind::OrderEntry,
            "admin" => PortKind::Admin,
            "dropcopy" => PortKind::DropCopy,
            _ => panic!("no kind of port: {kind}"),
        };
        self.world.apply(&PortDefine {
            header,
            request: self.request,
            name: PortName::new(name).unwrap(),
            firm: FirmCode::new(if firm == "-" { "" } else { firm }).unwrap(),
            kind: kind.byte(),
            disconnect: policy.byte(),
            grace_ms: u32::try_from(grace.0 / 1_000_000).unwrap(),
            default_account: AccountId(option(options, "account").unwrap_or(0)),
            message_rate_max: option(options, "rate").unwrap_or(0),
            account_by_group: u8::from(options.contains(&"bygroup")),
            ouch_version: if options.contains(&"ouch42") { 42 } else { 0 },
            open_orders_max: option(options, "open").unwrap_or(0),
            ..FromZeros::new_zeroed()
        })
    }

    fn transfer(
        &mut self,
        account: &str,
        sign: i64,
        amount: &str,
        asset: &str,
        options: &[&str],
    ) -> Vec<String> {
        let header = self.header::<Transfer>();
        self.world.reference += 1;
        let manager = self.world.engine.order_manager();
        let (kind, decimals) = match manager.currency(currency(asset)) {
            Some(id) => {
                (AssetKind::Cash, manager.currencies.get(u32::from(id.0)).unwrap().cash_decimals)
            }
            None => (AssetKind::Shares, 0),
        };
        let amount = sign * parse_decimal(amount, decimals);
        let reference = option(options, "ref").unwrap_or(self.world.reference);
        self.world.apply(&Transfer {
            header,
            request: self.request,
            reference,
            amount,
            asset: Symbol::new(asset).unwrap(),
            account: AccountId(account.parse().unwrap()),
            asset_kind: kind.byte(),
            reserved: [0; 3],
        })
    }

    fn order(
        &self,
        header: CommandHeader,
        side: &str,
        number: &str,
        (quantity, symbol, price): (&str, &str, &str),
        options: &[&str],
    ) -> NewOrder {
        let symbol = Symbol::new(symbol).unwrap();
        let manager = self.world.engine.order_manager();
        let instrument = manager.instrument(symbol);
        let decimals = instrument
            .map_or(4, |id| manager.instruments.get(u32::from(id.0)).unwrap().price_decimals);
        let price = match price.strip_prefix('@').unwrap() {
            "market" => Price::MARKET,
            price => Price(parse_decimal(price, decimals).try_into().unwrap()),
        };
        let side = side_of(side);
        let (user_ref_idx, user_ref_num) = number_of(number);
        let byte = |name, usual| option::<char>(options, name).map_or(usual, |c| c as u8);
        let immediate = options.contains(&"ioc");
        let usual = if immediate { TimeInForce::ImmediateOrCancel } else { TimeInForce::Day };
        NewOrder {
            header,
            price,
            symbol,
            user_ref_num,
            quantity: Quantity(quantity.parse().unwrap()),
            min_quantity: Quantity(option(options, "min").unwrap_or(0)),
            max_floor: Quantity(option(options, "floor").unwrap_or(0)),
            account: AccountId(option(options, "account").unwrap_or(0)),
            user_ref_idx,
            side,
            time_in_force: byte("tif", usual.byte()),
            display: byte("display", b'Y'),
            capacity: b'A',
            intermarket_sweep: byte("iso", b'N'),
            cross_type: byte("cross", b'N'),
            price_type: byte("pricetype", 0),
            cl_ord_id: ClOrdId::new(&format!("id{}", user_ref_num.0)).unwrap(),
            group_id: option(options, "group").unwrap_or(0),
            firm: option::<String>(options, "firm")
                .map_or([0; 4], |firm| FirmCode::new(&firm).unwrap().0),
            route: option::<String>(options, "route")
                .map_or([0; 4], |route| FirmCode::new(&route).unwrap().0),
            locate_broker: option::<String>(options, "locate")
                .map_or([0; 4], |broker| FirmCode::new(&broker).unwrap().0),
            discretion_price: Price(option(options, "discretion").unwrap_or(0)),
            discretion_price_type: byte("discretiontype", 0),
            discretion_peg_offset: option(options, "discretionpeg").unwrap_or(0),
            peg_offset: option(options, "peg").unwrap_or(0),
            random_reserves: option(options, "reserves").unwrap_or(0),
            expire_time_s: option(options, "expires").unwrap_or(0),
            post_only: byte("postonly", 0),
            handling: byte("handling", 0),
            self_match: byte("selfmatch", 0),
            trade_now: byte("tradenow", 0),
            ..FromZeros::new_zeroed()
        }
    }

    /// The price has the decimals of the original's instrument. "@+2t" is two ticks above the original's
    /// price, or above the last price if it has no limit, "@off" one unit.
    fn replacement(
        &self,
        header: CommandHeader,
        (original, number): (&str, &str),
        (quantity, price): (&str, &str),
        options: &[&str],
    ) -> Replace {
        let (user_ref_idx, orig_user_ref_num) = number_of(original);
        let (books, manager) = (self.world.engine.books(), self.world.engine.order_manager());
        let found = manager.orders.find(header.port, user_ref_idx, orig_user_ref_num);
        let (current, tick, decimals) = found.map_or((Price(1_000_000), 1, 4), |handle| {
            let order = books.order(handle);
            let instrument = manager.instruments.get(order.instrument.0.into()).unwrap();
            let no_limit = order.price == order.side.no_limit();
            let price = if no_limit { instrument.trading.last_price } else { order.price };
            (price, instrument.tick_size, instrument.price_decimals)
        });
        let price = price.strip_prefix('@').unwrap();
        let price = match (price, price.strip_suffix('t')) {
            ("market", _) => Price::MARKET,
            ("off", _) => Price(current.0 + 1),
            (_, Some(ticks)) => {
                let shift = ticks.parse::<i64>().unwrap() * tick.cast_signed();
                Price(current.0.saturating_add_signed(shift))
            }
            (price, None) => Price(parse_decimal(price, decimals).try_into().unwrap()),
        };
        let user_ref_num = UserRefNum(number.parse().unwrap());
        let byte = |name, usual| option::<char>(options, name).map_or(usual, |c| c as u8);
        let immediate = options.contains(&"ioc");
        let usual = if immediate { TimeInForce::ImmediateOrCancel } else { TimeInForce::Day };
        Replace {
            header,
            price,
            discretion_price: Price(option(options, "discretion").unwrap_or(0)),
            orig_user_ref_num,
            user_ref_num,
            quantity: Quantity(quantity.parse().unwrap()),
            min_quantity: Quantity(option(options, "min").unwrap_or(0)),
            max_floor: Quantity(option(options, "floor").unwrap_or(0)),
            cl_ord_id: ClOrdId::new(&format!("id{}", user_ref_num.0)).unwrap(),
            user_ref_idx,
            side: byte("side", 0),
            time_in_force: byte("tif", usual.byte()),
            display: byte("display", b'Y'),
            intermarket_sweep: byte("iso", b'N'),
            price_type: byte("pricetype", 0),
            locate_broker: option::<String>(options, "locate")
                .map_or([0; 4], |broker| FirmCode::new(&broker).unwrap().0),
            expire_time_s: option(options, "expires").unwrap_or(0),
            post_only: byte("postonly", 0),
            handling: byte("handling", 0),
            trade_now: byte("tradenow", 0),
            ..FromZeros::new_zeroed()
        }
    }

    fn ignored(&self) -> String {
        let EngineCounters {
            commands: _,
            stale_epochs,
            duplicate_orders,
            idle_cancels,
            malformed_cancels,
            late_cancels,
            idle_replaces,
            idle_modifies,
            refused_logins,
            not_allowed,
            unknown_samples,
        } = self.world.engine.counters();
        [
            (stale_epochs, "of an old session"),
            (duplicate_orders, "sent again"),
            (idle_cancels, "with nothing to cancel"),
            (malformed_cancels, "cancels out of form"),
            (late_cancels, "cancels that came too late"),
            (idle_replaces, "with nothing to replace"),
            (idle_modifies, "with nothing to modify"),
            (refused_logins, "to log in"),
            (not_allowed, "not allowed"),
            (unknown_samples, "hashes of an unknown state"),
        ]
        .iter()
        .filter(|(count, _)| **count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect::<Vec<_>>()
        .join(", ")
    }

    fn balance(&self, account: &str, asset: &str) -> String {
        let manager = self.world.engine.order_manager();
        let account = manager.account(AccountId(account.parse().unwrap())).unwrap();
        let (kind, decimals) = match manager.currency(currency(asset)) {
            Some(id) => {
                (Asset::Cash(id), manager.currencies.get(u32::from(id.0)).unwrap().cash_decimals)
            }
            None => (Asset::Shares(manager.instrument(Symbol::new(asset).unwrap()).unwrap()), 0),
        };
        let balance = manager.wallet.find(account, kind).map(|id| *manager.wallet.get(id));
        let (total, held) = balance.map_or((0, 0), |balance| (balance.total, balance.held));
        format!("{} {asset}, {} held", decimal(total, decimals), decimal(held, decimals))
    }
}

pub(super) fn side_of(side: &str) -> u8 {
    match side {
        "buy" => Side::Buy.byte(),
        "sell" => Side::Sell.byte(),
        "short" => Side::SellShort.byte(),
        "exempt" => Side::SellShortExempt.byte(),
        _ => b'?',
    }
}

fn currency(asset: &str) -> CurrencyCode {
    CurrencyCode::new(asset).unwrap_or(CurrencyCode::BLANK)
}

/// "7" or, on another channel than 0, "3/7".
pub(super) fn number_of(text: &str) -> (u8, UserRefNum) {
    let (channel, number) = text.split_once('/').unwrap_or(("0", text));
    (channel.parse().unwrap(), UserRefNum(number.parse().unwrap()))
}

pub(super) fn option<T: std::str::FromStr>(options: &[&str], name: &str) -> Option<T> {
    let value = options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))?;
    value.parse().ok()
}

fn status(options: &[&str]) -> u8 {
    let status = if options.contains(&"pending") {
        AccountStatus::Pending
    } else if options.contains(&"suspended") {
        AccountStatus::Suspended
    } else {
        AccountStatus::Approved
    };
    status.byte()
}

pub(super) fn span(text: &str) -> Nanos {
    if let Some(millis) = text.strip_suffix("ms") {
        return Nanos::from_millis(millis.parse().unwrap());
    }
    Nanos::from_secs(text.strip_suffix('s').unwrap().parse().unwrap())
}

/// "10.5" with two decimals is 1050.
pub(super) fn parse_decimal(text: &str, decimals: u8) -> i64 {
    let text = text.replace(',', "");
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    assert!(part.len() <= usize::from(decimals), "{text} has more than {decimals} decimals");
    format!("{whole}{part:0<width$}", width = usize::from(decimals)).parse().unwrap()
}
