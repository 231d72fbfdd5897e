//! The tables of an archive. `schema.md` says of each column its unit and where it comes from.
#![doc = include_str!("schema.md")]

use crate::table::{Text, Time, table};

table! {
    /// A step in the life of an order.
    OrderRow in "orders" {
        /// Of the event in the event log.
        sequence: i64,
        /// Log time of the event.
        time: Time = "ns",
        /// Sequence, in the command log, of the command that caused it.
        command: i64,
        /// When the gateway took that command from the wire; 0 = it came from no wire.
        receive_time: Time = "ns",
        /// What became of the order: see above.
        action: Text,
        /// The exchange's number of the order; 0 = it was rejected, or what is said is said of `shown_as`.
        order: i64,
        /// The number under which the feed shows it from here on; 0 = it does not, or not said.
        shown_as: i64,
        /// The order it takes the place of; 0 = none.
        original: i64,
        /// The number under which the feed showed that one; 0 = it was hidden.
        original_shown_as: i64,
        /// The order of the same owner that it would have met; 0 = none.
        contra: i64,
        /// Login name of the port.
        port: Text,
        /// Code of the firm.
        firm: Text,
        /// Number of the account that answers for it; 0 = not said.
        account: i64,
        /// The instrument; of a refused Replace empty.
        symbol: Text,
        /// The port's channel.
        channel: i64,
        /// The participant's number of the order.
        user_ref_num: i64,
        /// The participant's number of the order that is replaced; 0 = none.
        orig_user_ref_num: i64,
        /// The participant's text.
        cl_ord_id: Text,
        /// B buy, S sell, T sell short, E sell short exempt.
        side: Text,
        /// The limit; 2147483647 = none; 0 = not said.
        price: i64 = "price",
        /// Decimals of this row's prices.
        price_decimals: i64,
        /// Shares it begins with; those that are shown no more (`reduced`); those that would have traded
        /// (`self_match_canceled`).
        quantity: i64 = "shares",
        /// Shares of it that the feed shows from here on, under `shown_as`.
        shown: i64 = "shares",
        /// Shares executed of all the orders it replaced.
        executed: i64 = "shares",
        /// Shares that will not trade any more.
        canceled: i64 = "shares",
        /// Shares left, where shares were canceled, or the order was modified.
        leaves: i64 = "shares",
        /// Least of a first fill; 0 = any.
        min_quantity: i64 = "shares",
        /// Displayed part of a reserve order; 0 = all.
        max_floor: i64 = "shares",
        /// Random part of the reserve.
        random_reserves: i64 = "shares",
        /// 0 day, 3 immediate or cancel, 5 extended, 6 good till time, E after hours.
        time_in_force: Text,
        /// Seconds to live, of a good till time order.
        expire_time_s: i64 = "s",
        /// OUCH display.
        display: Text,
        /// OUCH capacity.
        capacity: Text,
        /// Y or N.
        intermarket_sweep: Text,
        /// OUCH cross type: N continuous, O opening, C closing, H halt.
        cross_type: Text,
        /// L live, D dead.
        order_state: Text,
        /// OUCH customer type.
        customer_type: Text,
        /// P post-only.
        post_only: Text,
        /// OUCH handling instruction.
        handling: Text,
        /// OUCH price type.
        price_type: Text,
        /// Signed.
        peg_offset: i64 = "price",
        /// 0 = none.
        discretion_price: i64 = "price",
        /// OUCH price type of the discretion.
        discretion_price_type: Text,
        /// Signed.
        discretion_peg_offset: i64 = "price",
        /// Of a short sale.
        shares_located: Text,
        /// Of a located short sale.
        locate_broker: Text,
        /// Where to route.
        route: Text,
        /// OUCH trade now.
        trade_now: Text,
        /// OUCH BBO weight.
        bbo_weight: Text,
        /// O cancel oldest, W cancel newest, D decrement both.
        self_match: Text,
        /// The firm that the order named.
        named_firm: Text,
        /// Sub-account; 0 = none.
        group: i64,
        /// 1 = the successor rests as it is.
        rests: i64,
        /// Of a self-match: A it rested, J it rested hidden, R it came.
        liquidity: Text,
        /// Why shares were canceled, or it was restated, as OUCH writes it.
        reason: Text,
        /// Why it was rejected: the number of OUCH 5.0; 0 = it was not.
        reject_reason: i64,
    }
}

table! {
    /// One side of a fill.
    ExecutionRow in "executions" {
        /// Of the event in the event log.
        sequence: i64,
        /// Log time of the event.
        time: Time = "ns",
        /// Sequence, in the command log, of the command that caused it.
        command: i64,
        /// Ties the two sides, and the trade.
        match_number: i64,
        /// The order.
        order: i64,
        /// The other side's order.
        contra: i64,
        /// Login name of the port.
        port: Text,
        /// Code of the firm.
        firm: Text,
        /// The account that settles.
        account: i64,
        /// Sub-account; 0 = none.
        group: i64,
        /// The instrument.
        symbol: Text,
        /// The port's channel.
        channel: i64,
        /// The participant's number of the order.
        user_ref_num: i64,
        /// B buy, S sell, T sell short, E sell short exempt.
        side: Text,
        /// A rested, J rested hidden, R came, O opening, C closing, H halt auction.
        liquidity: Text,
        /// Of the fill.
        price: i64 = "price",
        /// Decimals of the price.
        price_decimals: i64,
        /// Of the fill.
        quantity: i64 = "shares",
        /// Those of them that the feed showed.
        shown: i64 = "shares",
        /// The number under which the feed showed the order that rested, in an auction this side's; 0 = it
        /// was hidden.
        shown_as: i64,
        /// Left of the order.
        leaves: i64 = "shares",
        /// Of the cash.
        currency: Text,
        /// Value of the fill.
        notional: i64 = "cash",
        /// Of this side; negative: a rebate.
        fee: i64 = "cash",
        /// Decimals of this row's cash.
        cash_decimals: i64,
    }
}

table! {
    /// A fill, both sides.
    TradeRow in "trades" {
        /// The sequence of the fill's first event.
        match_number: i64,
        /// Log time of the fill.
        time: Time = "ns",
        /// The instrument.
        symbol: Text,
        /// Of the fill.
        price: i64 = "price",
        /// Decimals of the price.
        price_decimals: i64,
        /// Of the fill.
        quantity: i64 = "shares",
        /// Of the cash.
        currency: Text,
        /// Value of the fill.
        notional: i64 = "cash",
        /// Decimals of this row's cash.
        cash_decimals: i64,
        /// Side that came: B or S; empty = an auction.
        aggressor: Text,
        /// The auction: O opening, C closing, H halt; empty = none.
        cross: Text,
        /// The buyer's order.
        buy_order: i64,
        /// The buyer's firm.
        buy_firm: Text,
        /// The buyer's account.
        buy_account: i64,
        /// What the buyer paid besides.
        buy_fee: i64 = "cash",
        /// The seller's order.
        sell_order: i64,
        /// The seller's firm.
        sell_firm: Text,
        /// The seller's account.
        sell_account: i64,
        /// What the seller paid of the proceeds.
        sell_fee: i64 = "cash",
    }
}

table! {
    /// A trade that was busted, or corrected to another price.
    TradeAmendmentRow in "trade_amendments" {
        /// Of the event in the event log.
        sequence: i64,
        /// Log time of the event.
        time: Time = "ns",
        /// Sequence, in the command log, of the command that caused it.
        command: i64,
        /// Login name of the operator's port.
        port: Text,
        /// The operator's number of the request.
        request: i64,
        /// What became of the trade: busted or corrected.
        action: Text,
        /// E erroneous, C consent of both sides, S supervision, X somebody outside.
        reason: Text,
        /// The trade.
        match_number: i64,
        /// The number of the feed's print that is broken; 0 = the feed had none.
        broken_print: i64,
        /// The number of the feed's new print; 0 = none.
        new_print: i64,
        /// The instrument.
        symbol: Text,
        /// Of the trade.
        quantity: i64 = "shares",
        /// Until here.
        old_price: i64 = "price",
        /// From here on; 0 = busted.
        price: i64 = "price",
        /// Decimals of the prices.
        price_decimals: i64,
        /// Of the cash.
        currency: Text,
        /// Value until here.
        old_notional: i64 = "cash",
        /// Value from here on; 0 = busted.
        notional: i64 = "cash",
        /// Decimals of this row's cash.
        cash_decimals: i64,
        /// The buyer's order.
        buy_order: i64,
        /// The buyer's firm.
        buy_firm: Text,
        /// The buyer's account.
        buy_account: i64,
        /// The buyer's fee until here.
        buy_old_fee: i64 = "cash",
        /// The buyer's fee from here on.
        buy_fee: i64 = "cash",
        /// The seller's order.
        sell_order: i64,
        /// The seller's firm.
        sell_firm: Text,
        /// The seller's account.
        sell_account: i64,
        /// The seller's fee until here.
        sell_old_fee: i64 = "cash",
        /// The seller's fee from here on.
        sell_fee: i64 = "cash",
        /// What is below zero behind it, added up: 1 the buyer's cash, 2 the buyer's shares, 4 the seller's
        /// cash, 8 the seller's shares.
        below_zero: i64,
    }
}

table! {
    /// Cash of an account came or went, or its balance was stated.
    CashMovementRow in "cash_movements" {
        /// Of the event in the event log.
        sequence: i64,
        /// Log time of the event.
        time: Time = "ns",
        /// Opening, transfer, trade, bust, correction, fee.
        kind: Text,
        /// Whose.
        account: i64,
        /// Of what.
        currency: Text,
        /// What came (positive) or went; 0 = an opening balance.
        amount: i64 = "cash",
        /// After it.
        balance: i64 = "cash",
        /// Decimals of this row's cash.
        cash_decimals: i64,
        /// The order that traded; 0 = none.
        order: i64,
        /// The trade; 0 = none.
        match_number: i64,
        /// The outside world's number of the transfer, its bits as a signed integer; 0 = none.
        reference: i64,
    }
}

table! {
    /// Shares of an account came or went, or their number was stated.
    PositionMovementRow in "position_movements" {
        /// Of the event in the event log.
        sequence: i64,
        /// Log time of the event.
        time: Time = "ns",
        /// Opening, transfer, trade, bust.
        kind: Text,
        /// Whose.
        account: i64,
        /// Of what.
        symbol: Text,
        /// What came (positive) or went; 0 = an opening balance.
        amount: i64 = "shares",
        /// After it.
        balance: i64 = "shares",
        /// The order that traded; 0 = none.
        order: i64,
        /// The trade; 0 = none.
        match_number: i64,
        /// The outside world's number of the transfer, its bits as a signed integer; 0 = none.
        reference: i64,
    }
}

table! {
    /// What an account had of an asset before the day, what became of it, and what it has.
    BalanceRow in "balances" {
        /// Whose.
        account: i64,
        /// The firm that the account belongs to.
        firm: Text,
        /// C cash, S shares.
        asset: Text,
        /// Code of the currency, or symbol.
        name: Text,
        /// Decimals of this row's amounts: those of the cash, 0 for shares.
        decimals: i64,
        /// Before the archive's first event.
        opening: i64 = "asset",
        /// By deposits and withdrawals.
        transferred: i64 = "asset",
        /// By fills, and by what became of them in busts and corrections.
        traded: i64 = "asset",
        /// By fees and rebates, less those that went back.
        fees: i64 = "asset",
        /// After its last event: the sum of the four.
        closing: i64 = "asset",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{ColumnKind, Row};

    #[test]
    fn the_schema_page_has_every_column_as_it_is() {
        fn lines<R: Row>() -> Vec<String> {
            let mut text = vec![format!("## {}", R::TABLE)];
            for column in R::COLUMNS {
                let kind = match column.kind {
                    ColumnKind::Integer => "integer",
                    ColumnKind::Time => "time",
                    ColumnKind::Text => "text",
                };
                text.push(format!("{} | {kind} | {}", column.name, column.unit));
            }
            text
        }

        let code = [
            lines::<OrderRow>(),
            lines::<ExecutionRow>(),
            lines::<TradeRow>(),
            lines::<TradeAmendmentRow>(),
            lines::<CashMovementRow>(),
            lines::<PositionMovementRow>(),
            lines::<BalanceRow>(),
        ];
        let (_, tables) = include_str!("schema.md").split_once("\n## ").unwrap();
        let mut page = Vec::new();
        for line in format!("## {tables}").lines() {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            match cells[..] {
                [heading] if heading.starts_with("## ") => page.push(heading.replace('`', "")),
                [_, name, kind, unit, what, from, _] if name != "column" && name != "---" => {
                    assert!(!what.is_empty() && !from.is_empty(), "{line}");
                    page.push(format!("{} | {kind} | {unit}", name.replace('`', "")));
                }
                _ => {}
            }
        }
        assert_eq!(page, code.concat());
    }
}
