//! Frames that nobody has any more: a node that lacks them takes an image of another, and is from then on what
//! it would be if it had been there all the time.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::Duration;

use rialto::types::SessionId;

use crate::cluster::Cluster;
use crate::harness::{Node, Setup, Site, eventually};
use crate::replay::read_log;
use crate::retention::{Flood, first_is_gone};

/// Bursts until a segment must have gone.
const BURSTS_MAX: u32 = 100;

pub(crate) fn setup() -> Setup {
    Setup {
        segment_mib: 1,
        snapshot_every: 1_500,
        retention: "keep = \"needed\"",
        ..Setup::default()
    }
}

/// Three nodes, of which the first leads, and a fourth that does not run yet.
pub(crate) fn cluster(setup: &Setup) -> Cluster {
    let cluster = Cluster::start_with("automatic", setup);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_eq!(leader, 0, "it founded the cluster");
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    cluster
}

/// Trades at the leader until the first commands are gone there.
pub(crate) fn flood(cluster: &Cluster, number: u32) -> u32 {
    let mut flood = Flood::login(&cluster.nodes[0], number);
    for _ in 0..BURSTS_MAX {
        flood.burst();
        if first_is_gone(&cluster.nodes[0].site.commands()) {
            return flood.number;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("nothing is let go of: {}", cluster.nodes[0].site.log_text());
}

/// Waits until node `at` has begun with an image, and proves that from then on it has what the leader has.
#[track_caller]
pub(crate) fn begins_with_an_image(cluster: &Cluster, at: usize) {
    let site = &cluster.nodes[at].site;
    eventually("it takes an image", || site.log_text().contains("begins with an image"));
    let committed = cluster.counter(0, "replica.committed_index");
    eventually("it has caught up", || {
        cluster.counter_if_any(at, "replica.committed_index") >= Some(committed)
    });
    for log in [Site::commands, Site::events] {
        let [theirs, ours] = [0, at].map(|node| read_log(&log(&cluster.nodes[node].site)).0);
        let theirs: BTreeMap<_, _> =
            theirs.iter().map(|(header, payload)| (header.start, (header, payload))).collect();
        let mut common = 0;
        for (header, payload) in &ours {
            if let Some(frame) = theirs.get(&header.start) {
                assert!(*frame == (header, payload), "{header:?}");
                common += 1;
            }
        }
        assert!(common > 10, "{common} frames in common");
    }
    assert!(first_is_gone(&site.commands()));
    assert!(!first_is_gone(&site.events()), "the day's events are all there");
}

#[test]
fn a_node_for_which_nobody_has_frames_any_more_takes_an_image_and_can_lead() {
    let mut cluster = cluster(&setup());
    cluster.nodes[2].kill9();
    let number = flood(&cluster, 0);
    cluster.nodes[2].start_again();
    begins_with_an_image(&cluster, 2);
    // And so does one that was never there.
    let learner = cluster.start_learner();
    begins_with_an_image(&cluster, learner);
    assert_eq!(cluster.counter(learner, "replica.votes"), 0);

    // It is as good as any: with the others gone it takes its part, and replays the day from its beginning.
    eventually("it votes", || cluster.counter_if_any(2, "replica.votes") == Some(1));
    cluster.nodes[1].kill9();
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_eq!(leader, 0);
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    alfa.next_ref = 2;
    alfa.buys(5, "ACME", "23.00");
    alfa.must_hear(&["accepted #2 B 5 ACME 23.00"]);
    let committed = cluster.counter(0, "replica.committed_index");
    eventually("it has the order", || cluster.counter(2, "replica.committed_index") >= committed);
    cluster.nodes[1].start_again();
    eventually("all are there", || {
        cluster.counter_if_any(1, "replica.committed_index") >= Some(committed)
    });
    cluster.nodes[0].kill9();
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(leader, 0);
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00", "accepted #2 B 5 ACME 23.00"]);
    cluster.nodes[0].start_again();
    eventually("it follows", || {
        cluster.counter_if_any(0, "replica.leader") == Some(leader as u64 + 1)
    });
    assert!(cluster.nodes[0].site.log_text().contains("begins with a snapshot"));
    let books: Vec<_> = cluster.nodes.iter_mut().map(Node::stop_in_order).collect();
    assert!(number > 0 && books[1..].iter().all(|other| *other == books[0]));
}

#[test]
fn a_taken_image_that_is_damaged_is_not_begun_with_and_another_is_taken() {
    let mut cluster = cluster(&setup());
    cluster.nodes[2].kill9();
    flood(&cluster, 0);
    // As if it had been taken, and a bit had flipped.
    let [from, to] = [0, 2].map(|node| cluster.nodes[node].site.logs.clone());
    let installed = to.join("installed");
    for log in ["commands", "events", "snapshots"] {
        fs::create_dir_all(installed.join(log)).unwrap();
    }
    fs::write(installed.join("description"), b"nonsense").unwrap();
    assert!(from.join("commands").exists());
    cluster.nodes[2].start_again();
    eventually("it says so", || {
        cluster.nodes[2].site.log_text().contains("an image that was taken is of no use")
    });
    begins_with_an_image(&cluster, 2);
    assert!(!installed.exists() && !to.join("incoming").exists());
}
