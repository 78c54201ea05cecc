//! Operations: the state machine that every payment goes through, and every kind of operation that comes later.
//!
//! An [`Operation`] is a client's request under a key, with its state. [`transition`] is the whole machine. The effect
//! of a transition is data, a [`Step`], which others carry out.
//!
//! Architecture invariant: this room does no IO, reads no clock, draws no randomness and has no `async`. It knows no
//! HTTP, no store and no bank.

mod dispatch;
mod event;
mod key;
mod mark;
mod policy;
mod request;
mod resolution;
mod state;
mod step;
mod transition;

pub use dispatch::Dispatch;
pub use event::{Event, Evidence, Illegal, Interruption};
pub use key::{IdempotencyKey, OperationKey};
pub use mark::{Capability, Mark};
pub use policy::{Budgets, NextStep, next_step};
pub use request::{
    InvalidMetadata, Kind, Metadata, PaymentRequest, Reference, Request, SameParties,
};
pub use resolution::{Decision, EvidenceText, OperatorName, Resolution, ResolvedOutcome};
pub use state::{BankCalled, FailureReason, Operation, Phase, State, StateName};
pub use step::{Attempt, Guard, Order, Refusal, Step};
pub use transition::transition;
