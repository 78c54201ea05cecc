//! The payment routes.

use holdfast_core::{OperationId, OperationKey, PaymentRequest, State};
use holdfast_engine::service::CancelError;
use holdfast_engine::store::{Filter, Query as StoreQuery};
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use uuid::Uuid;

use crate::api::document::answers::Answer;
use crate::api::document::operations;
use crate::api::front_door::FrontDoor;
use crate::api::handlers::paging::{default_limit, max_limit, only_known_parameters, page_size};
use crate::api::handlers::payment_answers::{
    no_such_payment, not_cancellable, render_create_error, render_created, stale, with_preferences,
    with_version,
};
use crate::api::problem::Problem;
use crate::api::request::create_body::CreateBody;
use crate::api::request::filters::{self, given};
use crate::api::request::key_header::KeyHeader;
use crate::api::request::preconditions::{NoTags, Tags};
use crate::api::request::prefer::PreferHeader;
use crate::api::request::principal::Principal;
use crate::api::routes::PAYMENTS_PATH;
use crate::api::tags::Tag;
use crate::api::views::event::{EventPageView, EventView};
use crate::api::views::payment::{PaymentPageView, PaymentView, PhaseView, StateView};
use crate::web::json::json;

pub(crate) struct PaymentsApi;

/// The parameters of the list.
const LIST_PARAMETERS: [&str; 11] = [
    "idempotency_key",
    "state",
    "phase",
    "account",
    "reference",
    "currency",
    "amount",
    "created_after",
    "created_before",
    "limit",
    "cursor",
];

#[OpenApi(tag = "Tag::Payments")]
impl PaymentsApi {
    /// Create a payment, or replay it
    ///
    /// Stores the intent durably, calls the bank, stores the outcome durably, then answers. Every repeat
    /// with the same key and the same body, at any time, gets the same answer and causes no second
    /// charge. A repeat that comes while the payment is in flight joins it.
    ///
    /// A repeat is the same request when every field has the same value. Texts are compared as they are given, character
    /// by character: `é` as one character and `é` as `e` with an accent are two texts, and Holdfast does not normalise them. An
    /// absent, null or empty `reference` is the same.
    #[oai(path = "/v1/payments", method = "post", operation_id = "createPayment")]
    async fn create(
        &self,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// Identifies the intent to pay; the same for every retry of it. 1 to 255 visible ASCII
        /// characters, quoted as a structured-field string or bare; both forms are the same key. Every character
        /// counts as it is: percent signs are not decoded, and `;` and `,` in a bare key are a part of it. Upper and
        /// lower case differ.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        /// `wait=N`: wait up to N seconds (0 to 60) for the end of the payment; 10 by default.
        /// `respond-async`: the same as `wait=0`. `handling=strict`: do not join a payment in
        /// flight, answer 409 at once. (RFC 7240)
        #[oai(name = "Prefer")]
        prefer: PreferHeader,
        body: CreateBody,
    ) -> Answer<operations::Create> {
        let key = OperationKey {
            merchant: principal.0,
            idempotency_key: key.0,
        };
        let PreferHeader(preferences) = prefer;
        let response = match payable(&front_door, &key, body.0).await {
            Ok(request) => {
                let created = front_door
                    .service
                    .create(key, request, preferences.options())
                    .await;
                match created {
                    Ok(created) => render_created(&created),
                    Err(error) => render_create_error(error),
                }
            }
            Err(problem) => refuse_body(&front_door, &key, problem).await,
        };
        with_preferences(response, &preferences).into()
    }

    /// List payments
    ///
    /// The merchant's payments, newest first. Filters can be combined: a payment must meet all of them. One request
    /// examines at most 10,000 payments, so a page may have fewer payments than `limit`, or none, and still a
    /// `next_cursor`.
    #[oai(path = "/v1/payments", method = "get", operation_id = "listPayments")]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the route"
    )]
    async fn list(
        &self,
        request: &Request,
        principal: Principal,
        /// Only the payment under this key.
        #[oai(validator(pattern = r#"^("([!#-\[\]-~]|\\["\\]){1,255}"|[!#-~][!-~]{0,254})$"#))]
        idempotency_key: Query<Option<String>>,
        /// Only payments in this state.
        state: Query<Option<StateView>>,
        /// Only payments in this phase, and so in `bank_called`.
        phase: Query<Option<PhaseView>>,
        /// Only payments that debit or credit this account.
        #[oai(validator(pattern = "^[A-Za-z0-9._:-]{1,64}$"))]
        account: Query<Option<String>>,
        /// Only payments with exactly this reference.
        #[oai(validator(
            min_length = 1,
            max_length = 140,
            pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"
        ))]
        reference: Query<Option<String>>,
        /// Only payments in this currency, an ISO 4217 code in upper case.
        #[oai(validator(pattern = "^[A-Z]{3}$"))]
        currency: Query<Option<String>>,
        /// Only payments of this amount, in minor units.
        #[oai(validator(minimum(value = "1"), maximum(value = "999999999999")))]
        amount: Query<Option<u64>>,
        /// Only payments created later than this: RFC 3339 with an offset, such as `2026-01-31T12:00:00Z`.
        created_after: Query<Option<String>>,
        /// Only payments created earlier than this: RFC 3339 with an offset, such as `2026-01-31T12:00:00Z`.
        created_before: Query<Option<String>>,
        /// Maximum number of payments in the page.
        #[oai(
            default = "default_limit",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        limit: Query<u32>,
        /// `next_cursor` of the previous page.
        #[oai(validator(
            pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
        ))]
        cursor: Query<Option<String>>,
    ) -> poem::Result<Answer<operations::List>> {
        only_known_parameters(request, &LIST_PARAMETERS)?;
        let query = StoreQuery {
            merchant: principal.0,
            filter: Filter {
                idempotency_key: given(idempotency_key.0.as_deref(), filters::idempotency_key)?,
                state: state.0.map(StateView::name),
                phase: phase.0.map(PhaseView::phase),
                account: given(account.0.as_deref(), filters::account)?,
                reference: given(reference.0.as_deref(), filters::reference)?,
                currency: given(currency.0.as_deref(), filters::currency)?,
                amount: amount.0.map(filters::amount).transpose()?,
                created_after: given(created_after.0.as_deref(), filters::created_after)?,
                created_before: given(created_before.0.as_deref(), filters::created_before)?,
            },
            before: given(cursor.0.as_deref(), cursor_parameter)?,
            limit: page_size(limit.0),
        };
        let listed = FrontDoor::of(request).service.list(&query).await;
        let page = listed.map_err(Problem::from)?;
        let view = PaymentPageView {
            data: page.operations.iter().map(PaymentView::of).collect(),
            next_cursor: page.next_before.map(|id| id.to_string()),
        };
        Ok(json(StatusCode::OK, &view).into())
    }

    /// Get a payment
    ///
    /// The current durable state of the payment. `If-None-Match` with the `ETag` of what the client has gets 304 while nothing has
    /// changed; `If-Match` gets 412 once something has (RFC 9110, section 13).
    #[oai(
        path = "/v1/payments/:payment_id",
        method = "get",
        operation_id = "getPayment"
    )]
    async fn get(
        &self,
        request: &Request,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// The payment's id.
        payment_id: Path<Uuid>,
        /// Only if the payment has this version, quoted or bare; or one of a list of quoted ones, or `*` for any.
        #[oai(
            name = "If-Match",
            validator(
                pattern = r#"^([0-9]{1,19}|\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#
            )
        )]
        _if_match: Header<Option<String>>,
        /// Only if the client does not have the version already: entity tags, or `*`.
        #[oai(name = "If-None-Match")]
        _if_none_match: Header<Option<String>>,
    ) -> poem::Result<Answer<operations::Get>> {
        let id = OperationId::from_uuid(payment_id.0);
        let found = front_door
            .service
            .find(&principal.0, id)
            .await
            .map_err(Problem::from)?;
        let payment = found.ok_or_else(no_such_payment)?;
        let headers = request.headers();
        let expected = Tags::if_match(headers).map_err(|NoTags| {
            Problem::field(
                "If-Match",
                "must be a list of entity tags, or *: If-Match: \"3\"",
            )
        })?;
        if expected.is_some_and(|tags| !tags.name_strongly(payment.version)) {
            return Err(stale(&payment).into());
        }
        // What is no list of tags names nothing that the client could have.
        let had = Tags::of(headers, &header::IF_NONE_MATCH).ok().flatten();
        let response = if had.is_some_and(|tags| tags.name_weakly(payment.version)) {
            Response::builder()
                .status(StatusCode::NOT_MODIFIED)
                .finish()
        } else {
            json(StatusCode::OK, &PaymentView::of(&payment))
        };
        Ok(with_version(response, &payment).into())
    }

    /// List a payment's events
    ///
    /// Every transition of the payment with its cause and its ledger movement, oldest first.
    #[oai(
        path = "/v1/payments/:payment_id/events",
        method = "get",
        operation_id = "listPaymentEvents"
    )]
    async fn events(
        &self,
        request: &Request,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// The payment's id.
        payment_id: Path<Uuid>,
        /// Maximum number of events in the page.
        #[oai(
            default = "max_limit",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        limit: Query<u32>,
        /// `next_cursor` of the previous page.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        cursor: Query<Option<u64>>,
    ) -> poem::Result<Answer<operations::Events>> {
        only_known_parameters(request, &["limit", "cursor"])?;
        let id = OperationId::from_uuid(payment_id.0);
        let found = front_door
            .service
            .entries(&principal.0, id)
            .await
            .map_err(Problem::from)?;
        let entries = found.ok_or_else(no_such_payment)?;
        let after = cursor.0.unwrap_or(0);
        let limit = page_size(limit.0);
        let mut following = entries.iter().filter(|(sequence, _)| *sequence > after);
        let data: Vec<_> = following.by_ref().take(limit).collect();
        let last = data.last().map(|(sequence, _)| sequence.to_string());
        let next_cursor = following.next().and(last);
        let data = data
            .into_iter()
            .map(|(sequence, entry)| EventView::of(*sequence, entry));
        Ok(json(
            StatusCode::OK,
            &EventPageView {
                data: data.collect(),
                next_cursor,
            },
        )
        .into())
    }

    /// Cancel a payment
    ///
    /// Only before the bank was called, that is in state `persisted`. Repeatable: a cancelled
    /// payment answers 200 again.
    #[oai(
        path = "/v1/payments/:payment_id/cancel",
        method = "post",
        operation_id = "cancelPayment"
    )]
    async fn cancel(
        &self,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// The payment's id.
        payment_id: Path<Uuid>,
    ) -> poem::Result<Answer<operations::Cancel>> {
        let id = OperationId::from_uuid(payment_id.0);
        match front_door.service.cancel(&principal.0, id).await {
            Ok(payment) => Ok(json(StatusCode::OK, &PaymentView::of(&payment)).into()),
            Err(CancelError::NotFound) => Err(no_such_payment().into()),
            Err(CancelError::TooLate(payment)) => Err(not_cancellable(&payment).into()),
            Err(CancelError::Unavailable(reason)) => Err(Problem::from(reason).into()),
        }
    }
}

/// Nothing new is paid in a currency that is none any more; what was paid in it before is answered as ever.
async fn payable(
    front_door: &FrontDoor,
    key: &OperationKey,
    request: Result<PaymentRequest, Problem>,
) -> Result<PaymentRequest, Problem> {
    let request = request?;
    let Err(not_payable) = request.currency().check_payable() else {
        return Ok(request);
    };
    match front_door.service.find_by_key(key).await {
        Ok(Some(_)) => Ok(request),
        Ok(None) => Err(Problem::field("currency", not_payable.to_string())),
        Err(reason) => Err(Problem::from(reason)),
    }
}

/// A body that is no request uses up no key. Whether a new key is safe depends on what the key stands
/// for already.
async fn refuse_body(front_door: &FrontDoor, key: &OperationKey, problem: Problem) -> Response {
    let new_key_safe = match front_door.service.find_by_key(key).await {
        Ok(None) => true,
        Ok(Some(payment)) => matches!(payment.state, State::Failed { .. }),
        Err(_) => false,
    };
    problem.new_key_safe(new_key_safe).respond(PAYMENTS_PATH)
}

fn cursor_parameter(text: &str) -> Result<OperationId, Problem> {
    let id = Uuid::try_parse(text).map_err(|_| {
        Problem::field(
            "cursor",
            "must be the next_cursor of an earlier page, unchanged",
        )
    })?;
    Ok(OperationId::from_uuid(id))
}
