//! The shapes of worlds: the situations that people ask about, and the swarm that knows no shape.

use std::collections::BTreeSet;

use serde::Serialize;

use super::draw::Draw;
use super::plan::{
    Crashes, Family, KEYS, MediumRates, NetworkRates, Operation, Plan, Policy, What,
};
use crate::bank::Mode;
use crate::faults::{FaultProfile, Range, Rate, Timed};

/// A shape.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Anything goes wrong, in any mixture.
    #[default]
    Swarm,
    /// Every payment is sent twice within milliseconds.
    DoubleClick,
    /// Answers get lost, and clients send again after a timeout.
    MobileRetry,
    /// A gateway sends again at once, several times, whatever the answer.
    GatewayRetry,
    /// A proxy repeats requests and delivers some of them late.
    ReverseProxy,
    /// Messages vanish in both directions and nobody is told.
    SilentNetwork,
    /// The bank is slower than anyone waits.
    BankTimeout,
    /// The process ends again and again, at any step.
    CrashStorm,
    /// The bank is gone for seconds.
    BankOutage,
    /// Syncs take long or fail, and the disk is full for a while.
    SlowDisk,
    /// Everyone pays under a few keys.
    HotKey,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Swarm,
        Self::DoubleClick,
        Self::MobileRetry,
        Self::GatewayRetry,
        Self::ReverseProxy,
        Self::SilentNetwork,
        Self::BankTimeout,
        Self::CrashStorm,
        Self::BankOutage,
        Self::SlowDisk,
        Self::HotKey,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swarm => "swarm",
            Self::DoubleClick => "double-click",
            Self::MobileRetry => "mobile-retry",
            Self::GatewayRetry => "gateway-retry",
            Self::ReverseProxy => "reverse-proxy",
            Self::SilentNetwork => "silent-network",
            Self::BankTimeout => "bank-timeout",
            Self::CrashStorm => "crash-storm",
            Self::BankOutage => "bank-outage",
            Self::SlowDisk => "slow-disk",
            Self::HotKey => "hot-key",
        }
    }

    /// What it is, in a sentence.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Swarm => "anything goes wrong, in any mixture",
            Self::DoubleClick => "every payment is sent twice within milliseconds",
            Self::MobileRetry => "answers get lost, and clients send again after a timeout",
            Self::GatewayRetry => "a gateway sends again at once, several times",
            Self::ReverseProxy => "a proxy repeats requests and delivers some of them late",
            Self::SilentNetwork => "messages vanish in both directions and nobody is told",
            Self::BankTimeout => "the bank is slower than anyone waits",
            Self::CrashStorm => "the process ends again and again, at any step",
            Self::BankOutage => "the bank is gone for seconds",
            Self::SlowDisk => "syncs take long or fail, and the disk is full for a while",
            Self::HotKey => "everyone pays under a few keys",
        }
    }

    /// The scenario of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name)
    }

    pub(super) fn shape(self, plan: &mut Plan, draw: Draw) {
        if self == Self::Swarm {
            plan.draw_faults(draw);
            plan.operations = swarm_operations(draw.stream("clients"), plan);
            return;
        }
        let impatient = Policy {
            copies: 1,
            copy_gap_ms: 0,
            timeout_ms: 800,
            retries: 4,
            backoff_ms: 100,
        };
        plan.medium.sync_ms = 2;
        plan.bank.latency_ms = Range::new(5, 40);
        plan.families = BTreeSet::new();
        let policy = self.faults(plan, draw, impatient);
        if plan.mode == Mode::Neither {
            plan.bank.duplicate = FaultProfile::default().duplicate;
        }
        plan.settle_grace();
        let clients = draw.stream("clients");
        let span = plan.heal_ms * 3 / 4;
        plan.operations = (0..KEYS)
            .map(|key| {
                let at_ms = clients.with(key.into()).between(0, span);
                pay(key, key, at_ms, policy)
            })
            .collect();
        if self == Self::HotKey {
            let extra = (KEYS..KEYS + 150).map(|id| {
                let draw = clients.with(id.into());
                let key = draw.with(1).pick(&[0, 1, 2]);
                pay(id, key, draw.with(2).between(0, span), policy)
            });
            plan.operations.extend(extra);
        }
    }

    /// What goes wrong in this shape, and how its clients go on without an answer.
    fn faults(self, plan: &mut Plan, draw: Draw, impatient: Policy) -> Policy {
        let mut policy = impatient;
        match self {
            Self::Swarm | Self::HotKey => {}
            Self::DoubleClick => {
                policy.copies = 2;
                policy.copy_gap_ms = draw.stream("gap").between(0, 30);
            }
            Self::MobileRetry => {
                plan.families.insert(Family::Network);
                plan.network = NetworkRates {
                    answer_lost: 0.4,
                    reset: 0.1,
                    ..NetworkRates::default()
                };
            }
            Self::GatewayRetry => {
                plan.families.insert(Family::Network);
                plan.network.reset = 0.3;
                policy = Policy {
                    timeout_ms: 30,
                    retries: 6,
                    backoff_ms: 1,
                    ..impatient
                };
            }
            Self::ReverseProxy => {
                plan.families.insert(Family::Network);
                plan.network = NetworkRates {
                    repeated: 0.6,
                    slow: 0.3,
                    slow_ms: 3_000,
                    ..NetworkRates::default()
                };
            }
            Self::SilentNetwork => {
                plan.families.insert(Family::Network);
                plan.network = NetworkRates {
                    lost: 0.3,
                    answer_lost: 0.3,
                    ..NetworkRates::default()
                };
            }
            Self::BankTimeout => {
                plan.families.insert(Family::Bank);
                plan.lane.timeout_ms = 200;
                plan.bank.slow = Timed::new(0.3, 300, 1_500);
                plan.bank.late = Timed::new(0.3, 300, 2_000);
                plan.bank.lost_after = Rate::new(0.2);
            }
            Self::CrashStorm => {
                plan.families.insert(Family::Crash);
                let times = (0..6).map(|n| draw.stream("crash").with(n).between(50, plan.heal_ms));
                plan.crashes = Crashes {
                    at_ms: times.collect(),
                    in_commit: 0.03,
                    down_ms: 100,
                };
            }
            Self::BankOutage => {
                plan.families.insert(Family::Bank);
                plan.bank.outage = Timed::new(0.05, 1_000, 4_000);
            }
            Self::SlowDisk => {
                plan.families.insert(Family::Medium);
                let from = draw.stream("full").between(500, plan.heal_ms);
                plan.medium = MediumRates {
                    sync_ms: 20,
                    slow: 0.2,
                    slow_ms: 800,
                    fails: 0.01,
                    flips: 0.0,
                    full: Some((from, from + 1_000)),
                };
            }
        }
        policy
    }
}

fn pay(id: u32, key: u32, at_ms: u64, policy: Policy) -> Operation {
    Operation {
        id,
        at_ms,
        what: What::Pay {
            key,
            variant: 0,
            strict: false,
            wait_s: 10,
        },
        policy,
    }
}

fn swarm_operations(draw: Draw, plan: &Plan) -> Vec<Operation> {
    let people = plan.families.contains(&Family::People);
    let span = plan.heal_ms * 3 / 4;
    let mut operations = Vec::with_capacity(96);
    let mut id = 0;
    // Bursts make batches, spread makes quiet.
    let bursts = draw.stream("bursts").between(1, 12);
    for key in 0..KEYS {
        let draw = draw.stream("key").with(key.into());
        let burst = draw.with(1).between(0, bursts - 1);
        let at_ms =
            span * burst / bursts + draw.with(2).between(0, draw.with(3).pick(&[3, 200, 2_000]));
        let what = What::Pay {
            key,
            variant: 0,
            strict: draw.with(4).happens(0.1),
            wait_s: draw.with(5).pick(&[0, 1, 10]),
        };
        operations.push(Operation {
            id,
            at_ms,
            what,
            policy: policy(draw.with(6)),
        });
        id += 1;
        let follow_up = match draw.with(7).between(0, 19) {
            0..=2 => Some(What::Look { key }),
            3 => Some(What::Events { key }),
            4 => Some(What::Find { key }),
            5 | 6 => Some(what),
            7..=9 if people => Some(What::Cancel { key }),
            10 if people => Some(What::Resolve {
                key,
                carelessly: draw.with(8).happens(0.5),
            }),
            11..=13 if people => Some(What::Pay {
                key,
                variant: 1,
                strict: false,
                wait_s: 1,
            }),
            _ => None,
        };
        if let Some(what) = follow_up {
            operations.push(Operation {
                id,
                at_ms: at_ms
                    + draw
                        .with(9)
                        .between(0, draw.with(10).pick(&[5, 100, 3_000])),
                what,
                policy: policy(draw.with(11)),
            });
        }
        // Counted whether it happens or not, so that numbers do not depend on the families.
        id += 1;
    }
    operations
}

fn policy(draw: Draw) -> Policy {
    Policy {
        copies: draw.with(1).pick(&[1, 1, 1, 2, 3]),
        copy_gap_ms: draw.with(2).pick(&[0, 1, 10, 50]),
        timeout_ms: draw.with(3).pick(&[30, 300, 1_000, 12_000]),
        retries: draw.with(4).pick(&[0, 2, 4]),
        backoff_ms: draw.with(5).pick(&[1, 50, 300]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::OPERATIONS;
    use super::*;

    #[test]
    fn no_world_has_more_keys_and_operations_than_can_be_left_out() {
        for scenario in Scenario::ALL {
            for seed in 0..50 {
                let plan = Plan::draw(seed, scenario);
                for operation in plan.operations {
                    assert!(operation.id < OPERATIONS, "{scenario:?} {operation:?}");
                    assert!(operation.what.key() < KEYS, "{scenario:?} {operation:?}");
                }
            }
        }
    }
}
