//! The plan of a world: drawn from a seed, and complete before anything runs.
//!
//! Swarm testing (Groce et al., 2012): first, each family of faults is included or not; then its intensity is drawn.
//! So some worlds have only crashes, and others have none.

mod describe;
mod family;
mod from_seed;
mod operation;
mod rates;
mod scenario;
mod service_options;
mod shapes;
mod swarm_faults;
mod swarm_operations;

use std::collections::BTreeSet;

use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;
use serde::Serialize;

use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::FaultProfile;

pub use family::Family;
pub(super) use operation::Policy;
pub use operation::{Action, Operation};
pub(super) use rates::MediumRates;
use rates::{Crashes, Mistakes, NetworkRates};
pub use scenario::Scenario;

/// The parts of a world that are left out, to find the smallest world that still fails.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Mask {
    /// These families.
    pub families: BTreeSet<Family>,
    /// These keys, with all that is wanted of them.
    pub keys: BTreeSet<u32>,
    /// These operations.
    pub operations: BTreeSet<u32>,
}

/// A world before it runs.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// Its scenario.
    pub scenario: Scenario,
    /// Which families are in.
    pub families: BTreeSet<Family>,
    /// The network.
    pub network: NetworkRates,
    /// The promise of the bank about repeats.
    pub mode: Mode,
    /// The faults of the bank.
    pub bank: FaultProfile,
    /// How long "not found" proves nothing.
    pub grace_ms: u64,
    /// The medium.
    pub medium: MediumRates,
    /// Crashes.
    pub crashes: Crashes,
    /// When the wall clock jumps, and by how much.
    pub jumps: Vec<(u64, i64)>,
    /// When the process is stopped in order.
    pub stops: Vec<u64>,
    /// Mistakes at restarts.
    pub mistakes: Mistakes,
    /// The limits of the service.
    pub options: ServiceOptions,
    /// The limits of the calls to its bank.
    pub lane: LaneOptions,
    /// The operations of all clients.
    pub operations: Vec<Operation>,
    /// When all faults end.
    pub heal_ms: u64,
}

/// Safety margin, in milliseconds: the service is configured with a window that is this much shorter than the bank's.
/// A wall clock that is set back while the service is down hides at most that time, the second since the time was last
/// noted, and a second of tolerance.
pub(super) const CLOCK_SLACK_MS: u64 = 3_000;

/// Number of keys of a world.
pub const KEYS: u32 = 50;

/// Upper bound of the operations of a world.
pub const OPERATIONS: u32 = 200;

impl Plan {
    /// Removes the masked parts.
    pub fn masked(mut self, mask: &Mask) -> Self {
        for family in &mask.families {
            self.families.remove(family);
            self.leave_out(*family);
        }
        self.operations.retain(|operation| {
            !mask.operations.contains(&operation.id) && !mask.keys.contains(&operation.action.key())
        });
        self
    }

    fn leave_out(&mut self, family: Family) {
        match family {
            Family::Network => self.network = NetworkRates::default(),
            Family::Bank => {
                self.bank = FaultProfile {
                    latency_ms: self.bank.latency_ms,
                    key_window_ms: self.bank.key_window_ms,
                    ..FaultProfile::default()
                }
            }
            Family::Medium => {
                self.medium = MediumRates {
                    sync_ms: self.medium.sync_ms,
                    ..MediumRates::default()
                }
            }
            Family::Crash => self.crashes = Crashes::default(),
            Family::Clock => self.jumps.clear(),
            Family::People => self.operations.retain(|operation| match operation.action {
                Action::Pay { variant, .. } => variant == 0,
                Action::Cancel { .. } | Action::Resolve { .. } => false,
                Action::Look { .. } | Action::Events { .. } | Action::Find { .. } => true,
            }),
            Family::Stop => self.stops.clear(),
            Family::Configuration => self.mistakes = Mistakes::default(),
        }
    }
}
