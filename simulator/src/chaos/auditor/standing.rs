//! The states of a payment, in the auditor's own terms.

use std::fmt::{self, Display};

use holdfast_core::Phase;

/// The state of a payment, as the auditor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Standing {
    /// Admitted, not sent.
    Persisted,
    /// The bank may have it.
    Called(Phase),
    /// Final.
    Settled,
    /// Final.
    Failed(Failed),
}

/// Why a payment failed, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Failed {
    /// The bank declined, or it was never sent.
    Uncharged,
    /// An operator said so.
    Resolved,
}

impl Standing {
    /// Whether it may never change again.
    pub(in crate::chaos) const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Failed(_))
    }
}

impl Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Persisted => "persisted",
            Self::Called(Phase::Awaiting) => "sent to the bank",
            Self::Called(Phase::Unknown) => "outcome unknown",
            Self::Called(Phase::Review) => "in review",
            Self::Settled => "settled",
            Self::Failed(Failed::Uncharged) => "failed without a debit",
            Self::Failed(Failed::Resolved) => "failed by an operator's decision",
        })
    }
}
