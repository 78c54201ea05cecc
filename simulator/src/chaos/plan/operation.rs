//! The operations of a world: what its clients and operators ask for, and how they retry.

use std::fmt;

use serde::Serialize;

/// How a client retries when it gets no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// How many copies of each request it sends: a double click sends two.
    pub copies: u32,
    /// How long between two of them.
    pub copy_gap_ms: u64,
    /// How long it waits for an answer.
    pub timeout_ms: u64,
    /// How often it sends again.
    pub retries: u32,
    /// How long it waits before that; doubles each time.
    pub backoff_ms: u64,
}

/// An action of a client or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// To pay, under the key with this number.
    Pay {
        /// Which key.
        key: u32,
        /// 0 for the request that belongs to the key; any other number is a different request.
        variant: u32,
        /// `Prefer: handling=strict`.
        strict: bool,
        /// `Prefer: wait=N`.
        wait_s: u64,
    },
    /// To see a payment.
    Look {
        /// Of which key.
        key: u32,
    },
    /// To see a payment's events.
    Events {
        /// Of which key.
        key: u32,
    },
    /// To find a payment by its key.
    Find {
        /// Which key.
        key: u32,
    },
    /// To cancel a payment.
    Cancel {
        /// Of which key.
        key: u32,
    },
    /// To decide a payment as an operator.
    Resolve {
        /// Of which key.
        key: u32,
        /// Without looking at the bank's ledger.
        carelessly: bool,
    },
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pay {
                variant,
                strict,
                wait_s,
                ..
            } => {
                let other = if *variant == 0 { "" } else { " something else" };
                let strictly = if *strict { ", strictly" } else { "" };
                write!(f, "pay{other}{strictly}, wait {wait_s} s")
            }
            Self::Look { .. } => f.write_str("get"),
            Self::Events { .. } => f.write_str("get events"),
            Self::Find { .. } => f.write_str("find by key"),
            Self::Cancel { .. } => f.write_str("cancel"),
            Self::Resolve { carelessly, .. } => {
                let how = if *carelessly {
                    "without looking"
                } else {
                    "by the bank's books"
                };
                write!(f, "resolve {how}")
            }
        }
    }
}

impl Action {
    /// The key it is about.
    pub const fn key(self) -> u32 {
        match self {
            Self::Pay { key, .. }
            | Self::Look { key }
            | Self::Events { key }
            | Self::Find { key }
            | Self::Cancel { key }
            | Self::Resolve { key, .. } => key,
        }
    }
}

/// One operation of a client or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its number. Masking other operations does not change it.
    pub id: u32,
    /// When.
    pub at_ms: u64,
    /// The action.
    pub action: Action,
    /// How the client retries.
    pub policy: Policy,
}
