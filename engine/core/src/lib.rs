//! The pure core of Holdfast.
//!
//! - `operation`: a client's request and its state: an [`Operation`], its [`Event`]s, one [`transition`] function
//!   and the [`Step`] that it returns.
//! - [`ledger`]: double entry in two phases.
//! - [`journal`]: entries, their hash chain, and the replay that rebuilds everything from them.
//! - [`codec`]: the bytes of stored values.
//! - [`record`]: the stored values, in every version.
//! - [`retry`]: when to try again.
//! - `ids`, `money`, `time`, `tenure`: the values that all of them use.
//!
//! Architecture invariant: this crate does no IO, reads no clock, draws no randomness and has no `async`. Its
//! dependencies show it: no runtime, no database, no metrics.

pub mod codec;
mod ids;
pub mod journal;
pub mod ledger;
mod money;
mod operation;
pub mod record;
pub mod retry;
mod tenure;
mod text;
mod time;

pub use ids::{
    AccountId, BankAddress, BankName, BankReference, BankTransactionId, DeclineCode,
    DeclineMessage, Merchant, OperationId,
};
pub use journal::{Admission, Cause, JournalEntry};
pub use ledger::{Movement, MovementKind};
pub use money::{Amount, Currency, InvalidAmount, InvalidCurrency, NotPayable};
pub use operation::*;
pub use tenure::Tenure;
pub use text::InvalidText;
pub use time::Timestamp;
