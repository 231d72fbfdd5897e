//! The fields of every command, by name.

use zerocopy::IntoBytes as _;

use super::{Field, Form, form, show, tables};
#[allow(clippy::wildcard_imports, reason = "each of them stands in the table")]
use crate::types::command::*;

tables! {
    Command
    CommandHeader { kind: known, lines: known, form_error, port, epoch, receive_time }

    TermStart { term, node, term_grace_ms, reserved }
    DayStart { request, midnight, date, session, reserved }
    DayEnd { request, reserved }
    Tick { reserved }
    ActivateVersion { version, reserved }
    StateHash { at_sequence, hash, reserved }
    VenueLimits {
        event_segment_bytes, orders, balances, ports, accounts, currencies, firms, instruments,
        reserved,
    }
    CurrencyDefine { request, code, cash_decimals, reserved }
    FirmDefine { request, code, self_match_key, reserved, open_orders_max, reserved2 }
    PortDefine {
        request, verifier: bytes, name, firm, kind: letter, disconnect: letter, grace_ms,
        default_account, message_rate_max, account_by_group, ouch_version, reserved, open_orders_max,
        reserved2,
    }
    AccountOpen { request, account, firm, status: letter, short_allowed, group_id, reserved }
    AccountUpdate { request, account, status: letter, short_allowed, reserved }
    Transfer { request, reference, amount, asset, account, asset_kind: letter, reserved }
    InstrumentDefine {
        request, symbol, display_symbol: text, currency, lot_size, tick_size, reference_price,
        price_decimals, market_category: letter, product: letter, short_allowed, reserved,
    }
    Fee { request, symbol, account, firm, maker_rate, taker_rate, scope: letter, reserved }
    RiskLimit {
        request, value, symbol, account, firm, currency, port, scope: letter, key, reserved,
    }
    Calendar { request, opening_auction, open, closing_auction, close, group: letter, reserved }
    PriceBand { request, symbol, auction_ms, band_bps, reserved }
    PortUp { connection, source_address: bytes, source_port, transport: letter, reserved }
    PortDown { reason: letter, reserved }
    NewOrder {
        price, discretion_price, symbol, user_ref_num, quantity, min_quantity, max_floor,
        expire_time_s, account, user_ref_idx, side: letter, time_in_force: letter, display: letter,
        capacity: letter, intermarket_sweep: letter, cross_type: letter, price_type: letter,
        cl_ord_id, group_id, firm: text, locate_broker: text, route: text, peg_offset,
        random_reserves, discretion_peg_offset, discretion_price_type: letter,
        customer_type: letter, post_only: letter, handling: letter, shares_located: letter,
        self_match: letter, bbo_weight: letter, trade_now: letter,
    }
    Cancel { user_ref_num, quantity, user_ref_idx, reserved }
    Replace {
        price, discretion_price, orig_user_ref_num, user_ref_num, quantity, min_quantity,
        max_floor, random_reserves, expire_time_s, peg_offset, discretion_peg_offset,
        locate_broker: text, cl_ord_id, user_ref_idx, side: letter, time_in_force: letter,
        display: letter, intermarket_sweep: letter, price_type: letter,
        discretion_price_type: letter, post_only: letter, trade_now: letter, handling: letter,
        shares_located: letter, reserved,
    }
    Modify {
        user_ref_num, quantity, locate_broker: text, user_ref_idx, side: letter,
        shares_located: letter, reserved,
    }
    MassCancel { user_ref_num, firm, symbol, group_id, user_ref_idx, side: letter, reserved }
    DisableEntry { user_ref_num, firm, user_ref_idx, reserved }
    EnableEntry { user_ref_num, firm, user_ref_idx, reserved }
    AccountQuery { user_ref_idx, reserved }
    BustTrade { request, terms: terms, reason: letter, reserved }
    TradeCorrection { request, terms: terms, price, reason: letter, reserved }
    Halt { request, symbol, reason: text, reserved }
    Resume { request, symbol, reason: text, auction_ms, reserved }
    SetPhase { request, symbol, reason: text, auction_ms, phase, reserved }
}
