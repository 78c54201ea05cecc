//! The simulated world: the real engine behind the real HTTP handler, on one thread and in virtual time,
//! against clients, a network, a bank, a disk and a clock that do everything wrong. One number makes it
//! happen again.
//!
//! It follows the simulations of `FoundationDB` (Zhou et al., SIGMOD 2021) and `TigerBeetle` (the VOPR): swarm
//! testing, an auditor with a model of its own, a phase without faults in which everything must end, and
//! planted bugs that must be found.

mod auditor;
mod bank;
mod banks;
mod books;
mod clients;
mod draw;
mod drawing;
mod ground;
mod judge;
mod life;
mod lives;
mod plan;
mod sabotage;
mod saboteur;
mod scenario;
mod shrink;
mod sometimes;
mod trace;
mod words;
mod world;

use std::collections::BTreeMap;

pub use auditor::{Invariant, Violation};
pub use life::{Door, FrontDoor, Reply};
pub use plan::{Family, KEYS, Mask, OPERATIONS, Operation, Plan, What};
pub use sabotage::Sabotage;
pub use scenario::Scenario;
pub use shrink::shrink;
pub use sometimes::{Moments, Sometimes};
pub use trace::{Lane, Line, Look};
use world::World;

/// Which world to run.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Everything follows from it.
    pub seed: u64,
    /// Its shape.
    pub scenario: Scenario,
    /// A planted bug.
    pub sabotage: Option<Sabotage>,
    /// What is left out.
    pub mask: Mask,
}

/// What became of a world.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What did not hold, if anything.
    pub violation: Option<Violation>,
    /// Digest of all that happened.
    pub trace_hash: u64,
    /// Virtual time that passed, in milliseconds.
    pub virtual_ms: u64,
    /// Payments that were admitted.
    pub payments: u64,
    /// Checks that were made.
    pub checks: u64,
    /// Faults that were injected, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Moments that happened.
    pub moments: Moments,
    /// All that happened in words, if they were asked for.
    pub lines: Vec<Line>,
}

/// Runs a world to its end, or to the first thing that does not hold. `in_words` keeps the words.
pub fn run(setup: &Setup, front_door: &dyn FrontDoor, in_words: bool) -> Outcome {
    let plan = Plan::draw(setup.seed, setup.scenario).masked(&setup.mask);
    let mut world = World::new(plan, setup.sabotage, front_door, in_words);
    world.run();
    if !world.is_violated() {
        world.judge();
    }
    world.bank_moments();
    let ground = world.ground.clone();
    drop(world);
    let mut state = ground.lock();
    let trace = std::mem::replace(&mut state.trace, trace::Trace::new(false));
    Outcome {
        violation: state.auditor.violation.clone(),
        trace_hash: trace.digest(),
        virtual_ms: ground.now_ms(),
        payments: state.auditor.payments.len() as u64,
        checks: state.auditor.checks,
        faults: std::mem::take(&mut state.faults),
        moments: std::mem::take(&mut state.moments),
        lines: trace.into_lines(),
    }
}
