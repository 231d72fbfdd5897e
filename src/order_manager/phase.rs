//! The phase of an instrument: what it takes of orders now, and the prices that its day is measured by.
//!
//! | phase | day orders | immediate ones | on-open | on-close | for a reopening | final |
//! |---|---|---|---|---|---|---|
//! | pre-open | collected | 2D | held | held | 14 | |
//! | opening auction | collected | 2D | held | held | 14 | on-open |
//! | continuous | trade | trade | 14 | held | 14 | |
//! | volatility auction, reopening auction | collected | 07 | 14 | held | held | |
//! | halted | 07 | 07 | 07 | 07 | 07 | |
//! | closing auction | collected | 07 | 14 | held | 14 | on-close |
//! | closed | 2E | 2E | 2E | 2E | 2E | |
//!
//! Collected and held orders take part in the auction that ends the phase; held ones are shown by no feed,
//! may do without a limit, and are canceled when their auction is over. Every order can be canceled in
//! every phase, but those that are final.
//!
//! Nobody takes in an auction, so post-only orders are collected like others; hidden and reserve orders are
//! too, with all that is open. They may expire meanwhile. Held orders are shown to nobody and end with their
//! auction, whatever their time in force: hidden (03), reserve (04), post-only and good-till-time ones (0F)
//! are refused, and so is a minimum quantity (0D), which is of immediate orders.

use super::OpenOrder;
use crate::types::command::NewOrder;
use crate::types::{Cross, Phase, Price, RejectReason, TimeInForce};

/// An instrument's phase and prices.
#[derive(Clone, Copy, Debug)]
pub struct Trading {
    /// Its phase.
    pub phase: Phase,
    /// The price of the last trade, before the first that of the definition; 0 = none.
    pub last_price: Price,
    /// What an order without a limit is worth at most: twice the last price as the day began, or the
    /// day's first. 0 = there is no price yet, and no such order.
    pub collar: Price,
    /// Basis points above and below the last price in which it trades, 0 = any distance.
    pub band_bps: u16,
    /// How long an auction after a pause or a halt lasts, in milliseconds.
    pub auction_ms: u32,
}

/// How many times the day's first reference price an order without a limit pays at most, and the divisor
/// for what it takes at least.
const COLLAR: u64 = 2;

/// The length of an auction for which nobody named one.
pub const AUCTION_MS_DEFAULT: u32 = 60_000;

impl Trading {
    /// Before the first day, with the definition's reference price.
    pub(crate) fn new(reference: Price, tick_size: u64) -> Self {
        let mut trading = Self {
            phase: Phase::Continuous,
            last_price: reference,
            collar: Price(0),
            band_bps: 0,
            auction_ms: AUCTION_MS_DEFAULT,
        };
        trading.start_day(Phase::Continuous, tick_size);
        trading
    }

    /// Begins a day in `phase`. A halt outlives the day: only an operator ends it.
    pub(crate) fn start_day(&mut self, phase: Phase, tick_size: u64) {
        if self.phase != Phase::Halted {
            self.phase = phase;
        }
        self.set_collar(tick_size);
    }

    /// Notes the price of a trade.
    pub(crate) fn trade_at(&mut self, price: Price, tick_size: u64) {
        self.last_price = price;
        if self.collar == Price(0) {
            self.set_collar(tick_size);
        }
    }

    /// Orders hold what the collar says, so it does not move while there may be any.
    fn set_collar(&mut self, tick_size: u64) {
        let most = (self.last_price.0 * COLLAR).min(Price::MAX.0);
        self.collar = Price(most - most % tick_size);
    }

    /// Whether an operator has set rules for it.
    pub(crate) const fn has_rules(&self) -> bool {
        self.band_bps != 0 || self.auction_ms != AUCTION_MS_DEFAULT
    }

    /// What a share of an order with this limit is held and counted at. Without a limit, as entered or
    /// as the books have it on either side, that is the collar.
    pub(crate) const fn worth(&self, limit: Price) -> Price {
        if limit.0 == Price::MARKET.0 || limit.0 == 0 { self.collar } else { limit }
    }

    /// Whether orders without a limit may trade at a price.
    pub(crate) const fn is_within_collars(&self, price: Price) -> bool {
        price.0 <= self.collar.0 && price.0 >= self.collar.0 / COLLAR / COLLAR
    }

    /// The lowest and the highest price at which it trades, `None` if it trades at all.
    pub(crate) fn band(&self) -> Option<(Price, Price)> {
        if self.band_bps == 0 || self.last_price.0 == 0 {
            return None;
        }
        let width = self.last_price.0 * u64::from(self.band_bps) / 10_000;
        let highest = self.last_price.0 + width;
        Some((Price(self.last_price.0.saturating_sub(width)), Price(highest)))
    }
}

/// The auction that an order waits for; `None` if it is for continuous trading.
pub(crate) fn cross_of(order: &NewOrder) -> Option<Cross> {
    Cross::from_byte(order.cross_type)
}

/// Whether the instrument takes orders at all.
///
/// # Errors
/// The code of the table above.
pub(super) fn check_phase(phase: Phase) -> Result<(), RejectReason> {
    match phase {
        Phase::Halted => Err(RejectReason::Halted),
        Phase::Closed => Err(RejectReason::PostMarket),
        _ => Ok(()),
    }
}

/// Whether it takes an order of this cross type now.
///
/// # Errors
/// The code of the table above.
pub(super) fn check_cross(order: &NewOrder, phase: Phase) -> Result<(), RejectReason> {
    let immediate = order.time_in_force == TimeInForce::ImmediateOrCancel.byte();
    match (order.cross_type, phase) {
        (b'N', Phase::PreOpen | Phase::OpeningAuction) if immediate => Err(RejectReason::PreMarket),
        (b'N', Phase::Continuous) => Ok(()),
        (b'N', _) if immediate => Err(RejectReason::Halted),
        (b'N' | b'C', _)
        | (b'O', Phase::PreOpen | Phase::OpeningAuction)
        | (b'H', Phase::VolatilityAuction | Phase::ReopeningAuction) => Ok(()),
        _ => Err(RejectReason::InvalidCross),
    }
}

/// Whether an order that waits for an auction asks for nothing that means something only while orders
/// trade as they come.
///
/// # Errors
/// The code of a display, a reserve, a minimum quantity, or else of a post-only order or an expiry.
pub(super) fn check_held(order: &NewOrder) -> Result<(), RejectReason> {
    if cross_of(order).is_none() {
        return Ok(());
    }
    let expires = order.time_in_force == TimeInForce::GoodTillTime.byte();
    if order.display == b'N' {
        Err(RejectReason::InvalidDisplay)
    } else if !order.max_floor.is_zero() {
        Err(RejectReason::InvalidMaxFloor)
    } else if !order.min_quantity.is_zero() {
        Err(RejectReason::InvalidMinQuantity)
    } else if order.post_only == b'P' || expires {
        Err(RejectReason::Other)
    } else {
        Ok(())
    }
}

impl OpenOrder {
    /// Whether it can be neither canceled nor replaced while its instrument is in `phase`.
    #[must_use]
    pub const fn is_final(&self, phase: Phase) -> bool {
        matches!(
            (phase, self.cross_type),
            (Phase::OpeningAuction, b'O') | (Phase::ClosingAuction, b'C')
        )
    }
}
