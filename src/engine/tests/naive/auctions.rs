//! The naive exchange's auctions: the price is looked for at every tick there is, then the first buyer
//! trades with the first seller until as many shares have as can.

use super::busts::Trade;
use super::fills::fee_text;
use super::{LISTINGS, MARKET, Naive, Order, due, name, price_text, worth};
use crate::types::Nanos;

/// What an auction comes to.
#[derive(Clone, Copy, Debug)]
struct Clearing {
    price: u64,
    shares: u64,
    /// Buyers' shares that are left over at the price, sellers' if it is negative.
    left_over: i64,
}

impl Naive {
    /// Trades what was collected, and cancels what waited for this auction in vain.
    pub(super) fn hold_auction(&mut self, listing: usize) -> Vec<String> {
        let (cross, waiting) = cross_of(self.trading[listing].phase);
        let all = format!("N{waiting}");
        let mut said = Vec::new();
        let mut clearing = self.clear(listing, &all);
        let collar = self.trading[listing].collar;
        if clearing.is_some_and(|at| at.price > collar || at.price < collar / 4) {
            for buys in [true, false] {
                while let Some(&(at, order)) = self.in_turn(listing, buys, waiting).first()
                    && order.ticket.price == MARKET
                {
                    said.extend(self.take(at, order.open, "Collars"));
                }
            }
            clearing = self.clear(listing, &all);
        }
        let (price, shares) = clearing.map_or((0, 0), |at| (at.price, at.shares));
        let mut left = shares;
        while left > 0 {
            let [buyer, seller] = [true, false].map(|buys| self.in_turn(listing, buys, &all)[0]);
            let quantity = left.min(buyer.1.open.min(seller.1.open).into());
            left -= quantity;
            let quantity = u32::try_from(quantity).unwrap();
            said.extend(self.cross([buyer.0, seller.0], quantity, price, cross));
        }
        let (symbol, at) = (LISTINGS[listing].symbol, price_text(listing, price));
        said.push(format!("crossed {cross} {shares} {symbol} @{at} *"));
        said.extend(self.take_all(listing, waiting, "Cross"));
        said
    }

    /// Says what the auction would come to now.
    pub(super) fn indicate(&mut self, listing: usize) -> Vec<String> {
        self.trading[listing].indicates = Some(self.now.after(Nanos::SECOND));
        let (cross, waiting) = cross_of(self.trading[listing].phase);
        let near = self.clear(listing, &format!("N{waiting}"));
        let far = self.clear(listing, waiting);
        let (paired, left) = near.map_or((0, 0), |at| (at.shares, at.left_over.unsigned_abs()));
        let whose = match near.map(|at| at.left_over) {
            None => " of nothing",
            Some(1..) => " of buyers",
            Some(0) => "",
            Some(_) => " of sellers",
        };
        let last = self.last_price[listing];
        let price = |found: Option<Clearing>| found.map_or(0, |at| at.price);
        let away = match price(near) {
            0 => "",
            _ if last == 0 => "",
            near => variation(near.abs_diff(last) * 100 / last),
        };
        let symbol = LISTINGS[listing].symbol;
        let [near, far, last] = [price(near), price(far), last].map(|at| price_text(listing, at));
        vec![format!(
            "indicated {cross} {symbol} paired {paired} left {left}{whose}, \
             near {near} far {far} last {last}{away} *"
        )]
    }

    /// The one price at which these orders trade, if any do: the most shares, then the fewest left over,
    /// then the highest if only buyers' are, the lowest if only sellers' are, then the nearest to the last
    /// price, of two the higher.
    fn clear(&self, listing: usize, crosses: &str) -> Option<Clearing> {
        let [bids, asks] = [true, false].map(|buys| {
            let orders = self.in_turn(listing, buys, crosses);
            orders.iter().map(|(_, order)| (order.ticket.price, order.open)).collect::<Vec<_>>()
        });
        let sum = |side: &[(u64, u32)], takes: &dyn Fn(u64) -> bool| -> i64 {
            let takers = side.iter().filter(|&&(limit, _)| limit == MARKET || takes(limit));
            takers.map(|&(_, shares)| i64::from(shares)).sum()
        };
        let bought = |price| sum(&bids, &|limit| limit >= price);
        let sold = |price| sum(&asks, &|limit| limit <= price);

        // The limits that have a part: the best, those that cross, and those that whoever has no limit
        // reaches behind the better ones.
        let limits = |side: &[(u64, u32)]| -> Vec<u64> {
            side.iter().map(|&(limit, _)| limit).filter(|&limit| limit != MARKET).collect()
        };
        let (bid_limits, ask_limits) = (limits(&bids), limits(&asks));
        let (best_bid, best_ask) = (bid_limits.first().copied(), ask_limits.first().copied());
        let (any_buyer, any_seller) = (sum(&bids, &|_| false), sum(&asks, &|_| false));
        let bid_has_part = |&&bid: &&u64| {
            let crosses = best_ask.is_some_and(|ask| bid >= ask);
            Some(bid) == best_bid || crosses || bought(bid + 1) < any_seller
        };
        let ask_has_part = |&&ask: &&u64| {
            let crosses = best_bid.is_some_and(|bid| ask <= bid);
            Some(ask) == best_ask || crosses || sold(ask - 1) < any_buyer
        };
        let bids_with_part = bid_limits.iter().filter(bid_has_part);
        let range: Vec<u64> =
            bids_with_part.chain(ask_limits.iter().filter(ask_has_part)).copied().collect();
        // A side without limits reaches to the last price.
        let last = self.last_price[listing];
        let last_if = |is: bool| Some(last).filter(|&last| is && last > 0);
        let lowest = range.iter().copied().chain(last_if(best_bid.is_none())).min();
        let highest = range.iter().copied().chain(last_if(best_ask.is_none())).max();
        let tick = usize::try_from(LISTINGS[listing].tick).unwrap();
        let ticks: Vec<Clearing> = (lowest?..=highest?)
            .step_by(tick)
            .map(|price| {
                let (bought, sold) = (bought(price), sold(price));
                let shares = bought.min(sold).unsigned_abs();
                Clearing { price, shares, left_over: bought - sold }
            })
            .collect();
        let most = ticks.iter().map(|at| at.shares).max().filter(|&shares| shares > 0)?;
        let ticks = ticks.into_iter().filter(|at| at.shares == most);
        let fewest = ticks.clone().map(|at| at.left_over.abs()).min()?;
        let ticks: Vec<_> = ticks.filter(|at| at.left_over.abs() == fewest).collect();
        if ticks.iter().all(|at| at.left_over > 0) {
            return ticks.last().copied();
        }
        if ticks.iter().all(|at| at.left_over < 0) {
            return ticks.first().copied();
        }
        // The last of those that are equally near is the highest.
        ticks.into_iter().rev().min_by_key(|at| at.price.abs_diff(last))
    }

    /// Trades shares of two orders, the buyer's and the seller's.
    fn cross(&mut self, both: [usize; 2], quantity: u32, price: u64, cross: &str) -> Vec<String> {
        let listing = self.orders[both[0]].ticket.listing;
        let value = worth(price, quantity, listing);
        let maker = self.rates.maker;
        let fill =
            format!("{quantity} {} @{}", LISTINGS[listing].symbol, price_text(listing, price));
        let mut on_feed = false;
        let mut said = Vec::new();
        let sides = both.map(|at| {
            let order = &mut self.orders[at];
            let fee = due(order.traded + value, maker) - due(order.traded, maker);
            order.traded += value;
            order.executed += quantity;
            order.open -= quantity;
            // What is not shown goes first.
            let shown = order.shown.saturating_sub(order.open);
            order.shown -= shown;
            on_feed |= shown > 0;
            let (name, open) = (name(&order.ticket), order.open);
            let (cost, feed) = (fee_text(fee), if shown > 0 { " *" } else { "" });
            said.push(format!("executed {name} {fill} {cross}Cross, {open} left{cost}{feed}"));
            (name, order.account, fee)
        });
        self.orders.retain(|order: &Order| order.open > 0);
        let in_auction = true;
        self.settle(Trade { listing, quantity, price, sides, busted: false, on_feed, in_auction });
        said
    }
}

/// The auction that ends a phase, and the orders that wait for it: those for the opening take whichever
/// begins trading.
fn cross_of(phase: &str) -> (&'static str, &'static str) {
    match phase {
        "preopen" | "opening" => ("Opening", "OH"),
        "closing" => ("Closing", "C"),
        _ => ("Halt", "OH"),
    }
}

/// How far a price is from the last, in percent: to the digit, then in tens.
fn variation(percent: u64) -> &'static str {
    const NEAR: [&str; 10] = [" L", " 1", " 2", " 3", " 4", " 5", " 6", " 7", " 8", " 9"];
    match usize::try_from(percent).unwrap() {
        near @ ..10 => NEAR[near],
        10..20 => " A",
        20..30 => " B",
        _ => " C",
    }
}
