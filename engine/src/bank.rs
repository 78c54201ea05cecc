//! The port to a bank.
//!
//! [`Bank::charge`] takes a [`SendPermit`] by value. Only the commit pipeline makes permits, only
//! after the intent is durable, and each works once: code that calls the bank early, or twice for
//! one attempt, does not compile.

use async_trait::async_trait;
use holdfast_core::{BankAddress, BankName, BankReference, Capability, Decision};

use crate::pipeline::SendPermit;

/// How an attempt ended. The adapter classifies every error into one of these, in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The bank answered.
    Decided(Decision),
    /// No byte of the request was sent, for example because the connection was refused.
    NotSent,
    /// The bank said that it did not process it, in an answer that is recognisably its own.
    Throttled {
        /// How long it asked not to be called, in milliseconds; 0 when it did not say.
        retry_after_ms: u64,
    },
    /// The bank already has the reference and rejects it the second time. An inquiry returns its first decision.
    Known,
    /// Anything else: timeout, reset, 5xx, an unreadable answer, an answer that names another reference. The debit may
    /// have happened.
    Unknown,
}

/// Whether an answer that names `echoed` may be about `reference`. One that names no reference may be.
pub fn is_about(reference: &str, echoed: Option<&str>) -> bool {
    echoed.is_none_or(|echoed| echoed == reference)
}

/// The outcome of an inquiry by our reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InquiryOutcome {
    /// The bank knows the reference and decided.
    Decided(Decision),
    /// The bank said that it does not know the reference, in an answer that is recognisably its own. By itself this
    /// proves nothing: a
    /// delayed request may still arrive.
    NotFound,
    /// No usable answer.
    Unknown,
}

impl InquiryOutcome {
    /// A word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Decided(Decision::Confirmed { .. }) => "confirmed",
            Self::Decided(Decision::Declined { .. }) => "declined",
            Self::NotFound => "not_found",
            Self::Unknown => "unknown",
        }
    }
}

/// A bank.
///
/// The caller has the time limit. It may drop the returned future.
#[async_trait]
pub trait Bank: Send + Sync + 'static {
    /// Its configured name.
    fn name(&self) -> &BankName;

    /// Its address.
    fn address(&self) -> &BankAddress;

    /// Its promise about repeats.
    fn capability(&self) -> Capability;

    /// Sends one attempt.
    async fn charge(&self, permit: SendPermit) -> ChargeOutcome;

    /// Asks for the outcome of a reference.
    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome;
}
