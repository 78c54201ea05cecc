//! What a world is made of: drawn from a seed, whole before anything runs.
//!
//! Swarm testing (Groce et al., 2012): each family of faults is in or out, and only then its intensity
//! is drawn, so that some worlds are nothing but crashes and others know none.

use std::collections::BTreeSet;
use std::fmt;

use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;
use serde::Serialize;

use super::draw::Draw;
use super::drawing::{families, lane, options};
use super::scenario::Scenario;
use crate::bank::Mode;
use crate::faults::FaultProfile;

/// Faults that come and go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Messages lost, late, repeated, cut off.
    Network,
    /// What the bank does wrong.
    Bank,
    /// Slow and failing syncs, a full disk, flipped bits.
    Medium,
    /// The process ends without a word.
    Crash,
    /// The wall clock jumps.
    Clock,
    /// Clients cancel, use keys twice, and operators decide early.
    People,
    /// The process is stopped in order.
    Stop,
    /// A restart comes with another configuration by mistake: another bank, or the merchant renamed.
    Configuration,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Network,
        Self::Bank,
        Self::Medium,
        Self::Crash,
        Self::Clock,
        Self::People,
        Self::Stop,
        Self::Configuration,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Bank => "bank",
            Self::Medium => "medium",
            Self::Crash => "crash",
            Self::Clock => "clock",
            Self::People => "people",
            Self::Stop => "stop",
            Self::Configuration => "configuration",
        }
    }
}

/// How often the network does what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct NetworkRates {
    /// A request is lost on its way.
    pub lost: f64,
    /// An answer is lost on its way.
    pub answer_lost: f64,
    /// A request arrives twice.
    pub repeated: f64,
    /// The connection breaks while the service works on the request.
    pub reset: f64,
    /// A message takes `slow_ms`.
    pub slow: f64,
    /// How long that is, at most.
    pub slow_ms: u64,
}

/// How often the medium does what.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MediumRates {
    /// How long a sync takes, at most.
    pub sync_ms: u64,
    /// A sync takes `slow_ms`.
    pub slow: f64,
    /// How long that is, at most.
    pub slow_ms: u64,
    /// A sync fails.
    pub fails: f64,
    /// A read shows a flipped bit.
    pub flips: f64,
    /// From when to when there is no room.
    pub full: Option<(u64, u64)>,
}

/// How often a restart comes with a mistake in its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Mistakes {
    /// It names another bank.
    pub other_bank: f64,
    /// It gives the merchant another name.
    pub renamed: f64,
}

/// When the process ends without a word.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Crashes {
    /// At these times.
    pub at_ms: Vec<u64>,
    /// At a step of a commit, each.
    pub in_commit: f64,
    /// How long it stays down, at most.
    pub down_ms: u64,
}

/// How a client goes on without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// How many copies of each request it sends: a double click sends two.
    pub copies: u32,
    /// How long between two of them.
    pub copy_gap_ms: u64,
    /// How long it waits for an answer.
    pub timeout_ms: u64,
    /// How often it sends again.
    pub retries: u32,
    /// How long it waits before that; doubles each time.
    pub backoff_ms: u64,
}

/// What someone wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// To pay, under the key with this number.
    Pay {
        /// Which key.
        key: u32,
        /// 0 for the request that belongs to the key, else another one.
        variant: u32,
        /// `Prefer: handling=strict`.
        strict: bool,
        /// `Prefer: wait=N`.
        wait_s: u64,
    },
    /// To see a payment.
    Look {
        /// Of which key.
        key: u32,
    },
    /// To see a payment's events.
    Events {
        /// Of which key.
        key: u32,
    },
    /// To find a payment by its key.
    Find {
        /// Which key.
        key: u32,
    },
    /// To cancel a payment.
    Cancel {
        /// Of which key.
        key: u32,
    },
    /// To decide a payment as an operator.
    Resolve {
        /// Of which key.
        key: u32,
        /// Whatever the bank's books say.
        carelessly: bool,
    },
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pay {
                variant,
                strict,
                wait_s,
                ..
            } => {
                let other = if *variant == 0 { "" } else { " something else" };
                let strictly = if *strict { ", strictly" } else { "" };
                write!(f, "pay{other}{strictly}, wait {wait_s} s")
            }
            Self::Look { .. } => f.write_str("get"),
            Self::Events { .. } => f.write_str("get events"),
            Self::Find { .. } => f.write_str("find by key"),
            Self::Cancel { .. } => f.write_str("cancel"),
            Self::Resolve { carelessly, .. } => {
                let how = if *carelessly {
                    "without looking"
                } else {
                    "by the bank's books"
                };
                write!(f, "resolve {how}")
            }
        }
    }
}

impl What {
    /// The key it is about.
    pub const fn key(self) -> u32 {
        match self {
            Self::Pay { key, .. }
            | Self::Look { key }
            | Self::Events { key }
            | Self::Find { key }
            | Self::Cancel { key }
            | Self::Resolve { key, .. } => key,
        }
    }
}

/// Someone wants something at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its number, the same whatever else is left out.
    pub id: u32,
    /// When.
    pub at_ms: u64,
    /// What.
    pub what: What,
    /// How the client goes on without an answer.
    pub policy: Policy,
}

/// What is left out of a world, to find the smallest that still fails.
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
    /// Its shape.
    pub scenario: Scenario,
    /// Which families are in.
    pub families: BTreeSet<Family>,
    /// The network.
    pub network: NetworkRates,
    /// What the bank promises.
    pub mode: Mode,
    /// What it does wrong.
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
    /// The service's bounds.
    pub options: ServiceOptions,
    /// The bounds of the calls to its bank.
    pub lane: LaneOptions,
    /// What everyone wants.
    pub operations: Vec<Operation>,
    /// When all faults end.
    pub heal_ms: u64,
}

/// By how much an operator gives the service the bank's window shorter than it is: a wall clock that is set back while
/// the service is down hides at most that time, the second since the time was last noted, and a second of tolerance.
pub(super) const CLOCK_SLACK_MS: u64 = 3_000;

/// Keys of a world.
pub const KEYS: u32 = 50;

/// No world has more operations: those of the scenario with the most.
pub const OPERATIONS: u32 = 200;

impl Plan {
    /// Draws the world of a seed.
    pub fn draw(seed: u64, scenario: Scenario) -> Self {
        let draw = Draw::new(seed);
        let mut plan = Self {
            seed,
            scenario,
            families: families(draw.stream("families")),
            network: NetworkRates::default(),
            mode: Mode::Keyed,
            bank: FaultProfile::default(),
            grace_ms: 500,
            medium: MediumRates::default(),
            crashes: Crashes::default(),
            jumps: Vec::new(),
            stops: Vec::new(),
            mistakes: Mistakes::default(),
            options: options(draw.stream("options")),
            lane: lane(draw.stream("options")),
            operations: Vec::new(),
            heal_ms: draw.stream("heal").between(4_000, 12_000),
        };
        plan.mode = draw.stream("mode").pick(&[
            Mode::Keyed,
            Mode::InquiryOnly,
            Mode::Keyed,
            Mode::InquiryOnly,
            Mode::Neither,
        ]);
        scenario.shape(&mut plan, draw);
        plan
    }

    /// Leaves out what is masked.
    pub fn masked(mut self, mask: &Mask) -> Self {
        for family in &mask.families {
            self.families.remove(family);
            self.leave_out(*family);
        }
        self.operations.retain(|operation| {
            !mask.operations.contains(&operation.id) && !mask.keys.contains(&operation.what.key())
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
            Family::People => self.operations.retain(|operation| match operation.what {
                What::Pay { variant, .. } => variant == 0,
                What::Cancel { .. } | What::Resolve { .. } => false,
                What::Look { .. } | What::Events { .. } | What::Find { .. } => true,
            }),
            Family::Stop => self.stops.clear(),
            Family::Configuration => self.mistakes = Mistakes::default(),
        }
    }
}
