//! Byte layouts of the exchange's protocols: parse and emit, nothing else.
//!
//! No codec reads a clock, keeps a session or allocates, and no bytes make one panic. Integers on
//! these wires are big-endian.
#![doc = include_str!("profile.md")]

pub mod soup;

#[cfg(test)]
pub(crate) mod mutate;
