//! The invariants, with a sentence for each, and the report of a violation.

use serde::Serialize;

/// Something that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// Data that was durable, or shown to anyone, stays.
    AcknowledgedStays,
    /// At most one debit per key.
    OneDebit,
    /// Payments make only legal transitions.
    LegalEdges,
    /// A final state never changes.
    FinalIsFinal,
    /// The mark "about to call" is durable before the bank hears of it.
    IntentBeforeBank,
    /// Every repeat of a finished payment gets the same bytes.
    SameAnswer,
    /// A different request under a known key is rejected.
    OtherRequestRefused,
    /// Nobody is shown data that is not durable.
    DurableBeforeShown,
    /// An answer describes the payment that was requested.
    AnswerMatchesRequest,
    /// Every answer is one that the API contract allows.
    KnownAnswer,
    /// Debits equal credits, and each hold is posted or voided once.
    Ledger,
    /// The journal has no gaps, its hash chain holds, and the feed shows the same entries.
    Journal,
    /// Attempts, inquiries and waits stay within their limits.
    Bounds,
    /// Nobody sees a payment go back in time.
    Linearizable,
    /// A failed payment was not debited.
    FailedIsUncharged,
    /// A settled payment was debited.
    SettledIsCharged,
    /// A damaged record stops the service.
    StopsLoudly,
    /// After the faults have ended, every accepted payment ends, and so does every watch of the bank.
    EveryPaymentEnds,
    /// Every request gets an answer.
    EveryRequestAnswered,
}

impl Invariant {
    /// Whether breaking it means that something bad happened (safety). Otherwise something good did not happen (liveness).
    pub const fn is_safety(self) -> bool {
        !matches!(self, Self::EveryPaymentEnds | Self::EveryRequestAnswered)
    }

    /// The invariant, as a sentence.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AcknowledgedStays => "durable data stays",
            Self::OneDebit => "at most one debit per key",
            Self::LegalEdges => "payments make only legal transitions",
            Self::FinalIsFinal => "a final state never changes",
            Self::IntentBeforeBank => "the intent is durable before the bank hears of it",
            Self::SameAnswer => "every repeat of a finished payment gets the same bytes",
            Self::OtherRequestRefused => "a different request under a known key is rejected",
            Self::DurableBeforeShown => "nobody is shown data that is not durable",
            Self::AnswerMatchesRequest => "an answer describes the payment that was requested",
            Self::KnownAnswer => "every answer is one that the API contract allows",
            Self::Ledger => "debits equal credits; each hold is posted or voided once",
            Self::Journal => {
                "the journal has no gaps, its hash chain holds, and the feed shows the same entries"
            }
            Self::Bounds => "attempts, inquiries and waits stay within their limits",
            Self::Linearizable => "nobody sees a payment go back in time",
            Self::FailedIsUncharged => "a failed payment was not debited",
            Self::SettledIsCharged => "a settled payment was debited",
            Self::StopsLoudly => "a damaged store stops the service",
            Self::EveryPaymentEnds => "after the faults have ended, every accepted payment ends",
            Self::EveryRequestAnswered => "every request gets an answer",
        }
    }
}

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The invariant that did not hold.
    pub invariant: Invariant,
    /// The key of the payment, if it concerns one.
    pub key: Option<u32>,
    /// When the auditor saw it, in virtual milliseconds.
    pub at_ms: u64,
    /// The details.
    pub detail: String,
}
