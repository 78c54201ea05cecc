//! The journal as a change feed: in pages, or as server-sent events.

use std::time::Duration;

use holdfast_core::Merchant;
use poem::http::{HeaderName, StatusCode, header};
use poem::web::Data;
use poem::web::sse::SSE;
use poem::{IntoResponse, Request, Response};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use crate::api::document::answers::Answer;
use crate::api::document::operations;
use crate::api::front_door::FrontDoor;
use crate::api::handlers::paging::{max_limit, only_known_parameters, page_size, within};
use crate::api::problem::Problem;
use crate::api::request::principal::Principal;
use crate::api::tags::Tag;
use crate::api::views::event::{EventPageView, EventView};
use crate::web::json::json;
use crate::web::negotiation::prefers;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A listener hears something at least so often, so that it and everything between know that the
/// connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) struct FeedApi;

#[OpenApi(tag = "Tag::Books")]
impl FeedApi {
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
