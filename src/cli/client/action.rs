//! What a trader types, as messages: `buy 100 ACME 10.50`, `replace 7 60 10.55`, `cancel 7`. It sends
//! nothing.

use crate::config::decimal;
use crate::types::{Price, Quantity, Side, Symbol, TimeInForce, UserRefNum};

/// The words a line may be made of.
pub(super) const GRAMMAR: &str = "\
    buy QUANTITY SYMBOL PRICE [ioc|fok]     PRICE may be `market`\n  \
    sell QUANTITY SYMBOL PRICE [ioc|fok]\n  \
    short QUANTITY SYMBOL PRICE [ioc|fok]\n  \
    replace REF QUANTITY [PRICE]            without PRICE, the order's own; QUANTITY is\n                                          \
                                            what it may come to in all\n  \
    cancel REF [QUANTITY]                   QUANTITY is what the order may come to in all\n  \
    quit";

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Enter(Order),
    Replace { order: UserRefNum, quantity: Quantity, price: Option<Price> },
    Cancel { order: UserRefNum, quantity: Quantity },
    Quit,
}

/// An order to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) side: Side,
    pub(super) quantity: Quantity,
    pub(super) symbol: Symbol,
    pub(super) price: Price,
    pub(super) time_in_force: TimeInForce,
    /// All at once or not at all.
    pub(super) fill_or_kill: bool,
}

/// Why a line asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ActionError {
    #[error("`{0}` is none of these:\n  {GRAMMAR}")]
    Words(String),
    #[error("`{0}` is no quantity: a whole number of shares")]
    Quantity(String),
    #[error("`{0}` is no symbol: up to eight letters")]
    Symbol(String),
    #[error("`{0}` is no price with {1} decimals, nor `market`")]
    Price(String, u8),
    #[error("`{0}` is no reference: the number of an order entered before")]
    Reference(String),
}

/// Reads a line. Whether the exchange takes the values is its own business.
pub(super) fn parse(line: &str, decimals: u8) -> Result<Action, ActionError> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let unknown = || ActionError::Words(line.to_owned());
    let side = match words.as_slice() {
        ["quit"] => return Ok(Action::Quit),
        ["replace", order, quantity] => return replace(order, quantity, None),
        ["replace", order, quantity, price] => {
            return replace(order, quantity, Some(limit(price, decimals)?));
        }
        ["cancel", order] => return cancel(order, "0"),
        ["cancel", order, quantity] => return cancel(order, quantity),
        ["buy", ..] => Side::Buy,
        ["sell", ..] => Side::Sell,
        ["short", ..] => Side::SellShort,
        _ => return Err(unknown()),
    };
    let (quantity, symbol, price, how) = match words[1..] {
        [quantity, symbol, price] => (quantity, symbol, price, ""),
        [quantity, symbol, price, how] => (quantity, symbol, price, how),
        _ => return Err(unknown()),
    };
    let at_once = price == "market" || matches!(how, "ioc" | "fok");
    if !matches!(how, "" | "day" | "ioc" | "fok") {
        return Err(unknown());
    }
    let upper = symbol.to_ascii_uppercase();
    Ok(Action::Enter(Order {
        side,
        quantity: shares(quantity)?,
        symbol: Symbol::new(&upper).ok_or_else(|| ActionError::Symbol(symbol.to_owned()))?,
        price: if price == "market" { Price::MARKET } else { limit(price, decimals)? },
        time_in_force: if at_once { TimeInForce::ImmediateOrCancel } else { TimeInForce::Day },
        fill_or_kill: how == "fok",
    }))
}

fn replace(order: &str, quantity: &str, price: Option<Price>) -> Result<Action, ActionError> {
    Ok(Action::Replace { order: reference(order)?, quantity: shares(quantity)?, price })
}

fn cancel(order: &str, quantity: &str) -> Result<Action, ActionError> {
    Ok(Action::Cancel { order: reference(order)?, quantity: shares(quantity)? })
}

fn reference(text: &str) -> Result<UserRefNum, ActionError> {
    text.parse().map(UserRefNum).map_err(|_| ActionError::Reference(text.to_owned()))
}

fn limit(text: &str, decimals: u8) -> Result<Price, ActionError> {
    let price = decimal::parse(text, decimals).map(Price);
    price.map_err(|_| ActionError::Price(text.to_owned(), decimals))
}

fn shares(text: &str) -> Result<Quantity, ActionError> {
    text.parse().map(Quantity).map_err(|_| ActionError::Quantity(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            side: Side::Buy,
            quantity: Quantity(100),
            symbol: Symbol::new("ACME").unwrap(),
            price: Price(105_000),
            time_in_force: TimeInForce::Day,
            fill_or_kill: false,
        }
    }

    #[test]
    fn orders_are_read() {
        assert_eq!(parse("buy 100 acme 10.50", 4), Ok(Action::Enter(order())));
        assert_eq!(parse(" buy  100 ACME 10.5 day", 4), Ok(Action::Enter(order())));
        let short = Order { side: Side::SellShort, ..order() };
        assert_eq!(parse("short 100 ACME 10.5", 4), Ok(Action::Enter(short)));
        let ioc = Order { time_in_force: TimeInForce::ImmediateOrCancel, ..order() };
        assert_eq!(parse("buy 100 ACME 10.5 ioc", 4), Ok(Action::Enter(ioc)));
        let kill = Order { fill_or_kill: true, ..ioc };
        assert_eq!(parse("buy 100 ACME 10.5 fok", 4), Ok(Action::Enter(kill)));
        let market = Order { price: Price::MARKET, ..ioc };
        assert_eq!(parse("buy 100 ACME market", 4), Ok(Action::Enter(market)));
    }

    #[test]
    fn replaces_are_read() {
        let (order, quantity) = (UserRefNum(7), Quantity(60));
        let same = Action::Replace { order, quantity, price: None };
        assert_eq!(parse("replace 7 60", 4), Ok(same));
        let moved = Action::Replace { order, quantity, price: Some(Price(105_500)) };
        assert_eq!(parse("replace 7 60 10.55", 4), Ok(moved));
        assert!(matches!(parse("replace 7", 4), Err(ActionError::Words(_))));
        assert!(matches!(parse("replace me 60", 4), Err(ActionError::Reference(_))));
        assert!(matches!(parse("replace 7 60 market", 4), Err(ActionError::Price(..))));
    }

    #[test]
    fn cancels_are_read() {
        let all = Action::Cancel { order: UserRefNum(7), quantity: Quantity(0) };
        assert_eq!(parse("cancel 7", 4), Ok(all));
        let part = Action::Cancel { order: UserRefNum(7), quantity: Quantity(50) };
        assert_eq!(parse("cancel 7 50", 4), Ok(part));
        assert_eq!(parse("quit", 4), Ok(Action::Quit));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        assert!(parse("hold 100", 4).unwrap_err().to_string().contains("buy QUANTITY"));
        assert!(matches!(parse("buy 100 ACME", 4), Err(ActionError::Words(_))));
        assert!(matches!(parse("buy 1 ACME 1 soon", 4), Err(ActionError::Words(_))));
        assert!(matches!(parse("buy x ACME 1", 4), Err(ActionError::Quantity(_))));
        assert!(matches!(parse("buy 1 TOOLONGSYM 1", 4), Err(ActionError::Symbol(_))));
        assert!(matches!(parse("buy 1 ACME 1.00001", 4), Err(ActionError::Price(_, 4))));
        assert!(matches!(parse("cancel me", 4), Err(ActionError::Reference(_))));
    }
}
