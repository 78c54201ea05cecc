//! The answers of the bank.

use holdfast_core::*;

/// What the bank decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Verdict {
    Confirms,
    Declines,
}

impl Verdict {
    pub(crate) fn decision(self) -> Decision {
        match self {
            Self::Confirms => Decision::Confirmed {
                bank_transaction_id: BankTransactionId::new("b_1").unwrap(),
            },
            Self::Declines => Decision::Declined {
                code: DeclineCode::new("insufficient_funds").unwrap(),
                message: DeclineMessage::new("no").unwrap(),
            },
        }
    }
}
