//! The form of orders: whether each field holds a value that the protocol has.
//!
//! Only the form: whether the symbol exists, whether a value is on offer today, are the engine's
//! questions.

use super::{Enter, Options, Replace};
use crate::types::{Price, Quantity, RejectReason, Side, TimeInForce};

/// A good-till-time order lives less than a day.
const EXPIRE_TIME_S_MAX: u32 = 86_399;

/// The first thing wrong with an order's form, in the order of its fields. `options` is `None` if its
/// appendage is malformed.
///
/// | field | sound | otherwise |
/// |---|---|---|
/// | side | `B` `S` `T` `E` | 0x09 |
/// | quantity | 1 to 999,999 | 0x13 |
/// | price | 1 to [`Price::MAX`], or [`Price::MARKET`] | 0x1D |
/// | time in force | `0` `3` `5` `6` `E` | 0x0F |
/// | display | `Y` `N` `A` `Z` | 0x03 |
/// | capacity | `A` `P` `R` `O` | 0x0F |
/// | ISO | `Y` `N` | 0x08 |
/// | cross type | `N` `O` `C` `H` `S` `R` `E` `A` | 0x14 |
/// | appendage | elements fill it, known tags have their sizes | 0x0F |
/// | side option | absent, or the order's side | 0x09 |
/// | expire time | 1 to 86,399 s, if the time in force is `6` | 0x0F |
#[must_use]
pub fn form_error(enter: &Enter, options: Option<&Options>) -> Option<RejectReason> {
    check_enter(enter, options).err()
}

/// The same of a Replace: its fields are judged as those of an Enter, and the side is the option's,
/// if it is there. Discretion is no error of form: the command carries it.
#[must_use]
pub fn replace_form_error(replace: &Replace, options: Option<&Options>) -> Option<RejectReason> {
    check_replace(replace, options).err()
}

fn check_enter(enter: &Enter, options: Option<&Options>) -> Result<(), RejectReason> {
    check_side(enter.side)?;
    check_quantity(enter.quantity.get())?;
    check_price(Price(enter.price.get()))?;
    let time_in_force = check_time_in_force(enter.time_in_force)?;
    check_display(enter.display)?;
    require(b"APRO".contains(&enter.capacity), RejectReason::Other)?;
    check_sweep(enter.intermarket_sweep)?;
    require(b"NOCHSREA".contains(&enter.cross_type), RejectReason::InvalidCross)?;
    let options = options.ok_or(RejectReason::Other)?;
    require(options.side == 0 || options.side == enter.side, RejectReason::InvalidSide)?;
    check_expire_time(time_in_force, options)
}

fn check_replace(replace: &Replace, options: Option<&Options>) -> Result<(), RejectReason> {
    check_quantity(replace.quantity.get())?;
    check_price(Price(replace.price.get()))?;
    let time_in_force = check_time_in_force(replace.time_in_force)?;
    check_display(replace.display)?;
    check_sweep(replace.intermarket_sweep)?;
    let options = options.ok_or(RejectReason::Other)?;
    if options.side != 0 {
        check_side(options.side)?;
    }
    check_expire_time(time_in_force, options)
}

fn check_side(side: u8) -> Result<(), RejectReason> {
    require(Side::from_byte(side).is_some(), RejectReason::InvalidSide)
}

fn check_quantity(quantity: u32) -> Result<(), RejectReason> {
    require((1..=Quantity::MAX.0).contains(&quantity), RejectReason::InvalidQuantity)
}

fn check_price(price: Price) -> Result<(), RejectReason> {
    let is_limit = (1..=Price::MAX.0).contains(&price.0);
    require(is_limit || price == Price::MARKET, RejectReason::InvalidPrice)
}

fn check_time_in_force(time_in_force: u8) -> Result<TimeInForce, RejectReason> {
    TimeInForce::from_byte(time_in_force).ok_or(RejectReason::Other)
}

fn check_display(display: u8) -> Result<(), RejectReason> {
    require(b"YNAZ".contains(&display), RejectReason::InvalidDisplay)
}

fn check_sweep(intermarket_sweep: u8) -> Result<(), RejectReason> {
    require(b"YN".contains(&intermarket_sweep), RejectReason::IsoNotAllowed)
}

fn check_expire_time(time_in_force: TimeInForce, options: &Options) -> Result<(), RejectReason> {
    let is_sound = (1..=EXPIRE_TIME_S_MAX).contains(&options.expire_time_s);
    require(is_sound || time_in_force != TimeInForce::GoodTillTime, RejectReason::Other)
}

fn require(rule: bool, otherwise: RejectReason) -> Result<(), RejectReason> {
    if rule { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
mod tests {
    use RejectReason::*;

    use super::*;
    use crate::types::{Symbol, UserRefNum};

    fn sound() -> Enter {
        Enter::new(
            UserRefNum(7),
            Side::Buy,
            Quantity(100),
            Symbol::new("ACME").unwrap(),
            Price(105_000),
            TimeInForce::Day,
        )
    }

    fn error_of(change: impl FnOnce(&mut Enter)) -> Option<RejectReason> {
        let mut enter = sound();
        change(&mut enter);
        form_error(&enter, Some(&Options::default()))
    }

    fn error_of_replace(change: impl FnOnce(&mut Replace, &mut Options)) -> Option<RejectReason> {
        let mut replace = Replace::new(UserRefNum(7), UserRefNum(8), Quantity(100), Price(105_000));
        let mut options = Options::default();
        change(&mut replace, &mut options);
        replace_form_error(&replace, Some(&options))
    }

    #[test]
    fn each_field_out_of_form_has_its_reason() {
        assert_eq!(error_of(|_| ()), None);
        assert_eq!(error_of(|e| e.side = b'U'), Some(InvalidSide));
        assert_eq!(error_of(|e| e.quantity = 0.into()), Some(InvalidQuantity));
        assert_eq!(error_of(|e| e.quantity = 999_999.into()), None);
        assert_eq!(error_of(|e| e.quantity = 1_000_000.into()), Some(InvalidQuantity));
        assert_eq!(error_of(|e| e.price = 0.into()), Some(InvalidPrice));
        assert_eq!(error_of(|e| e.price = Price::MAX.0.into()), None);
        assert_eq!(error_of(|e| e.price = (Price::MAX.0 + 1).into()), Some(InvalidPrice));
        assert_eq!(error_of(|e| e.price = Price::MARKET.0.into()), None);
        assert_eq!(error_of(|e| e.price = u64::MAX.into()), Some(InvalidPrice));
        assert_eq!(error_of(|e| e.time_in_force = b'1'), Some(Other));
        assert_eq!(error_of(|e| e.time_in_force = b'6'), Some(Other));
        assert_eq!(error_of(|e| e.display = b'?'), Some(InvalidDisplay));
        assert_eq!(error_of(|e| e.capacity = b'?'), Some(Other));
        assert_eq!(error_of(|e| e.intermarket_sweep = b' '), Some(IsoNotAllowed));
        assert_eq!(error_of(|e| e.cross_type = b'?'), Some(InvalidCross));
        assert_eq!(form_error(&sound(), None), Some(Other));
        let named = |side| Options { side, ..Options::default() };
        assert_eq!(form_error(&sound(), Some(&named(b'B'))), None);
        assert_eq!(form_error(&sound(), Some(&named(b'S'))), Some(InvalidSide));
    }

    #[test]
    fn each_field_of_a_replace_out_of_form_has_its_reason() {
        assert_eq!(error_of_replace(|_, _| ()), None);
        assert_eq!(error_of_replace(|r, _| r.quantity = 0.into()), Some(InvalidQuantity));
        assert_eq!(error_of_replace(|r, _| r.quantity = 1_000_000.into()), Some(InvalidQuantity));
        assert_eq!(error_of_replace(|r, _| r.price = 0.into()), Some(InvalidPrice));
        assert_eq!(error_of_replace(|r, _| r.price = Price::MARKET.0.into()), None);
        assert_eq!(error_of_replace(|r, _| r.time_in_force = b'1'), Some(Other));
        assert_eq!(error_of_replace(|r, _| r.time_in_force = b'6'), Some(Other));
        assert_eq!(error_of_replace(|r, _| r.display = b'?'), Some(InvalidDisplay));
        assert_eq!(error_of_replace(|r, _| r.intermarket_sweep = 0), Some(IsoNotAllowed));
        assert_eq!(error_of_replace(|_, o| o.side = b'T'), None);
        assert_eq!(error_of_replace(|_, o| o.side = b'U'), Some(InvalidSide));
        assert_eq!(error_of_replace(|_, o| o.discretion_price = 1), None);
        let expires = error_of_replace(|r, o| {
            r.time_in_force = b'6';
            o.expire_time_s = EXPIRE_TIME_S_MAX;
        });
        assert_eq!(expires, None);
        let replace = Replace::new(UserRefNum(7), UserRefNum(8), Quantity(100), Price(105_000));
        assert_eq!(replace_form_error(&replace, None), Some(Other));
    }

    #[test]
    fn the_first_field_out_of_form_decides() {
        let reason = error_of(|e| {
            e.price = 0.into();
            e.side = 0;
        });
        assert_eq!(reason, Some(InvalidSide));
    }
}
