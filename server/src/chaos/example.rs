//! A world that fails, for the tests of what is shown of one.

use holdfast_simulator::chaos::{Line, Sabotage, Scenario, Setup};

use super::door::RealFrontDoor;
use super::runner::{Wrong, keep_panics, run_one};

/// The first world that fails with this bug.
pub(super) fn failing(sabotage: Sabotage, scenario: Scenario) -> (Setup, Wrong, Vec<Line>) {
    keep_panics();
    for seed in 0..500 {
        let setup = Setup {
            seed,
            scenario,
            sabotage: Some(sabotage),
            ..Setup::default()
        };
        if let (Some(outcome), Some(wrong)) = run_one(&setup, &RealFrontDoor::new(), true) {
            return (setup, wrong, outcome.lines);
        }
    }
    panic!("{} is found", sabotage.name());
}
