//! What a firm asks about all that it has, by any of its ports: a mass cancel, and the switch of its
//! order entry. Its drop copy hears of it; other firms notice nothing.

use rialto::types::Symbol;

use crate::broker::{Broker, WAYS};
use crate::drop_copy::must_copy;
use crate::harness::Node;

#[test]
fn a_mass_cancel_takes_a_firms_orders_out_of_the_books_whichever_port_entered_them() {
    for login in WAYS {
        let mut node = Node::start();
        let mut copies = Broker::login(&node, "ALFADC");
        let [mut one, mut two] = ["ALFA01", "ALFA02"].map(|port| login(&node, port));
        let mut other = Broker::login(&node, "BETA01");
        one.buys(100, "ACME", "24.00");
        one.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
        one.sells(10, "GLOBX", "120.00");
        one.must_hear(&["accepted #2 S 10 GLOBX 120.00"]);
        two.sells(50, "ACME", "26.00");
        two.must_hear(&["system S", "accepted #1 S 50 ACME 26.00"]);
        other.buys(20, "ACME", "23.00");
        other.must_hear(&["system S", "accepted #1 B 20 ACME 23.00"]);

        one.mass_cancels(Symbol::new("ACME").unwrap());
        one.must_hear(&["mass cancel #3 of ALFA ACME", "canceled #1 100 U"]);
        two.must_hear(&["canceled #1 50 U"]);
        // The numbers of requests and orders are the same: a repeated one is met with silence.
        one.next_ref = 3;
        one.mass_cancels(Symbol::BLANK);
        one.must_hear_nothing();
        // Every port may cancel what another one entered.
        two.mass_cancels(Symbol::BLANK);
        two.must_hear(&["mass cancel #2 of ALFA all"]);
        one.must_hear(&["canceled #2 10 U"]);
        two.mass_cancels(Symbol::new("NOSUCH").unwrap());
        two.must_hear(&["rejected #3 0x17"]);
        for session in [&mut one, &mut two, &mut other] {
            session.must_hear_nothing();
        }

        must_copy(
            &mut copies,
            &[
                ("", "system S"),
                ("ALFA01", "accepted #1 B 100 ACME 24.00"),
                ("ALFA01", "accepted #2 S 10 GLOBX 120.00"),
                ("ALFA02", "accepted #1 S 50 ACME 26.00"),
                ("ALFA01", "mass cancel #3 of ALFA ACME"),
                ("ALFA01", "canceled #1 100 U"),
                ("ALFA02", "canceled #1 50 U"),
                ("ALFA01", "rejected #4 0x17"),
                ("ALFA02", "mass cancel #2 of ALFA all"),
                ("ALFA01", "canceled #2 10 U"),
                ("ALFA02", "rejected #3 0x17"),
                ("ALFA01", "rejected #5 0x17"),
                ("ALFA02", "rejected #4 0x17"),
            ],
        );
        let books = node.stop_in_order();
        let orders: Vec<_> = books.lines().skip(3).collect();
        assert!(
            matches!(orders.as_slice(), [one] if one.starts_with("ACME B 230000 ") && one.ends_with(" 20")),
            "{books}"
        );
    }
}

#[test]
fn a_firm_that_disables_its_entry_has_no_new_orders_taken_until_it_enables_it_again() {
    for login in WAYS {
        let mut node = Node::start();
        let mut copies = Broker::login(&node, "ALFADC");
        let [mut one, mut two] = ["ALFA01", "ALFA02"].map(|port| login(&node, port));
        let mut other = Broker::login(&node, "BETA01");
        one.buys(100, "ACME", "24.00");
        one.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
        two.switches_entry(false);
        two.must_hear(&["system S", "entry #1 disabled of ALFA"]);
        one.buys(100, "ACME", "24.00");
        one.must_hear(&["rejected #2 0x0C"]);
        two.sells(100, "ACME", "26.00");
        two.must_hear(&["rejected #2 0x0C"]);

        // What it has stays in the book, until it is canceled; others trade on.
        other.sells(10, "ACME", "24.00");
        other.must_hear(&["system S", "accepted #1 S 10 ACME 24.00", "executed #1 10 24.00 R"]);
        one.must_hear(&["executed #1 10 24.00 A"]);
        one.cancels(1, 40);
        one.must_hear(&["canceled #1 60 U"]);

        must_copy(
            &mut copies,
            &[
                ("", "system S"),
                ("ALFA01", "accepted #1 B 100 ACME 24.00"),
                ("ALFA02", "entry #1 disabled of ALFA"),
                ("ALFA01", "rejected #2 0x0C"),
                ("ALFA02", "rejected #2 0x0C"),
                ("ALFA01", "executed #1 10 24.00 A"),
                ("ALFA01", "canceled #1 60 U"),
            ],
        );

        // A restart of the node enables nothing.
        node.kill9();
        node.start_again();
        let [mut copies, mut one] = [("ALFADC", copies), ("ALFA01", one)].map(|(port, before)| {
            let again = Broker::login_at(&node, port, before.client.next_sequence()).unwrap();
            Broker { next_ref: before.next_ref, ..again }
        });
        one.buys(100, "ACME", "24.00");
        one.must_hear(&["rejected #3 0x0C"]);
        one.mass_cancels(Symbol::BLANK);
        one.must_hear(&["mass cancel #4 of ALFA all", "canceled #1 30 U"]);
        // Each of its ports may.
        one.switches_entry(true);
        one.must_hear(&["entry #5 enabled of ALFA"]);
        one.buys(100, "ACME", "24.00");
        one.must_hear(&["accepted #6 B 100 ACME 24.00"]);
        must_copy(
            &mut copies,
            &[
                ("ALFA01", "rejected #3 0x0C"),
                ("ALFA01", "mass cancel #4 of ALFA all"),
                ("ALFA01", "canceled #1 30 U"),
                ("ALFA01", "entry #5 enabled of ALFA"),
                ("ALFA01", "accepted #6 B 100 ACME 24.00"),
            ],
        );
    }
}
