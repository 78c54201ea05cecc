//! The port to a bank.
//!
//! [`Bank::charge`] takes a [`SendPermit`] by value. Only the commit pipeline makes permits, only
//! after the intent is durable, and each works once: code that calls the bank early, or twice for
//! one attempt, does not compile.

use async_trait::async_trait;
use holdfast_core::{BankAddress, BankName, BankReference, Capability, Decision};

use crate::pipeline::SendPermit;

/// How an attempt ended. Every error of an adapter is classified into one of these, once, there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChargeOutcome {
    /// The bank answered.
    Decided(Decision),
    /// Not a byte of the request left: the connection was refused, say.
    NotSent,
    /// The bank said, with a mark of its own, that it did not process it.
    Throttled {
        /// How long it asked not to be called, in milliseconds; 0 when it did not say.
        retry_after_ms: u64,
    },
    /// The bank has the reference already and refuses it a second time. An inquiry tells what it decided the first time.
    Known,
    /// Anything else: timeout, reset, 5xx, an unreadable answer, an answer that names another reference. The debit may
    /// have happened.
    Unknown,
}

/// Whether an answer that names `echoed` is about `reference`. One that names nothing may be.
pub fn is_about(reference: &str, echoed: Option<&str>) -> bool {
    echoed.is_none_or(|echoed| echoed == reference)
}

/// The outcome of an inquiry by our reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InquiryOutcome {
    /// The bank knows the reference and decided.
    Decided(Decision),
    /// The bank said, with a mark of its own, that it does not know the reference. By itself this proves nothing: a
    /// delayed request may still arrive.
    NotFound,
    /// No usable answer.
    Unknown,
}

impl InquiryOutcome {
    /// In a word.
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
/// Calls are bounded by the caller, which may drop the returned future at its time limit.
#[async_trait]
pub trait Bank: Send + Sync + 'static {
    /// Its configured name.
    fn name(&self) -> &BankName;

    /// Where it is reached.
    fn address(&self) -> &BankAddress;

    /// What it promises about repeats.
    fn capability(&self) -> Capability;

    /// Sends one attempt.
    async fn charge(&self, permit: SendPermit) -> ChargeOutcome;

    /// Asks for the outcome of a reference.
    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome;
}
