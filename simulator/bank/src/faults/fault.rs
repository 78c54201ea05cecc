//! The kinds of faults of a simulated bank, with their names.

use serde::{Deserialize, Serialize};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request is lost before it is processed; no answer.
    LostBefore,
    /// The request is processed; the answer is lost.
    LostAfter,
    /// The request is processed; the connection breaks in the middle of the answer.
    ResetMidAnswer,
    /// The request is processed; the answer cannot be read.
    Unreadable,
    /// A 5xx; not processed.
    ErrorBefore,
    /// A 5xx; processed nevertheless.
    ErrorAfter,
    /// 429 or 503 with `Retry-After`; not processed.
    Throttled,
    /// Processed at once; the answer comes late.
    Slow,
    /// No answer; processed much later, after the caller has given up.
    Late,
    /// Declined.
    Declined,
    /// The bank accepts nothing for a while: connections break before anything is processed.
    Outage,
    /// The request reaches the bank twice. A keyed bank absorbs the second one; a bank without any
    /// deduplication debits twice.
    Duplicate,
    /// The answer is one about another reference; processed or not.
    Stray,
    /// The request is processed, and a gateway in front of the bank answers instead: `503` with `Retry-After` to a
    Gateway,
    /// A keyed bank refuses a repeat of a reference as a duplicate, instead of giving its first answer.
    RepeatRefused,
    /// A reference that was debited is "not found" for a while when asked for.
    InquiryNotFound,
    /// A keyed bank has forgotten a reference, because its window has passed.
    Forgotten,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::LostBefore,
        Self::LostAfter,
        Self::ResetMidAnswer,
        Self::Unreadable,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Throttled,
        Self::Slow,
        Self::Late,
        Self::Declined,
        Self::Outage,
        Self::Duplicate,
        Self::Stray,
        Self::Gateway,
        Self::RepeatRefused,
        Self::InquiryNotFound,
        Self::Forgotten,
    ];

    /// Its name in profiles and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostBefore => "lost_before",
            Self::LostAfter => "lost_after",
            Self::ResetMidAnswer => "reset_mid_answer",
            Self::Unreadable => "unreadable",
            Self::ErrorBefore => "error_before",
            Self::ErrorAfter => "error_after",
            Self::Throttled => "throttled",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Declined => "declined",
            Self::Outage => "outage",
            Self::Duplicate => "duplicate",
            Self::Stray => "stray",
            Self::Gateway => "gateway",
            Self::RepeatRefused => "repeat_refused",
            Self::InquiryNotFound => "inquiry_not_found",
            Self::Forgotten => "forgotten",
        }
    }
}
