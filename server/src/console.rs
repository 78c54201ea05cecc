//! The console: a small web application for operators and integrators, all of it inside the binary.
//!
//! It speaks to the API as any client does, with the key of who signed in as a header. There is no cookie and so nothing
//! that another page could use; the policy lets it load and reach nothing but this server, and (Trusted Types) never make
//! a page out of text. What is not of the API is the simulated world that an operator may run here.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_core::{Currency, Decision, OperationId, Timestamp};
use holdfast_engine::bank::InquiryOutcome;
use holdfast_engine::service::Asked;
use poem::http::{StatusCode, header};
use poem::web::Path;
use poem::{
    Endpoint, FromRequest, Request, Response, Route, endpoint::make, endpoint::make_sync, get, post,
};
use serde::Serialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::api::{FrontDoor, Kind, Operator, Problem, json, read_json, rfc3339};
use crate::chaos::{WorldWanted, catalogue, show_world};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files of the application, by name.
macro_rules! assets {
    ($($name:literal $content_type:ident),*) => {
        [$(($name, $content_type, include_str!(concat!("console/assets/", $name)))),*]
    };
}

const ASSETS: [(&str, &str, &str); 15] = assets![
    "console.css" CSS,
    "console.js" SCRIPT,
    "api.js" SCRIPT,
    "bank.js" SCRIPT,
    "chaos.js" SCRIPT,
    "contradictions.js" SCRIPT,
    "copy.js" SCRIPT,
    "dom.js" SCRIPT,
    "live.js" SCRIPT,
    "payment.js" SCRIPT,
    "payments.js" SCRIPT,
    "queue.js" SCRIPT,
    "resolve.js" SCRIPT,
    "time.js" SCRIPT,
    "timeline.js" SCRIPT
];

/// The routes below `/console`.
pub(crate) fn routes() -> Route {
    let page = fixed(HTML, include_str!("console/assets/index.html"));
    let mut routes = Route::new()
        .at("/", page)
        .at("/chaos", worlds())
        .at("/payments/:payment_id/inquiry", post(make(inquire)))
        .at("/currencies", currencies());
    for (name, content_type, content) in ASSETS {
        routes = routes.at(format!("/{name}"), fixed(content_type, content));
    }
    routes
}

fn fixed(
    content_type: &'static str,
    content: &'static str,
) -> impl Endpoint<Output = Response> + 'static {
    get(make_sync(move |_| {
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_SECURITY_POLICY, POLICY)
            .body(content)
    }))
}

/// How many digits stand behind the point, by currency: browsers know them only as it is usual to write them.
fn currencies() -> impl Endpoint<Output = Response> {
    let digits = Currency::all().into_iter();
    let digits: BTreeMap<_, _> = digits
        .map(|currency| (currency.code(), currency.minor_digits()))
        .collect();
    get(make_sync(move |_| json(StatusCode::OK, &digits)))
}

/// What worlds there are, and running one: at most one at a time, on a thread of its own, so that payments hardly
/// notice.
fn worlds() -> impl Endpoint<Output = Response> {
    let turn = Arc::new(Semaphore::new(1));
    let list = make(async |request: Request| {
        Operator::of(&request)?;
        poem::Result::<Response>::Ok(json(StatusCode::OK, &catalogue()))
    });
    let run = make(move |request: Request| {
        let turn = turn.clone();
        async move { run_world(request, turn).await }
    });
    get(list).post(run)
}

async fn run_world(mut request: Request, turn: Arc<Semaphore>) -> poem::Result<Response> {
    Operator::of(&request)?;
    let mut body = poem::RequestBody::new(request.take_body());
    let bytes = read_json(&request, &mut body).await?;
    let wanted: WorldWanted =
        serde_json::from_slice(&bytes).map_err(|error| Problem::field("", error.to_string()))?;
    let setup = wanted
        .setup()
        .map_err(|(field, message)| Problem::field(field, message))?;
    let Ok(turn) = turn.try_acquire_owned() else {
        let detail = "A world is already running; wait until it ends.";
        return Err(Problem::new(Kind::Unavailable, detail).into());
    };
    let shown = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        show_world(&setup)
    });
    let shown = shown
        .await
        .map_err(|_| Problem::new(Kind::InternalError, "The world ended without a result."))?;
    Ok(json(StatusCode::OK, &shown))
}

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
                    "This bank cannot be asked by our reference, or the payment belongs to another bank than the one of this service.",
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
async fn inquire(request: Request) -> poem::Result<Response> {
    let operator = Operator::of(&request)?;
    let Path(id) = Path::<Uuid>::from_request_without_body(&request).await?;
    let front_door = FrontDoor::of(&request);
    let asked = front_door
        .ask_bank(&operator, OperationId::from_uuid(id))
        .await?;
    let view = InquiryView::of(asked, front_door.now());
    Ok(json(StatusCode::OK, &view))
}
