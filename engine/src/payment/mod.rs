//! The pure core: what a payment is, and what may happen to it.
//!
//! Architecture invariant: this room does no IO, reads no clock, draws no randomness and has no
//! `async`. It knows no HTTP, no store and no bank; effects are data that others carry out.

mod entry;
mod event;
mod ids;
mod key;
mod money;
mod recovery_policy;
mod request;
mod resolution;
mod state;
mod stored;
mod transition;

pub use entry::{Admission, Cause, JournalEntry, Movement, MovementKind};
pub use event::{Event, Evidence, Illegal, Interruption};
pub use ids::{
    AccountId, BankAddress, BankName, BankReference, BankTransactionId, DeclineCode,
    DeclineMessage, InvalidText, PaymentId, Timestamp,
};
pub use key::{IdempotencyKey, Merchant, PaymentKey};
pub use money::{Amount, Currency, InvalidAmount, InvalidCurrency, NotPayable};
pub use recovery_policy::{Budgets, Capability, Mark, NextStep, next_step};
pub use request::{InvalidMetadata, Metadata, PaymentRequest, Reference, SameParties};
pub use resolution::{Decision, EvidenceText, OperatorName, Resolution, ResolvedOutcome};
pub use state::{BankCalled, FailureReason, Payment, Phase, State, StateName};
pub use transition::{Step, transition};
