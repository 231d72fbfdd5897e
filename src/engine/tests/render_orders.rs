//! The notation of what becomes of orders.

use std::collections::BTreeMap;

use super::phases::waits_for;
use super::render::{Words, reject_reason};
use crate::types::event::Event;
use crate::types::{
    CancelReason, Liquidity, OrderRef, OrderState, RestateReason, SelfMatchStrategy, Side,
};

/// One event of an order in a line.
pub(super) fn order_event(
    event: &Event<'_>,
    words: &Words<'_>,
    sequence: u64,
    orders: &mut BTreeMap<OrderRef, String>,
) -> String {
    match event {
        Event::Accepted(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            orders.insert(OrderRef(sequence), name.clone());
            format!(
                "accepted {name} {} {} {} @{}{}{}{}",
                side(e.side),
                e.quantity,
                e.symbol,
                words.price(e.price),
                if e.order_state == OrderState::Dead.byte() { " dead" } else { "" },
                waits_for(e.cross_type),
                echo(e.trade_now, e.locate_broker)
            )
        }
        Event::Replaced(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            let original = words.name(e.header.port, e.user_ref_idx, e.orig_user_ref_num);
            assert_eq!(original, orders[&e.original]);
            orders.insert(OrderRef(sequence), name.clone());
            let dead = e.order_state == OrderState::Dead.byte();
            format!(
                "replaced {original} by {name} {} {} {} @{}{}{}",
                side(e.side),
                e.quantity,
                e.symbol,
                words.price(e.price),
                // The feed deletes the original if the new order does not rest as it is.
                match (e.rests, dead) {
                    (1, false) => "",
                    (0, false) => " trading",
                    (0, true) => " dead",
                    _ => panic!("it rests and is dead"),
                },
                echo(e.trade_now, e.locate_broker)
            )
        }
        Event::Rested(e) => format!(
            "rested {} {} {} @{}",
            orders[&e.order],
            e.quantity,
            words.symbol(),
            words.price(e.price)
        ),
        Event::Executed(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            assert_eq!(name, orders[&e.order]);
            format!(
                "executed {name} {} {} @{} {:?}, {} left{}",
                e.quantity,
                words.symbol(),
                words.price(e.price),
                Liquidity::from_byte(e.liquidity).unwrap(),
                e.leaves,
                words.fee(e.fee, e.currency)
            )
        }
        Event::Canceled(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            assert_eq!(name, orders[&e.order]);
            let reason = CancelReason::from_byte(e.reason).unwrap();
            format!("canceled {name} {} {reason:?}, {} left", e.decrement, e.leaves)
        }
        Event::SelfMatchCanceled(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            assert_eq!(name, orders[&e.order]);
            format!(
                "self-match {name} {} {:?}, {} left, {} @{} with {} prevented",
                e.decrement,
                SelfMatchStrategy::from_byte(e.strategy).unwrap(),
                e.leaves,
                e.prevented,
                words.price(e.price),
                orders[&e.contra]
            )
        }
        Event::Restated(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            assert_eq!(name, orders[&e.order]);
            // Its parts go by the same name.
            orders.insert(OrderRef(sequence), name.clone());
            assert_eq!(e.reason, RestateReason::Refresh.byte());
            format!("restated {name} shows {} @{}", e.quantity, words.price(e.price))
        }
        Event::Reduced(e) => {
            format!("shown {} {} less, {} left", orders[&e.shown_as], e.quantity, e.leaves)
        }
        Event::Modified(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            assert_eq!(name, orders[&e.order]);
            format!("modified {name} {}, {} left", side(e.side), e.quantity)
        }
        Event::MassCanceled(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            let symbol = Some(e.symbol.text()).filter(|symbol| !symbol.is_empty());
            let symbol = symbol.map_or(String::new(), |symbol| format!(" {symbol}"));
            let sides = if e.side == 0 { String::new() } else { format!(" {}", side(e.side)) };
            format!("mass cancel {name} of {}{symbol}{sides}", e.firm)
        }
        Event::EntrySwitched(e) if e.header.port.is_none() => {
            format!("entry {} for everybody", if e.enabled == 1 { "enabled" } else { "disabled" })
        }
        Event::EntrySwitched(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            let how = if e.enabled == 1 { "enabled" } else { "disabled" };
            format!("entry {how} for {} by {name}", e.firm)
        }
        Event::AccountAnswered(e) => {
            format!("next is {}", words.name(e.header.port, e.user_ref_idx, e.next_user_ref_num))
        }
        Event::Rejected(e) => {
            let name = words.name(e.header.port, e.user_ref_idx, e.user_ref_num);
            format!("rejected {name} {}", reject_reason(e.reason))
        }
        event => panic!("no event of an order: {event:?}"),
    }
}

/// Options that mean nothing to the engine and come back as they were entered.
fn echo(trade_now: u8, locate_broker: [u8; 4]) -> String {
    let trade_now = (trade_now != 0).then(|| format!(" tradenow={}", char::from(trade_now)));
    let broker = (locate_broker != [0; 4])
        .then(|| format!(" locate={}", String::from_utf8_lossy(&locate_broker).trim_end()));
    trade_now.into_iter().chain(broker).collect()
}

fn side(side: u8) -> &'static str {
    match Side::from_byte(side).unwrap() {
        Side::Buy => "buy",
        Side::Sell => "sell",
        Side::SellShort => "short",
        Side::SellShortExempt => "exempt",
    }
}
