//! The market file as written, with its defaults. Proves nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fees::FeeTable;
use super::limits::LimitTable;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) currency: Vec<CurrencyTable>,
    #[serde(default)]
    pub(super) firm: Vec<FirmTable>,
    #[serde(default)]
    pub(super) instrument: Vec<InstrumentTable>,
    #[serde(default)]
    pub(super) schedule: Vec<ScheduleTable>,
    #[serde(default)]
    pub(super) account: Vec<AccountTable>,
    #[serde(default)]
    pub(super) port: Vec<PortTable>,
    #[serde(default)]
    pub(super) fee: Vec<FeeTable>,
    #[serde(default)]
    pub(super) limit: Vec<LimitTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CurrencyTable {
    pub(super) code: String,
    pub(super) cash_decimals: u8,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirmTable {
    pub(super) code: String,
    #[serde(default)]
    pub(super) open_orders_max: u32,
    #[serde(default)]
    pub(super) self_match: SelfMatchWord,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SelfMatchWord {
    #[default]
    None,
    Firm,
    Account,
    Group,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstrumentTable {
    pub(super) symbol: String,
    pub(super) display_symbol: Option<String>,
    pub(super) currency: String,
    #[serde(default = "InstrumentTable::lot_size")]
    pub(super) lot_size: u32,
    #[serde(default = "InstrumentTable::price_decimals")]
    pub(super) price_decimals: u8,
    pub(super) tick_size: String,
    pub(super) reference_price: String,
    #[serde(default = "InstrumentTable::market_category")]
    pub(super) market_category: char,
    #[serde(default = "InstrumentTable::product")]
    pub(super) product: char,
    #[serde(default)]
    pub(super) short_allowed: bool,
    #[serde(default)]
    pub(super) band_bps: u16,
    #[serde(default = "InstrumentTable::auction_ms")]
    pub(super) auction_ms: u32,
}

impl InstrumentTable {
    /// As long as the auctions of an instrument for which no length was set.
    pub(super) const fn auction_ms() -> u32 {
        60_000
    }

    const fn lot_size() -> u32 {
        1
    }

    const fn price_decimals() -> u8 {
        4
    }

    const fn market_category() -> char {
        'Q'
    }

    const fn product() -> char {
        'C'
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScheduleTable {
    pub(super) group: Option<char>,
    pub(super) opening_auction: Option<String>,
    pub(super) open: String,
    pub(super) closing_auction: Option<String>,
    pub(super) close: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountTable {
    pub(super) number: u32,
    pub(super) firm: String,
    pub(super) status: StatusWord,
    #[serde(default)]
    pub(super) short_allowed: bool,
    #[serde(default)]
    pub(super) group_id: u16,
    #[serde(default)]
    pub(super) cash: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) shares: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StatusWord {
    Pending,
    Approved,
    Suspended,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortTable {
    pub(super) name: String,
    pub(super) firm: String,
    pub(super) kind: KindWord,
    #[serde(default)]
    pub(super) protocol: ProtocolWord,
    #[serde(default = "PortTable::disconnect")]
    pub(super) disconnect: DisconnectWord,
    #[serde(default = "PortTable::grace_ms")]
    pub(super) grace_ms: u32,
    pub(super) default_account: Option<u32>,
    #[serde(default)]
    pub(super) message_rate_max: u32,
    #[serde(default)]
    pub(super) account_by_group: bool,
    #[serde(default)]
    pub(super) open_orders_max: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProtocolWord {
    #[default]
    Ouch50,
    Ouch42,
}

impl PortTable {
    const fn disconnect() -> DisconnectWord {
        DisconnectWord::Cancel
    }

    const fn grace_ms() -> u32 {
        10_000
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum KindWord {
    OrderEntry,
    Admin,
    DropCopy,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum DisconnectWord {
    Keep,
    Cancel,
}
