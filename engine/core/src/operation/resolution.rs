//! Decisions that reach an operation from outside: the bank's, and an operator's.

use serde::{Deserialize, Serialize};

use crate::ids::{BankTransactionId, DeclineCode, DeclineMessage};
use crate::text::{is_name, text_newtype};

/// The decision of a bank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Decision {
    /// The debit happened.
    Confirmed {
        /// The bank's id for it.
        bank_transaction_id: BankTransactionId,
    },
    /// It did not happen and will not.
    Declined {
        /// The bank's code.
        code: DeclineCode,
        /// The bank's explanation.
        message: DeclineMessage,
    },
}

text_newtype!(
    /// Why an operator is sure, as a text: the evidence that the operator looked at.
    EvidenceText,
    "1 to 1000 characters without control characters, not only spaces",
    |text| {
        text.chars().count() <= 1000
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control)
    }
);

text_newtype!(
    /// The name under which an operator acts.
    OperatorName,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

/// An operator's decision about an operation whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The outcome of the operation.
    pub outcome: ResolvedOutcome,
    /// Why the operator is sure.
    pub evidence: EvidenceText,
    /// Who decided.
    pub operator: OperatorName,
}

/// The outcome that an operator found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedOutcome {
    /// The debit happened.
    Settled {
        /// The bank's id for it.
        bank_transaction_id: BankTransactionId,
    },
    /// No debit happened and none can.
    Failed,
}
