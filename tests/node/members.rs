//! Members that come and go while brokers trade, a quorum that is lost, and an upgrade of all nodes.

use std::fmt::Write as _;
use std::time::Duration;
use std::{fs, thread};

use rialto::types::SessionId;

use crate::cluster::Cluster;
use crate::harness::{Logs, Node, Setup, Site, claim_udp_port, eventually};
use crate::recovery::lose_power;

fn traded(cluster: &Cluster) -> usize {
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.comes_to_have(other, leader);
    }
    leader
}

/// The `[cluster]` section of a node, without learners and `host`, and with another of that number.
fn section_with(cluster: &Cluster, host: u32, line: &str) -> (String, std::path::PathBuf) {
    let config = fs::read_to_string(cluster.nodes[0].site.config()).unwrap();
    let section = &config[config.find("[cluster]").unwrap()..];
    let section = &section[..section.find("learners").unwrap()];
    let gone = format!("host = {host},");
    let kept = section.lines().map(|known| if known.contains(&gone) { line } else { known });
    let section = kept.collect::<Vec<_>>().join("\n") + "\n";
    (section, cluster.directory.join("cluster.key"))
}

#[test]
fn a_host_is_replaced_by_another_while_brokers_trade() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let leader = traded(&cluster);
    let goes = (leader + 1) % 3;
    let stays = (leader + 2) % 3;
    let (address, _claim) = claim_udp_port();
    let mut line = String::new();
    write!(line, "{{ host = 5, address = \"{address}\" }},").unwrap();
    let goes_host = u32::try_from(goes).unwrap() + 1;

    // Nobody but the leader is asked, and nobody is let in who was not expected.
    let (done, said) = cluster.asks(stays, &["add", &format!("5@{address}")]);
    assert!(!done && said.contains("does not lead"), "{said}");
    let (done, said) = cluster.asks(leader, &["remove", "5"]);
    assert!(!done && said.contains("host 5 is no member"), "{said}");
    let (done, said) = cluster.asks(leader, &["remove", &(leader + 1).to_string()]);
    assert!(!done && said.contains("hand over first"), "{said}");

    let (done, said) = cluster.asks(leader, &["add", &format!("5@{address}")]);
    assert!(done, "{said}");
    let section = section_with(&cluster, goes_host, &line);
    let setup = Setup { host: 5, cluster: Some(section), founds: false, ..Setup::default() };
    cluster.nodes.push(Node::start_at(Site::new(&setup)));
    let new = cluster.nodes.len() - 1;
    eventually("it votes", || {
        cluster.counter_if_any(new, "replica.votes") == Some(1)
            && cluster.counter(stays, "replica.voters") == 4
    });
    cluster.comes_to_have(new, leader);
    let (done, said) = cluster.asks(leader, &["remove", &goes_host.to_string()]);
    assert!(done, "{said}");
    eventually("three voters", || cluster.counter(stays, "replica.voters") == 3);
    cluster.nodes[goes].kill9();

    // The new one's vote counts.
    cluster.nodes[leader].kill9();
    let (next, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert!([stays, new].contains(&next), "{next}");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
}

#[test]
fn a_member_is_not_removed_when_too_few_would_be_left() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let leader = traded(&cluster);
    let (down, other) = ((leader + 1) % 3, (leader + 2) % 3);
    cluster.nodes[down].kill9();
    // After three election timeouts it is missed.
    thread::sleep(Duration::from_secs(3));
    let (done, said) = cluster.asks(leader, &["remove", &(other + 1).to_string()]);
    assert!(!done && said.contains("1 of 2 voters are there, which is no quorum"), "{said}");
}

#[test]
fn when_all_lost_what_was_in_memory_an_operator_has_the_longest_log_go_on() {
    let mut cluster = Cluster::start(Logs::BehindOnDisk);
    let leader = traded(&cluster);
    let session = cluster.login("ALFA01", SessionId::BLANK, 1).1.client.session();
    let (done, said) = cluster.asks(leader, &["recover-quorum"]);
    assert!(!done && said.contains("a quorum lives"), "{said}");
    for node in &mut cluster.nodes {
        node.kill9();
        lose_power(node);
    }
    for node in &mut cluster.nodes[..2] {
        node.start_again();
    }
    // The third may have more.
    let (done, said) = cluster.asks(0, &["recover-quorum"]);
    assert!(!done && said.contains("of hosts [3, 4] nothing is heard"), "{said}");
    cluster.nodes[2].start_again();
    let mut said = Vec::new();
    eventually("one of them does it", || {
        // The learner was never there.
        said = (0..3).map(|at| cluster.asks(at, &["recover-quorum", "--lost", "4"])).collect();
        said.iter().any(|(done, _)| *done)
    });
    eventually("three vote again", || {
        (0..3).all(|at| {
            cluster.counter_if_any(at, "replica.voters") == Some(3)
                && cluster.counter_if_any(at, "replica.votes") == Some(1)
        })
    });
    // The day goes on under another session, for the last of what was told may be lost.
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert!(alfa.client.session() > session, "{said:?}");
    alfa.buys(5, "ACME", "23.00");
    alfa.must_hear(&["system S", "accepted #1 B 5 ACME 23.00"]);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.comes_to_have(other, leader);
    }
}

#[test]
fn a_quorum_that_is_lost_for_good_is_given_up_by_name() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let leader = traded(&cluster);
    let lost = [(leader + 1) % 3, (leader + 2) % 3];
    for node in lost {
        cluster.nodes[node].kill9();
    }
    eventually("it leads no more", || cluster.counter(leader, "replica.leader") == 0);
    let [one, other] = lost.map(|node| (node + 1).to_string());
    let (done, said) = cluster.asks(leader, &["recover-quorum", "--lost", &one]);
    assert!(!done && said.contains("nothing is heard"), "{said}");
    let (done, said) =
        cluster.asks(leader, &["recover-quorum", "--lost", &one, "--lost", &other, "--lost", "4"]);
    assert!(done && said.contains("is lost"), "{said}");
    // Alone it serves nobody; what was lost comes back empty.
    for node in lost {
        let site = &mut cluster.nodes[node].site;
        site.founds = false;
        for directory in [site.logs.clone(), site.disk.join("control")] {
            fs::remove_dir_all(directory).unwrap();
        }
        cluster.nodes[node].start_again();
    }
    let (_, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    alfa.must_hear(&["system S"]);
    for node in lost {
        eventually("it votes", || cluster.counter_if_any(node, "replica.votes") == Some(1));
    }
}

#[test]
fn all_nodes_are_upgraded_one_after_the_other_and_nobody_misses_anything() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let old = traded(&cluster);
    let caught_up = |cluster: &Cluster, node: usize, leader: usize| {
        cluster.comes_to_have(node, leader);
        eventually("it votes", || cluster.counter_if_any(node, "replica.votes") == Some(1));
    };
    for follower in (0..3).filter(|node| *node != old) {
        cluster.nodes[follower].stop_in_order();
        cluster.nodes[follower].start_again();
        caught_up(&cluster, follower, old);
    }
    cluster.command(old, "transfer");
    let (new, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(new, old);
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    alfa.next_ref = 2;
    cluster.nodes[old].stop_in_order();
    cluster.nodes[old].start_again();
    caught_up(&cluster, old, new);
    alfa.buys(5, "ACME", "23.00");
    alfa.must_hear(&["accepted #2 B 5 ACME 23.00"]);
    // What all know is switched to, and what somebody does not know is not.
    eventually("all have said what they know", || cluster.asks(new, &["activate", "1"]).0);
    let (done, said) = cluster.asks(new, &["activate", "2"]);
    assert!(!done && said.contains("version 2 is not known to nodes"), "{said}");
    let (done, said) = cluster.asks(old, &["activate", "1"]);
    assert!(!done && said.contains("does not lead"), "{said}");
    cluster.comes_to_have(old, new);
}
