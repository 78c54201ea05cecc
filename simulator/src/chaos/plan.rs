//! What a world is made of: drawn from a seed, whole before anything runs.
//!
//! Swarm testing (Groce et al., 2012): each family of faults is in or out, and only then its intensity
//! is drawn, so that some worlds are nothing but crashes and others know none.

use std::collections::BTreeSet;
use std::fmt;

use holdfast_engine::breaker::BreakerOptions;
use holdfast_engine::payment::Budgets;
use holdfast_engine::retry::Backoff;
use holdfast_engine::service::ServiceOptions;
use serde::Serialize;

use super::draw::Draw;
use super::scenario::Scenario;
use crate::bank::Mode;
use crate::faults::{FaultProfile, Range, Rate, Timed};

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
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Network,
        Self::Bank,
        Self::Medium,
        Self::Crash,
        Self::Clock,
        Self::People,
        Self::Stop,
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
    /// The service's bounds.
    pub options: ServiceOptions,
    /// What everyone wants.
    pub operations: Vec<Operation>,
    /// When all faults end.
    pub heal_ms: u64,
}

/// How far the wall clock may be set back in all: the bank's window is given to the service shorter by
/// this, as an operator would.
pub(super) const SET_BACK_MS_MAX: u64 = 5_000;

/// Keys of a world.
pub const KEYS: u32 = 50;

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
            options: options(draw.stream("options")),
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
        }
    }

    /// Draws the faults of the families that are in.
    pub(super) fn draw_faults(&mut self, draw: Draw) {
        self.medium.sync_ms = draw.stream("sync").pick(&[0, 1, 2, 5]);
        for family in self.families.clone() {
            let draw = draw.stream("intensity").with(family as u64);
            self.draw_family(family, draw);
        }
        self.settle_grace();
    }

    fn draw_family(&mut self, family: Family, draw: Draw) {
        let rate = |n: u64, max: f64| {
            let draw = draw.with(n);
            // Each fault of a family is in or out as well.
            if draw.with(1).happens(0.6) {
                draw.with(2).share() * max
            } else {
                0.0
            }
        };
        let end = self.heal_ms;
        let times = |n: u64, most: u64| -> Vec<u64> {
            let count = draw.with(n).between(1, most);
            (0..count)
                .map(|i| draw.with(n).with(i).between(50, end))
                .collect()
        };
        match family {
            Family::Network => {
                self.network = NetworkRates {
                    lost: rate(1, 0.2),
                    answer_lost: rate(2, 0.3),
                    repeated: rate(3, 0.3),
                    reset: rate(4, 0.2),
                    slow: rate(5, 0.3),
                    slow_ms: draw.with(6).between(10, 3_000),
                };
            }
            Family::Bank => self.bank = bank_faults(draw, self.mode),
            Family::Medium => {
                let full_from = draw.with(14).between(100, end);
                self.medium = MediumRates {
                    sync_ms: self.medium.sync_ms,
                    slow: rate(10, 0.3),
                    slow_ms: draw.with(11).between(5, 500),
                    fails: rate(12, 0.02),
                    flips: rate(13, 0.01),
                    full: draw
                        .with(15)
                        .happens(0.3)
                        .then(|| (full_from, full_from + draw.with(16).between(100, 1_500))),
                };
            }
            Family::Crash => {
                self.crashes = Crashes {
                    at_ms: times(20, 3),
                    in_commit: rate(21, 0.03),
                    down_ms: draw.with(22).between(1, 800),
                };
            }
            Family::Clock => {
                let mut back_left = SET_BACK_MS_MAX;
                for (n, at_ms) in (0..).zip(times(30, 3)) {
                    let draw = draw.with(31).with(n);
                    let by = if draw.with(1).happens(0.5) {
                        let back = draw.with(2).between(0, back_left);
                        back_left -= back;
                        -i64::try_from(back).expect("some seconds")
                    } else {
                        i64::try_from(draw.with(3).between(1, 60_000)).expect("a minute")
                    };
                    self.jumps.push((at_ms, by));
                }
            }
            Family::People => {}
            Family::Stop => self.stops = times(40, 2),
        }
    }

    /// "Not found" proves nothing for as long as a request can be on its way or hidden.
    pub(super) fn settle_grace(&mut self) {
        let FaultProfile {
            latency_ms,
            late,
            inquiry_not_found,
            slow,
            ..
        } = &self.bank;
        self.grace_ms = latency_ms.max()
            + late.ms.max()
            + inquiry_not_found.ms.max()
            + slow.ms.max()
            + SET_BACK_MS_MAX;
    }
}

fn families(draw: Draw) -> BTreeSet<Family> {
    Family::ALL
        .into_iter()
        .filter(|family| draw.with(*family as u64).happens(0.6))
        .collect()
}

fn bank_faults(draw: Draw, mode: Mode) -> FaultProfile {
    let rate = |n: u64, max: f64| {
        let draw = draw.with(n);
        let rate = if draw.with(1).happens(0.5) {
            draw.with(2).share() * max
        } else {
            0.0
        };
        Rate::new(rate)
    };
    let timed = |n: u64, max: f64, low: u64, high: u64| Timed {
        rate: rate(n, max),
        ms: Range::new(low, draw.with(n).with(3).between(low, high)),
    };
    FaultProfile {
        latency_ms: Range::new(0, draw.with(1).between(0, 60)),
        lost_before: rate(2, 0.2),
        lost_after: rate(3, 0.2),
        reset_mid_answer: rate(4, 0.15),
        unreadable: rate(5, 0.1),
        error_before: rate(6, 0.2),
        error_after: rate(7, 0.2),
        throttled: timed(8, 0.2, 0, 1_000),
        slow: timed(9, 0.1, 100, 2_000),
        late: timed(10, 0.2, 100, 2_500),
        declined: rate(11, 0.3),
        outage: timed(12, 0.02, 100, 2_000),
        // A bank that neither deduplicates nor answers would debit twice by itself.
        duplicate: if mode == Mode::Neither {
            Rate::new(0.0)
        } else {
            rate(13, 0.2)
        },
        inquiry_not_found: timed(14, 0.5, 100, 1_500),
        key_window_ms: draw
            .with(15)
            .happens(0.5)
            .then(|| draw.with(16).pick(&[1_500, 3_000, 6_000, 20_000, 40_000])),
    }
}

fn options(draw: Draw) -> ServiceOptions {
    let timeout = draw.stream("timeout").pick(&[50, 200, 500, 1_000]);
    ServiceOptions {
        cache_bytes: draw.stream("cache").pick(&[0, 4_000, 40_000, 64 << 20]),
        flights_max: usize::try_from(draw.stream("flights").pick(&[4, 16, 20_000, 20_000]))
            .expect("a small number"),
        bank_calls_max: usize::try_from(draw.stream("bulkhead").pick(&[1, 2, 8, 64, 256]))
            .expect("a small number"),
        bank_timeout_ms: timeout,
        backoff: Backoff {
            base_ms: draw.stream("backoff").pick(&[10, 50, 200]),
            cap_ms: draw.stream("cap").pick(&[500, 2_000, 5_000]),
        },
        budgets: Budgets {
            attempts_max: u32::try_from(draw.stream("attempts").pick(&[2, 5, 20]))
                .expect("a small number"),
            inquiries_max: u32::try_from(draw.stream("inquiries").pick(&[3, 10, 50]))
                .expect("a small number"),
        },
        breaker: BreakerOptions {
            failures_max: u32::try_from(draw.stream("breaker").pick(&[2, 5, 10, 1_000]))
                .expect("a small number"),
            open_ms: draw.stream("open").pick(&[50, 200, 1_000]),
            open_ms_max: draw.stream("open-max").pick(&[1_000, 3_000]),
        },
        batch_max: usize::try_from(draw.stream("batch").pick(&[1, 4, 64, 256]))
            .expect("a small number"),
        expire_after_ms: draw.stream("expire").pick(&[2_000, 20_000, 3_600_000]),
    }
}
