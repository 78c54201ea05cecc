//! Asks the bank about a payment that an operator is about to decide, and puts the bank's answer into words.

use holdfast_core::{Decision, OperationId, Timestamp};
use holdfast_engine::bank::InquiryOutcome;
use holdfast_engine::service::{AskError, Asked};
use poem::http::StatusCode;
use poem::web::Path;
use poem::{FromRequest, Request, Response};
use serde::Serialize;
use uuid::Uuid;

use crate::api::{FrontDoor, Operator, Problem, no_such_payment, not_resolvable, rfc3339};
use crate::web::json::json;

/// What came of asking the bank about a payment.
#[derive(Debug, Serialize)]
struct InquiryView {
    /// Whether the bank was asked.
    asked: bool,
    /// `confirmed`, `declined`, `not_found` or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_transaction_id: Option<String>,
    /// The bank's decline code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// The bank's words, or why there is no answer, or what it proves.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

impl InquiryView {
    fn of(asked: Asked, at: Timestamp) -> Self {
        let not_asked = |why: &str| Self {
            asked: false,
            answer: None,
            bank_transaction_id: None,
            code: None,
            message: Some(why.to_owned()),
            at: None,
        };
        let said = match asked {
            Asked::Answered(said) => said,
            Asked::CannotBeAsked => {
                return not_asked(
                    "This bank cannot be asked by our reference, or the payment belongs to a bank that is not configured here.",
                );
            }
            Asked::HeldBack => {
                return not_asked(
                    "Calls to the bank are being held back right now, because it does not answer or too many are under way. Ask again in a \
                     moment.",
                );
            }
        };
        let answered = Self {
            asked: true,
            answer: Some(said.name()),
            at: Some(rfc3339(at)),
            ..not_asked("")
        };
        match said {
            InquiryOutcome::Decided(Decision::Confirmed {
                bank_transaction_id,
            }) => Self {
                bank_transaction_id: Some(bank_transaction_id.as_str().to_owned()),
                message: None,
                ..answered
            },
            InquiryOutcome::Decided(Decision::Declined { code, message }) => Self {
                code: Some(code.as_str().to_owned()),
                message: Some(message.as_str().to_owned()),
                ..answered
            },
            InquiryOutcome::NotFound => Self {
                message: Some(
                    "The bank does not know the payment now. A charge that is still on its way could still reach it.".to_owned(),
                ),
                ..answered
            },
            InquiryOutcome::Unknown => Self {
                message: Some("The answer of the bank could not be read.".to_owned()),
                ..answered
            },
        }
    }
}

/// Asks the bank about a payment that an operator is about to decide.
pub(super) async fn inquire(request: Request) -> poem::Result<Response> {
    let operator = Operator::of(&request)?;
    let Path(id) = Path::<Uuid>::from_request_without_body(&request).await?;
    let front_door = FrontDoor::of(&request);
    let id = OperationId::from_uuid(id);
    let asked = front_door.service().ask_bank(&operator.merchant, id).await;
    let asked = asked.map_err(|error| match error {
        AskError::NotFound => no_such_payment(),
        AskError::NotInQuestion(payment) => not_resolvable(&payment),
        AskError::Unavailable(reason) => Problem::from(reason),
    })?;
    let view = InquiryView::of(asked, front_door.now());
    Ok(json(StatusCode::OK, &view))
}
