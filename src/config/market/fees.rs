//! The fees of the market file: of everyone, of a firm, or in a symbol, in basis points.

use serde::Deserialize;
use zerocopy::FromZeros as _;

use super::{Keys, Market, quoted};
use crate::config::decimal;
use crate::config::error::ConfigError;
use crate::types::command::{CommandHeader, Fee};
use crate::types::event::FeeSet;
use crate::types::{AccountId, FirmCode, Nanos, RiskScope, Symbol};

/// A rate has two decimals: hundredths of a basis point are what a command counts in.
const DECIMALS: u8 = 2;
/// Ten per cent.
const RATE_MAX: u64 = 100_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FeeTable {
    firm: Option<String>,
    symbol: Option<String>,
    account: Option<u32>,
    maker_bp: String,
    taker_bp: String,
}

/// What a fee is, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeeTerms {
    pub(super) account: AccountId,
    pub(super) maker_rate: i32,
    pub(super) taker_rate: i32,
}

/// Whose fees they are: equal in two commands of which the later one holds.
pub(super) type FeeKey = (u8, FirmCode, Symbol);

pub(super) fn of_command(fee: &Fee) -> (FeeKey, FeeTerms) {
    let &Fee { scope, firm, symbol, account, maker_rate, taker_rate, .. } = fee;
    ((scope, firm, symbol), FeeTerms { account, maker_rate, taker_rate })
}

pub(super) fn of_event(fee: &FeeSet) -> (FeeKey, FeeTerms) {
    let &FeeSet { scope, firm, symbol, account, maker_rate, taker_rate, .. } = fee;
    ((scope, firm, symbol), FeeTerms { account, maker_rate, taker_rate })
}

impl Market {
    pub(super) fn fee(&self, keys: &Keys, table: &FeeTable) -> Result<Fee, ConfigError> {
        let mut fee = Fee {
            header: CommandHeader::internal::<Fee>(Nanos::ZERO),
            firm: FirmCode::BLANK,
            symbol: Symbol::BLANK,
            maker_rate: rate(keys, "maker_bp", &table.maker_bp)?,
            taker_rate: rate(keys, "taker_bp", &table.taker_bp)?,
            ..Fee::new_zeroed()
        };
        let rule = "must not be negative: who comes pays for who rested";
        keys.rule(fee.taker_rate >= 0, "taker_bp", quoted(&table.taker_bp), rule)?;
        let scope = match (&table.firm, &table.symbol) {
            (None, None) => {
                let rule = "is needed: all fees go to an account";
                let number = table.account;
                let number = number.ok_or_else(|| keys.broken("account", "(absent)", rule))?;
                let known = self.accounts.iter().find(|other| other.account.0 == number);
                let rule = "no account has this number";
                fee.account = known.ok_or_else(|| keys.broken("account", number, rule))?.account;
                RiskScope::Venue
            }
            (Some(code), None) => {
                fee.firm = self.known_firm(keys, code)?;
                RiskScope::Firm
            }
            (None, Some(text)) => {
                let known = self.instruments.iter().find(|other| other.symbol.text() == *text);
                let rule = "no such instrument";
                fee.symbol = known.ok_or_else(|| keys.broken("symbol", quoted(text), rule))?.symbol;
                RiskScope::Symbol
            }
            (Some(_), Some(text)) => {
                let rule = "a firm's fees are for all symbols";
                return Err(keys.broken("symbol", quoted(text), rule));
            }
        };
        if scope != RiskScope::Venue {
            let rule = "is named by the fees of everyone, in the first table";
            keys.rule(table.account.is_none(), "account", table.account.unwrap_or(0), rule)?;
            let rule = "needs the fees of everyone, in a table before it";
            keys.rule(!self.fees.is_empty(), "*", "(none)", rule)?;
        }
        fee.scope = scope.byte();
        let unique = self.fees.iter().all(|other| of_command(other).0 != of_command(&fee).0);
        keys.rule(unique, "*", "(again)", "fees are set twice")?;
        Ok(fee)
    }
}

/// A rate, which may have a sign.
fn rate(keys: &Keys, key: &str, text: &str) -> Result<i32, ConfigError> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let units = decimal::parse(digits, DECIMALS);
    let units = units.map_err(|rule| keys.broken(key, quoted(text), rule))?;
    let rule = "must be at most 1000 basis points";
    keys.rule(units <= RATE_MAX, key, quoted(text), rule)?;
    Ok(sign * i32::try_from(units).expect("at most RATE_MAX"))
}

/// Whose fees they are, in words.
pub(super) fn payer(fee: &Fee) -> String {
    match RiskScope::from_byte(fee.scope) {
        Some(RiskScope::Firm) => fee.firm.text(),
        Some(RiskScope::Symbol) => format!("everyone in {}", fee.symbol),
        _ => "everyone".to_owned(),
    }
}

/// Fees in words.
pub(super) fn shown(terms: Option<&FeeTerms>) -> String {
    let Some(&FeeTerms { account, maker_rate, taker_rate }) = terms else {
        return "none".to_owned();
    };
    let rate = |rate: i32| {
        let sign = if rate < 0 { "-" } else { "" };
        format!("{sign}{}", decimal::show(rate.unsigned_abs().into(), DECIMALS))
    };
    let to = if account.is_none() { String::new() } else { format!(" to account {account}") };
    format!("maker {} bp, taker {} bp{to}", rate(maker_rate), rate(taker_rate))
}
