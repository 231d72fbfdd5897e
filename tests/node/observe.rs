//! A fourth host that observes three which trade: it has everything, proves it, lets others read it, and
//! never decides anything.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rialto::types::SessionId;

use crate::broker::Broker;
use crate::cluster::Cluster;
use crate::harness::{Logs, Node, Setup, Site, claim_udp_port, eventually, fails, rialto};
use crate::images;
use crate::retention::Flood;

/// Commands between two states that are compared.
const SAMPLE_INTERVAL: u64 = 65_536;
/// More than so many commands are in no test's log.
const BURSTS_MAX: u32 = 80;

fn observed() -> Setup {
    Setup { observes: true, ..Setup::default() }
}

/// Trades a little, and says who leads.
fn traded(cluster: &Cluster) -> (usize, Broker) {
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    (leader, alfa)
}

/// What `rialto log` says of a log, and does not fail at.
fn log(words: &[&str], directory: &Path) -> String {
    let output = rialto().arg("log").args(words).arg(directory).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// It comes late, others read its logs while it follows, leaders come and go, and so does it.
fn follows_whoever_leads(mut cluster: Cluster) {
    let (leader, mut alfa) = traded(&cluster);
    let observer = cluster.start_learner();
    cluster.comes_to_have(observer, leader);
    eventually("it learns", || cluster.counter(observer, "replica.learners") == 1);

    // Another process reads both logs while it writes them.
    for number in 2..=50 {
        alfa.buys(100, "ACME", "24.00");
        alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    cluster.comes_to_have(observer, leader);
    let site = &cluster.nodes[observer].site;
    let events = log(&["dump", "--quiet"], &site.events());
    assert_eq!(events.lines().filter(|line| line.contains(" Accepted ")).count(), 50);
    log(&["replay"], &site.commands());
    log(&["verify"], &site.commands());

    cluster.nodes[leader].kill9();
    let (next, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 51);
    alfa.must_hear(&["accepted #50 B 100 ACME 24.00"]);
    alfa.next_ref = 51;
    alfa.buys(5, "ACME", "23.00");
    alfa.must_hear(&["accepted #51 B 5 ACME 23.00"]);
    cluster.comes_to_have(observer, next);

    cluster.nodes[observer].kill9();
    alfa.buys(6, "ACME", "23.00");
    alfa.must_hear(&["accepted #52 B 6 ACME 23.00"]);
    cluster.nodes[observer].start_again();
    cluster.comes_to_have(observer, next);
    assert_eq!(cluster.counter(observer, "replica.votes"), 0);
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    cluster.stop();
}

#[test]
fn an_observer_follows_whoever_leads_and_others_read_what_it_stores() {
    follows_whoever_leads(Cluster::start_with("automatic", &observed()));
}

#[cfg(feature = "aeron")]
#[test]
fn over_aeron_an_observer_does_the_same() {
    let (transport, _) = crate::cluster::aeron(2);
    follows_whoever_leads(Cluster::start_over(&transport, "automatic", &observed()));
}

#[test]
fn an_observer_takes_an_image_and_says_up_to_where_its_state_is_that_of_the_others() {
    let mut cluster = images::cluster(&Setup { observes: true, ..images::setup() });
    let number = images::flood(&cluster, 0);
    let observer = cluster.start_learner();
    images::begins_with_an_image(&cluster, observer);
    let mut flood = Flood::login(&cluster.nodes[0], number);
    let confirmed = |cluster: &Cluster| {
        let text = cluster.nodes[observer].site.log_text();
        text.lines().any(|line| line.contains("observes") && line.contains("at sequence 65"))
    };
    for _ in 0..BURSTS_MAX {
        flood.burst();
        if u64::from(flood.number) > SAMPLE_INTERVAL {
            break;
        }
    }
    eventually("it says so", || confirmed(&cluster));
    let text = cluster.nodes[observer].site.log_text();
    let said = text.lines().rfind(|line| line.contains("observes")).unwrap();
    for word in ["position=", "frames=", "behind=", "leader=1"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let books: Vec<_> = cluster.nodes.iter_mut().map(Node::stop_in_order).collect();
    assert!(books.iter().all(|other| *other == books[0]));
}

#[test]
fn a_bit_that_flipped_in_what_it_stores_is_named_and_had_again_from_the_others() {
    let mut cluster =
        Cluster::start_with("automatic", &Setup { logs: Logs::BehindOnDisk, ..observed() });
    let (leader, _) = traded(&cluster);
    let observer = cluster.start_learner();
    cluster.comes_to_have(observer, leader);
    cluster.nodes[observer].kill9();
    let at = cluster.flip_a_bit(observer).to_string();
    let said = cluster.nodes[observer].fails_to_start();
    assert!(said.contains(&at), "{at} in {said}");
    cluster.nodes[observer].start_again_with(&["--new-incarnation"]);
    cluster.comes_to_have(observer, leader);
    cluster.stop();
}

#[test]
fn an_observer_never_votes_nor_leads_whoever_asks_for_it() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let (leader, _) = traded(&cluster);
    // As if somebody forgot to say that it only learns.
    let (address, _claim) = claim_udp_port();
    let (done, said) = cluster.asks(leader, &["add", &format!("5@{address}")]);
    assert!(done, "{said}");
    let config = fs::read_to_string(cluster.nodes[0].site.config()).unwrap();
    let section = &config[config.find("[cluster]").unwrap()..];
    let learners = format!("learners = [\n{{ host = 5, address = \"{address}\" }},");
    let section = section.replace("learners = [", &learners);
    let key = cluster.directory.join("cluster.key");
    let setup = Setup { host: 5, cluster: Some((section, key)), founds: false, ..observed() };
    cluster.nodes.push(Node::start_at(Site::new(&setup)));
    let observer = cluster.nodes.len() - 1;
    cluster.comes_to_have(observer, leader);
    eventually("it is let in", || cluster.counter(leader, "replica.learners") == 1);
    // Many times as long as a host that votes would wait for its promotion.
    thread::sleep(Duration::from_secs(3));
    for node in [leader, observer] {
        assert_eq!(cluster.counter(node, "replica.voters"), 3);
    }
    assert_eq!(cluster.counter(observer, "replica.votes"), 0);

    // When all others are gone it calls no election, whoever asks.
    for node in 0..3 {
        cluster.nodes[node].kill9();
    }
    let term = cluster.counter(observer, "replica.term");
    let lost = ["1", "2", "3", "4"].map(|host| ["--lost", host]);
    let recover = [&["recover-quorum"], lost.as_flattened()].concat();
    for words in [&["promote"][..], &recover] {
        let (done, said) = cluster.asks(observer, words);
        assert!(!done && said.contains("this node only observes"), "{said}");
    }
    assert_eq!(cluster.counter(observer, "replica.term"), term);
}

#[test]
fn who_is_started_as_what_it_is_not_is_told_what_to_change() {
    let mut cluster = Cluster::start_with("automatic", &observed());
    let voter = cluster.nodes[0].site.config();
    let said = fails(rialto().arg("observe").arg("--config").arg(&voter));
    assert!(said.contains("cluster.members = { host = 1, address = "), "{said}");
    assert!(said.contains("put this line into cluster.learners"), "{said}");
    // Nor is one whose file alone was changed.
    let leader = cluster.login("ALFA01", SessionId::BLANK, 1).0;
    cluster.await_voters(leader);
    let voter = (leader + 1) % 3;
    eventually("it votes", || cluster.counter(voter, "replica.votes") == 1);
    cluster.nodes[voter].stop_in_order();
    let file = cluster.nodes[voter].site.config();
    let text = fs::read_to_string(&file).unwrap();
    let [own, other] = [voter + 1, 4].map(|host| format!("{{ host = {host},"));
    let text = text.replace(&own, "NEITHER").replace(&other, &own).replace("NEITHER", &other);
    fs::write(&file, text).unwrap();
    let said = fails(rialto().arg("observe").arg("--config").arg(&file));
    assert!(said.contains("has a vote, which the others wait for"), "{said}");

    let observer = cluster.start_learner();
    let file = cluster.nodes[observer].site.config();
    let said = fails(rialto().arg("run").arg("--config").arg(&file));
    assert!(said.contains("start it with `rialto observe`"), "{said}");
    let check = rialto().args(["config", "check"]).arg(&file).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(check.status.success() && said.contains("observer     serves nobody"), "{said}");
}
