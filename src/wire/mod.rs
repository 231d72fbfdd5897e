//! Byte layouts of the exchange's protocols: parse and emit, nothing else.
//!
//! No codec reads a clock, keeps a session or allocates, and no bytes make one panic. Integers on
//! these wires are big-endian.
#![doc = include_str!("profile.md")]

pub mod itch;
pub mod mold;
pub mod ouch;
pub mod soup;

#[cfg(test)]
pub(crate) mod mutate;

#[cfg(test)]
pub(crate) mod tests {
    /// The bytes that a capture's hexadecimal digits stand for.
    pub(crate) fn hex(digits: &str) -> Vec<u8> {
        let pair = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(pair).collect()
    }
}
