//! A follower that stands still, or goes on only now and then, while brokers trade: nobody waits for it, and
//! nobody keeps more and more for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rialto::consensus::{STAGING_BYTES_MAX, UNCOMMITTED_FRAMES_MAX};
use rialto::types::SessionId;

use crate::cluster::Cluster;
use crate::harness::{Setup, eventually};
use crate::retention::Flood;

/// Of 2,000 orders each, at once.
const BURSTS: usize = 5;
/// More than any host needs meanwhile: should the test fail, this ends.
const PULSES_MAX: usize = 1_000;

/// Trades in bursts, each of which is acknowledged to its end, and sees it committed: the counters say so a
/// little later.
fn trades(cluster: &Cluster, leader: usize, flood: &mut Flood) {
    let before = cluster.counter(leader, "replica.committed_index");
    for _ in 0..BURSTS {
        flood.burst();
        let [last, committed] = ["last_index", "committed_index"]
            .map(|name| cluster.counter(leader, &format!("replica.{name}")));
        assert!(last <= committed + UNCOMMITTED_FRAMES_MAX, "{committed} of {last} are committed");
    }
    let committed = || cluster.counter(leader, "replica.committed_index");
    eventually("what was acknowledged is committed", || committed() > before);
}

fn a_lagging_follower_slows_nobody(cluster: Cluster) {
    let (leader, alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    let term = cluster.counter(leader, "replica.term");
    let follower = (leader + 1) % 3;
    let mut flood = Flood::login(&cluster.nodes[leader], 0);
    trades(&cluster, leader, &mut flood);

    cluster.nodes[follower].signal("STOP");
    let stood = cluster.counter(follower, "replica.committed_index");
    trades(&cluster, leader, &mut flood);
    assert_eq!(cluster.counter(follower, "replica.committed_index"), stood);
    cluster.nodes[follower].signal("CONT");
    cluster.comes_to_have(follower, leader);

    // It is awake for a tenth of the time.
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..PULSES_MAX {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                cluster.nodes[follower].signal("STOP");
                thread::sleep(Duration::from_millis(45));
                cluster.nodes[follower].signal("CONT");
                thread::sleep(Duration::from_millis(5));
            }
        });
        for _ in 0..2 {
            trades(&cluster, leader, &mut flood);
            let staged = cluster.counter(follower, "replica.staged_bytes");
            assert!(staged <= STAGING_BYTES_MAX as u64, "{staged} bytes are staged");
        }
        over.store(true, Ordering::Relaxed);
    });
    cluster.comes_to_have(follower, leader);
    // Nobody called an election over it.
    assert_eq!(cluster.counter(leader, "replica.leads"), term);
    drop(alfa);
    cluster.stop();
}

#[test]
fn a_follower_that_stands_still_or_is_slow_slows_nobody_and_catches_up() {
    a_lagging_follower_slows_nobody(Cluster::start_with("automatic", &Setup::default()));
}

#[cfg(feature = "aeron")]
#[test]
fn nor_does_it_with_payloads_by_multicast() {
    let (transport, _) = crate::cluster::aeron(3);
    a_lagging_follower_slows_nobody(Cluster::start_over(
        &transport,
        "automatic",
        &Setup::default(),
    ));
}
