//! The price of an auction: one price for everything that was collected on both sides.
//!
//! Pure: it reads prices and quantities and changes nothing. Each rule decides among the prices that
//! the rules before it left equal:
//!
//! | rule | the price |
//! |---|---|
//! | volume | at which most shares trade |
//! | imbalance | at which fewest are left over of what would trade there |
//! | pressure | if all leave buyers over the highest, if all leave sellers over the lowest |
//! | reference | nearest to the reference price; of two equally near, the higher |
//!
//! Every tick of a range is a candidate: from the lowest to the highest of the best bid, the best ask,
//! the limits that cross, and those that market orders reach. Where no bid has a limit, the range begins
//! no higher than the reference price; where no offer has one, it ends no lower.

use crate::sys::prefault::prefaulted_part;
use crate::types::Price;

/// Memory for one limit of so many orders is touched at the start, as that of the books' price levels is.
const ORDERS_PER_LIMIT: usize = 32;

/// What was collected for an auction. Its memory is used again for the next.
#[derive(Debug, Default)]
pub struct Auction {
    bids: Side,
    asks: Side,
}

/// The outcome of an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// The price of every fill.
    pub price: Price,
    /// Shares that trade.
    pub volume: u64,
    /// Shares that are left over at the price: of buyers if positive, of sellers if negative.
    pub imbalance: i64,
}

#[derive(Debug, Default)]
struct Side {
    /// Shares without a limit.
    market: u64,
    /// Limits and the shares at each, best first.
    limits: Vec<(Price, u64)>,
}

impl Auction {
    /// Room for as many limits as orders may rest.
    #[must_use]
    pub fn with_room(orders: u32) -> Self {
        let side = || {
            let orders = orders as usize;
            let often = orders / ORDERS_PER_LIMIT;
            Side { market: 0, limits: prefaulted_part((Price(0), 0), often, orders) }
        };
        Self { bids: side(), asks: side() }
    }

    /// Collects both sides: shares without a limit, and limits with their shares, best price first.
    /// Takes of the limits only those that can have a part in the price.
    pub fn collect(
        &mut self,
        (market_bids, bids): (u64, impl Iterator<Item = (Price, u64)>),
        (market_asks, asks): (u64, impl Iterator<Item = (Price, u64)>),
    ) {
        let (mut bids, mut asks) = (bids.peekable(), asks.peekable());
        let best_bid = bids.peek().map(|&(price, _)| price);
        let best_ask = asks.peek().map(|&(price, _)| price);
        let crosses = |price| best_ask.is_some_and(|ask| price >= ask);
        self.bids.collect(market_bids, bids, market_asks, crosses);
        let crosses = |price| best_bid.is_some_and(|bid| price <= bid);
        self.asks.collect(market_asks, asks, market_bids, crosses);
    }

    /// The price by the rules above, for prices in multiples of `tick`. `None` if nothing trades. A
    /// reference price of zero is none.
    #[must_use]
    pub fn clear(&self, reference: Price, tick: u64) -> Option<Clearing> {
        let (bids, asks) = (&self.bids, &self.asks);
        let mut choice = Choice { reference: reference.0, tick, best: None };
        let edge = reference.0 - reference.0 % tick;
        let mut demand = bids.market + bids.limits.iter().map(|&(_, shares)| shares).sum::<u64>();
        let mut supply = asks.market;
        let mut rising = bids.limits.iter().rev().peekable();
        let mut falling = asks.limits.iter().peekable();
        // The tick behind the last price that was looked at.
        let mut next = if bids.limits.is_empty() && edge > 0 { Some(edge) } else { None };
        loop {
            let price = match (rising.peek(), falling.peek()) {
                (Some(&&(bid, _)), Some(&&(ask, _))) => bid.min(ask),
                (Some(&&(price, _)), None) | (None, Some(&&(price, _))) => price,
                (None, None) => break,
            };
            if let Some(low) = next
                && low < price.0
            {
                choice.consider(low, price.0 - tick, demand, supply);
            }
            supply += falling.next_if(|level| level.0 == price).map_or(0, |level| level.1);
            choice.consider(price.0, price.0, demand, supply);
            demand -= rising.next_if(|level| level.0 == price).map_or(0, |level| level.1);
            next = Some(price.0 + tick);
        }
        if let Some(low) = next
            && asks.limits.is_empty()
            && low <= edge
        {
            choice.consider(low, edge, demand, supply);
        }
        choice.best.map(Best::clearing)
    }
}

impl Side {
    /// Takes the best limit, those that cross, and those that the other side's market orders reach.
    fn collect(
        &mut self,
        market: u64,
        limits: impl Iterator<Item = (Price, u64)>,
        market_opposite: u64,
        crosses: impl Fn(Price) -> bool,
    ) {
        self.market = market;
        self.limits.clear();
        let mut better = market;
        for (price, shares) in limits {
            if !self.limits.is_empty() && !crosses(price) && better >= market_opposite {
                break;
            }
            self.limits.push((price, shares));
            better += shares;
        }
    }
}

/// The choice among prices that are looked at from the lowest to the highest.
struct Choice {
    reference: u64,
    tick: u64,
    best: Option<Best>,
}

/// Prices that are equal by volume and imbalance.
#[derive(Clone, Copy)]
struct Best {
    volume: u64,
    /// Whether all of them leave buyers over.
    buyers_left: bool,
    /// Whether all of them leave sellers over.
    sellers_left: bool,
    lowest: u64,
    highest: u64,
    nearest: u64,
    distance: u64,
    /// What is left over at the nearest.
    imbalance: i64,
}

impl Choice {
    /// Looks at the ticks from `low` to `high`, at each of which the same shares are bid and offered.
    fn consider(&mut self, low: u64, high: u64, demand: u64, supply: u64) {
        let volume = demand.min(supply);
        if volume == 0 {
            return;
        }
        let signed = |shares| i64::try_from(shares).expect("all shares of a book fit");
        let imbalance = signed(demand) - signed(supply);
        let nearest = self.nearest(low, high);
        let distance = nearest.abs_diff(self.reference);
        let (buyers, sellers) = (imbalance > 0, imbalance < 0);
        let rank = |volume: u64, imbalance: i64| (volume, u64::MAX - imbalance.unsigned_abs());
        match &mut self.best {
            Some(best) if rank(volume, imbalance) < rank(best.volume, best.imbalance) => {}
            Some(best) if rank(volume, imbalance) == rank(best.volume, best.imbalance) => {
                best.buyers_left &= buyers;
                best.sellers_left &= sellers;
                best.highest = high;
                if distance <= best.distance {
                    (best.nearest, best.distance, best.imbalance) = (nearest, distance, imbalance);
                }
            }
            best => {
                *best = Some(Best {
                    volume,
                    buyers_left: buyers,
                    sellers_left: sellers,
                    lowest: low,
                    highest: high,
                    nearest,
                    distance,
                    imbalance,
                });
            }
        }
    }

    /// The tick from `low` to `high` that is nearest to the reference, the higher of two.
    const fn nearest(&self, low: u64, high: u64) -> u64 {
        if self.reference <= low {
            return low;
        }
        if self.reference >= high {
            return high;
        }
        let above = self.reference % self.tick;
        let below = self.reference - above;
        if above < self.tick - above { below } else { below + self.tick }
    }
}

impl Best {
    fn clearing(self) -> Clearing {
        let price = match self {
            Self { buyers_left: true, highest, .. } => highest,
            Self { sellers_left: true, lowest, .. } => lowest,
            Self { nearest, .. } => nearest,
        };
        Clearing { price: Price(price), volume: self.volume, imbalance: self.imbalance }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Orders of one side: shares without a limit, and shares by limit.
    #[derive(Clone, Debug, Default)]
    struct Orders {
        market: u64,
        limits: BTreeMap<u64, u64>,
    }

    fn orders(market: u64, limits: &[(u64, u64)]) -> Orders {
        Orders { market, limits: limits.iter().copied().collect() }
    }

    /// The rules in the simplest words: every tick of the range is tried.
    fn naive(bids: &Orders, asks: &Orders, reference: u64, tick: u64) -> Option<Clearing> {
        let best_bid = bids.limits.keys().next_back().copied();
        let best_ask = asks.limits.keys().next().copied();
        let demand = |price| bids.market + bids.limits.range(price..).map(|(_, n)| n).sum::<u64>();
        let supply = |price| asks.market + asks.limits.range(..=price).map(|(_, n)| n).sum::<u64>();
        let bids_in_range = bids.limits.keys().copied().filter(|&bid| {
            Some(bid) == best_bid
                || best_ask.is_some_and(|ask| bid >= ask)
                || demand(bid + 1) < asks.market
        });
        let asks_in_range = asks.limits.keys().copied().filter(|&ask| {
            Some(ask) == best_ask
                || best_bid.is_some_and(|bid| ask <= bid)
                || supply(ask - 1) < bids.market
        });
        let mut range: Vec<u64> = bids_in_range.chain(asks_in_range).collect();
        let edge = reference - reference % tick;
        if edge > 0 && best_bid.is_none() {
            range.push(best_ask.map_or(edge, |ask| ask.min(edge)));
        }
        if edge > 0 && best_ask.is_none() {
            range.push(best_bid.map_or(edge, |bid| bid.max(edge)));
        }
        let (low, high) = (*range.iter().min()?, *range.iter().max()?);
        let ticks: Vec<u64> = (low..=high).filter(|price| price.is_multiple_of(tick)).collect();
        let volume = |price: u64| demand(price).min(supply(price));
        let imbalance = |price: u64| demand(price).cast_signed() - supply(price).cast_signed();
        let key = |price: u64| (volume(price), Reverse(imbalance(price).abs()));
        let most = ticks.iter().map(|&price| key(price)).max()?;
        let equal: Vec<u64> = ticks.into_iter().filter(|&price| key(price) == most).collect();
        let price = if equal.iter().all(|&price| imbalance(price) > 0) {
            *equal.last()?
        } else if equal.iter().all(|&price| imbalance(price) < 0) {
            equal[0]
        } else {
            *equal.iter().min_by_key(|&&price| (price.abs_diff(reference), Reverse(price)))?
        };
        let clearing =
            Clearing { price: Price(price), volume: volume(price), imbalance: imbalance(price) };
        (clearing.volume > 0).then_some(clearing)
    }

    fn clear(bids: &Orders, asks: &Orders, reference: u64, tick: u64) -> Option<Clearing> {
        let mut auction = Auction::default();
        let limit = |(&price, &shares)| (Price(price), shares);
        auction.collect(
            (bids.market, bids.limits.iter().rev().map(limit)),
            (asks.market, asks.limits.iter().map(limit)),
        );
        auction.clear(Price(reference), tick)
    }

    fn price(bids: &Orders, asks: &Orders, reference: u64) -> Option<(u64, u64, i64)> {
        let found = clear(bids, asks, reference, 1);
        assert_eq!(found, naive(bids, asks, reference, 1));
        found.map(|found| (found.price.0, found.volume, found.imbalance))
    }

    #[test]
    fn most_shares_trade() {
        let bids = orders(0, &[(103, 100), (102, 200), (101, 300)]);
        let asks = orders(0, &[(100, 100), (101, 100), (102, 400)]);
        // 200 at 101, 300 at 102, 100 at 103.
        assert_eq!(price(&bids, &asks, 100), Some((102, 300, -300)));
    }

    #[test]
    fn of_equal_volumes_the_least_is_left_over() {
        // A price between the limits leaves nothing over; each limit would.
        let bids = orders(0, &[(103, 100), (100, 50)]);
        let asks = orders(0, &[(99, 100), (102, 20)]);
        assert_eq!(price(&bids, &asks, 0), Some((101, 100, 0)));
    }

    #[test]
    fn buyers_left_over_raise_the_price_and_sellers_left_over_lower_it() {
        let one = orders(0, &[(105, 200)]);
        assert_eq!(price(&one, &orders(0, &[(101, 100)]), 103), Some((105, 100, 100)));
        assert_eq!(
            price(&orders(0, &[(105, 100)]), &orders(0, &[(101, 200)]), 103),
            Some((101, 100, -100))
        );
    }

    #[test]
    fn what_is_balanced_trades_nearest_to_the_reference_and_the_higher_of_two() {
        let (bids, asks) = (orders(0, &[(105, 100)]), orders(0, &[(101, 100)]));
        for (reference, expected) in [(0, 101), (99, 101), (103, 103), (110, 105)] {
            assert_eq!(price(&bids, &asks, reference), Some((expected, 100, 0)));
        }
        let (bids, asks) = (orders(0, &[(106, 100)]), orders(0, &[(100, 100)]));
        assert_eq!(clear(&bids, &asks, 103, 2).unwrap().price, Price(104));
    }

    #[test]
    fn market_orders_trade_at_the_limits_they_reach_or_at_the_reference() {
        let none = Orders::default();
        assert_eq!(price(&orders(50, &[]), &orders(30, &[]), 100), Some((100, 30, 20)));
        assert_eq!(price(&orders(50, &[]), &orders(30, &[]), 0), None);
        assert_eq!(price(&orders(50, &[]), &none, 100), None);
        let asks = orders(0, &[(101, 30), (103, 30), (105, 30)]);
        assert_eq!(price(&orders(60, &[]), &asks, 100), Some((103, 60, 0)));
        assert_eq!(price(&orders(500, &[]), &asks, 120), Some((105, 90, 410)));
    }

    #[test]
    fn books_that_do_not_cross_do_not_trade() {
        assert_eq!(price(&orders(0, &[(99, 10)]), &orders(0, &[(100, 10)]), 100), None);
        assert_eq!(price(&Orders::default(), &Orders::default(), 100), None);
    }

    fn side() -> impl Strategy<Value = Orders> {
        let market = prop_oneof![2 => Just(0), 1 => 1_u64..8];
        let limits = prop::collection::btree_map(1_u64..30, 1_u64..8, 0..8);
        (market, limits).prop_map(|(market, limits)| Orders { market, limits })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

        #[test]
        fn the_price_is_that_of_a_search_through_every_tick(
            bids in side(),
            asks in side(),
            reference in 0_u64..130,
            tick in prop::sample::select(vec![1_u64, 3, 4]),
        ) {
            let on_tick = |orders: &Orders| Orders {
                market: orders.market,
                limits: orders.limits.iter().map(|(price, n)| (price * tick, *n)).collect(),
            };
            let (bids, asks) = (on_tick(&bids), on_tick(&asks));
            let found = clear(&bids, &asks, reference, tick);
            prop_assert_eq!(found, naive(&bids, &asks, reference, tick));
        }
    }
}
