//! The step that allows an attempt, as a separate type: committing it always gives a permit.

use std::sync::Arc;

use super::event::{Event, Illegal};
use super::mark::Mark;
use super::state::Operation;
use super::step::{Attempt, Step};
use super::transition::transition;
use crate::time::Timestamp;

/// A step that allows an attempt: the only way to a permit for an operation that was admitted before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    step: Step,
    attempt: Attempt,
}

impl Dispatch {
    /// Marks the next attempt of an operation.
    ///
    /// # Errors
    /// When no attempt may follow in the operation's state.
    pub fn new(operation: &Operation, mark: Arc<Mark>, now: Timestamp) -> Result<Self, Illegal> {
        let step = transition(operation, &Event::Dispatch(mark), now)?;
        let attempt = Attempt::of(&step.operation);
        Ok(Self { step, attempt })
    }

    /// The step to be made durable, and the attempt that may be sent afterwards.
    pub fn into_parts(self) -> (Step, Attempt) {
        (self.step, self.attempt)
    }
}
