//! The books: balances of accounts, and the journal as a change feed.

use std::time::Duration;

use holdfast_core::{AccountId, Merchant};
use poem::http::{HeaderName, StatusCode, header};
use poem::web::Data;
use poem::web::sse::SSE;
use poem::{IntoResponse, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};

use super::FrontDoor;
use super::account_view::AccountView;
use super::answers::Answer;
use super::event_view::{EventPageView, EventView};
use super::negotiation::prefers;
use super::operations;
use super::payments::{json, max_limit, only_known_parameters, page_size};
use super::principal::Principal;
use super::problem::{Kind, Problem};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A listener hears something at least so often, so that it and everything between know that the
/// connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) struct BooksApi;

#[OpenApi(tag = "super::Tag::Books")]
impl BooksApi {
    /// Get an account
    ///
    /// Its balances in each currency. A payment holds its amount on admission, posts it
    /// when it settles, and voids it when it fails, each once and together with the change of state.
    #[oai(
        path = "/v1/accounts/:account",
        method = "get",
        operation_id = "getAccount"
    )]
    async fn account(
        &self,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// The account's name.
        account: Path<String>,
    ) -> poem::Result<Answer<operations::Account>> {
        let never_moved = || {
            Problem::new(
                Kind::NotFound,
                "There is no such account: there was never a movement on it.",
            )
        };
        let account = AccountId::new(&account.0).map_err(|_| never_moved())?;
        let balances = front_door.service.account(&principal.0, &account).await;
        let balances = balances.map_err(Problem::from)?;
        if balances.is_empty() {
            return Err(never_moved().into());
        }
        Ok(json(StatusCode::OK, &AccountView::of(&account, &balances)).into())
    }

    /// Follow the journal
    ///
    /// Every transition of the merchant's payments, in the total order of the journal. As a page of
    /// JSON; or, with `Accept: text/event-stream`, as server-sent events that go on as things happen: each
    /// has its sequence as `id`, `transition` as `event` and the event as `data`. A connection that
    /// broke is resumed by the browser itself with `Last-Event-ID`, which goes before `after`.
    /// Sequences are dense over the whole store, so a merchant sees gaps where others' entries are.
    #[oai(path = "/v1/events", method = "get", operation_id = "followEvents")]
    async fn events(
        &self,
        request: &Request,
        front_door: Data<&FrontDoor>,
        principal: Principal,
        /// Only events after this sequence; 0 for all.
        #[oai(
            default,
            validator(minimum(value = "0"), maximum(value = "9007199254740991"))
        )]
        after: Query<u64>,
        /// Maximum number of events in a page of JSON.
        #[oai(
            default = "max_limit",
            validator(minimum(value = "1"), maximum(value = "100"))
        )]
        limit: Query<u32>,
    ) -> poem::Result<Answer<operations::Feed>> {
        only_known_parameters(request, &["after", "limit"])?;
        if prefers(request, "text/event-stream", "application/json").await {
            let after = match last_event_id(request)? {
                Some(heard) => within(&front_door, "Last-Event-ID", heard)?,
                None => within(&front_door, "after", after.0)?,
            };
            return stream(&front_door, principal.0, after).map(Answer::from);
        }
        let page = front_door
            .service
            .feed(
                &principal.0,
                within(&front_door, "after", after.0)?,
                page_size(limit.0),
            )
            .await
            .map_err(Problem::from)?;
        let view = EventPageView {
            data: page
                .entries
                .iter()
                .map(|(sequence, entry)| EventView::of(*sequence, entry))
                .collect(),
            next_cursor: page.more.then(|| page.read_to.to_string()),
        };
        Ok(json(StatusCode::OK, &view).into())
    }
}

/// A sequence that this journal has got to. It may have lost it again to the restore of an older export.
pub(super) fn within(front_door: &FrontDoor, name: &str, heard: u64) -> Result<u64, Problem> {
    if heard > *front_door.service.appended().borrow() {
        let rule = "is beyond the end of the journal. If the journal was restored from an older export, read the feed \
                    again with after=0";
        return Err(Problem::field(name, rule));
    }
    Ok(heard)
}

fn stream(front_door: &FrontDoor, merchant: Merchant, after: u64) -> poem::Result<Response> {
    let keys = front_door.api_keys.changes();
    let service = front_door.service.clone();
    let events = front_door
        .listeners
        .listen(service, merchant, keys, after)?;
    let mut response = SSE::new(events).keep_alive(KEEP_ALIVE).into_response();
    // Gateways that gather answers before they pass them on must not gather this one.
    let headers = response.headers_mut();
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        header::HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn last_event_id(request: &Request) -> Result<Option<u64>, Problem> {
    let Some(value) = request.headers().get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    if text.is_empty() {
        // What a browser sends that has not heard an id yet.
        return Ok(None);
    }
    let sequence = text
        .parse()
        .map_err(|_| Problem::field("Last-Event-ID", "must be the id of an event, unchanged"))?;
    Ok(Some(sequence))
}
