//! Three nodes that are one exchange: what one of them may do without the participants losing anything.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rialto::client::{ClientError, FeedSocket};
use rialto::config::secrets::load_or_create_cluster_key;
use rialto::counters::CounterReader;
use rialto::types::{Position, SessionId};

use crate::broker::Broker;
use crate::harness::{
    Logs, Node, PLACEMENTS, SOON, Setup, Site, claim_udp_port, eventually, rialto,
};
use crate::recovery::{control_of, durable_now, lose_power};
use crate::replay::{Replay, read_log};

/// The host that does not vote.
const LEARNER: u32 = 4;

/// The nodes, whose first has made the market.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// One that does not run yet.
    learner: Option<Site>,
    pub(crate) directory: PathBuf,
    _claims: Vec<TcpListener>,
}

impl Cluster {
    pub(crate) fn start(logs: Logs) -> Self {
        Self::start_with("automatic", &Setup { logs, ..Setup::default() })
    }

    /// Of three that vote and one that learns.
    pub(crate) fn start_with(failover: &str, setup: &Setup) -> Self {
        Self::start_over("", failover, setup)
    }

    /// The same, with `transport` in the section about the cluster; HOST in it is each one's number.
    pub(crate) fn start_over(transport: &str, failover: &str, setup: &Setup) -> Self {
        let claimed: Vec<(SocketAddr, TcpListener)> = (0..4).map(|_| claim_udp_port()).collect();
        let (addresses, claims): (Vec<_>, Vec<_>) = claimed.into_iter().unzip();
        let mut section =
            format!("[cluster]\nelection_ms = 250\nfailover = \"{failover}\"\nmembers = [\n");
        for (host, address) in (1..).zip(&addresses) {
            if host == LEARNER {
                section.push_str("]\nlearners = [\n");
            }
            writeln!(section, "{{ host = {host}, address = \"{address}\" }},").unwrap();
        }
        writeln!(section, "]\n{transport}").unwrap();
        let name = format!("rialto-cluster-{}-{}", std::process::id(), addresses[0].port());
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let key = directory.join("cluster.key");
        load_or_create_cluster_key(&key).unwrap();
        let site = |host: u32| {
            Site::new(&Setup {
                host,
                cluster: Some((section.replace("HOST", &host.to_string()), key.clone())),
                founds: host == 1,
                observes: setup.observes && host == LEARNER,
                ..*setup
            })
        };
        let nodes = (1..LEARNER).map(|host| Node::start_at(site(host))).collect();
        Self { nodes, learner: Some(site(LEARNER)), directory, _claims: claims }
    }

    /// Flips a bit in the middle of the command log of a node that does not run, and says in which frame.
    pub(crate) fn flip_a_bit(&self, node: usize) -> Position {
        let commands = self.nodes[node].site.commands();
        let frames = read_log(&commands).0;
        let at = frames[frames.len() / 2].0.start;
        let segment = commands.join("00000000.seg");
        let mut bytes = fs::read(&segment).unwrap();
        bytes[usize::try_from(at.0).unwrap() + 70] ^= 4;
        fs::write(&segment, bytes).unwrap();
        at
    }

    /// Has the learner join.
    pub(crate) fn start_learner(&mut self) -> usize {
        let learner = self.learner.take().expect("it does not run yet");
        self.nodes.push(Node::start_at(learner));
        self.nodes.len() - 1
    }

    /// Logs in at whoever serves, and says who that is.
    pub(crate) fn login(&self, port: &str, session: SessionId, sequence: u64) -> (usize, Broker) {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            for (at, node) in self.nodes.iter().enumerate() {
                let credentials = self.nodes[0].site.credentials(port);
                let address = node.site.order_entry;
                match Broker::login_to(address, credentials, session, sequence) {
                    Ok(broker) => return (at, broker),
                    Err(ClientError::Refused(reason)) => panic!("refused: {reason:?}"),
                    Err(_) => {}
                }
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("nobody serves");
    }

    /// What a running node counts.
    pub(crate) fn counter(&self, at: usize, name: &str) -> u64 {
        self.counter_if_any(at, name).unwrap_or_else(|| panic!("no counter {name}"))
    }

    /// The same of a node that may have just begun.
    pub(crate) fn counter_if_any(&self, at: usize, name: &str) -> Option<u64> {
        let reader = CounterReader::open(&self.nodes[at].site.logs).ok()?;
        let found = reader.counters().find(|(counter, _)| counter == name);
        found.map(|(_, value)| value)
    }

    /// What `rialto cluster` says of, or does at, node `at`.
    pub(crate) fn command(&self, at: usize, command: &str) -> String {
        let (done, said) = self.asks(at, &[command]);
        assert!(done, "{said}");
        said
    }

    /// The same, with more words: whether it was done, and what was said.
    pub(crate) fn asks(&self, at: usize, words: &[&str]) -> (bool, String) {
        let config = self.nodes[at].site.config();
        let mut command = rialto();
        let output = command.arg("cluster").args(words).arg("--config").arg(config).output();
        let output = output.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), said)
    }

    /// Waits until all three vote, by the word of node `at`.
    pub(crate) fn await_voters(&self, at: usize) {
        eventually("three voters", || self.counter(at, "replica.voters") == 3);
    }

    /// Proves that node `other` comes to have what node `at` has now, in both logs, byte for byte.
    #[track_caller]
    pub(crate) fn comes_to_have(&self, other: usize, at: usize) {
        for log in [Site::commands, Site::events] {
            let (theirs, ours) = [at, other].map(|n| log(&self.nodes[n].site)).into();
            let had = read_log(&theirs).0;
            let mut has = Vec::new();
            eventually("it has what the other has", || {
                has = if ours.exists() { read_log(&ours).0 } else { Vec::new() };
                has.len() >= had.len()
            });
            for (one, two) in had.iter().zip(&has) {
                assert!(one == two, "{:?}\n{:?}", one.0, two.0);
            }
        }
    }

    pub(crate) fn stop(mut self) {
        let books: Vec<_> = self.nodes.iter_mut().map(Node::stop_in_order).collect();
        for (node, books) in self.nodes.iter().zip(&books) {
            assert_eq!(Replay::equal_to_event_log(&node.site).books(), *books);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn what_the_leader_acknowledges_the_others_have() {
    let cluster = Cluster::start(Logs::InMemory);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    for other in (0..3).filter(|other| *other != leader) {
        cluster.comes_to_have(other, leader);
        eventually("it knows who leads", || {
            cluster.counter(other, "replica.leader") == leader as u64 + 1
        });
    }
    cluster.stop();
}

#[test]
fn a_killed_leader_is_replaced_and_every_session_goes_on_where_it_was() {
    // Every stage on its own thread, and a snapshot each second or so.
    let placement = PLACEMENTS[2];
    let setup = Setup { placement, snapshot_every: 100, ..Setup::default() };
    let mut cluster = Cluster::start_with("automatic", &setup);
    let (mut leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    let session = alfa.client.session();
    let mut heard = 1;
    for round in 1..=3 {
        for _ in 0..20 {
            let number = alfa.buys(100, "ACME", "24.00");
            alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
            heard += 1;
        }
        let killed = leader;
        cluster.nodes[killed].kill9();
        let next_ref = alfa.next_ref;
        (leader, alfa) = cluster.login("ALFA01", session, heard + 1);
        assert_ne!(leader, killed);
        assert_eq!(alfa.client.session(), session, "in round {round}");
        alfa.next_ref = next_ref;
        cluster.nodes[killed].start_again();
        cluster.comes_to_have(killed, leader);
    }
    // Nothing was lost and nothing doubled.
    let number = alfa.buys(5, "ACME", "23.00");
    alfa.must_hear(&[&format!("accepted #{number} B 5 ACME 23.00")]);
    let (_, mut all) = cluster.login("ALFA01", session, 1);
    all.must_hear(&["system S"]);
    for number in 1..number {
        all.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    all.must_hear(&[&format!("accepted #{number} B 5 ACME 23.00")]);
    cluster.stop();
}

/// A transport by Aeron, of the cluster of this number in this process, and where its drivers are.
#[cfg(feature = "aeron")]
pub(crate) fn aeron(number: u8) -> (String, String) {
    let process = std::process::id();
    let [.., high, low] = process.to_be_bytes();
    let directory = format!("/dev/shm/rialto-node-aeron-{process}-{number}-HOST");
    let group = format!("239.{high}.{low}.{}:26733", 2 * number - 1);
    let transport = format!(
        "transport = \"aeron\"\n[cluster.aeron]\ngroup = \"{group}\"\ndirectory = \"{directory}\"\n"
    );
    (transport, directory)
}

#[cfg(feature = "aeron")]
#[test]
fn over_aeron_a_killed_leader_is_replaced_and_payloads_go_to_all_at_once() {
    let (transport, directory) = aeron(1);
    let mut cluster = Cluster::start_over(&transport, "automatic", &Setup::default());
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    for _ in 0..200 {
        let number = alfa.buys(100, "ACME", "24.00");
        alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    cluster.nodes[leader].kill9();
    let (next, mut all) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(next, leader);
    all.must_hear(&["system S"]);
    for number in 1..=200 {
        all.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    let learner = cluster.start_learner();
    cluster.comes_to_have(learner, next);
    cluster.stop();
    for host in 1..=LEARNER {
        let driver = directory.replace("HOST", &host.to_string());
        assert!(!Path::new(&driver).exists(), "{driver} is left behind");
    }
}

#[test]
fn without_a_quorum_nobody_serves_and_with_one_again_nothing_is_missing() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["accepted #1 B 100 ACME 24.00"]);
    let mut feed = FeedSocket::join(cluster.nodes[leader].site.feed, Ipv4Addr::LOCALHOST).unwrap();
    let heartbeats = Duration::from_millis(2_500);
    assert!(feed.receive(heartbeats).unwrap().is_some(), "who leads publishes");
    let followers = [(leader + 1) % 3, (leader + 2) % 3];
    for follower in followers {
        cluster.comes_to_have(follower, leader);
        cluster.nodes[follower].kill9();
    }
    // What nobody agreed to is told to nobody, and who cannot serve hangs up and lets nobody in.
    alfa.buys(100, "ACME", "23.00");
    alfa.must_be_disconnected();
    eventually("it leads no more", || cluster.counter(leader, "replica.leads") == 0);
    let address = cluster.nodes[leader].site.order_entry;
    assert!(TcpStream::connect(address).is_err(), "a node without a quorum listens");
    // A subscriber knows it by the heartbeats that do not come.
    while feed.receive(Duration::from_millis(10)).unwrap().is_some() {}
    assert!(feed.receive(heartbeats).unwrap().is_none(), "a node without a quorum publishes");
    cluster.nodes[followers[0]].start_again();
    let (_, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    cluster.nodes[followers[1]].start_again();
    cluster.stop();
}

#[test]
fn a_node_that_lost_everything_comes_back_as_another_and_votes_again() {
    let mut cluster = Cluster::start(Logs::BehindOnDisk);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    let number = alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    let lost = (leader + 1) % 3;
    let before = cluster.counter(lost, "replica.incarnation");
    eventually("its log is durable", || durable_now(&cluster.nodes[lost]) > Position::FIRST);
    cluster.nodes[lost].kill9();
    fs::remove_dir_all(&cluster.nodes[lost].site.logs).unwrap();
    let said = {
        let node = &mut cluster.nodes[lost];
        node.site.founds = false;
        node.fails_to_start()
    };
    assert!(said.contains("durable up to position"), "{said}");
    cluster.nodes[lost].start_again_with(&["--new-incarnation"]);
    cluster.comes_to_have(lost, leader);
    eventually("it votes again", || cluster.counter(lost, "replica.votes") == 1);
    assert!(cluster.counter(lost, "replica.incarnation") > before);
    // With the leader gone its vote is needed.
    cluster.nodes[leader].kill9();
    let (next, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(next, leader);
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    cluster.stop();
}

#[test]
fn with_manual_failover_nobody_leads_before_an_operator_says_who() {
    let mut cluster = Cluster::start_with("manual", &Setup::default());
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    let [one, other] = [(leader + 1) % 3, (leader + 2) % 3];
    cluster.comes_to_have(one, leader);
    cluster.comes_to_have(other, leader);
    cluster.nodes[leader].kill9();
    // Four times as long as an election would take.
    thread::sleep(Duration::from_secs(2));
    for follower in [one, other] {
        assert_eq!(cluster.counter(follower, "replica.leads"), 0);
    }
    cluster.command(one, "promote");
    let (next, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_eq!(next, one);
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    cluster.stop();
}

#[test]
fn a_leader_hands_over_when_it_is_told_to_or_stops() {
    let mut cluster = Cluster::start_with("manual", &Setup::default());
    let (first, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(first);
    alfa.must_hear(&["system S"]);
    assert!(cluster.command(first, "status").contains(" leads in term 1\n"));
    for other in [(first + 1) % 3, (first + 2) % 3] {
        cluster.comes_to_have(other, first);
    }
    cluster.command(first, "transfer");
    alfa.must_be_disconnected();
    let (second, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 0);
    assert_ne!(second, first);
    let number = alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    cluster.comes_to_have(first, second);
    cluster.nodes[second].stop_in_order();
    let (third, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(third, second);
    cluster.nodes[second].start_again();
    cluster.comes_to_have(second, third);
    cluster.stop();
}

#[test]
fn what_is_acknowledged_is_on_the_disks_of_most_where_that_is_asked() {
    let mut cluster = Cluster::start(Logs::OnDisk);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    for _ in 0..20 {
        let number = alfa.buys(100, "ACME", "24.00");
        alfa.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    let follower = (leader + 1) % 3;
    cluster.nodes[leader].kill9();
    cluster.nodes[follower].kill9();
    // Of two that were killed one has all of it, and is elected with the third or alone with it.
    cluster.nodes[follower].start_again();
    let (next, mut all) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(next, leader);
    all.must_hear(&["system S"]);
    for number in 1..=20 {
        all.must_hear(&[&format!("accepted #{number} B 100 ACME 24.00")]);
    }
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    cluster.stop();
}

#[test]
fn a_leader_that_was_paused_finds_another_and_follows_it() {
    let cluster = Cluster::start(Logs::InMemory);
    let (paused, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(paused);
    alfa.must_hear(&["system S"]);
    cluster.nodes[paused].signal("STOP");
    // An order of which nobody can know what becomes of it.
    alfa.buys(100, "ACME", "24.00");
    eventually("another leads", || {
        (0..3).any(|at| at != paused && cluster.counter(at, "replica.leads") > 0)
    });
    cluster.nodes[paused].signal("CONT");
    // What it was told before, if anything, is true.
    while alfa.client.receive(SOON).is_ok_and(|heard| heard.is_some()) {}
    let (next, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    assert_ne!(next, paused);
    // Entered again it is done once.
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    alfa.must_hear_nothing();
    cluster.comes_to_have(paused, next);
    cluster.stop();
}

#[test]
fn when_all_nodes_stood_still_the_leader_does_not_go_on_as_if_nothing_had_been() {
    let cluster = Cluster::start(Logs::InMemory);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.must_hear(&["system S"]);
    let term = cluster.counter(leader, "replica.term");
    cluster.nodes.iter().for_each(|node| node.signal("STOP"));
    // Four times as long as others wait for a leader.
    thread::sleep(Duration::from_secs(1));
    cluster.nodes.iter().for_each(|node| node.signal("CONT"));
    alfa.must_be_disconnected();
    let (next, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    alfa.must_hear(&["system S"]);
    eventually("a later term", || cluster.counter(next, "replica.term") > term);
    cluster.stop();
}

#[test]
fn a_learner_has_everything_and_decides_nothing() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let learner = cluster.start_learner();
    cluster.comes_to_have(learner, leader);
    eventually("it learns", || cluster.counter(learner, "replica.learners") == 1);
    assert_eq!(cluster.counter(learner, "replica.votes"), 0);
    cluster.nodes[leader].kill9();
    let (next, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.comes_to_have(learner, next);
    cluster.nodes[leader].start_again();
    cluster.comes_to_have(leader, next);
    cluster.stop();
}

#[test]
fn a_node_that_was_emptied_does_not_found_its_cluster_a_second_time() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let (leader, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    cluster.nodes[0].kill9();
    for directory in
        [cluster.nodes[0].site.logs.clone(), cluster.nodes[0].site.disk.join("control")]
    {
        fs::remove_dir_all(directory).unwrap();
    }
    let secrets = fs::read(cluster.nodes[0].site.secrets()).unwrap();
    cluster.nodes[0].start_again();
    cluster.nodes[0].must_fail();
    assert!(cluster.nodes[0].site.log_text().contains("speaks to an earlier life of host 1"));
    // Told to join, it is one of them again.
    fs::write(cluster.nodes[0].site.secrets(), secrets).unwrap();
    fs::remove_dir_all(&cluster.nodes[0].site.logs).unwrap();
    fs::remove_dir_all(cluster.nodes[0].site.disk.join("control")).unwrap();
    cluster.nodes[0].site.founds = false;
    cluster.nodes[0].start_again();
    eventually("it votes again", || cluster.counter(0, "replica.votes") == 1);
    cluster.stop();
}

#[test]
fn a_node_whose_machine_went_down_with_what_was_in_memory_comes_back_as_another() {
    let mut cluster = Cluster::start(Logs::BehindOnDisk);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let down = (leader + 1) % 3;
    cluster.comes_to_have(down, leader);
    cluster.nodes[down].kill9();
    let before = control_of(&cluster.nodes[down]);
    lose_power(&cluster.nodes[down]);
    cluster.nodes[down].start_again();
    cluster.comes_to_have(down, leader);
    eventually("it votes again", || cluster.counter(down, "replica.votes") == 1);
    assert_eq!(cluster.counter(down, "replica.incarnation"), u64::from(before.incarnation) + 1);
    cluster.stop();
}

#[test]
fn a_node_whose_machine_went_down_with_everything_on_disk_goes_on_as_who_it_was() {
    let mut cluster = Cluster::start(Logs::OnDisk);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let down = (leader + 1) % 3;
    cluster.comes_to_have(down, leader);
    // How far it is, is written down once a second.
    thread::sleep(Duration::from_secs(3));
    cluster.nodes[down].kill9();
    let before = control_of(&cluster.nodes[down]);
    assert!(before.durable > Position::FIRST && before.durable_sequence > 1, "{before:?}");
    lose_power(&cluster.nodes[down]);
    cluster.nodes[down].start_again();
    cluster.comes_to_have(down, leader);
    assert_eq!(cluster.counter(down, "replica.incarnation"), u64::from(before.incarnation));
    let logs = fs::read_dir(&cluster.nodes[down].site.logs).unwrap();
    let aside = logs
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("aside"));
    assert_eq!(aside.count(), 0, "events are cut and derived from where it knows them to be told");
    cluster.stop();
}

#[test]
fn a_damaged_log_is_refused_and_a_new_incarnation_has_it_from_the_others() {
    let mut cluster = Cluster::start(Logs::BehindOnDisk);
    let (leader, mut alfa) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    alfa.buys(100, "ACME", "24.00");
    alfa.must_hear(&["system S", "accepted #1 B 100 ACME 24.00"]);
    let damaged = (leader + 1) % 3;
    cluster.comes_to_have(damaged, leader);
    cluster.nodes[damaged].kill9();
    let at = cluster.flip_a_bit(damaged).to_string();
    let said = cluster.nodes[damaged].fails_to_start();
    assert!(said.contains(&at), "{at} in {said}");
    cluster.nodes[damaged].start_again_with(&["--new-incarnation"]);
    cluster.comes_to_have(damaged, leader);
    eventually("it votes again", || cluster.counter(damaged, "replica.votes") == 1);
    cluster.stop();
}

#[test]
fn a_node_is_told_when_it_is_started_as_what_it_is_not() {
    let mut cluster = Cluster::start(Logs::InMemory);
    let (leader, _) = cluster.login("ALFA01", SessionId::BLANK, 1);
    cluster.await_voters(leader);
    cluster.nodes[0].stop_in_order();
    let path = cluster.nodes[0].site.config();
    let text = fs::read_to_string(&path).unwrap();
    let (alone, section) = text.split_once("[cluster]").unwrap();
    fs::write(&path, alone).unwrap();
    let said = cluster.nodes[0].fails_to_start();
    assert!(said.contains("put the [cluster] section back"), "{said}");

    let mut node = Node::start();
    node.stop_in_order();
    let text = fs::read_to_string(node.site.config()).unwrap();
    fs::write(node.site.config(), format!("{text}\n[cluster]{section}")).unwrap();
    let said = node.fails_to_start();
    assert!(said.contains("was written by a node that was alone"), "{said}");
}
