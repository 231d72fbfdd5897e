//! What a broker may send to slow the exchange down, and that it does not. Measured in steps, not in
//! time: a slow machine is no defect.

use zerocopy::{FromBytes, FromZeros};

use super::world::World;
use super::{fuzz, invariants, script};
use crate::types::command::{CommandHeader, CommandKind, NewOrder};
use crate::types::{Line, Price, Quantity, Symbol, UserRefNum};

/// Multiply and fold, as maps often do that trust their keys.
fn unkeyed_home(key: u64, bits: u32) -> u64 {
    let mixed = (key ^ key >> 32).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed >> (64 - bits)
}

#[test]
fn no_choice_of_user_reference_numbers_makes_orders_hard_to_find() {
    const ORDERS: usize = 2_000;
    const BITS: u32 = 13; // Slots of an index for 4,096 orders.
    let port = 1_u64 << 40;
    let together: Vec<u32> =
        (1..).filter(|&n| unkeyed_home(port | u64::from(n), BITS) < 32).take(ORDERS).collect();
    let in_turn: Vec<u32> = (1..).take(ORDERS).collect();
    let far_apart: Vec<u32> = (1..).map(|n| n << BITS).take(ORDERS).collect();
    for numbers in [together, in_turn, far_apart] {
        let mut world = World::open();
        let header = world.header::<NewOrder>("A1");
        for number in numbers {
            world.apply(&NewOrder {
                header,
                price: Price(100),
                symbol: Symbol::new("ACME").unwrap(),
                user_ref_num: UserRefNum(number),
                quantity: Quantity(1),
                side: b'B',
                time_in_force: b'0',
                display: b'Y',
                capacity: b'A',
                intermarket_sweep: b'N',
                cross_type: b'N',
                ..NewOrder::new_zeroed()
            });
        }
        assert_eq!(world.engine.books().order_count(), ORDERS);
        let longest = world.engine.order_manager().orders.longest_probe();
        assert!(longest < 32, "a look-up steps over {longest} entries");
        script::run(&mut world, "down A1");
        script::run(&mut world, "wait 10s");
        assert_eq!(world.engine.books().order_count(), 0);
    }
}

/// A market in which orders rest and have traded.
fn running() -> World {
    let mut world = fuzz::owners();
    for line in [
        "A1 sell 1 100 ACME @10.05",
        "B1 buy 1 100 ACME @9.95",
        "A1 sell 2 60 BOLT @10.00",
        "B1 buy 2 200 BOLT @10.00",
        "B1 buy 3 60 ACME @10.05",
    ] {
        script::run(&mut world, line);
    }
    world
}

#[test]
fn no_field_of_a_command_of_the_corpus_at_0_1_or_its_largest_breaks_the_market() {
    const WIDTHS: [usize; 4] = [1, 2, 4, 8];
    let corpus = fuzz::corpus();
    for &kind in CommandKind::ALL {
        let is_of_kind = |lines: &&Vec<Line>| CommandKind::from_number(lines[0].0[0]) == Some(kind);
        let Some(command) = corpus.iter().find(is_of_kind) else { continue };
        for width in WIDTHS {
            let mut world = running();
            let size = command.len() * size_of::<Line>();
            // Fields lie at multiples of their width; the kind and the size stay as they are.
            for (number, at) in (1_000..).zip((0..size).step_by(width).filter(|&at| at >= 2)) {
                for (value, turn) in [(0, 0), (1, 1), (u64::MAX, 2)] {
                    let mut command = command.clone();
                    let header = CommandHeader::view_mut(&mut command).unwrap();
                    if let Some(port) = world.engine.order_manager().ports.get(header.port.0) {
                        header.epoch = port.epoch;
                    }
                    if kind == CommandKind::NewOrder {
                        let order =
                            NewOrder::mut_from_bytes(Line::bytes_mut(&mut command)).unwrap();
                        order.user_ref_num = UserRefNum(3 * number + turn);
                    }
                    let bytes = Line::bytes_mut(&mut command);
                    bytes[at..at + width].copy_from_slice(&value.to_le_bytes()[..width]);
                    world.apply_lines(&command);
                    invariants::hold(&world);
                }
            }
        }
    }
}
