//! A crowded venue: what the whole engine takes of memory once its books are full.
//!
//! The memory that the system has really given, in all of the process, less what it had before.

use std::convert::Infallible;
use std::fs;

use zerocopy::FromZeros;

use super::whole::{Crowd, OPENING, Writer, apply, symbol};
use super::{BenchError, TICK};
use crate::engine::{Engine, IndexSeed, MEMORY_SEGMENT_BYTES};
use crate::order_manager::Capacity;
use crate::types::command::{CommandHeader, NewOrder};
use crate::types::{
    Epoch, FRAME_COMMANDS_MAX, FrameHeader, FrameSink, Line, PortId, Price, Quantity, Side,
    TimeInForce, UserRefNum,
};

const CROWD: Crowd = Crowd { firms: 100, ports: 200, accounts: 1_000 };
const INSTRUMENTS: u16 = 100;
/// Prices on each side of each book.
const PRICES: u64 = 1_000;
const PAGE_BYTES: u64 = 4_096;

/// Lets go of what it gets.
struct Nowhere;

impl FrameSink for Nowhere {
    type Error = Infallible;

    fn frame(&mut self, _header: &FrameHeader, _payload: &[Line]) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Fills an engine that is made for `orders` with so many, and returns the bytes it takes then.
pub(super) fn bytes_of(orders: u32) -> Result<u64, BenchError> {
    let per_firm = orders / CROWD.firms;
    let capacity = Capacity {
        orders: per_firm * CROWD.firms,
        balances: CROWD.accounts * (u32::from(INSTRUMENTS) + 1),
        currencies: 1,
        firms: u16::try_from(CROWD.firms).expect("a hundred"),
        ports: CROWD.ports,
        accounts: CROWD.accounts,
        instruments: INSTRUMENTS,
    };
    let mut writer = Writer::new(CROWD, FRAME_COMMANDS_MAX);
    writer.market(&capacity, per_firm);
    let epochs = writer.sessions();
    let opening = writer.take();
    let before = resident_bytes()?;
    let mut engine = Engine::new(&capacity.limits(MEMORY_SEGMENT_BYTES), IndexSeed::new([7; 16]));
    apply(&mut engine, &opening, &mut Nowhere);
    for number in 0..u64::from(capacity.orders) {
        let order = order(number, &epochs);
        writer.push(&order);
        // A handful of frames at a time, so that it is the engine that is measured.
        if number.is_multiple_of(4_096) {
            apply(&mut engine, &writer.take(), &mut Nowhere);
        }
    }
    apply(&mut engine, &writer.take(), &mut Nowhere);
    assert_eq!(engine.books().order_count(), capacity.orders as usize, "all rest");
    Ok(resident_bytes()?.saturating_sub(before))
}

/// Both sides of all books in turn, the prices of each in turn, far from the other side.
fn order(number: u64, epochs: &[Epoch]) -> NewOrder {
    let short = |number: u64| u32::try_from(number).expect("a remainder");
    let at = short(number % u64::from(CROWD.ports));
    let turn = number / u64::from(INSTRUMENTS);
    let level = TICK * (turn / 2 % PRICES);
    let (side, price) = if turn.is_multiple_of(2) {
        (Side::Buy, 500_000 - level)
    } else {
        (Side::Sell, 600_000 + level)
    };
    let port = PortId(at + 1);
    let instrument = u16::try_from(number % u64::from(INSTRUMENTS)).expect("a remainder") + 1;
    NewOrder {
        header: CommandHeader::new::<NewOrder>(port, epochs[at as usize], OPENING),
        price: Price(price),
        symbol: symbol(instrument),
        user_ref_num: UserRefNum(short(number / u64::from(CROWD.ports)) + 1),
        quantity: Quantity(100),
        side: side.byte(),
        time_in_force: TimeInForce::Day.byte(),
        display: b'Y',
        capacity: b'A',
        intermarket_sweep: b'N',
        cross_type: b'N',
        ..NewOrder::new_zeroed()
    }
}

/// What the system has given to this process.
fn resident_bytes() -> Result<u64, BenchError> {
    const STATM: &str = "/proc/self/statm";
    let file = |source| BenchError::File { path: STATM.into(), source };
    let statm = fs::read_to_string(STATM).map_err(file)?;
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    Ok(pages.unwrap_or(0) * PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_venue_is_filled_to_the_last_order() {
        assert!(bytes_of(20_000).is_ok());
    }
}
