//! What to do about a payment whose call is not under way: derived from what the bank can do.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{BankAddress, BankCalled, BankName, Payment, Phase, Timestamp};

/// What a bank promises about repeats. The recovery policy follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// The bank deduplicates our reference for `window_ms` after it first saw it, and can be asked
    /// by it afterwards.
    Keyed {
        /// How long the bank remembers, in milliseconds.
        window_ms: u64,
        /// How long after its mark a request may reach the bank, in milliseconds, 0 if no request
        /// outlives its call: an attempt is sent only if it must arrive while the bank remembers, and
        /// "not found" proves nothing before it has passed.
        grace_ms: u64,
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

impl Capability {
    /// How long after an attempt "not found" still proves nothing, in milliseconds; `None` when the
    /// bank cannot be asked.
    pub const fn grace_ms(self) -> Option<u64> {
        match self {
            Self::Keyed { grace_ms, .. } | Self::InquiryOnly { grace_ms } => Some(grace_ms),
            Self::Neither => None,
        }
    }
}

impl Capability {
    /// What holds under both: the weaker promise, the shorter window, the longer grace.
    ///
    /// An attempt is judged by what the bank promised when it was sent. A configuration that promises more today
    /// says nothing about that attempt; one that promises less may know better.
    pub const fn weaker(self, other: Self) -> Self {
        const fn max(a: u64, b: u64) -> u64 {
            if a > b { a } else { b }
        }
        match (self, other) {
            (Self::Neither, _) | (_, Self::Neither) => Self::Neither,
            (
                Self::Keyed {
                    window_ms: a,
                    grace_ms,
                },
                Self::Keyed {
                    window_ms: b,
                    grace_ms: other_grace_ms,
                },
            ) => Self::Keyed {
                window_ms: if a < b { a } else { b },
                grace_ms: max(grace_ms, other_grace_ms),
            },
            (
                Self::InquiryOnly { grace_ms },
                Self::Keyed {
                    grace_ms: other, ..
                }
                | Self::InquiryOnly { grace_ms: other },
            )
            | (Self::Keyed { grace_ms, .. }, Self::InquiryOnly { grace_ms: other }) => {
                Self::InquiryOnly {
                    grace_ms: max(grace_ms, other),
                }
            }
        }
    }
}

/// To which bank an attempt was sent, and what that bank promised then. Part of the durable mark
/// "about to call".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mark {
    /// The bank's configured name.
    pub bank: BankName,
    /// Where it was reached.
    pub address: BankAddress,
    /// What it promised about repeats.
    pub capability: Capability,
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyed {
                window_ms,
                grace_ms,
            } => write!(f, "keyed, window {window_ms} ms, grace {grace_ms} ms"),
            Self::InquiryOnly { grace_ms } => write!(f, "inquiry only, grace {grace_ms} ms"),
            Self::Neither => f.write_str("neither deduplicates nor can be asked"),
        }
    }
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
/// `present` is what the bank promises today; what it promised when the payment was sent counts as well, and the
/// weaker of the two decides. `latest` is the latest that it may be: where clocks disagree, the bank may have
/// forgotten more than the nearer one says.
///
/// An attempt whose end was never recorded (`next_at` is `None`) is the caller's to close first.
pub fn next_step(
    present: Capability,
    budgets: Budgets,
    payment: &Payment,
    called: &BankCalled,
    latest: Timestamp,
) -> NextStep {
    let capability = called.capability(present);
    // What was held back for want of time was no attempt.
    let attempts_left = payment.attempts.saturating_sub(called.held_back) < budgets.attempts_max;
    match called.phase {
        Phase::Review => NextStep::Rest,
        Phase::Awaiting if attempts_left => NextStep::Send,
        Phase::Awaiting => NextStep::GiveUp,
        Phase::Unknown => {
            let inquiries_left = called.inquiries < budgets.inquiries_max;
            match capability {
                Capability::Keyed {
                    window_ms,
                    grace_ms,
                } if attempts_left
                    && !called.known
                    && latest
                        .ms_since(called.first_called_at)
                        .saturating_add(grace_ms)
                        < window_ms =>
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
