//! The shapes of worlds: which faults each scenario has, and how its clients retry.

use std::collections::BTreeSet;

use super::family::Family;
use super::operation::{Action, Operation, Policy};
use super::rates::{Crashes, MediumRates, NetworkRates};
use super::scenario::Scenario;
use super::swarm_operations::swarm_operations;
use super::{KEYS, Plan};
use crate::chaos::random::Draw;
use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::{FaultProfile, Range, Rate, Timed};

/// Gives a plan the shape of a scenario.
pub(super) fn shape(scenario: Scenario, plan: &mut Plan, draw: Draw) {
    if scenario == Scenario::Swarm {
        plan.draw_faults(draw);
        plan.operations = swarm_operations(draw.stream("clients"), plan);
        return;
    }
    plan.medium.sync_ms = 2;
    plan.bank.latency_ms = Range::new(5, 40);
    plan.families = BTreeSet::new();
    add_faults(scenario, plan, draw);
    let policy = policy(scenario, draw);
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
    if scenario == Scenario::HotKey {
        let extra = (KEYS..KEYS + 150).map(|id| {
            let draw = clients.with(id.into());
            let key = draw.with(1).pick(&[0, 1, 2]);
            pay(id, key, draw.with(2).between(0, span), policy)
        });
        plan.operations.extend(extra);
    }
}

/// How the clients of a scenario retry.
fn policy(scenario: Scenario, draw: Draw) -> Policy {
    let usual = Policy {
        copies: 1,
        copy_gap_ms: 0,
        timeout_ms: 800,
        retries: 4,
        backoff_ms: 100,
    };
    match scenario {
        Scenario::DoubleClick => Policy {
            copies: 2,
            copy_gap_ms: draw.stream("gap").between(0, 30),
            ..usual
        },
        Scenario::GatewayRetry => Policy {
            timeout_ms: 30,
            retries: 6,
            backoff_ms: 1,
            ..usual
        },
        Scenario::Swarm
        | Scenario::MobileRetry
        | Scenario::ReverseProxy
        | Scenario::SilentNetwork
        | Scenario::BankTimeout
        | Scenario::CrashStorm
        | Scenario::BankOutage
        | Scenario::SlowDisk
        | Scenario::HotKey => usual,
    }
}

/// Adds the faults of a scenario to a plan.
fn add_faults(scenario: Scenario, plan: &mut Plan, draw: Draw) {
    match scenario {
        Scenario::Swarm | Scenario::HotKey | Scenario::DoubleClick => {}
        Scenario::MobileRetry => {
            plan.families.insert(Family::Network);
            plan.network = NetworkRates {
                answer_lost: 0.4,
                reset: 0.1,
                ..NetworkRates::default()
            };
        }
        Scenario::GatewayRetry => {
            plan.families.insert(Family::Network);
            plan.network.reset = 0.3;
        }
        Scenario::ReverseProxy => {
            plan.families.insert(Family::Network);
            plan.network = NetworkRates {
                repeated: 0.6,
                slow: 0.3,
                slow_ms: 3_000,
                ..NetworkRates::default()
            };
        }
        Scenario::SilentNetwork => {
            plan.families.insert(Family::Network);
            plan.network = NetworkRates {
                lost: 0.3,
                answer_lost: 0.3,
                ..NetworkRates::default()
            };
        }
        Scenario::BankTimeout => {
            plan.families.insert(Family::Bank);
            plan.lane.timeout_ms = 200;
            plan.bank.slow = Timed::new(0.3, 300, 1_500);
            plan.bank.late = Timed::new(0.3, 300, 2_000);
            plan.bank.lost_after = Rate::new(0.2);
        }
        Scenario::CrashStorm => {
            plan.families.insert(Family::Crash);
            let times = (0..6).map(|n| draw.stream("crash").with(n).between(50, plan.heal_ms));
            plan.crashes = Crashes {
                at_ms: times.collect(),
                in_commit: 0.03,
                down_ms: 100,
            };
        }
        Scenario::BankOutage => {
            plan.families.insert(Family::Bank);
            plan.bank.outage = Timed::new(0.05, 1_000, 4_000);
        }
        Scenario::SlowDisk => {
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
}

fn pay(id: u32, key: u32, at_ms: u64, policy: Policy) -> Operation {
    Operation {
        id,
        at_ms,
        action: Action::Pay {
            key,
            variant: 0,
            strict: false,
            wait_s: 10,
        },
        policy,
    }
}

#[cfg(test)]
mod tests {
    use super::super::OPERATIONS;
    use super::*;

    #[test]
    fn no_world_has_more_keys_and_operations_than_can_be_left_out() {
        for scenario in Scenario::ALL {
            for seed in 0..50 {
                let plan = Plan::draw(seed, scenario);
                for operation in plan.operations {
                    assert!(operation.id < OPERATIONS, "{scenario:?} {operation:?}");
                    assert!(operation.action.key() < KEYS, "{scenario:?} {operation:?}");
                }
            }
        }
    }
}
