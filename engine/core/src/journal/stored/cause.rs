//! The stored forms of a cause.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::journal::entry::Cause;
use crate::operation::{Decision, EvidenceText, OperatorName};

/// The forms of a [`Cause`].
#[derive(Serialize, Deserialize)]
enum StoredCause {
    Request,
    Dispatch,
    BankAnswer,
    NotSent,
    NoAnswer,
    Inquiry,
    Recovery,
    BudgetSpent,
    Cancel,
    Timer,
    Resolution {
        operator: OperatorName,
        evidence: EvidenceText,
    },
    Contradiction(Decision),
    Known,
    WatchedResolution {
        operator: OperatorName,
        evidence: EvidenceText,
    },
    WatchEnded,
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        StoredCause::from(self.clone()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Cause {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredCause::deserialize(deserializer).map(Self::from)
    }
}

impl From<Cause> for StoredCause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Request => Self::Request,
            Cause::Dispatch => Self::Dispatch,
            Cause::BankAnswer => Self::BankAnswer,
            Cause::NotSent => Self::NotSent,
            Cause::NoAnswer => Self::NoAnswer,
            Cause::Inquiry => Self::Inquiry,
            Cause::Recovery => Self::Recovery,
            Cause::BudgetSpent => Self::BudgetSpent,
            Cause::Cancel => Self::Cancel,
            Cause::Timer => Self::Timer,
            Cause::Resolution {
                operator,
                evidence,
                watched: false,
            } => Self::Resolution { operator, evidence },
            Cause::Resolution {
                operator,
                evidence,
                watched: true,
            } => Self::WatchedResolution { operator, evidence },
            Cause::Contradiction(decision) => Self::Contradiction(decision),
            Cause::Known => Self::Known,
            Cause::WatchEnded => Self::WatchEnded,
        }
    }
}

impl From<StoredCause> for Cause {
    fn from(stored: StoredCause) -> Self {
        match stored {
            StoredCause::Request => Self::Request,
            StoredCause::Dispatch => Self::Dispatch,
            StoredCause::BankAnswer => Self::BankAnswer,
            StoredCause::NotSent => Self::NotSent,
            StoredCause::NoAnswer => Self::NoAnswer,
            StoredCause::Inquiry => Self::Inquiry,
            StoredCause::Recovery => Self::Recovery,
            StoredCause::BudgetSpent => Self::BudgetSpent,
            StoredCause::Cancel => Self::Cancel,
            StoredCause::Timer => Self::Timer,
            StoredCause::Resolution { operator, evidence } => Self::Resolution {
                operator,
                evidence,
                watched: false,
            },
            StoredCause::WatchedResolution { operator, evidence } => Self::Resolution {
                operator,
                evidence,
                watched: true,
            },
            StoredCause::Contradiction(decision) => Self::Contradiction(decision),
            StoredCause::Known => Self::Known,
            StoredCause::WatchEnded => Self::WatchEnded,
        }
    }
}
