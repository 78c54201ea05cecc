//! Movements: the changes that journal entries make in the ledger.

use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::money::{Amount, Currency};

/// A movement of the two-phase double-entry ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Movement {
    /// Its phase.
    pub kind: MovementKind,
    /// The account debited.
    pub debit: AccountId,
    /// The account credited.
    pub credit: AccountId,
    /// The amount.
    pub amount: Amount,
    /// The currency.
    pub currency: Currency,
}

/// The phases of a movement: each operation holds once, then posts or voids once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum MovementKind {
    /// Placed as pending at admission.
    Hold,
    /// Pending becomes posted when the operation settles.
    Post,
    /// Pending is removed when the operation fails.
    Void,
}
