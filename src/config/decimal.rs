//! Decimal strings to integers: "25.00" with four decimals is 250,000. Never through a float.

/// The most decimals a price or an amount of cash may have.
pub(crate) const DECIMALS_MAX: u8 = 8;

/// `text` in units of 10^-`decimals`.
pub(crate) fn parse(text: &str, decimals: u8) -> Result<u64, String> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let complete = !whole.is_empty() && (!fraction.is_empty() || !text.contains('.'));
    if !complete || !digits(whole) || !digits(fraction) {
        return Err("must be a decimal number such as \"25.00\", without sign".to_owned());
    }
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::from(decimals).checked_sub(fraction.len());
    let missing = missing.ok_or_else(|| format!("must have at most {decimals} decimals"))?;
    format!("{whole}{fraction}{}", "0".repeat(missing))
        .parse()
        .map_err(|_| "is too large a number".to_owned())
}

/// `units` of 10^-`decimals`, with all their decimals.
pub(crate) fn show(units: u64, decimals: u8) -> String {
    if decimals == 0 {
        return units.to_string();
    }
    let unit = 10_u64.pow(u32::from(decimals.min(DECIMALS_MAX)));
    format!("{}.{:0width$}", units / unit, units % unit, width = usize::from(decimals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_units() {
        for (text, decimals, units) in [
            ("25", 4, 250_000),
            ("25.00", 4, 250_000),
            ("0.0001", 4, 1),
            ("7.50", 1, 75),
            ("3", 0, 3),
        ] {
            assert_eq!(parse(text, decimals), Ok(units), "{text}");
            assert_eq!(parse(&show(units, decimals), decimals), Ok(units), "{text}");
        }
    }

    #[test]
    fn units_are_shown_with_all_their_decimals() {
        for (units, decimals, shown) in
            [(105_000, 4, "10.5000"), (1, 4, "0.0001"), (71_500, 0, "71500")]
        {
            assert_eq!(show(units, decimals), shown);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1,5", "0.00001", "99999999999999999999"] {
            assert!(parse(text, 4).is_err(), "{text}");
        }
    }
}
