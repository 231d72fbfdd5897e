//! Seeds, and the proof that the checks see.

use super::*;

#[test]
fn a_few_seeds_are_clean_and_converge() {
    for seed in 1..=4 {
        let plan = Plan::new(seed, 10);
        let outcome = run(&plan);
        println!("{plan:?}\n{outcome:?}");
        assert!(outcome.violations.is_empty(), "seed {seed}: {:?}", outcome.violations);
        assert!(outcome.converged, "seed {seed}");
    }
}
