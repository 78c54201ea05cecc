//! What to do about a payment whose call is not under way: derived from what the bank can do.

use serde::{Deserialize, Serialize};

use super::{BankCalled, Payment, Phase, Timestamp};

/// What a bank promises about repeats. The recovery policy follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capability {
    /// The bank deduplicates our reference for `window_ms` after it first saw it.
    Keyed {
        /// How long the bank remembers, in milliseconds.
        window_ms: u64,
    },
    /// No deduplication, but the bank can be asked by our reference.
    InquiryOnly {
        /// How long after an attempt "not found" still proves nothing, in milliseconds: longer than
        /// any request may be delayed on its way.
        grace_ms: u64,
    },
    /// Neither: after an unknown outcome only a person can decide.
    Neither,
}

/// Bounds on what is tried without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Most attempts of one payment.
    pub attempts_max: u32,
    /// Most inquiries without a decision after one attempt.
    pub inquiries_max: u32,
}

/// The next automatic step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Send the same reference again.
    Send,
    /// Ask the bank by our reference.
    Inquire,
    /// The outcome is unknown and nothing automatic is left.
    Escalate,
    /// Proven unsent, and the attempts are used up.
    GiveUp,
    /// An operator decides; there is nothing to do here.
    Rest,
}

/// Decides the next step for a payment whose `next_at` has come.
///
/// An attempt whose end was never recorded (`next_at` is `None`) is the caller's to close first.
pub fn next_step(
    capability: Capability,
    budgets: Budgets,
    payment: &Payment,
    called: &BankCalled,
    now: Timestamp,
) -> NextStep {
    let attempts_left = payment.attempts < budgets.attempts_max;
    match called.phase {
        Phase::Review => NextStep::Rest,
        Phase::Awaiting if attempts_left => NextStep::Send,
        Phase::Awaiting => NextStep::GiveUp,
        Phase::Unknown => {
            let inquiries_left = called.inquiries < budgets.inquiries_max;
            match capability {
                Capability::Keyed { window_ms }
                    if attempts_left && now.ms_since(called.first_called_at) < window_ms =>
                {
                    NextStep::Send
                }
                Capability::Keyed { .. } | Capability::InquiryOnly { .. } if inquiries_left => {
                    NextStep::Inquire
                }
                Capability::Keyed { .. } | Capability::InquiryOnly { .. } | Capability::Neither => {
                    NextStep::Escalate
                }
            }
        }
    }
}
