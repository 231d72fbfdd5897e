//! Seeds, and the proof that the checks see: each protection taken away once, and the check that
//! notices.

use raft::eraftpb::{Message, MessageType};

use super::disk::{SimControl, SimLog};
use super::images::SimImages;
use super::network::Outbox;
use super::world::SimNode;
use super::*;
use crate::consensus::{
    Body, Codec, ControlState, Members, Moment, Node, NodeFailure, NodeId, Packet,
    STAGING_BYTES_MAX, Settings, Timing,
};
use crate::types::ClusterKey;

const SECONDS: u64 = 8;

fn plan(seed: u64, sabotage: Sabotage) -> Plan {
    Plan {
        sabotage: Some(sabotage),
        voters: 3,
        learners: 0,
        payload: PayloadMode::Multicast,
        durability: Durability::Memory,
        removes_voters: false,
        blackout: false,
        replaces: false,
        ..Plan::new(seed, SECONDS)
    }
}

/// The first violation that one of these seeds shows under `sabotage`.
fn first_violation(sabotage: Sabotage, seeds: u64) -> String {
    let mut found = (1..=seeds).filter_map(|seed| {
        let outcome = run(&plan(seed, sabotage));
        outcome.violations.into_iter().next()
    });
    found.next().unwrap_or_else(|| panic!("{sabotage:?} went unnoticed in {seeds} seeds"))
}

#[test]
fn seeds_are_clean_and_all_nodes_come_together() {
    let (mut incarnations, mut cuts, mut fetches, mut images) = (0, 0, 0, 0);
    for seed in 1..=10 {
        let outcome = run(&Plan::new(seed, SECONDS));
        images += outcome.images;
        incarnations += outcome.incarnations;
        cuts += outcome.cuts;
        fetches += outcome.fetches;
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
        assert!(outcome.acknowledged > 0, "seed {seed} did nothing");
    }
    // What the faults are for did happen: nodes came back as others, ends were cut, payloads fetched, and
    // images taken by those for whom nobody had frames any more.
    let happened = [incarnations, cuts, fetches, images];
    assert!(happened.iter().all(|count| *count > 0), "{happened:?}");
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let runs = [5, 5, 6].map(|seed| run(&Plan::new(seed, SECONDS)));
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0].trace, runs[2].trace);
}

#[test]
fn an_entry_without_its_payload_is_seen() {
    let violation = first_violation(Sabotage::NeverHoldBack, 4);
    assert!(violation.contains("without its payload"), "{violation}");
}

#[test]
fn a_forgotten_vote_is_seen_as_a_term_with_two_leaders() {
    let violation = first_violation(Sabotage::ForgetVotes, 40);
    assert!(violation.contains("two leaders"), "{violation}");
}

#[test]
fn a_node_that_lost_data_and_comes_back_as_itself_is_seen() {
    let violation = first_violation(Sabotage::KeepIdentity, 20);
    let seen = ["lost data", "another frame", "cut", "committed", "not in the log", "range"];
    assert!(seen.iter().any(|words| violation.contains(words)), "{violation}");
}

#[test]
fn an_order_acknowledged_before_its_commit_is_seen_as_lost() {
    let violation = first_violation(Sabotage::AcknowledgeEarly, 20);
    assert!(violation.contains("acknowledged orders are not in the log"), "{violation}");
}

#[test]
fn an_order_that_was_sent_twice_is_seen() {
    let violation = first_violation(Sabotage::RepeatOrders, 1);
    assert!(violation.contains("more than once"), "{violation}");
}

#[test]
fn an_engine_that_goes_its_own_way_is_seen() {
    let violation = first_violation(Sabotage::SkipCommand, 1);
    assert!(violation.contains("derived other events"), "{violation}");
}

#[test]
fn a_node_that_goes_astray_halts_whether_it_follows_or_leads_and_the_others_go_on() {
    let mut led = 0;
    for seed in 1..=4 {
        // The fourth only learns.
        for host in 1..=4 {
            let outcome = run(&Plan { learners: 1, ..plan(seed, Sabotage::Astray(host)) });
            assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
            assert_eq!(outcome.halted, [host], "seed {seed}");
            assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
            // Nothing else went wrong, so another term says that the leader had to go.
            led += u32::from(outcome.terms > 1);
        }
    }
    assert!((1..=4 * 2).contains(&led), "{led} of them led");
}

#[test]
fn when_all_lost_their_power_the_longest_log_founds_the_quorum_anew() {
    let mut given_up = 0;
    for seed in 1..=12 {
        let plan = Plan { blackout: true, ..plan_of(seed) };
        let outcome = run(&plan);
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
        assert_eq!(outcome.refounded, 1, "seed {seed}");
        given_up += outcome.given_up;
    }
    // What no disk had was lost, in some of them, though it was acknowledged.
    assert!(given_up > 0);
}

#[test]
fn a_quorum_given_up_before_the_longest_log_is_there_is_seen() {
    let seen = (1..=30).find_map(|seed| {
        let plan = Plan { blackout: true, sabotage: Some(Sabotage::Haste), ..plan_of(seed) };
        run(&plan).violations.into_iter().next()
    });
    assert!(seen.is_some_and(|violation| violation.contains("and another has")));
}

#[test]
fn a_host_is_replaced_by_another_whatever_goes_wrong_meanwhile() {
    for seed in 1..=8 {
        let outcome = run(&Plan { replaces: true, ..plan_of(seed) });
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
        assert_eq!(outcome.replaced, 1, "seed {seed}");
    }
}

/// Three nodes, all in memory, that suffer everything.
fn plan_of(seed: u64) -> Plan {
    Plan {
        learners: u32::from(seed.is_multiple_of(3)),
        sabotage: None,
        ..plan(seed, Sabotage::KeepIdentity)
    }
}

#[test]
fn staging_without_a_bound_is_seen() {
    let violation = first_violation(Sabotage::UnboundedStaging, 10);
    assert!(violation.contains("has staged"), "{violation}");
}

#[test]
fn a_cluster_that_fetches_nothing_is_seen_not_to_come_together() {
    assert!((1..=4).any(|seed| !run(&plan(seed, Sabotage::NoRepair)).converged));
}

#[test]
fn an_image_of_another_state_is_seen() {
    let violation = first_violation(Sabotage::StaleImages, 20);
    assert!(violation.contains("with another state"), "{violation}");
}

#[test]
fn a_cluster_that_gives_no_images_is_seen_not_to_come_together() {
    assert!((1..=10).any(|seed| !run(&plan(seed, Sabotage::NoImages)).converged));
}

#[test]
fn another_leader_serves_within_a_quarter_of_a_second() {
    let mut gaps: Vec<_> = (1..=3).flat_map(|seed| run(&Plan::kills(seed, 20)).gaps).collect();
    gaps.sort_unstable();
    assert!(gaps.len() > 50, "{} kills", gaps.len());
    let p99 = gaps[gaps.len() * 99 / 100];
    assert!(p99 <= Nanos::from_millis(250), "{gaps:?}");
}

#[test]
fn a_follower_that_is_slow_or_stands_still_costs_the_quorum_no_commit() {
    // Orders come after 30 ms at the latest, a disk may take as long, and a follower is away for a second.
    let late = Nanos::from_millis(100);
    for seed in 1..=6 {
        let outcome = run(&Plan::lags(seed, 20));
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
        assert!(outcome.terms == 1 && outcome.stall <= late, "seed {seed}: {:?}", outcome.stall);
        assert!(outcome.committed > 1_000, "seed {seed}: {}", outcome.committed);
    }
    // What is measured does see a leader that is away.
    assert!(run(&Plan::kills(1, SECONDS)).stall > late);
}

const KEY: ClusterKey = ClusterKey::new([3; ClusterKey::BYTES]);
const NOW: Moment = Moment { monotonic: Nanos(1), wall: Nanos(1) };

/// Host 2 of three, with nothing in its log.
fn second_of_three() -> SimNode {
    let settings = Settings {
        cluster: 1,
        key: KEY,
        id: NodeId::first(2),
        voters: vec![1, 2, 3],
        learners: Vec::new(),
        payload: PayloadMode::Multicast,
        durability: Durability::Memory,
        campaigns: true,
        observes: false,
        supports: 1,
        timing: Timing::default(),
        staging_bytes_max: STAGING_BYTES_MAX,
        seed: 1,
    };
    let members = Members::first(&[1, 2, 3], &[]);
    let control = SimControl(ControlState { term: 0, vote: 0, members, members_index: 0 });
    Node::new(settings, SimLog::new(), Box::<SimImages>::default(), control, NOW).unwrap()
}

fn heartbeat(from: NodeId, to: NodeId, commit: u64) -> Vec<u8> {
    let mut message = Message::default();
    message.set_msg_type(MessageType::MsgHeartbeat);
    (message.from, message.to, message.term) = (from.raft(), to.raft(), 1);
    message.commit = commit;
    let mut bytes = Vec::new();
    let packet = Packet { from, to: Some(to), body: Body::Raft(message) };
    Codec::new(1, &KEY).encode(&packet, &mut bytes);
    bytes
}

#[test]
fn what_an_earlier_life_of_a_host_says_or_is_told_is_dropped() {
    let (mut node, mut out) = (second_of_three(), Outbox::default());
    let (first, here) = (NodeId::first(1), NodeId::first(2));
    node.receive(NOW, &heartbeat(first.next(), here, 0), &mut out).unwrap();
    assert_eq!((node.leader(), node.counters().stale_incarnation), (Some(first.next()), 0));
    node.receive(NOW, &heartbeat(first, here, 0), &mut out).unwrap();
    node.receive(NOW, &heartbeat(first.next(), here.next(), 0), &mut out).unwrap();
    assert_eq!((node.leader(), node.counters().stale_incarnation), (Some(first.next()), 2));
}

#[test]
fn a_node_that_is_told_of_a_commit_it_does_not_have_stops_and_says_what_to_do() {
    let (mut node, mut out) = (second_of_three(), Outbox::default());
    let lost = heartbeat(NodeId::first(1), NodeId::first(2), 10);
    let failure = node.receive(NOW, &lost, &mut out).unwrap_err();
    assert!(matches!(failure, NodeFailure::LostTail { commit: 10, last: 0 }), "{failure}");
    assert!(failure.to_string().contains("come back as a new incarnation"));
}

#[test]
fn both_ways_of_payloads_and_both_durabilities_stand_every_fault() {
    for (payload, durability, voters) in [
        (PayloadMode::Unicast, Durability::Memory, 3),
        (PayloadMode::Unicast, Durability::Disk, 5),
        (PayloadMode::Multicast, Durability::Disk, 3),
        (PayloadMode::Multicast, Durability::Memory, 5),
    ] {
        let plan = Plan { payload, durability, voters, learners: 1, ..Plan::new(77, SECONDS) };
        let outcome = run(&plan);
        assert!(outcome.violations.is_empty(), "{plan:?}: {:?}", outcome.violations);
        assert!(outcome.converged, "{plan:?}: {:#?}", outcome.nodes);
    }
}
