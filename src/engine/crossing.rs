//! Crossing: an auction's fills, all at one price, and what it would come to before it takes place.
//!
//! Orders trade in the order of price and time, those without a limit before all others, hidden ones
//! behind all others of their price, reserve orders with all they have; each fill settles like one in
//! continuous trading. The feed hears of shares that it showed; of the others the Cross Trade tells. An
//! auction is one step: each fill ends an order or the auction, so that there are at most as many as the
//! instrument has orders resting, which the firms' limits bound.
//!
//! Both sides waited, so both pay the maker's rate, or are paid it: it is what a resting order holds for.
//! Orders of one owner do trade with each other: the price is everyone's, not one order's of the two.
//!
//! Orders without a limit trade only within the collars; if the price would be beyond, they are canceled
//! first, and the others have the auction to themselves.

use super::display::Cut;
use super::events::{Outlet, Route};
use super::trading::value;
use super::{Engine, header_of};
use crate::matching::{BookSide, Clearing, Section};
use crate::order_manager::{OpenOrder, Settlement};
use crate::types::event::{CrossTraded, Executed, Indication};
use crate::types::{CancelReason, Cross, InstrumentId, MatchNumber, OrderHandle, Price, Quantity};

impl Engine {
    /// Holds the auction, and cancels what waited for it in vain.
    pub(super) fn uncross(&mut self, id: InstrumentId, cross: Cross, out: &mut dyn Outlet) {
        let section = section_of(cross);
        let mut clearing = self.clearing(id, section, true);
        if clearing.is_some_and(|found| !self.trading_of(id).is_within_collars(found.price)) {
            for side in [BookSide::Bids, BookSide::Asks] {
                while let Some(first) = self.books.first_in(id, section, side)
                    && self.books.order(first).price == side.no_limit()
                {
                    self.cancel_rest(first, CancelReason::Collars, out);
                }
            }
            clearing = self.clearing(id, section, true);
        }
        let (price, shares) = clearing.map_or((Price(0), 0), |found| (found.price, found.volume));
        let mut left = shares;
        while left > 0 {
            left -= u64::from(self.fill_in_cross(id, cross, price, left, out).0);
        }
        if shares > 0 {
            self.trade_at(id, price);
        }
        let crossed = CrossTraded {
            header: header_of::<CrossTraded>(id),
            shares,
            price,
            cross: cross.byte(),
            reserved: [0; 7],
        };
        self.events.emit(Route::FEED, &crossed, out);
        self.cancel_section(id, section, CancelReason::Cross, out);
    }

    /// Says what the auction would come to now.
    pub(super) fn indicate(&mut self, id: InstrumentId, out: &mut dyn Outlet) {
        let row = self.manager.instruments.get(id.0.into()).expect("it exists");
        let (symbol, reference) = (row.symbol, row.trading.last_price);
        let Some(cross) = row.trading.phase.cross() else { return };
        let near = self.clearing(id, section_of(cross), true);
        let far = self.clearing(id, section_of(cross), false);
        let price = |found: Option<Clearing>| found.map_or(Price(0), |found| found.price);
        let indication = Indication {
            header: header_of::<Indication>(id),
            symbol,
            paired: near.map_or(0, |found| found.volume),
            imbalance: near.map_or(0, |found| found.imbalance.unsigned_abs()),
            far: price(far),
            near: price(near),
            reference,
            direction: near.map_or(b'O', |found| direction(found.imbalance)),
            cross: cross.byte(),
            variation: variation(price(near), reference),
            reserved: [0; 37],
        };
        self.events.emit(Route::FEED, &indication, out);
    }

    fn clearing(
        &mut self,
        id: InstrumentId,
        section: Section,
        with_continuous: bool,
    ) -> Option<Clearing> {
        let row = self.manager.instruments.get(id.0.into()).expect("it exists");
        let auction = &mut self.phases.auction;
        self.books.collect_auction(id, section, with_continuous, auction);
        auction.clear(row.trading.last_price, row.tick_size)
    }

    /// The next fill: of the first buyer with the first seller, at most `most` shares. Returns how many.
    fn fill_in_cross(
        &mut self,
        id: InstrumentId,
        cross: Cross,
        price: Price,
        most: u64,
        out: &mut dyn Outlet,
    ) -> Quantity {
        let first = |side| self.books.first_of_auction(id, section_of(cross), side);
        let (buyer, seller) = (first(BookSide::Bids), first(BookSide::Asks));
        let (buyer, seller) = buyer.zip(seller).expect("as many shares as were cleared");
        let (bid, ask) = (self.books.order(buyer), self.books.order(seller));
        let quantity = bid.open.min(ask.open);
        let quantity =
            Quantity(u32::try_from(most).map_or(quantity.0, |most| quantity.0.min(most)));
        assert!(ask.price <= price && price <= bid.price, "a fill at {price} of {bid:?} {ask:?}");

        let row = self.manager.instruments.get(id.0.into()).expect("it exists");
        let (currency, scale) = (row.currency, row.scale);
        let fee_cash = self.manager.fee_cash(currency);
        let (of_buyer, of_seller) =
            (*self.manager.orders.get(buyer), *self.manager.orders.get(seller));
        let (bid_worth, ask_worth) = (of_buyer.worth(), of_seller.worth());
        let (paid, buyer_hold) = (value(price, quantity, scale), value(bid_worth, quantity, scale));
        let (mut buyer_meter, mut seller_meter) = (of_buyer.fee, of_seller.fee);
        let (buyer_fee, seller_fee) = (buyer_meter.charge(paid), seller_meter.charge(paid));
        let left = value(bid_worth, Quantity(bid.open.0 - quantity.0), scale);
        self.manager.settle(&Settlement {
            buyer_firm: of_buyer.firm,
            seller_firm: of_seller.firm,
            buyer_cash: of_buyer.cash,
            buyer_shares: of_buyer.shares,
            seller_cash: of_seller.cash,
            seller_shares: of_seller.shares,
            notional: paid,
            buyer_hold,
            seller_value: value(ask_worth, quantity, scale),
            quantity,
            buyer_fee,
            buyer_fee_hold: of_buyer.fee.hold(buyer_hold + left) - buyer_meter.hold(left),
            seller_fee,
            fee_cash,
        });
        let (bid_cut, ask_cut) = (Cut::of(&bid, quantity), Cut::of(&ask, quantity));
        self.manager.orders.get_mut(buyer).fee = buyer_meter;
        self.manager.orders.get_mut(seller).fee = seller_meter;
        let bought = Executed {
            header: header_of::<Executed>(id),
            order: of_buyer.order,
            contra: of_seller.order,
            match_number: MatchNumber(self.events.next_sequence()),
            price,
            notional: paid,
            fee: buyer_fee,
            shown_as: bid_cut.shown_as,
            user_ref_num: of_buyer.user_ref_num,
            quantity,
            shown: bid_cut.shown,
            leaves: self.execute(buyer, quantity),
            account: of_buyer.account,
            group_id: of_buyer.group_id,
            currency,
            user_ref_idx: of_buyer.user_ref_idx,
            side: of_buyer.side.byte(),
            liquidity: cross.liquidity().byte(),
            reserved: [0; 5],
        };
        let sold = Executed {
            order: of_seller.order,
            contra: of_buyer.order,
            fee: seller_fee,
            shown_as: ask_cut.shown_as,
            shown: ask_cut.shown,
            user_ref_num: of_seller.user_ref_num,
            leaves: self.execute(seller, quantity),
            account: of_seller.account,
            group_id: of_seller.group_id,
            user_ref_idx: of_seller.user_ref_idx,
            side: of_seller.side.byte(),
            ..bought
        };
        self.events.emit(route_of(&of_buyer, &bid_cut), &bought, out);
        self.events.emit(route_of(&of_seller, &ask_cut), &sold, out);
        quantity
    }

    /// Takes executed shares from a resting order, and returns what is left of it.
    fn execute(&mut self, handle: OrderHandle, quantity: Quantity) -> Quantity {
        self.manager.orders.get_mut(handle).executed.0 += quantity.0;
        let leaves = self.books.reduce(handle, quantity);
        if leaves.is_zero() {
            self.close_order(handle);
        }
        leaves
    }
}

/// Where the orders of an auction wait.
pub(super) const fn section_of(cross: Cross) -> Section {
    match cross {
        // There is one opening at a time, and whoever waits for the first may take the second.
        Cross::Opening | Cross::Halt => Section::Opening,
        Cross::Closing => Section::Closing,
    }
}

fn route_of(order: &OpenOrder, cut: &Cut) -> Route {
    Route::order_entry(order.port, order.firm).and_feed(!cut.shown.is_zero())
}

const fn direction(imbalance: i64) -> u8 {
    match imbalance {
        1.. => b'B',
        0 => b'N',
        _ => b'S',
    }
}

/// How far a price is from the reference, as ITCH writes it: whole percents to 9, then tens.
fn variation(price: Price, reference: Price) -> u8 {
    if price.0 == 0 || reference.0 == 0 {
        return b' ';
    }
    match price.0.abs_diff(reference.0) * 100 / reference.0 {
        0 => b'L',
        percent @ 1..=9 => b'0' + u8::try_from(percent).expect("one digit"),
        10..=19 => b'A',
        20..=29 => b'B',
        _ => b'C',
    }
}
