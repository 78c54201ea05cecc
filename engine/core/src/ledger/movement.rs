//! Movements: what a journal entry changes in the ledger.

use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::money::{Amount, Currency};

/// A movement of the two-phase double-entry ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Which of the two phases.
    pub kind: MovementKind,
    /// The account debited.
    pub debit: AccountId,
    /// The account credited.
    pub credit: AccountId,
    /// How much.
    pub amount: Amount,
    /// In which currency.
    pub currency: Currency,
}

/// The phases of a movement: each operation holds once, then posts or voids once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MovementKind {
    /// Placed as pending at admission.
    Hold,
    /// Pending becomes posted when the operation settles.
    Post,
    /// Pending is taken back when the operation fails.
    Void,
}
