//! Hosts in one thread, each with its own driver, over multicast on loopback: one that stops is one that
//! is not stepped.

use std::time::{Duration, Instant};

use super::driver::{IMAGE_LIVENESS, WINDOW_BYTES};
use super::*;
use crate::consensus::MESSAGE_BYTES_MAX;
use crate::sys::cpu_time::thread_cpu_time;
use crate::types::Nanos;

const PATIENCE: Duration = Duration::from_mins(1);
/// Without a step for so long, hosts begin to take each other for dead; and so long after it they have
/// found each other again.
const STALL: Duration = Duration::from_millis(50);
const RECOVERY: Duration = Duration::from_secs(3);
/// What is not heard within so long is lost, and is said again.
const AGAIN: Duration = Duration::from_secs(1);

fn config(host: u8, hosts: u8, port: u16, payload: PayloadStream) -> AeronConfig {
    let [.., high, low] = std::process::id().to_be_bytes();
    let place = |host: u8| SocketAddrV4::new(Ipv4Addr::new(127, high, low, host), port);
    let others = (1..=hosts).filter(|other| *other != host);
    let name = format!("/dev/shm/rialto-test-{}-{port}-{host}", std::process::id());
    AeronConfig {
        host: host.into(),
        directory: name.into(),
        bind: place(host),
        peers: others.map(|other| (other.into(), place(other))).collect(),
        voters: hosts.into(),
        votes: true,
        payload,
        mtu: 1_500,
    }
}

fn group(port: u16) -> PayloadStream {
    let [.., high, low] = std::process::id().to_be_bytes();
    let group = SocketAddrV4::new(Ipv4Addr::new(239, high, low, 1), port);
    PayloadStream::Multicast { group, interface: Ipv4Addr::LOCALHOST, ttl: 0 }
}

/// Hosts, and what each has heard and from whom.
struct Cluster {
    hosts: Vec<AeronTransport>,
    heard: Vec<Vec<(u32, Vec<u8>)>>,
    /// Hosts that do nothing.
    stopped: Vec<usize>,
    stepped: Instant,
    /// When this thread itself was last kept from running, as this machine's other work may do: the hosts
    /// then took each other for dead, and what one of them missed is for the repair.
    stalled: Option<Instant>,
}

impl Cluster {
    fn new(hosts: u8, port: u16, payload: PayloadStream) -> Self {
        let mut cluster = Self::of((1..=hosts).map(|host| (host, payload)), port);
        cluster.until("all hear each other", Self::is_connected);
        cluster
    }

    fn of(hosts: impl IntoIterator<Item = (u8, PayloadStream)>, port: u16) -> Self {
        let hosts: Vec<_> = hosts.into_iter().collect();
        let count = u8::try_from(hosts.len()).unwrap();
        let start = |(host, payload)| AeronTransport::new(&config(host, count, port, payload));
        let hosts: Vec<_> = hosts.into_iter().map(|host| start(host).unwrap()).collect();
        let (heard, stepped) = (vec![Vec::new(); hosts.len()], Instant::now());
        Self { heard, hosts, stopped: Vec::new(), stepped, stalled: None }
    }

    fn is_connected(&self) -> bool {
        self.is_connected_directly()
            && self.hosts.iter().all(|host| host.payload.is_connected())
            && self
                .hosts
                .iter()
                .flat_map(|host| &host.sources)
                .all(|source| source.subscription.is_connected())
    }

    fn is_connected_directly(&self) -> bool {
        let peers = self.hosts.iter().flat_map(|host| &host.peers);
        peers
            .flat_map(|peer| [&peer.consensus, &peer.repair])
            .all(AeronExclusivePublication::is_connected)
    }

    fn step(&mut self) {
        if self.stepped.elapsed() > STALL {
            self.stalled = Some(Instant::now());
        }
        self.stepped = Instant::now();
        for (at, host) in self.hosts.iter_mut().enumerate() {
            if self.stopped.contains(&at) {
                continue;
            }
            host.do_work().unwrap();
            while let Some((from, message)) = host.receive() {
                self.heard[at].push((from, message.to_vec()));
            }
        }
    }

    /// Lets `what` be said until it is heard, again and again: who is not found yet is not waited for.
    fn tell(&mut self, what: impl Fn(&mut Self), is_heard: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        loop {
            let begun = Instant::now();
            self.heard.iter_mut().for_each(Vec::clear);
            what(self);
            while !is_heard(self)
                && self.stalled.is_none_or(|at| at < begun)
                && begun.elapsed() < AGAIN
            {
                self.step();
                assert!(since.elapsed() < PATIENCE, "{:?}", self.hosts[0].counters());
            }
            if is_heard(self) {
                return;
            }
            while begun.elapsed() < RECOVERY {
                self.step();
            }
        }
    }

    fn until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            self.step();
            let counters: Vec<_> = self.hosts.iter().map(AeronTransport::counters).collect();
            assert!(since.elapsed() < PATIENCE, "{what}: {counters:?}");
        }
    }
}

/// The kind byte of a frame, where an envelope has it, and of a heartbeat.
const FRAME: u8 = 32;
const HEARTBEAT: u8 = 3;
/// Of so much time of its own core all hosts need far less until a message arrives that waits for nobody,
/// repairs of what the kernel lost included; what waits for a host that stopped takes three times as much.
const HELD_UP: Nanos = Nanos::from_millis(100);

fn message(kind: u8, number: u32, bytes: usize) -> Vec<u8> {
    let mut message = vec![0; bytes];
    message[5] = kind;
    message[8..12].copy_from_slice(&number.to_le_bytes());
    message
}

/// Payloads and messages of every size, from each host.
fn all_is_heard(cluster: &mut Cluster) {
    for (number, bytes) in (1..).zip([128, 1_300, 1_500, 8_320, MESSAGE_BYTES_MAX]) {
        for from in 0..3 {
            let host = u32::try_from(from).unwrap() + 1;
            let to = (from + 1) % 3;
            let [payload, repaired] = [1, 2].map(|half| message(FRAME, 2 * number + half, bytes));
            let heartbeat = message(HEARTBEAT, number, 128);
            let mut expected = [1; 3];
            (expected[from], expected[to]) = (0, 3);
            cluster.tell(
                |cluster| {
                    let next = u32::try_from(to).unwrap() + 1;
                    cluster.hosts[from].publish(&payload);
                    cluster.hosts[from].send(next, &repaired);
                    cluster.hosts[from].send(next, &heartbeat);
                },
                |cluster| cluster.heard.iter().map(Vec::len).eq(expected),
            );
            for heard in &cluster.heard {
                assert!(heard.iter().all(|(who, _)| *who == host));
                let payloads = heard.iter().filter(|(_, heard)| *heard == payload).count();
                assert_eq!(payloads, usize::from(!heard.is_empty()));
            }
        }
    }
    for host in cluster.hosts.iter().filter(|_| cluster.stalled.is_none()) {
        let AeronCounters { published, published_directly, sent, received, .. } = *host.counters();
        assert_eq!((published, published_directly, sent, received), (5, 0, 10, 20));
    }
}

#[test]
fn payloads_reach_all_by_multicast_and_messages_one() {
    all_is_heard(&mut Cluster::new(3, 26_811, group(26_810)));
}

#[test]
fn payloads_reach_all_where_multicast_is_missing() {
    all_is_heard(&mut Cluster::new(3, 26_821, PayloadStream::Destinations { control: 26_822 }));
}

#[test]
fn a_host_that_is_added_later_hears_and_is_heard() {
    let port = 26_871;
    let mut cluster = Cluster::new(2, port, group(26_870));
    let added = config(3, 3, port, group(26_870));
    for host in &mut cluster.hosts {
        host.reach(3, added.bind).unwrap();
    }
    cluster.hosts.push(AeronTransport::new(&added).unwrap());
    cluster.heard.push(Vec::new());
    cluster.until("all hear each other", Cluster::is_connected);
    for host in 0..3 {
        cluster.tell(
            |cluster| cluster.hosts[host].publish(&message(FRAME, 1, 8_320)),
            |cluster| (0..3).all(|other| cluster.heard[other].len() == usize::from(other != host)),
        );
    }
    // Somewhere else from now on, under the same number.
    let moved = config(4, 4, port, group(26_870)).bind;
    cluster.hosts[0].reach(3, moved).unwrap();
    let places = cluster.hosts[0].config.peers.iter().filter(|(host, _)| *host == 3);
    assert!(places.eq(&[(3, moved)]));
}

/// The bytes of what is published one after the other.
const PAYLOAD_BYTES: usize = 8_320;

/// Publishes from host 1 until `is_enough`; each payload reaches host 2 without waiting for host 3.
/// Returns how many there were.
fn publish_while(cluster: &mut Cluster, is_enough: impl Fn(&Cluster) -> bool) -> usize {
    let since = Instant::now();
    let mut number = 0;
    while !is_enough(cluster) {
        assert!(since.elapsed() < PATIENCE, "{:?}", cluster.hosts[0].counters());
        let payload = message(FRAME, number, PAYLOAD_BYTES);
        number += 1;
        cluster.hosts[0].publish(&payload);
        cluster.heard[1].clear();
        let begun = thread_cpu_time();
        while !cluster.heard[1].iter().any(|(_, heard)| *heard == payload) {
            cluster.step();
            if thread_cpu_time().since(begun) > HELD_UP {
                let stalled = cluster.stalled.is_some_and(|at| at.elapsed() < RECOVERY);
                assert!(stalled, "payload {number} {:?}", cluster.hosts[0].counters());
                break;
            }
        }
    }
    number as usize
}

#[test]
fn a_host_that_stops_holds_up_nobody_and_hears_again_when_it_is_back() {
    let payload = PayloadStream::Destinations { control: 26_833 };
    for (port, payload) in [(26_831, group(26_830)), (26_834, payload)] {
        let mut cluster = Cluster::new(3, port, payload);
        publish_while(&mut cluster, |cluster| cluster.heard[2].len() == 100);
        assert_eq!(cluster.hosts[0].counters().published_directly, 0);
        // Half a second is more than a leader minds a voter for, and less than a host is gone for.
        for stop in [50, 500, 2_000].map(Duration::from_millis) {
            let since = Instant::now();
            let directly = cluster.hosts[0].counters().published_directly;
            cluster.stopped = vec![2];
            let minded = IMAGE_LIVENESS.min(stop);
            let published = publish_while(&mut cluster, |_| since.elapsed() > minded);
            publish_while(&mut cluster, |_| since.elapsed() > stop);
            let held = cluster.hosts[0].counters().published_directly - directly;
            // A window lies between publication and sender, another before the receiver, and what it
            // took last it may not have said. On a slow machine that is room for all.
            let is_slow = published * PAYLOAD_BYTES < 3 * WINDOW_BYTES
                || cluster.stalled.is_some_and(|at| at > since);
            // The first of the long ones is certainly minded; whoever was let go of is some time later.
            let is_minded = stop.as_millis() == 500;
            assert!(held > 0 || !is_minded || is_slow, "the stream did not mind it");
            cluster.stopped.clear();
            cluster.heard[2].clear();
            let taken = |cluster: &Cluster| cluster.hosts[0].counters().published_directly;
            // What host 3 hears is as new as what host 2 does, by the stream alone.
            let mut heard = 0;
            while heard < 100 {
                let before = (cluster.heard[2].len(), taken(&cluster));
                publish_while(&mut cluster, |cluster| cluster.heard[1].len() == 1);
                cluster.step();
                let is_level = cluster.heard[2].last() == cluster.heard[1].last();
                let is_streamed = taken(&cluster) == before.1;
                heard = if is_level && is_streamed { heard + 1 } else { 0 };
                cluster.heard[1].clear();
                assert!(since.elapsed() < PATIENCE, "{:?}", cluster.hosts[0].counters());
            }
            cluster.tell(
                |cluster| cluster.hosts[0].send(3, &message(HEARTBEAT, 1, 128)),
                |cluster| cluster.heard[2].iter().any(|(_, heard)| heard[5] == HEARTBEAT),
            );
        }
    }
}

#[test]
fn where_multicast_does_not_pass_each_host_is_sent_the_payload() {
    let mut cluster =
        Cluster::of([(1, group(26_840)), (2, group(26_842)), (3, group(26_844))], 26_841);
    cluster.until("they hear what is for them alone", Cluster::is_connected_directly);
    for number in 0..100 {
        cluster.tell(
            |cluster| cluster.hosts[0].publish(&message(FRAME, number, 8_320)),
            |cluster| cluster.heard[1..].iter().all(|heard| !heard.is_empty()),
        );
    }
    let AeronCounters { published, published_directly, .. } = *cluster.hosts[0].counters();
    assert!(published == 0 && published_directly >= 100, "{published_directly}");
}

#[test]
fn a_host_that_comes_back_with_nothing_is_heard_again() {
    let mut cluster = Cluster::new(3, 26_851, group(26_850));
    drop(cluster.hosts.pop());
    publish_while(&mut cluster, |cluster| !cluster.hosts[0].peers[1].consensus.is_connected());
    cluster.hosts.push(AeronTransport::new(&config(3, 3, 26_851, group(26_850))).unwrap());
    cluster.until("all hear each other", Cluster::is_connected);
    cluster.heard.iter_mut().for_each(Vec::clear);
    // Who still listened to the host's earlier life hears this one a little later.
    let since = Instant::now();
    while !cluster.heard[..2].iter().all(|heard| heard.iter().any(|(from, _)| *from == 3)) {
        cluster.hosts[2].publish(&message(FRAME, 1, 8_320));
        cluster.step();
        assert!(since.elapsed() < PATIENCE, "{:?}", cluster.hosts[2].counters());
    }
}

#[test]
fn a_configuration_that_names_no_cluster_is_refused_with_its_rule() {
    let good = config(1, 3, 26_861, group(26_860));
    let refused = |config: &AeronConfig| AeronTransport::new(config).unwrap_err().to_string();
    let even = SocketAddrV4::new(Ipv4Addr::new(239, 9, 0, 2), 26_860);
    let payload = PayloadStream::Multicast { group: even, interface: Ipv4Addr::LOCALHOST, ttl: 0 };
    assert_eq!(
        refused(&AeronConfig { payload, ..good.clone() }),
        "group 239.9.0.2:26860: must be a multicast address, its last number odd"
    );
    for host in [0, 2] {
        let said = refused(&AeronConfig { host, ..good.clone() });
        assert!(said.ends_with("each has a number of its own, from 1 to 999999"), "{said}");
    }
    let said = refused(&AeronConfig { mtu: 1_000, ..good.clone() });
    assert_eq!(said, "an MTU of 1000: must be from 1280 to 65532");
    let said = refused(&AeronConfig { directory: "/nowhere/rialto".into(), ..good.clone() });
    assert!(said.starts_with("directory /nowhere: No such file"), "{said}");
    let elsewhere = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 26_861);
    let said = refused(&AeronConfig { bind: elsewhere, ..good });
    assert!(said.ends_with("is the address one of this host, and free?"), "{said}");
}

#[test]
fn a_transport_may_be_moved_to_the_thread_that_steps_it() {
    fn is_send<T: Send>() {}
    is_send::<AeronTransport>();
}
