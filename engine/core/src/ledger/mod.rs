//! The double-entry ledger: pending and posted amounts of each account, as pure arithmetic.
//!
//! It has two phases, as in other payment systems: a hold makes a debit and a credit pending, a post makes them final,
//! and a void removes them. Every movement touches one debit and one credit of the same amount, so debits and credits
//! over all accounts are always equal.
//!
//! Architecture invariant: this room does no IO, reads no clock and has no `async`.

mod balance;
mod book;
mod movement;

pub use balance::{AccountKey, Balance, LedgerError, SIDE_MAX, Side, accounts_of, apply, apply_to};
pub use book::{Book, Sums};
pub use movement::{Movement, MovementKind};
