//! What the simulated bank takes and answers, as its OpenAPI document describes it.

use poem_openapi::payload::Json;
use poem_openapi::{ApiResponse, Enum, Object};

/// What to move.
#[derive(Debug, Object)]
#[oai(deny_unknown_fields)]
pub(super) struct ChargeRequest {
    /// Minor units.
    #[oai(validator(minimum(value = "1")))]
    pub(super) amount: u64,
    /// ISO 4217 code.
    pub(super) currency: String,
    /// The account that pays.
    pub(super) debtor: String,
    /// The account that is paid.
    pub(super) creditor: String,
}

/// Whether the debit happened.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum ChargeStatus {
    /// It did.
    Confirmed,
    /// It did not.
    Declined,
}

/// What the bank decided.
#[derive(Debug, Object)]
pub(super) struct ChargeDecision {
    /// Whether the debit happened.
    pub(super) status: ChargeStatus,
    /// The bank's id for it; with `confirmed`.
    pub(super) transaction_id: Option<String>,
    /// Why not, for programs; with `declined`.
    pub(super) code: Option<String>,
    /// Why not, for people; with `declined`.
    pub(super) message: Option<String>,
    /// The reference that it is about.
    pub(super) bank_reference: String,
}

/// Why not.
#[derive(Debug, Object)]
pub(super) struct BankFailure {
    /// In words.
    pub(super) error: String,
    /// For programs: `not_found`, `not_processed`, `failed`, `invalid`, `reference_reused`, `cannot_be_asked`.
    pub(super) code: Option<String>,
    /// The reference that it is about.
    pub(super) bank_reference: Option<String>,
}

/// Answers to a charge. The real ones are made elsewhere, for they may be lost on the way.
#[derive(ApiResponse)]
#[expect(
    dead_code,
    reason = "these describe the answers; faults make the real ones"
)]
pub(super) enum ChargeAnswers {
    /// The bank decided. In keyed mode a repeat of the reference gets the first answer.
    #[oai(status = 200)]
    Decided(Json<ChargeDecision>),
    /// The request is not valid.
    #[oai(status = 400)]
    Invalid(Json<BankFailure>),
    /// The reference belongs to a charge with other contents (keyed mode).
    #[oai(status = 422)]
    Reused(Json<BankFailure>),
    /// Injected: too many requests; nothing was processed, as the code `not_processed` says.
    #[oai(status = 429)]
    Throttled(Json<BankFailure>),
    /// Injected: processed or not.
    #[oai(status = 500)]
    Failed(Json<BankFailure>),
    /// Injected: processed or not.
    #[oai(status = 502)]
    BadGateway(Json<BankFailure>),
    /// Injected: busy; nothing was processed, as the code `not_processed` says. Without that code it is a gateway's answer
    /// and proves nothing.
    #[oai(status = 503)]
    Unavailable(Json<BankFailure>),
    /// Injected: processed or not.
    #[oai(status = 504)]
    GatewayTimeout(Json<BankFailure>),
}

/// Answers to an inquiry.
#[derive(ApiResponse)]
#[expect(
    dead_code,
    reason = "these describe the answers; faults make the real ones"
)]
pub(super) enum InquiryAnswers {
    /// What the bank decided about the reference.
    #[oai(status = 200)]
    Decided(Json<ChargeDecision>),
    /// The bank does not know the reference, or says so for a while, with the code `not_found`. Without that code it is a
    /// gateway's answer and proves nothing.
    #[oai(status = 404)]
    NotFound(Json<BankFailure>),
    /// Injected.
    #[oai(status = 429)]
    Throttled(Json<BankFailure>),
    /// Injected.
    #[oai(status = 500)]
    Failed(Json<BankFailure>),
    /// Injected.
    #[oai(status = 502)]
    BadGateway(Json<BankFailure>),
    /// Injected.
    #[oai(status = 503)]
    Unavailable(Json<BankFailure>),
    /// Injected.
    #[oai(status = 504)]
    GatewayTimeout(Json<BankFailure>),
}

/// A reference that was debited.
#[derive(Debug, Object)]
pub(super) struct AuditedCharge {
    /// The caller's reference.
    pub(super) bank_reference: String,
    /// Minor units.
    pub(super) amount: u64,
    /// ISO 4217 code.
    pub(super) currency: String,
    /// The account that paid.
    pub(super) debtor: String,
    /// The account that was paid.
    pub(super) creditor: String,
    /// How often it was debited: more than once is a double charge.
    pub(super) debits: u32,
}

/// A page of the books.
#[derive(Debug, Object)]
pub(super) struct AuditPage {
    /// References with a debit, in the order they were first processed.
    pub(super) data: Vec<AuditedCharge>,
    /// Send it as `cursor` to get the next page; null at the end.
    pub(super) next_cursor: Option<String>,
}
