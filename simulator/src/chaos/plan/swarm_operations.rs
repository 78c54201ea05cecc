//! The operations of a swarm world: payments in bursts, and the operations that follow them.

use super::family::Family;
use super::operation::{Action, Operation, Policy};
use super::{KEYS, Plan};
use crate::chaos::random::Draw;

/// The operations of a swarm world.
pub(super) fn swarm_operations(draw: Draw, plan: &Plan) -> Vec<Operation> {
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
        let action = Action::Pay {
            key,
            variant: 0,
            strict: draw.with(4).happens(0.1),
            wait_s: draw.with(5).pick(&[0, 1, 10]),
        };
        operations.push(Operation {
            id,
            at_ms,
            action,
            policy: policy(draw.with(6)),
        });
        id += 1;
        let follow_up = match draw.with(7).between(0, 19) {
            0..=2 => Some(Action::Look { key }),
            3 => Some(Action::Events { key }),
            4 => Some(Action::Find { key }),
            5 | 6 => Some(action),
            7..=9 if people => Some(Action::Cancel { key }),
            10 if people => Some(Action::Resolve {
                key,
                carelessly: draw.with(8).happens(0.5),
            }),
            11..=13 if people => Some(Action::Pay {
                key,
                variant: 1,
                strict: false,
                wait_s: 1,
            }),
            _ => None,
        };
        if let Some(action) = follow_up {
            operations.push(Operation {
                id,
                at_ms: at_ms
                    + draw
                        .with(9)
                        .between(0, draw.with(10).pick(&[5, 100, 3_000])),
                action,
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
