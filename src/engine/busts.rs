//! Busts and corrections: an operator undoes a trade of the day, or gives it another price.
//!
//! Both sides hear of it in their streams, whether their sessions are on or not. The feed's print is
//! broken, and a broken one never comes back: what was corrected is printed anew, as a trade of nothing
//! shown, which changes no book. Fills of an auction are part of its one print, and that stands: of them
//! the feed hears only if it told them one by one, and they are not printed again. The last price, and
//! what is measured from it, stays: it was everyone's while it was.
//!
//! What a side loses may have been pledged to its open orders. Those that it cannot cover any more are
//! canceled, the youngest first, so that no order of before trades what is not there.

use super::administration::Asker;
use super::events::{Outlet, Route};
use super::{Engine, header_of};
use crate::order_manager::{Party, StandingTrade, TradeValue};
use crate::types::command::{BustTrade, TradeCorrection};
use crate::types::event::{
    FillBusted, FillCorrected, Reprinted, TradeBusted, TradeCorrected, below_zero,
};
use crate::types::{CancelReason, MatchNumber, Price, Refusal, Side, TradeSide, TradeTerms};

impl Engine {
    /// Undoes a trade.
    pub(super) fn bust_trade(
        &mut self,
        bust: &BustTrade,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let &BustTrade { terms, reason, .. } = bust;
        let trade = self.standing_trade(&terms, reason)?;
        let was = self.totals_of(&trade);
        self.manager.bust(&trade)?;
        let busted = TradeBusted {
            header: header_of::<TradeBusted>(trade.instrument),
            request: asker.request,
            terms,
            reason,
            below_zero: self.below_zero(&trade),
            reserved: [0; 6],
        };
        self.events.emit(Route::port(asker.port).and_feed(terms.in_feed()), &busted, out);
        let sides = [(&terms.buyer, &trade.buyer), (&terms.seller, &trade.seller)];
        for (side, party) in sides {
            let (cash, shares) = self.totals(party);
            let busted = FillBusted {
                header: header_of::<FillBusted>(trade.instrument),
                match_number: terms.match_number,
                order: side.order,
                price: terms.price,
                notional: trade.value.notional,
                fee: side.fee,
                cash,
                shares,
                user_ref_num: side.user_ref_num,
                quantity: terms.quantity,
                account: side.account,
                currency: trade.currency,
                cl_ord_id: side.cl_ord_id,
                user_ref_idx: side.user_ref_idx,
                side: side.side,
                liquidity: side.liquidity,
                reason,
            };
            self.events.emit(Route::order_entry(party.port, party.firm), &busted, out);
        }
        self.cancel_uncovered(&trade, was, out);
        Ok(())
    }

    /// Gives a trade another price.
    pub(super) fn correct_trade(
        &mut self,
        correction: &TradeCorrection,
        asker: Asker,
        out: &mut dyn Outlet,
    ) -> Result<(), Refusal> {
        let &TradeCorrection { terms, price, reason, .. } = correction;
        let trade = self.standing_trade(&terms, reason)?;
        let print_number = MatchNumber(self.events.next_sequence());
        let was = self.totals_of(&trade);
        let value = self.manager.correct(&trade, (price, print_number))?;
        let (was_in_feed, printed) = (terms.in_feed(), terms.in_feed() && !terms.in_auction());
        let corrected = TradeCorrected {
            header: header_of::<TradeCorrected>(trade.instrument),
            request: asker.request,
            terms: terms_at(&terms, price, &value, printed),
            reason,
            below_zero: self.below_zero(&trade),
            reserved: [0; 6],
        };
        let route = Route::port(asker.port).and_feed(was_in_feed);
        self.events.emit(route, &corrected, out);
        for (side, party, fee) in [
            (&terms.buyer, &trade.buyer, value.buyer_fee),
            (&terms.seller, &trade.seller, value.seller_fee),
        ] {
            let (cash, shares) = self.totals(party);
            let corrected = FillCorrected {
                header: header_of::<FillCorrected>(trade.instrument),
                match_number: terms.match_number,
                order: side.order,
                old_price: terms.price,
                old_notional: trade.value.notional,
                old_fee: side.fee,
                price,
                notional: value.notional,
                fee,
                cash,
                shares,
                user_ref_num: side.user_ref_num,
                quantity: terms.quantity,
                account: side.account,
                currency: trade.currency,
                cl_ord_id: side.cl_ord_id,
                user_ref_idx: side.user_ref_idx,
                side: side.side,
                liquidity: side.liquidity,
                reason,
                reserved: [0; 40],
            };
            self.events.emit(Route::order_entry(party.port, party.firm), &corrected, out);
        }
        if printed {
            let reprinted = Reprinted {
                header: header_of::<Reprinted>(trade.instrument),
                print_number,
                price,
                quantity: terms.quantity,
                reserved: [0; 4],
            };
            self.events.emit(Route::FEED, &reprinted, out);
        }
        self.cancel_uncovered(&trade, was, out);
        Ok(())
    }

    /// A trade that can be busted or corrected now, and both of whose sides can be told.
    fn standing_trade(&self, terms: &TradeTerms, reason: u8) -> Result<StandingTrade, Refusal> {
        let day = self.day.ok_or(Refusal::Day)?;
        let now = (day.date, self.events.next_sequence());
        let trade = self.manager.standing_trade(terms, reason, now)?;
        let tells = |party: &Party| self.events.has_numbers(party.port, party.firm);
        if tells(&trade.buyer) && tells(&trade.seller) { Ok(trade) } else { Err(Refusal::Capacity) }
    }

    /// Cancels what either side can no longer cover of its open orders: of what it has less than it had.
    fn cancel_uncovered(
        &mut self,
        trade: &StandingTrade,
        was: [(i64, i64); 2],
        out: &mut dyn Outlet,
    ) {
        let why = CancelReason::Supervisory;
        for (party, (cash_was, shares_was)) in [&trade.buyer, &trade.seller].into_iter().zip(was) {
            let (cash, shares) = self.totals(party);
            if cash < cash_was {
                self.cancel_until_covered(party.firm, (party.cash, Side::Buy), why, out);
            }
            if shares < shares_was {
                self.cancel_until_covered(party.firm, (party.shares, Side::Sell), why, out);
            }
        }
    }

    /// What both sides have, the buyer first.
    fn totals_of(&self, trade: &StandingTrade) -> [(i64, i64); 2] {
        [self.totals(&trade.buyer), self.totals(&trade.seller)]
    }

    /// A party's cash and shares.
    fn totals(&self, party: &Party) -> (i64, i64) {
        let total = |balance| self.manager.wallet.get(balance).total;
        (total(party.cash), total(party.shares))
    }

    fn below_zero(&self, trade: &StandingTrade) -> u8 {
        let (buyer_cash, buyer_shares) = self.totals(&trade.buyer);
        let (seller_cash, seller_shares) = self.totals(&trade.seller);
        let bit = |total: i64, bit| if total < 0 { bit } else { 0 };
        bit(buyer_cash, below_zero::BUYER_CASH)
            | bit(buyer_shares, below_zero::BUYER_SHARES)
            | bit(seller_cash, below_zero::SELLER_CASH)
            | bit(seller_shares, below_zero::SELLER_SHARES)
    }
}

/// The same trade at another price. The new print tells no side of it.
fn terms_at(terms: &TradeTerms, price: Price, value: &TradeValue, printed: bool) -> TradeTerms {
    let side =
        |side: TradeSide, fee, in_feed: bool| TradeSide { fee, in_feed: u8::from(in_feed), ..side };
    TradeTerms {
        price,
        buyer: side(terms.buyer, value.buyer_fee, printed),
        seller: side(terms.seller, value.seller_fee, false),
        ..*terms
    }
}
