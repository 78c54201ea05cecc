//! The clients of a world: what each still wants, and how often it has tried.

use std::collections::BTreeMap;

use super::message::Message;
use super::plan::{Action, Operation, Plan, Policy};

/// The progress of an operation.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) operation: Operation,
    /// The latest attempt.
    pub(super) attempt: u32,
    pub(super) done: bool,
}

/// All clients.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) efforts: BTreeMap<u32, Effort>,
    next: u32,
}

/// Operations that are added at the end have numbers from here on.
const LAST_QUESTIONS: u32 = 1_000_000;

impl Clients {
    pub(super) fn new(plan: &Plan) -> Self {
        let efforts = plan.operations.iter().map(|operation| {
            let effort = Effort {
                operation: *operation,
                attempt: 0,
                done: false,
            };
            (operation.id, effort)
        });
        Self {
            efforts: efforts.collect(),
            next: LAST_QUESTIONS,
        }
    }

    /// Adds a patient request, for the time after all faults have ended.
    pub(super) fn ask(&mut self, action: Action) -> Message {
        let id = self.next;
        self.next += 1;
        let operation = Operation {
            id,
            at_ms: 0,
            action,
            policy: Policy {
                copies: 1,
                copy_gap_ms: 0,
                timeout_ms: 120_000,
                retries: 40,
                backoff_ms: 20,
            },
        };
        let effort = Effort {
            operation,
            attempt: 0,
            done: false,
        };
        self.efforts.insert(id, effort);
        Message {
            operation: id,
            attempt: 0,
            copy: 0,
        }
    }

    pub(super) fn action(&self, message: Message) -> Option<Action> {
        let effort = self.efforts.get(&message.operation)?;
        Some(effort.operation.action)
    }
}
