//! The fields of every event, by name.

use zerocopy::IntoBytes as _;

use super::{Field, Form, form, show, tables};
#[allow(clippy::wildcard_imports, reason = "each of them stands in the table")]
use crate::types::event::*;

tables! {
    Event
    EventHeader {
        kind: known, lines: known, flags, reserved, firm, instrument, port, port_sequence,
        port_distance, firm_sequence, firm_distance, cause, reserved2, feed_sequence,
    }

    TermStarted { term, node, term_grace_ms, reserved }
    DayStarted { request, midnight, date, session, reserved }
    DayEnded { request, reserved }
    TimePassed { second, reserved }
    StateConfirmed { at_sequence, hash, reserved }
    SystemMessage { code: letter, reserved }
    Refused { request, command, reason, reserved }
    VenueLimitsSet {
        event_segment_bytes, orders, balances, ports, accounts, currencies, firms, instruments,
        reserved,
    }
    CurrencyDefined { request, code, currency, cash_decimals, reserved }
    FirmDefined { request, code, open_orders_max, firm, self_match_key, reserved }
    PortDefined {
        request, verifier: bytes, port, default_account, grace_ms, message_rate_max,
        open_orders_max, firm, name, firm_id, kind: letter, disconnect: letter, account_by_group,
        ouch_version, reserved,
    }
    AccountDefined {
        request, account, firm, firm_id, group_id, status: letter, short_allowed, reserved,
    }
    BalanceChanged {
        request, reference, change, balance, held, account, currency, asset_kind: letter, reserved,
    }
    InstrumentDefined {
        request, symbol, display_symbol: text, tick_size, reference_price, currency, lot_size,
        currency_id, price_decimals, market_category: letter, product: letter, short_allowed,
        reserved,
    }
    TradingAction { symbol, request, reason: text, state: letter, phase, reserved }
    FeeSet { request, symbol, account, firm, maker_rate, taker_rate, scope: letter, reserved }
    RiskLimitSet {
        request, value, symbol, account, firm, currency, port, scope: letter, key, reserved,
    }
    CalendarSet { request, opening_auction, open, closing_auction, close, group: letter, reserved }
    PriceBandSet { request, auction_ms, band_bps, reserved }
    PortWentUp { epoch, connection, next_sequence, reserved }
    PortWentDown { epoch, reason: letter, reserved }
    EntrySwitched { user_ref_num, firm, user_ref_idx, enabled, reserved }
    AccountAnswered { next_user_ref_num, user_ref_idx, reserved }
    Modified { order, user_ref_num, quantity, user_ref_idx, side: letter, reserved }
    Accepted {
        price, discretion_price, symbol, user_ref_num, quantity, shown, min_quantity, max_floor,
        expire_time_s, account, peg_offset, discretion_peg_offset, random_reserves, firm: text,
        route: text, locate_broker: text, cl_ord_id, group_id, user_ref_idx, side: letter,
        time_in_force: letter, display: letter, capacity: letter, intermarket_sweep: letter,
        cross_type: letter, order_state: letter, customer_type: letter, post_only: letter,
        handling: letter, price_type: letter, shares_located: letter, self_match: letter,
        bbo_weight: letter, discretion_price_type: letter, trade_now: letter, reserved,
    }
    Rested { order, price, quantity, side: letter, reserved }
    Executed {
        order, contra, match_number, price, notional, fee, shown_as, user_ref_num, quantity, shown,
        leaves, account, group_id, currency, user_ref_idx, side: letter, liquidity: letter,
        reserved,
    }
    Canceled { order, user_ref_num, decrement, leaves, user_ref_idx, reason: letter, reserved }
    Rejected { user_ref_num, reason, user_ref_idx, reserved, cl_ord_id, reserved2 }
    Replaced {
        original, original_shown_as, price, discretion_price, symbol, orig_user_ref_num,
        user_ref_num, quantity, executed, shown, min_quantity, max_floor, expire_time_s, peg_offset,
        discretion_peg_offset, random_reserves, locate_broker: text, account, cl_ord_id, group_id,
        user_ref_idx, side: letter, time_in_force: letter, display: letter, capacity: letter,
        intermarket_sweep: letter, cross_type: letter, order_state: letter, post_only: letter,
        handling: letter, price_type: letter, shares_located: letter, discretion_price_type: letter,
        trade_now: letter, rests, reserved,
    }
    SelfMatchCanceled {
        order, contra, price, user_ref_num, decrement, leaves, prevented, user_ref_idx,
        liquidity: letter, strategy: letter, reserved,
    }
    Reduced { shown_as, quantity, leaves, reserved }
    Restated {
        order, price, user_ref_num, quantity, user_ref_idx, side: letter, reason: letter, reserved,
    }
    MassCanceled { user_ref_num, firm, symbol, group_id, user_ref_idx, side: letter, reserved }
    CrossTraded { shares, price, cross: letter, reserved }
    Indication {
        symbol, paired, imbalance, far, near, reference, direction: letter, cross: letter,
        variation: letter, reserved,
    }
    TradeBusted { request, terms: terms, reason: letter, below_zero, reserved }
    TradeCorrected { request, terms: terms, reason: letter, below_zero, reserved }
    FillBusted {
        match_number, order, price, notional, fee, cash, shares, user_ref_num, quantity, account,
        currency, cl_ord_id, user_ref_idx, side: letter, liquidity: letter, reason: letter,
    }
    FillCorrected {
        match_number, order, old_price, old_notional, old_fee, price, notional, fee, cash, shares,
        user_ref_num, quantity, account, currency, cl_ord_id, user_ref_idx, side: letter,
        liquidity: letter, reason: letter, reserved,
    }
    Reprinted { print_number, price, quantity, reserved }
    CancelRejected { user_ref_num, user_ref_idx, reserved }
}
