//! Where each symbol's price is at each moment of the demo. All brokers must agree without talking,
//! so it is a pure function of seed, symbol and time: it looks at no book and no clock.

use std::time::Duration;

/// Prices of the demo.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    seed: u64,
}

/// A swing: it turns every `period`, by at most `reach` hundredths of a percent each way.
struct Swing {
    period_ms: u64,
    reach: u64,
}

/// Slow drift under faster and smaller moves.
const SWINGS: [Swing; 3] = [
    Swing { period_ms: 20_000, reach: 300 },
    Swing { period_ms: 3_000, reach: 60 },
    Swing { period_ms: 400, reach: 10 },
];
const HUNDREDTHS_OF_PERCENT: i64 = 10_000;

impl Walk {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The price of `symbol`, in ticks, `elapsed` after the start; `reference` is where it began.
    pub(super) fn ticks(self, symbol: u64, reference: u64, elapsed: Duration) -> u64 {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let moved: i64 =
            (0..).zip(&SWINGS).map(|(n, swing)| self.swing(symbol, n, swing, elapsed_ms)).sum();
        let reference = reference.cast_signed();
        let moved = reference * moved / HUNDREDTHS_OF_PERCENT;
        (reference + moved).max(1).cast_unsigned()
    }

    /// On a straight line between two turning points.
    fn swing(self, symbol: u64, number: u64, swing: &Swing, elapsed_ms: u64) -> i64 {
        let turn = elapsed_ms / swing.period_ms;
        let along = (elapsed_ms % swing.period_ms).cast_signed();
        let from = self.turning_point(symbol, number, swing, turn);
        let to = self.turning_point(symbol, number, swing, turn + 1);
        from + (to - from) * along / swing.period_ms.cast_signed()
    }

    fn turning_point(self, symbol: u64, number: u64, swing: &Swing, turn: u64) -> i64 {
        if turn == 0 {
            return 0;
        }
        let place = mix(mix(mix(self.seed, symbol), number), turn);
        (place % (2 * swing.reach + 1)).cast_signed() - swing.reach.cast_signed()
    }
}

/// A generator of numbers that look random and are not: the demo is the same for the same seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64, broker: u64) -> Self {
        Self(mix(seed, broker))
    }

    /// A number below `limit`, which is small: the bias of the remainder is nothing here.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0, limit) % limit
    }

    /// `true` in `percent` cases of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finalizer of `SplitMix64` over both: every bit of the result hangs on every bit of the two.
fn mix(left: u64, right: u64) -> u64 {
    let mut z = left.wrapping_add(right.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFERENCE: u64 = 10_000;

    #[test]
    fn all_brokers_see_one_price_and_another_seed_another() {
        let at = |seed, ms| Walk::new(seed).ticks(7, REFERENCE, Duration::from_millis(ms));
        assert_eq!(at(1, 12_345), at(1, 12_345));
        assert_ne!(at(1, 12_345), at(2, 12_345));
        assert_eq!(at(1, 0), REFERENCE);
    }

    #[test]
    fn prices_drift_without_jumps_and_without_running_away() {
        let walk = Walk::new(3);
        let (mut lowest, mut highest) = (REFERENCE, REFERENCE);
        let mut last = REFERENCE;
        for ms in 0..120_000 {
            let price = walk.ticks(0, REFERENCE, Duration::from_millis(ms));
            assert!(price.abs_diff(last) <= 3, "at {ms} ms from {last} to {price}");
            (lowest, highest) = (lowest.min(price), highest.max(price));
            last = price;
        }
        assert!(highest - lowest > REFERENCE / 100, "{lowest}..{highest}");
        assert!(lowest > REFERENCE * 95 / 100 && highest < REFERENCE * 105 / 100);
    }

    #[test]
    fn dice_are_even_enough_and_repeat() {
        let mut dice = Dice::new(1, 2);
        let thrown: Vec<_> = (0..10_000).map(|_| dice.below(4)).collect();
        for side in 0..4 {
            let count = thrown.iter().filter(|&&number| number == side).count();
            assert!((2_300..2_700).contains(&count), "{side}: {count}");
        }
        let mut again = Dice::new(1, 2);
        assert!(thrown.iter().all(|&number| number == again.below(4)));
    }
}
