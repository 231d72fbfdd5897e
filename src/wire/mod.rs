//! Byte layouts of the exchange's protocols: parse and emit, nothing else.
//!
//! No codec reads a clock, keeps a session or allocates, and no bytes make one panic. Integers on
//! these wires are big-endian.
#![doc = include_str!("profile.md")]

mod blocks;
pub mod itch;
pub mod mold;
pub mod ouch;
pub mod ouch42;
pub mod soup;
pub mod ufo;

#[cfg(test)]
mod tests {
    /// The bytes that a capture's hexadecimal digits stand for.
    pub(super) fn hex(digits: &str) -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(pair).collect()
    }

    /// Mutations tried per example.
    const ROUNDS: u32 = 2_000;

    /// Calls `check` with damaged copies of each of `examples`. The seed is printed; `RIALTO_SEED` sets it.
    pub(super) fn each_damaged(examples: &[&[u8]], mut check: impl FnMut(&[u8])) {
        let seed =
            std::env::var("RIALTO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
        println!("RIALTO_SEED={seed}");
        let mut random = SplitMix(seed);
        for example in examples {
            for _ in 0..ROUNDS {
                let mut bytes = example.to_vec();
                for _ in 0..=random.below(4) {
                    damage(&mut bytes, &mut random);
                }
                check(&bytes);
            }
        }
    }

    fn damage(bytes: &mut Vec<u8>, random: &mut SplitMix) {
        let at = random.below(bytes.len().max(1));
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.push(random.byte()),
            2 if !bytes.is_empty() => bytes[at] = random.byte(),
            3 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            _ if !bytes.is_empty() => bytes[at] = [0, 1, 0x7F, 0xFF][random.below(4)],
            _ => {}
        }
    }

    struct SplitMix(u64);

    impl SplitMix {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            mixed ^ (mixed >> 31)
        }

        fn below(&mut self, bound: usize) -> usize {
            usize::try_from(self.next() % bound as u64).expect("below a usize")
        }

        fn byte(&mut self) -> u8 {
            self.next().to_be_bytes()[0]
        }
    }
}
