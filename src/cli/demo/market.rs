//! The demo's market: so many symbols, a firm with an account and a port for each broker, and an
//! operator. Everybody is so rich that no order is ever refused for want of money.

use std::fmt::Write as _;

use super::trader::Instrument;
use crate::types::{PortName, Symbol};

/// What of the demo's market is variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DemoMarket {
    pub(super) symbols: u64,
    pub(super) brokers: u64,
}

/// A cent, with four decimals.
const TICK_SIZE: u64 = 100;
/// A million million: above 20,000 live orders of 500 shares at the highest price.
const CASH: &str = "1000000000000.00";
const SHARES: u64 = 1_000_000_000_000;
/// Open orders of all brokers, within a node's usual room.
const ORDERS: u64 = 1_000_000;
/// Prices begin between 20 and 220 dollars.
const LOWEST_TICKS: u64 = 2_000;
const RANGE_TICKS: u64 = 20_000;

impl DemoMarket {
    /// Names have four letters: that is the most.
    pub(super) const SYMBOLS_MAX: u64 = 10_000;
    /// Names have two digits.
    pub(super) const BROKERS_MAX: u64 = 99;

    /// The instruments, in the order of definition.
    pub(super) fn instruments(self) -> Vec<Instrument> {
        (0..self.symbols).map(instrument).collect()
    }

    /// The login name of a broker, counted from 0.
    pub(super) fn port(broker: u64) -> PortName {
        PortName::new(&format!("BRK{:02}", broker + 1)).expect("five letters and digits")
    }

    /// The market file.
    pub(super) fn toml(self) -> String {
        let mut text = String::from("# Made by `rialto demo`.\n");
        text.push_str("[[currency]]\ncode = \"USD\"\ncash_decimals = 4\n");
        text.push_str("[[firm]]\ncode = \"XRLT\"\nopen_orders_max = 1\n");
        let open_orders_max = ORDERS / self.brokers;
        let instruments = self.instruments();
        for Instrument { symbol, tick_size: _, reference_ticks } in &instruments {
            let (dollars, cents) = (reference_ticks / 100, reference_ticks % 100);
            let _infallible = writeln!(
                text,
                "[[instrument]]\nsymbol = \"{symbol}\"\ncurrency = \"USD\"\ntick_size = \"0.01\"\n\
                 reference_price = \"{dollars}.{cents:02}\""
            );
        }
        let shares: Vec<_> = instruments
            .iter()
            .map(|instrument| format!("{} = {SHARES}", instrument.symbol))
            .collect();
        let shares = shares.join(", ");
        for broker in 0..self.brokers {
            let (firm, account, port) = (broker + 1, 1_001 + broker, Self::port(broker));
            let _infallible = writeln!(
                text,
                "[[firm]]\ncode = \"BR{firm:02}\"\nopen_orders_max = {open_orders_max}\n\
                 [[account]]\nnumber = {account}\nfirm = \"BR{firm:02}\"\nstatus = \"approved\"\n\
                 cash = {{ USD = \"{CASH}\" }}\nshares = {{ {shares} }}\n\
                 [[port]]\nname = \"{port}\"\nfirm = \"BR{firm:02}\"\nkind = \"order_entry\"\n\
                 disconnect = \"keep\"\ndefault_account = {account}"
            );
        }
        text.push_str("[[port]]\nname = \"OPER01\"\nfirm = \"XRLT\"\nkind = \"admin\"\n");
        text
    }
}

fn instrument(index: u64) -> Instrument {
    // Letters that spell the number, so that no two are alike: AAAA, AAAB, ...
    let letter = |place: u32| {
        let digit = index / 26_u64.pow(place) % 26;
        char::from(b'A' + u8::try_from(digit).expect("below 26"))
    };
    let name: String = (0..4).rev().map(letter).collect();
    Instrument {
        symbol: Symbol::new(&name).expect("four letters"),
        tick_size: TICK_SIZE,
        // Spread over the range without a pattern: 7,919 is prime.
        reference_ticks: LOWEST_TICKS + index * 7_919 % RANGE_TICKS,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::market::Market;

    #[test]
    fn the_market_is_proven_at_both_ends_of_its_range() {
        for (symbols, brokers) in [(1, 1), (100, 8), (1_000, DemoMarket::BROKERS_MAX)] {
            let demo = DemoMarket { symbols, brokers };
            let market = Market::parse(Path::new("demo"), &demo.toml()).unwrap();
            assert_eq!(
                market.summary(),
                format!(
                    "1 currencies, {} firms, {symbols} instruments, {brokers} accounts, {} ports, \
                     0 fees, 0 limits, {} opening balances",
                    brokers + 1,
                    brokers + 1,
                    brokers * (symbols + 1)
                )
            );
            let first = DemoMarket::port(0);
            assert!(market.port_names().any(|name| name == first));
        }
    }
}
