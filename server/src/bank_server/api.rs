//! The simulated bank's HTTP interface.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_bank_simulator::ChargeTerms;
use holdfast_bank_simulator::faults::{Fault, FaultProfile};
use holdfast_bank_simulator::{Bank, Charge, Mode, ReferenceReused};
use poem::http::StatusCode;
use poem::{Endpoint, EndpointExt, IntoEndpoint, Response, Route};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{OpenApi, OpenApiService, Tags};
use serde_json::{Value, json};

use super::deliver::{Absent, Asked, deliver, error};
use super::schema::{AuditPage, AuditedCharge, ChargeAnswers, ChargeRequest, InquiryAnswers};
use crate::web::document::Document;
use crate::web::json::json;
use crate::web::marks::Abort;

/// Longest reference that is taken, in characters.
const REFERENCE_CHARS_MAX: usize = 255;

/// Most lines of one page of the books.
const LIMIT_MAX: u32 = 1_000;

/// The sections of the documentation.
#[derive(Tags)]
enum Tag {
    /// What a bank does. Everything here may go wrong, as the faults in force say.
    Charges,
    /// For auditors and testers. Nothing goes wrong here.
    Admin,
}

struct BankApi {
    bank: Arc<Bank>,
}

#[expect(
    clippy::unused_async,
    reason = "handlers are asynchronous by the framework's rule"
)]
#[OpenApi]
impl BankApi {
    /// Charge
    ///
    /// Moves money once, by the caller's reference. What a repeat of the reference does depends on
    /// the mode: a keyed bank gives the first answer again, the others charge again. A creditor whose
    /// name begins with `acct_declined` is declined.
    #[oai(
        path = "/charges",
        method = "post",
        operation_id = "charge",
        tag = "Tag::Charges"
    )]
    async fn charge(
        &self,
        /// The caller's reference.
        #[oai(name = "Idempotency-Key")]
        reference: Header<Option<String>>,
        body: Json<ChargeRequest>,
    ) -> poem::Result<ChargeAnswers> {
        let reference = reference.0.unwrap_or_default();
        let reference = reference.trim().trim_matches('"');
        if reference.is_empty() || reference.chars().count() > REFERENCE_CHARS_MAX {
            let message = "Send your reference in the Idempotency-Key header: 1 to 255 characters.";
            let refused = error(StatusCode::BAD_REQUEST, "invalid", message, None);
            return Err(from(refused));
        }
        let charge = Charge {
            bank_reference: reference.to_owned(),
            terms: ChargeTerms {
                amount: body.0.amount,
                currency: body.0.currency,
                debtor: body.0.debtor,
                creditor: body.0.creditor,
            },
        };
        let reaction = self.bank.charge(&charge).map_err(|ReferenceReused| {
            let message = "The reference belongs to a charge with other contents.";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            from(error(status, "reference_reused", message, Some(reference)))
        })?;
        if let Some((after_ms, deferred)) = reaction.later.clone() {
            let bank = self.bank.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
                bank.process_late(&deferred);
            });
        }
        let asked = Asked {
            reference,
            absent: Absent {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                code: "failed",
                message: "The bank cannot write its ledger.",
            },
            gateway: StatusCode::SERVICE_UNAVAILABLE,
        };
        Err(from(deliver(reaction, asked).await))
    }

    /// Inquire
    ///
    /// What became of a reference. A bank in mode `neither` knows nothing.
    #[oai(
        path = "/charges/:bank_reference",
        method = "get",
        operation_id = "inquire",
        tag = "Tag::Charges"
    )]
    async fn inquire(
        &self,
        /// The caller's reference.
        bank_reference: Path<String>,
    ) -> poem::Result<InquiryAnswers> {
        let reaction = self.bank.inquire(&bank_reference.0);
        let (code, message) = match self.bank.mode() {
            Mode::Keyed | Mode::InquiryOnly => {
                ("not_found", "The bank does not know this reference.")
            }
            Mode::Neither => ("cannot_be_asked", "This bank cannot be asked."),
        };
        let status = StatusCode::NOT_FOUND;
        let asked = Asked {
            reference: &bank_reference.0,
            absent: Absent {
                status,
                code,
                message,
            },
            gateway: status,
        };
        Err(from(deliver(reaction, asked).await))
    }

    /// List effective debits
    ///
    /// Every reference that was debited, in the order they were first processed.
    #[oai(
        path = "/admin/charges",
        method = "get",
        operation_id = "listCharges",
        tag = "Tag::Admin"
    )]
    async fn charges(
        &self,
        /// How many lines at most, 1 to 1000.
        #[oai(
            default = "default_limit",
            validator(minimum(value = "1"), maximum(value = "1000"))
        )]
        limit: Query<u32>,
        /// `next_cursor` of the previous page.
        cursor: Query<Option<u64>>,
    ) -> Json<AuditPage> {
        let place = usize::try_from(cursor.0.unwrap_or(0)).unwrap_or(usize::MAX);
        let limit = usize::try_from(limit.0).unwrap_or(usize::MAX);
        let (lines, next) = self.bank.audit(place, limit);
        let data = lines.into_iter().map(|line| AuditedCharge {
            bank_reference: line.bank_reference,
            amount: line.terms.amount,
            currency: line.terms.currency,
            debtor: line.terms.debtor,
            creditor: line.terms.creditor,
            debits: line.debits,
        });
        Json(AuditPage {
            data: data.collect(),
            next_cursor: next.map(|place| place.to_string()),
        })
    }

    /// Show the faults in force
    ///
    /// Rates per call, and ranges in milliseconds.
    #[oai(
        path = "/admin/faults",
        method = "get",
        operation_id = "showFaults",
        tag = "Tag::Admin"
    )]
    async fn faults(&self) -> Json<Value> {
        Json(shown(&self.bank.faults()))
    }

    /// Change the faults
    ///
    /// A built-in profile by name, or one and what differs from it, or explicit rates:
    /// `{"profile": "healthy"}`, `{"profile": "chaos", "late": 0}`,
    /// `{"lost_after": 0.5, "slow": {"rate": 0.1, "ms": [1500, 3000]}}`. What is left out is as in the
    /// named profile, else nothing goes wrong. An outage under way ends.
    #[oai(
        path = "/admin/faults",
        method = "put",
        operation_id = "changeFaults",
        tag = "Tag::Admin"
    )]
    async fn set_faults(&self, body: Json<Value>) -> poem::Result<Json<Value>> {
        let profile: FaultProfile = serde_json::from_value(body.0).map_err(|problem| {
            let message = problem.to_string();
            from(error(StatusCode::BAD_REQUEST, "invalid", &message, None))
        })?;
        let answer = shown(&profile);
        self.bank.set_faults(profile);
        Ok(Json(answer))
    }

    /// Count what went wrong
    ///
    /// How often each fault has happened since the bank started.
    #[oai(
        path = "/admin/injected",
        method = "get",
        operation_id = "countInjected",
        tag = "Tag::Admin"
    )]
    async fn injected(&self) -> Json<BTreeMap<String, u64>> {
        let injected = self.bank.injected();
        let counts = Fault::ALL.into_iter().map(|fault| {
            let count = injected.get(&fault).copied().unwrap_or(0);
            (fault.name().to_owned(), count)
        });
        Json(counts.collect())
    }
}

fn default_limit() -> u32 {
    LIMIT_MAX
}

/// Answers that are made apart from the types that describe them.
fn from(response: Response) -> poem::Error {
    let abort = response.extensions().get::<Abort>().copied();
    let mut error = poem::Error::from_response(response);
    if let Some(abort) = abort {
        // An error has extensions of its own, which go over those of its response.
        error.set_data(abort);
    }
    error
}

fn shown(profile: &FaultProfile) -> Value {
    let mut value = json!({ "profile": profile.name() });
    let rates = serde_json::to_value(profile).expect("a profile is plain data");
    if let (Some(value), Value::Object(rates)) = (value.as_object_mut(), rates) {
        value.extend(rates);
    }
    value
}

/// The bank as an endpoint that always answers.
pub(super) fn endpoint(bank: Arc<Bank>) -> impl Endpoint<Output = Response> {
    let title = "Holdfast simulated bank";
    let api = OpenApiService::new(BankApi { bank }, title, env!("CARGO_PKG_VERSION"))
        .summary("A bank that injects faults.")
        .description(include_str!("description.md"));
    let document = Document::plain(&api, title);
    Route::new()
        .nest("/", api.into_endpoint())
        .at("/openapi.json", document.json_endpoint())
        .at("/openapi.yaml", document.yaml_endpoint())
        .nest("/docs", document.browsers())
        .catch_all_error(|failure: poem::Error| async move {
            if failure.is_from_response() {
                return failure.into_response();
            }
            let body = json!({ "error": failure.to_string() });
            json(failure.status(), &body)
        })
}
