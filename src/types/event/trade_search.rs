//! Finds a trade in the event log: its full terms as they stand, for who would bust or correct it.
//!
//! It reads no log; whoever does tells it every event, twice: the orders of a trade are known only once
//! the trade is, and were accepted before.

use super::{Event, Executed};
use crate::types::{ClOrdId, MatchNumber, OrderRef, Symbol, TradeSide, TradeTerms};

/// What the events told so far say of one trade.
#[derive(Clone, Debug)]
pub struct TradeSearch {
    number: MatchNumber,
    /// The day that the trade is of, 0 = none has begun.
    date: u32,
    /// Whether its day is over.
    over: bool,
    buyer: Found,
    seller: Found,
    /// As it was corrected last.
    corrected: Option<TradeTerms>,
    busted: bool,
}

/// One side.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    fill: Option<Executed>,
    order: Option<(Symbol, ClOrdId)>,
}

/// Why there is nothing to bust or to correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TradeError {
    /// No fill has the number.
    #[error(
        "the event log has no trade with match number {0}; it is in both sides' execution reports"
    )]
    Unknown(MatchNumber),
    /// Its day ended.
    #[error(
        "trade {0} is of {1}, and that day is over: what it settled can only be transferred now"
    )]
    Over(MatchNumber, u32),
    /// It is undone.
    #[error("trade {0} was busted")]
    Busted(MatchNumber),
    /// The two sides do not say the same, or an order that traded was never accepted.
    #[error(
        "what the event log says of trade {0} does not agree: check it with `rialto log verify`"
    )]
    Contradiction(MatchNumber),
}

impl TradeSearch {
    /// Nothing is told yet.
    #[must_use]
    pub fn new(number: MatchNumber) -> Self {
        let (buyer, seller) = (Found::default(), Found::default());
        Self { number, date: 0, over: false, buyer, seller, corrected: None, busted: false }
    }

    /// Takes an event, whatever it is. The same one again changes nothing.
    pub fn learn(&mut self, sequence: u64, event: &Event<'_>) {
        match event {
            Event::DayStarted(e) if sequence < self.number.0 => self.date = e.date,
            Event::DayEnded(_) if sequence > self.number.0 => self.over = true,
            Event::Executed(e) if e.match_number == self.number => {
                let side = if e.side == b'B' { &mut self.buyer } else { &mut self.seller };
                side.fill = Some(**e);
            }
            Event::Accepted(e) => self.learn_order(sequence, e.symbol, e.cl_ord_id),
            Event::Replaced(e) => self.learn_order(sequence, e.symbol, e.cl_ord_id),
            Event::TradeCorrected(e) if e.terms.match_number == self.number => {
                self.corrected =
                    Some(TradeTerms { print_number: MatchNumber(sequence), ..e.terms });
            }
            Event::TradeBusted(e) if e.terms.match_number == self.number => self.busted = true,
            _ => {}
        }
    }

    fn learn_order(&mut self, sequence: u64, symbol: Symbol, cl_ord_id: ClOrdId) {
        for side in [&mut self.buyer, &mut self.seller] {
            if side.fill.is_some_and(|fill| fill.order == OrderRef(sequence)) {
                side.order = Some((symbol, cl_ord_id));
            }
        }
    }

    /// The trade as it stands, once every event was told twice.
    ///
    /// # Errors
    /// Why not.
    pub fn terms(&self) -> Result<TradeTerms, TradeError> {
        let &Self { number, date, corrected, .. } = self;
        let (Some(bought), Some(sold)) = (self.buyer.fill, self.seller.fill) else {
            let known = self.buyer.fill.is_some() || self.seller.fill.is_some();
            let error = if known { TradeError::Contradiction } else { TradeError::Unknown };
            return Err(error(number));
        };
        if self.over {
            return Err(TradeError::Over(number, date));
        }
        if self.busted {
            return Err(TradeError::Busted(number));
        }
        let (Some((symbol, bought_id)), Some((same, sold_id))) =
            (self.buyer.order, self.seller.order)
        else {
            return Err(TradeError::Contradiction(number));
        };
        let agree = symbol == same
            && (bought.contra, sold.contra) == (sold.order, bought.order)
            && (bought.price, bought.quantity, bought.notional)
                == (sold.price, sold.quantity, sold.notional);
        if !agree {
            return Err(TradeError::Contradiction(number));
        }
        Ok(corrected.unwrap_or(TradeTerms {
            match_number: number,
            print_number: number,
            price: bought.price,
            symbol,
            quantity: bought.quantity,
            date,
            buyer: side(&bought, bought_id),
            seller: side(&sold, sold_id),
        }))
    }
}

fn side(fill: &Executed, cl_ord_id: ClOrdId) -> TradeSide {
    TradeSide {
        order: fill.order,
        fee: fill.fee,
        port: fill.header.port,
        account: fill.account,
        user_ref_num: fill.user_ref_num,
        cl_ord_id,
        user_ref_idx: fill.user_ref_idx,
        side: fill.side,
        liquidity: fill.liquidity,
        in_feed: u8::from(fill.header.feed_sequence != 0),
        reserved: [0; 2],
    }
}
