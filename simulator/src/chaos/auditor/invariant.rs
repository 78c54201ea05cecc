//! The invariants, with a sentence for each, and what a violation says.

use serde::Serialize;

/// Something that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// What was durable, or shown to anyone, is there for ever.
    AcknowledgedStays,
    /// At most one debit per key.
    OneDebit,
    /// Payments move along the edges of the state machine only.
    LegalEdges,
    /// Nothing follows on a final state.
    FinalIsFinal,
    /// The mark "about to call" is durable before the bank hears of it.
    IntentBeforeBank,
    /// Every repeat of a finished payment gets the same bytes.
    SameAnswer,
    /// Another request under a known key is refused.
    OtherRequestRefused,
    /// Nobody is shown what is not durable.
    DurableBeforeShown,
    /// An answer says of a payment what was asked for.
    AnswerMatchesRequest,
    /// An answer is one that the contract knows.
    KnownAnswer,
    /// Debits and credits agree, and each payment holds once, then posts or voids once.
    Ledger,
    /// The journal is dense and chained, and the feed is the journal.
    Journal,
    /// Attempts, inquiries and waits stay within their bounds.
    Bounds,
    /// Nobody sees a payment go back in time.
    Linearizable,
    /// A failed payment was not debited.
    FailedIsUncharged,
    /// A settled payment was debited.
    SettledIsCharged,
    /// A damaged record stops the service, and a failed one does not run on.
    StopsLoudly,
    /// Every accepted payment ends once the faults have ended, and so does every watch of the bank.
    EveryPaymentEnds,
    /// Every request gets an answer.
    EveryRequestAnswered,
}

impl Invariant {
    /// Whether something bad happened, rather than something good not.
    pub const fn is_safety(self) -> bool {
        !matches!(self, Self::EveryPaymentEnds | Self::EveryRequestAnswered)
    }

    /// What must hold, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AcknowledgedStays => "what was durable is there for ever",
            Self::OneDebit => "at most one debit per key",
            Self::LegalEdges => "payments move along the edges of the state machine only",
            Self::FinalIsFinal => "nothing follows on a final state",
            Self::IntentBeforeBank => "the intent is durable before the bank hears of it",
            Self::SameAnswer => "every repeat of a finished payment gets the same bytes",
            Self::OtherRequestRefused => "another request under a known key is refused",
            Self::DurableBeforeShown => "nobody is shown what is not durable",
            Self::AnswerMatchesRequest => "an answer says of a payment what was asked for",
            Self::KnownAnswer => "an answer is one that the contract knows",
            Self::Ledger => "debits and credits agree; each hold is posted or voided once",
            Self::Journal => "the journal is dense and chained, and the feed is the journal",
            Self::Bounds => "attempts, inquiries and waits stay within their bounds",
            Self::Linearizable => "nobody sees a payment go back in time",
            Self::FailedIsUncharged => "a failed payment was not debited",
            Self::SettledIsCharged => "a settled payment was debited",
            Self::StopsLoudly => "a damaged store stops the service",
            Self::EveryPaymentEnds => "every accepted payment ends once the faults have ended",
            Self::EveryRequestAnswered => "every request gets an answer",
        }
    }
}

/// Something that must always hold did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What must hold.
    pub invariant: Invariant,
    /// Of which key.
    pub key: Option<u32>,
    /// When it was seen, in virtual milliseconds.
    pub at_ms: u64,
    /// What was seen.
    pub detail: String,
}
