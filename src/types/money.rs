//! Prices, quantities and cash: integers only.

use std::fmt;

use serde::{Deserialize, Serialize};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A price: an integer in units of 10^-`price_decimals` of the instrument's currency, as on the wire.
///
/// 101.25 USD with four decimals is `Price(1_012_500)`. An integer because two nodes that replay the
/// same log must compute the same book, and integers leave nothing to rounding mode.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
#[repr(transparent)]
pub struct Price(pub u64);

impl Price {
    /// The highest price an order may carry: $199,999.9900 with four decimals, as on Nasdaq.
    pub const MAX: Self = Self(0x7735_939C);
    /// The wire's sentinel for a market order.
    pub const MARKET: Self = Self(0x7FFF_FFFF);
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of whole shares.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Serialize,
    Deserialize,
)]
#[repr(transparent)]
pub struct Quantity(pub u32);

impl Quantity {
    /// No shares.
    pub const ZERO: Self = Self(0);
    /// The largest quantity of one order; OUCH asks for less than a million.
    pub const MAX: Self = Self(999_999);

    /// Whether no shares are left.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The cash value of `quantity` shares at `price`, in units of 10^-`cash_decimals` of the currency.
///
/// `scale` is 10^(`cash_decimals` - `price_decimals`), at least 1 by the definition of a currency, so
/// the product is exact. `None` when it does not fit, which is a reject, never a wrap.
#[must_use]
pub fn notional(price: Price, quantity: Quantity, scale: i64) -> Option<i64> {
    // A product that fits has factors that fit, since the last is at least 1.
    let product = price.0.checked_mul(quantity.0.into())?;
    i64::try_from(product).ok()?.checked_mul(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_order_has_a_notional_that_fits() {
        assert_eq!(notional(Price::MAX, Quantity::MAX, 1), Some(1_999_997_900_000_100));
    }

    #[test]
    fn a_product_beyond_64_bits_is_no_notional() {
        assert_eq!(notional(Price(u64::MAX), Quantity(u32::MAX), 1), None);
        assert_eq!(notional(Price::MAX, Quantity::MAX, i64::MAX), None);
    }
}
