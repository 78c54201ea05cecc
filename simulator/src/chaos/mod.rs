//! The simulated world: the real engine behind the real HTTP handler, on one thread and in virtual time. Clients,
//! network, bank, disk and clock all misbehave. One number, the seed, reproduces everything.
//!
//! It follows the simulations of `FoundationDB` (Zhou et al., SIGMOD 2021) and `TigerBeetle` (the VOPR): swarm
//! testing, an auditor with a model of its own, a final phase without faults in which everything must end, and planted
//! bugs that must be found.

mod auditor;
mod banks;
mod clients;
mod describe;
mod disk_faults;
mod event;
mod final_checks;
mod final_reads;
mod front_door;
mod ground;
mod life;
mod life_cycle;
mod message;
mod moments;
mod network;
mod plan;
mod random;
mod requests;
mod sabotage;
mod sabotaged_door;
mod sabotaged_log;
mod setup;
mod shrink;
mod trace;
mod watched_bank;
mod which_bank;
mod world;

use std::collections::BTreeMap;

pub use auditor::{Invariant, Violation};
pub use front_door::{Door, FrontDoor, Reply};
pub use moments::{Moments, Sometimes};
pub use plan::{Action, Family, KEYS, Mask, OPERATIONS, Operation, Plan, Scenario};
pub use sabotage::Sabotage;
pub use setup::Setup;
pub use shrink::shrink;
pub use trace::{Line, Look, Track};
use world::World;

/// The outcome of a world.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The broken invariant, if there is one.
    pub violation: Option<Violation>,
    /// Digest of all events.
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
    /// All events in words, if the caller asked for them.
    pub lines: Vec<Line>,
}

/// Runs a world to its end, or to the first broken invariant. `in_words` keeps the description of each event.
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
