//! What a broker may send to slow the exchange down, and that it does not. Measured in steps, not in
//! time: a slow machine is no defect.

use zerocopy::FromZeros;

use super::script;
use super::world::World;
use crate::types::command::NewOrder;
use crate::types::{Price, Quantity, Symbol, UserRefNum};

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
