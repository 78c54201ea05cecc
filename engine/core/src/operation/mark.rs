//! What a bank promises about repeats, and the mark that an attempt leaves in the record before it is sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{BankAddress, BankName};
use crate::tenure::Tenure;

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

/// The durable mark "about to call": to which bank an attempt goes, what that bank promises, and who sends it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The bank's configured name.
    pub bank: BankName,
    /// Where it was reached.
    pub address: BankAddress,
    /// What it promised about repeats.
    pub capability: Capability,
    /// Whose attempt it is. `None` where an earlier version sent it, which kept no tenures: that life is over.
    pub tenure: Option<Tenure>,
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
