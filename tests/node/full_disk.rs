//! The disk of the logs fills up: what is refused, who goes on, and that it passes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use rialto::sys::file::used_percent;
use rialto::types::SessionId;

use crate::broker::Broker;
use crate::cluster::Cluster;
use crate::harness::{Logs, Node, Setup, Small, eventually};

const MIB: u32 = 128;

fn setup() -> Setup {
    Setup { small: Some(Small::Logs { mib: MIB }), logs: Logs::InMemory, ..Setup::default() }
}

/// Fills the disk of a node's logs so far, and returns what is to be removed.
fn fill(node: &Node, percent: u64) -> PathBuf {
    let directory = node.sees(&node.site.logs);
    let filler = directory.join("filler");
    let mut file = File::create(&filler).unwrap();
    while used_percent(&directory).unwrap() < percent {
        file.write_all(&[0; 8 << 10]).unwrap();
    }
    filler
}

/// Enters orders until one is answered so.
fn enters_until(alfa: &mut Broker, answer: &str) -> u32 {
    let mut number = 0;
    eventually(answer, || {
        number = alfa.buys(100, "ACME", "24.00");
        let heard = alfa.hears();
        // Whoever is refused is told that its firm may not.
        assert!(!heard.starts_with("rejected") || heard.ends_with(" 0x0C"), "{heard}");
        heard.starts_with(answer)
    });
    number
}

#[test]
fn while_the_disk_is_nearly_full_new_orders_are_refused_and_cancels_are_not() {
    let mut node = Node::start_with(&setup());
    let mut alfa = Broker::login(&node, "ALFA01");
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let filler = fill(&node, 90);
    enters_until(&mut alfa, "rejected");
    alfa.cancels(1, 0);
    alfa.must_hear(&["canceled #1 100 U"]);
    // A node that is alone has nobody to hand over to.
    alfa.must_hear_nothing();
    fs::remove_file(filler).unwrap();
    let number = enters_until(&mut alfa, "accepted");
    alfa.cancels(number, 0);
    alfa.must_hear(&[&format!("canceled #{number} 100 U")]);
    node.stop_in_order();
}

#[test]
fn a_leader_whose_disk_is_full_hands_over_to_one_that_takes_orders_again() {
    let cluster = Cluster::start_with("automatic", &setup());
    let (full, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    alfa.must_hear(&["system S"]);
    fill(&cluster.nodes[full], 95);
    eventually("another leads", || {
        let (leader, _) = cluster.login("ALFA01", SessionId::BLANK, 0);
        leader != full
    });
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 0);
    assert_ne!(leader, full);
    enters_until(&mut alfa, "accepted");
}
