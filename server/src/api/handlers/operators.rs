//! The routes for operators: deciding what no machine can, and seeing what was contradicted.

use holdfast_core::{OperationId, Resolution};
use holdfast_engine::service::ResolveError;
use poem::Request;
use poem::http::StatusCode;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use uuid::Uuid;

use crate::api::document::answers::Answer;
use crate::api::document::operations;
use crate::api::front_door::FrontDoor;
use crate::api::handlers::paging::{max_limit, only_known_parameters, page_size, within};
use crate::api::handlers::payment_answers::{no_such_payment, not_resolvable, stale, with_version};
use crate::api::problem::Problem;
use crate::api::request::principal::Operator;
use crate::api::request::resolve_body::{ResolveBody, VersionHeader};
use crate::api::tags::Tag;
use crate::api::views::event::{EventPageView, EventView, JournalPageView};
use crate::api::views::payment::PaymentView;
use crate::web::json::json;

pub(crate) struct OperatorsApi;

#[OpenApi(tag = "Tag::Operators")]
impl OperatorsApi {
    /// Resolve a payment
    ///
    /// An operator records the outcome of a payment whose outcome is unknown: it is in
    /// `bank_called`, with the phase `unknown` or `review`. State, ledger and journal change together;
    /// the evidence is journalled with the operator's name. Repeatable: the same decision again
    /// answers 200 again. Afterwards the bank is asked, if it can be asked; a different answer
    /// is journalled as a contradiction and changes nothing.
    #[oai(
        path = "/v1/payments/:payment_id/resolve",
        method = "post",
        operation_id = "resolvePayment"
    )]
    async fn resolve(
        &self,
        front_door: Data<&FrontDoor>,
        operator: Operator,
        /// The payment's id.
        payment_id: Path<Uuid>,
        /// The `version` of the payment that the decision is about, quoted or bare; a list of quoted versions, or `*` for any.
        #[oai(name = "If-Match")]
        version: VersionHeader,
        body: ResolveBody,
    ) -> poem::Result<Answer<operations::Resolve>> {
        let id = OperationId::from_uuid(payment_id.0);
        let resolution = Resolution {
            outcome: body.outcome,
            evidence: body.evidence,
            operator: operator.name,
        };
        let is_seen = |current| version.0.name_strongly(current);
        let resolved = front_door
            .service
            .resolve(&operator.merchant, id, is_seen, &resolution)
            .await;
        match resolved {
            Ok(payment) => {
                let response = json(StatusCode::OK, &PaymentView::of(&payment));
                Ok(with_version(response, &payment).into())
            }
            Err(ResolveError::NotFound) => Err(no_such_payment().into()),
            Err(ResolveError::NotResolvable(payment)) => Err(not_resolvable(&payment).into()),
            Err(ResolveError::Stale(payment)) => Err(stale(&payment).into()),
            Err(ResolveError::Unavailable(reason)) => Err(Problem::from(reason).into()),
        }
    }

    /// List contradictions
    ///
    /// Every event in which the bank contradicted a finished payment, oldest first. The
    /// payments stay as they are: a person must decide what to do about each.
    #[oai(
        path = "/v1/contradictions",
        method = "get",
        operation_id = "listContradictions"
    )]
    async fn contradictions(
        &self,
        request: &Request,
        front_door: Data<&FrontDoor>,
        operator: Operator,
        /// Maximum number of events in the page.
        #[oai(
            default = "max_limit",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        limit: Query<u32>,
        /// `next_cursor` of the previous page.
        #[oai(validator(minimum(value = "0"), maximum(value = "9007199254740991")))]
        cursor: Query<Option<u64>>,
    ) -> poem::Result<Answer<operations::Contradictions>> {
        only_known_parameters(request, &["limit", "cursor"])?;
        let limit = page_size(limit.0);
        let after = cursor.0.unwrap_or(0);
        let found = front_door
            .service
            .contradictions(&operator.merchant, after, limit + 1)
            .await;
        let mut entries = found.map_err(Problem::from)?;
        let more = entries.len() > limit;
        entries.truncate(limit);
        let last = entries.last().map(|(sequence, _)| sequence.to_string());
        let page = EventPageView {
            data: entries
                .iter()
                .map(|(sequence, entry)| EventView::of(*sequence, entry))
                .collect(),
            next_cursor: last.filter(|_| more),
        };
        Ok(json(StatusCode::OK, &page).into())
    }

    /// Read the journal in full
    ///
    /// The complete journal entries of the merchant, in the order of the journal: the content of
    /// `holdfast export --url`.
    #[oai(path = "/v1/journal", method = "get", operation_id = "readJournal")]
    async fn journal(
        &self,
        request: &Request,
        front_door: Data<&FrontDoor>,
        operator: Operator,
        /// Only entries after this sequence; 0 for all.
        #[oai(
            default,
            validator(minimum(value = "0"), maximum(value = "9007199254740991"))
        )]
        after: Query<u64>,
        /// Maximum number of entries in the page.
        #[oai(
            default = "max_limit",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        limit: Query<u32>,
    ) -> poem::Result<Answer<operations::Journal>> {
        only_known_parameters(request, &["after", "limit"])?;
        let page = front_door
            .service
            .feed(
                &operator.merchant,
                within(&front_door, "after", after.0)?,
                page_size(limit.0),
            )
            .await
            .map_err(Problem::from)?;
        let data = page
            .entries
            .iter()
            .map(|(sequence, entry)| serde_json::json!({"sequence": sequence, "entry": entry}));
        let view = JournalPageView {
            data: data.collect(),
            read_to: page.read_to,
            next_cursor: page.more.then(|| page.read_to.to_string()),
        };
        Ok(json(StatusCode::OK, &view).into())
    }
}
