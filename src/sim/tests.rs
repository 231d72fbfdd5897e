//! Seeds, and the proof that the checks see: each protection taken away once, and the check that
//! notices.

use super::*;

const SECONDS: u64 = 8;

fn plan(seed: u64, sabotage: Sabotage) -> Plan {
    Plan {
        sabotage: Some(sabotage),
        voters: 3,
        learners: 0,
        payload: PayloadMode::Multicast,
        durability: Durability::Memory,
        removes_voters: false,
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
    for seed in 1..=10 {
        let outcome = run(&Plan::new(seed, SECONDS));
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}: {:#?}", outcome.nodes);
        assert!(outcome.acknowledged > 0, "seed {seed} did nothing");
    }
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
fn staging_without_a_bound_is_seen() {
    let violation = first_violation(Sabotage::UnboundedStaging, 10);
    assert!(violation.contains("has staged"), "{violation}");
}

#[test]
fn a_cluster_that_fetches_nothing_is_seen_not_to_come_together() {
    assert!((1..=4).any(|seed| !run(&plan(seed, Sabotage::NoRepair)).converged));
}

#[test]
fn another_leader_serves_within_a_quarter_of_a_second() {
    let mut gaps: Vec<_> = (1..=3).flat_map(|seed| run(&Plan::kills(seed, 20)).gaps).collect();
    gaps.sort_unstable();
    assert!(gaps.len() > 50, "{} kills", gaps.len());
    let p99 = gaps[gaps.len() * 99 / 100];
    assert!(p99 <= Nanos::from_millis(250), "{gaps:?}");
}
