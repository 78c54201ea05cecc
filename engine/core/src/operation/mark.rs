//! The promise of a bank about repeats, and the mark that the record gets before an attempt is sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{BankAddress, BankName};
use crate::tenure::Tenure;

/// The promise of a bank about repeats. The recovery policy follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Capability {
    /// The bank deduplicates our reference for `window_ms` after it first saw it, and can be asked
    /// by it afterwards.
    Keyed {
        /// How long the bank remembers, in milliseconds.
        window_ms: u64,
        /// Longest time between recording an attempt and the bank receiving it, in milliseconds; 0 if no request
        /// outlives its call. An attempt is sent only if it must arrive while the bank remembers the reference. "Not
        /// found" proves nothing before this time has passed.
        grace_ms: u64,
    },
    /// No deduplication, but the bank can be asked by our reference.
    InquiryOnly {
        /// How long after an attempt "not found" still proves nothing, in milliseconds. It must be longer than the
        /// longest possible delay of a request.
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
    /// The promise that holds under both: the weaker one, the shorter window, the longer grace.
    ///
    /// An attempt is judged by the promise that the bank gave when it was sent. A configuration that promises more
    /// today does not apply to that attempt. One that promises less may be right, so it does apply.
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

/// The durable mark "about to call": the bank of the attempt, the bank's promise, and the sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The bank's configured name.
    pub bank: BankName,
    /// The bank's address.
    pub address: BankAddress,
    /// Its promise about repeats.
    pub capability: Capability,
    /// The tenure that sent it. `None` if an earlier version sent it, which stored no tenures; that process is gone.
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
