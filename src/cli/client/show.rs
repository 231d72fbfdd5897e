//! OUCH messages for people, and for programs as JSON. It only words what it is given.

use serde_json::{Value, json};

use crate::cli::units::{show_price, show_time};
use crate::types::{BustReason, RejectReason, Side};
use crate::wire::ouch::{EntryAnswer, Options, Outbound};

/// One line for a person.
pub(super) fn text(sequence: u64, message: &Outbound<'_>, decimals: u8) -> String {
    let (timestamp, what) = match message {
        Outbound::SystemEvent(m) => (m.timestamp, format!("system    {}", system_event(m.code))),
        Outbound::Accepted(m, _) => (
            m.timestamp,
            format!(
                "accepted  ref {} {} {} {} at {} as order {}{}",
                m.user_ref_num,
                side(m.side),
                m.quantity,
                m.symbol,
                show_price(m.price.get(), decimals),
                m.order_ref,
                if m.order_state == b'D' { ", dead" } else { "" },
            ),
        ),
        Outbound::Replaced(m, _) => (
            m.timestamp,
            format!(
                "replaced  ref {} by ref {} {} {} {} at {} as order {}{}",
                m.orig_user_ref_num,
                m.user_ref_num,
                side(m.side),
                m.quantity,
                m.symbol,
                show_price(m.price.get(), decimals),
                m.order_ref,
                if m.order_state == b'D' { ", dead" } else { "" },
            ),
        ),
        Outbound::Executed(m, _) => (
            m.timestamp,
            format!(
                "executed  ref {} {} at {} match {} ({})",
                m.user_ref_num,
                m.quantity,
                show_price(m.price.get(), decimals),
                m.match_number,
                liquidity(m.liquidity),
            ),
        ),
        Outbound::Canceled(m, _) => (
            m.timestamp,
            format!(
                "canceled  ref {} {} ({})",
                m.user_ref_num,
                m.quantity,
                cancel_reason(m.reason)
            ),
        ),
        Outbound::BrokenTrade(m, _) => (
            m.timestamp,
            format!(
                "broken    ref {} match {} ({})",
                m.user_ref_num,
                m.match_number,
                bust_reason(m.reason)
            ),
        ),
        Outbound::TradeCorrection(m, _) => (
            m.timestamp,
            format!(
                "corrected ref {} {} at {} match {} ({})",
                m.user_ref_num,
                m.quantity,
                show_price(m.price.get(), decimals),
                m.match_number,
                bust_reason(m.reason)
            ),
        ),
        Outbound::AiqCanceled(m, _) => (
            m.timestamp,
            format!(
                "canceled  ref {} {} ({}, {} prevented @{})",
                m.user_ref_num,
                m.quantity,
                cancel_reason(m.reason),
                m.prevented,
                show_price(m.price.get(), decimals)
            ),
        ),
        Outbound::Rejected(m, _) => (
            m.timestamp,
            format!("rejected  ref {} ({})", m.user_ref_num, reject_reason(m.reason.get())),
        ),
        Outbound::CancelRejected(m, _) => {
            (m.timestamp, format!("rejected  cancel of ref {}", m.user_ref_num))
        }
        Outbound::Restated(m, options) => {
            let shown = Options::parse(options).unwrap_or_default();
            (
                m.timestamp,
                format!(
                    "restated  ref {} shows {} as order {}",
                    m.user_ref_num, shown.display_quantity, shown.secondary_ref
                ),
            )
        }
        Outbound::Modified(m, _) => (
            m.timestamp,
            format!("modified  ref {} {} {} left", m.user_ref_num, side(m.side), m.quantity),
        ),
        Outbound::MassCanceled(m, _) => {
            let symbol = m.symbol.text();
            let what = if symbol.is_empty() { "all" } else { &symbol };
            (m.timestamp, format!("canceling ref {} {what} of firm {}", m.user_ref_num, m.firm))
        }
        Outbound::EntryAnswer(m, _) => {
            let how = if m.kind == EntryAnswer::ENABLED { "enabled" } else { "disabled" };
            (m.timestamp, format!("entry     ref {} {how} for firm {}", m.user_ref_num, m.firm))
        }
        Outbound::AccountAnswer(m, _) => {
            (m.timestamp, format!("account   next ref {}", m.next_user_ref_num))
        }
        Outbound::NotBuilt(kind) => return format!("{sequence} message of type {kind:#04x}"),
    };
    format!("{sequence} {} {what}", show_time(timestamp.get()))
}

/// One object for a program. Prices are integers, as on the wire.
pub(super) fn json(sequence: u64, message: &Outbound<'_>) -> Value {
    match message {
        Outbound::SystemEvent(m) => json!({
            "sequence": sequence, "type": "system_event", "timestamp": m.timestamp.get(),
            "code": char::from(m.code).to_string(),
        }),
        Outbound::Accepted(m, _) => json!({
            "sequence": sequence, "type": "accepted", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "side": char::from(m.side).to_string(),
            "quantity": m.quantity.get(), "symbol": m.symbol.text(), "price": m.price.get(),
            "time_in_force": char::from(m.time_in_force).to_string(),
            "order_ref": m.order_ref.get(),
            "order_state": char::from(m.order_state).to_string(),
            "cl_ord_id": m.cl_ord_id.text(),
        }),
        Outbound::Replaced(m, _) => json!({
            "sequence": sequence, "type": "replaced", "timestamp": m.timestamp.get(),
            "orig_user_ref_num": m.orig_user_ref_num.get(),
            "user_ref_num": m.user_ref_num.get(), "side": char::from(m.side).to_string(),
            "quantity": m.quantity.get(), "symbol": m.symbol.text(), "price": m.price.get(),
            "time_in_force": char::from(m.time_in_force).to_string(),
            "order_ref": m.order_ref.get(),
            "order_state": char::from(m.order_state).to_string(),
            "cl_ord_id": m.cl_ord_id.text(),
        }),
        Outbound::Executed(m, _) => json!({
            "sequence": sequence, "type": "executed", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "quantity": m.quantity.get(),
            "price": m.price.get(), "liquidity": char::from(m.liquidity).to_string(),
            "match_number": m.match_number.get(),
        }),
        Outbound::Canceled(m, _) => json!({
            "sequence": sequence, "type": "canceled", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "quantity": m.quantity.get(),
            "reason": char::from(m.reason).to_string(),
        }),
        Outbound::BrokenTrade(m, _) => json!({
            "sequence": sequence, "type": "broken_trade", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "match_number": m.match_number.get(),
            "reason": char::from(m.reason).to_string(), "cl_ord_id": m.cl_ord_id.text(),
        }),
        Outbound::TradeCorrection(m, _) => json!({
            "sequence": sequence, "type": "trade_correction", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "quantity": m.quantity.get(),
            "price": m.price.get(), "liquidity": char::from(m.liquidity).to_string(),
            "match_number": m.match_number.get(), "reason": char::from(m.reason).to_string(),
            "cl_ord_id": m.cl_ord_id.text(),
        }),
        Outbound::AiqCanceled(m, _) => json!({
            "sequence": sequence, "type": "aiq_canceled", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "quantity": m.quantity.get(),
            "reason": char::from(m.reason).to_string(), "prevented": m.prevented.get(),
            "price": m.price.get(), "liquidity": char::from(m.liquidity).to_string(),
            "strategy": char::from(m.strategy).to_string(),
        }),
        Outbound::Rejected(m, _) => json!({
            "sequence": sequence, "type": "rejected", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "reason": m.reason.get(),
            "cl_ord_id": m.cl_ord_id.text(),
        }),
        Outbound::CancelRejected(m, _) => json!({
            "sequence": sequence, "type": "cancel_rejected", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(),
        }),
        Outbound::Restated(m, options) => {
            let shown = Options::parse(options).unwrap_or_default();
            json!({
                "sequence": sequence, "type": "restated", "timestamp": m.timestamp.get(),
                "user_ref_num": m.user_ref_num.get(), "reason": char::from(m.reason).to_string(),
                "display_quantity": shown.display_quantity,
                "secondary_order_ref": shown.secondary_ref,
            })
        }
        Outbound::Modified(m, _) => json!({
            "sequence": sequence, "type": "modified", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "side": char::from(m.side).to_string(),
            "quantity": m.quantity.get(),
        }),
        Outbound::MassCanceled(m, _) => json!({
            "sequence": sequence, "type": "mass_canceled", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "firm": m.firm.text(), "symbol": m.symbol.text(),
        }),
        Outbound::EntryAnswer(m, _) => json!({
            "sequence": sequence, "type": "order_entry", "timestamp": m.timestamp.get(),
            "user_ref_num": m.user_ref_num.get(), "firm": m.firm.text(),
            "enabled": m.kind == EntryAnswer::ENABLED,
        }),
        Outbound::AccountAnswer(m, _) => json!({
            "sequence": sequence, "type": "account", "timestamp": m.timestamp.get(),
            "next_user_ref_num": m.next_user_ref_num.get(),
        }),
        Outbound::NotBuilt(kind) => {
            json!({ "sequence": sequence, "type": char::from(*kind).to_string() })
        }
    }
}

fn bust_reason(reason: u8) -> &'static str {
    match BustReason::from_byte(reason) {
        Some(BustReason::Erroneous) => "erroneous",
        Some(BustReason::Consent) => "both sides agreed",
        Some(BustReason::Supervisory) => "supervisory",
        Some(BustReason::External) => "from outside",
        None => "unknown reason",
    }
}

fn side(side: u8) -> &'static str {
    match Side::from_byte(side) {
        Some(Side::Buy) => "buy",
        Some(Side::Sell) => "sell",
        Some(Side::SellShort) => "short",
        Some(Side::SellShortExempt) => "short exempt",
        None => "?",
    }
}

fn system_event(code: u8) -> &'static str {
    match code {
        b'S' => "start of day",
        b'E' => "end of day",
        _ => "?",
    }
}

fn liquidity(flag: u8) -> &'static str {
    match flag {
        b'A' => "added",
        b'J' => "added hidden",
        b'R' => "removed",
        b'O' => "opening auction",
        b'C' => "closing auction",
        b'H' => "auction after a halt",
        _ => "?",
    }
}

fn cancel_reason(reason: u8) -> &'static str {
    match reason {
        b'U' => "asked for",
        b'I' => "immediate or cancel",
        b'T' => "time over",
        b'S' => "supervisory",
        b'Q' => "self-match prevention",
        b'Z' => "system",
        b'E' => "market closed",
        b'H' => "halted",
        b'D' => "may not trade any more",
        b'G' => "post-only",
        b'C' => "auction over",
        b'K' => "beyond the collars",
        _ => "?",
    }
}

fn reject_reason(code: u16) -> String {
    const NAMED: &[RejectReason] = &[
        RejectReason::InvalidDisplay,
        RejectReason::InvalidMaxFloor,
        RejectReason::Halted,
        RejectReason::IsoNotAllowed,
        RejectReason::InvalidSide,
        RejectReason::ProcessingError,
        RejectReason::FirmNotAuthorized,
        RejectReason::InvalidMinQuantity,
        RejectReason::Other,
        RejectReason::PeggingNotAllowed,
        RejectReason::InvalidQuantity,
        RejectReason::InvalidCross,
        RejectReason::ReplaceNotAllowed,
        RejectReason::RoutingNotAllowed,
        RejectReason::InvalidSymbol,
        RejectReason::InvalidPrice,
        RejectReason::SharesExceedThreshold,
        RejectReason::ExceedsMaxNotional,
        RejectReason::AggregateExposure,
        RejectReason::RestrictedStock,
        RejectReason::ShortSellRestricted,
        RejectReason::FatFinger,
        RejectReason::SymbolMessageRate,
        RejectReason::PortMessageRate,
        RejectReason::DuplicateOrder,
        RejectReason::MarketOrderNotAllowed,
        RejectReason::PreMarket,
        RejectReason::PostMarket,
        RejectReason::OrderNotional,
        RejectReason::OrderQuantity,
        RejectReason::InvalidSelfMatch,
    ];
    match NAMED.iter().find(|reason| reason.code() == code) {
        Some(reason) => format!("{code:#04x} {reason:?}"),
        None => format!("{code:#04x}"),
    }
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::types::{ClOrdId, Symbol};
    use crate::wire::ouch::{Accepted, Executed, Rejected};

    #[test]
    fn messages_are_worded_for_people() {
        let accepted = Accepted {
            kind: Accepted::KIND,
            timestamp: 34_200_000_000_001.into(),
            user_ref_num: 7.into(),
            side: b'B',
            quantity: 100.into(),
            symbol: Symbol::new("ACME").unwrap(),
            price: 105_000.into(),
            time_in_force: b'0',
            display: b'Y',
            order_ref: 42.into(),
            capacity: b'A',
            intermarket_sweep: b'N',
            cross_type: b'N',
            order_state: b'L',
            cl_ord_id: ClOrdId::BLANK,
        };
        assert_eq!(
            text(1, &Outbound::Accepted(&accepted, &[]), 4),
            "1 09:30:00.000000001 accepted  ref 7 buy 100 ACME at 10.5000 as order 42"
        );
        let bytes = [&b"E\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0\x64"[..], &[0; 17]].concat();
        let mut executed = bytes;
        executed[25] = b'R';
        assert_eq!(
            text(2, &Outbound::parse(&executed).unwrap(), 2),
            "2 00:00:00.000000000 executed  ref 7 100 at 0.00 match 0 (removed)"
        );
        assert_eq!(executed.len(), size_of::<Executed>());
    }

    #[test]
    fn a_reject_names_its_reason() {
        let rejected = Rejected {
            kind: Rejected::KIND,
            timestamp: 0.into(),
            user_ref_num: 7.into(),
            reason: 0x17.into(),
            cl_ord_id: ClOrdId::BLANK,
        };
        let bytes = rejected.as_bytes();
        let message = Outbound::parse(bytes).unwrap();
        assert_eq!(
            text(3, &message, 4),
            "3 00:00:00.000000000 rejected  ref 7 (0x17 InvalidSymbol)"
        );
        assert_eq!(json(3, &message)["reason"], 0x17);
    }
}
