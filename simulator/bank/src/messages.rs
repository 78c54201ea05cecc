//! Charges and answers, as the bank and its callers exchange them.

use serde::Serialize;

use super::ledger::{ChargeTerms, KnownReference, Verdict};
use crate::faults::{CallPlan, Delivery};

/// The bank's answer about a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BankAnswer {
    /// The debit happened.
    Confirmed {
        /// The bank's id for it.
        transaction_id: String,
    },
    /// It did not happen.
    Declined {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
}

/// An answer, with the reference that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedAnswer {
    /// The answer.
    #[serde(flatten)]
    pub answer: BankAnswer,
    /// The reference that it is about.
    pub bank_reference: String,
}

impl BankAnswer {
    pub(super) fn about(self, bank_reference: &str) -> NamedAnswer {
        NamedAnswer {
            answer: self,
            bank_reference: bank_reference.to_owned(),
        }
    }
}

/// The code of a decline that says: this reference is known.
pub const DUPLICATE: &str = "duplicate_reference";

/// A charge as the bank takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The caller's reference.
    pub bank_reference: String,
    /// The amount and the accounts.
    pub terms: ChargeTerms,
}

/// How to react to a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction<T> {
    /// How long to wait first, in milliseconds.
    pub delay_ms: u64,
    /// How to deliver the answer.
    pub delivery: Delivery,
    /// The answer, for the deliveries that have one.
    pub answer: T,
    /// A charge to process later, and the delay in milliseconds.
    pub later: Option<(u64, Deferred)>,
}

/// A charge that the bank processes after its caller gave up.
#[derive(Debug, Clone, PartialEq)]
pub struct Deferred {
    pub(super) charge: Charge,
    pub(super) plan: CallPlan,
}

impl Deferred {
    /// The reference it is about.
    pub fn reference(&self) -> &str {
        &self.charge.bank_reference
    }

    /// The amount it is about, in minor units.
    pub const fn amount(&self) -> u64 {
        self.charge.terms.amount
    }
}

/// A charge under a reference that belongs to a different charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reference belongs to a charge with other contents")]
pub struct ReferenceReused;

/// A reference in the bank's ledger, for auditors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// The caller's reference.
    pub bank_reference: String,
    /// The amount and the accounts.
    #[serde(flatten)]
    pub terms: ChargeTerms,
    /// How often it was debited.
    pub debits: u32,
}

impl KnownReference {
    pub(super) fn answer(&self) -> BankAnswer {
        match &self.verdict {
            Verdict::Confirmed { transaction_id } => BankAnswer::Confirmed {
                transaction_id: transaction_id.clone(),
            },
            Verdict::Declined { code, message } => BankAnswer::Declined {
                code: code.to_string(),
                message: message.to_string(),
            },
        }
    }
}
