//! The double-entry ledger: what each account holds and has moved, as pure arithmetic.
//!
//! Two-phase, as payment systems know it: a hold makes a debit and a credit pending, a post makes
//! them final, a void takes them back. Every movement touches one debit and one credit of the same
//! amount, so the sums over all accounts agree at any time.
//!
//! Architecture invariant: this room does no IO, reads no clock and has no `async`.

mod balance;
mod book;
mod movement;

pub use balance::{AccountKey, Balance, LedgerError, SIDE_MAX, accounts_of, apply};
pub use book::{Book, Sums};
pub use movement::{Movement, MovementKind};
