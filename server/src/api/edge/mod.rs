//! The outermost layer: every answer leaves through here.
//!
//! It turns each error, the framework's own included, into problem details, and adds the headers
//! that every answer carries. What it does not know: what any route means.

mod error_answers;
mod request_id;
mod unread;

use holdfast_engine::trace::TraceContext;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use poem::{Endpoint, EndpointExt, IntoResponse, Request, Response};
use tokio::time::Instant;
use tracing::{Instrument, Level, Span};
use uuid::Uuid;

use crate::api::edge::error_answers::respond_to_error;
use crate::api::edge::request_id::{REQUEST_ID, request_id};
use crate::api::front_door::FrontDoor;
use crate::api::headers::{REPLAYED, SHOULD_RETRY, boolean};
use crate::api::problem::{Kind, Problem};
use crate::api::rate::Told;
use crate::api::request::key_header;
use crate::api::request_metrics::{RouteLabels, name_of};
use crate::api::router::Routes;
use crate::api::routes::{KnownRoutes, PAYMENTS_PATH};
use crate::telemetry;
use crate::web::marks::WrongHost;
use crate::web::same_origin;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(key_header::NAME);

impl FrontDoor {
    /// The routes as an endpoint that always answers.
    pub fn endpoint(&self, routes: &Routes) -> impl Endpoint<Output = Response> + 'static {
        Edge {
            inner: routes.endpoint.clone().data(self.clone()),
            known: routes.known.clone(),
            front_door: self.clone(),
        }
    }
}

/// Wraps the routes; never fails.
struct Edge<E> {
    inner: E,
    known: KnownRoutes,
    front_door: FrontDoor,
}

/// What of a request is looked at before any route is.
fn refused_before(front_door: &FrontDoor, request: &Request) -> Option<Problem> {
    if let Some(WrongHost(wrong)) = request.extensions().get() {
        return Some(Problem::new(Kind::BadRequest, *wrong));
    }
    if same_origin::is_foreign(request) {
        return Some(Problem::new(Kind::Forbidden, same_origin::REFUSED));
    }
    let most = front_door.limits.headers_max;
    if request.headers().len() > most {
        let detail = format!("The request may have at most {most} headers.");
        return Some(Problem::new(Kind::TooManyHeaders, detail));
    }
    None
}

impl<E: Endpoint> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let began = Instant::now();
        let told = self.front_door.rates.is_some().then(Told::default);
        if let Some(told) = &told {
            request.extensions_mut().insert(told.clone());
        }
        let path = request.uri().path().to_owned();
        let labels = RouteLabels {
            method: name_of(request.method()),
            route: self.known.name_of(&path),
        };
        let request_id = request_id(&self.front_door, request.headers());
        let create = Create::asked_for(&request, &path);
        let context = telemetry::incoming(request.headers());
        let RouteLabels { method, route } = labels;
        let span = telemetry::request_span(method, route, &request_id, context.as_ref());
        let mut response = if let Some(problem) = refused_before(&self.front_door, &request) {
            problem.respond(&path)
        } else {
            let call = self.inner.call(request).instrument(span.clone());
            match TraceContext::within(context, call).await {
                Ok(response) => response.into_response(),
                Err(error) => respond_to_error(error, &path, &request_id, &self.known),
            }
        };

        let answered = Answered {
            labels,
            status: response.status().as_u16(),
            seconds: began.elapsed().as_secs_f64(),
            request_id: &request_id,
        };
        answered.count(&self.front_door);
        if !span.is_disabled() || tracing::enabled!(target: telemetry::REQUESTS, Level::DEBUG) {
            let payment_id = payment_id_in(&path, response.headers());
            span.in_scope(|| answered.say(payment_id));
        }
        let kind: Option<&Kind> = response.extensions().get();
        let should_retry = kind.is_some_and(|kind| kind.should_retry());
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, request_id);
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let (Some(rates), Some(told)) = (&self.front_door.rates, &told) {
            rates.describe(told, headers);
        }
        if let Some(create) = create {
            create.complete(headers, should_retry);
        }
        Ok(response)
    }
}

/// A request that makes a payment or repeats one: what its answer has in any case, however early it was refused.
struct Create {
    /// The lines of its key, as they were sent.
    keys: Vec<HeaderValue>,
}

impl Create {
    fn asked_for(request: &Request, path: &str) -> Option<Self> {
        let is_create = request.method() == Method::POST && path == PAYMENTS_PATH;
        is_create.then(|| {
            let keys = request.headers().get_all(&IDEMPOTENCY_KEY);
            Self {
                keys: keys.iter().cloned().collect(),
            }
        })
    }

    fn complete(self, headers: &mut HeaderMap, should_retry: bool) {
        for key in self.keys {
            headers.append(IDEMPOTENCY_KEY, key);
        }
        headers.entry(REPLAYED).or_insert_with(|| boolean(false));
        headers
            .entry(SHOULD_RETRY)
            .or_insert_with(|| boolean(should_retry));
    }
}

/// A request that was answered, for the metrics, the log and its span.
struct Answered<'a> {
    labels: RouteLabels,
    status: u16,
    seconds: f64,
    request_id: &'a HeaderValue,
}

impl Answered<'_> {
    fn count(&self, front_door: &FrontDoor) {
        front_door.requests.count(self.labels, self.status);
        front_door.requests.time(self.labels, self.seconds);
    }

    /// Within the request's span.
    fn say(&self, payment_id: &str) {
        let span = Span::current();
        span.record("http.response.status_code", self.status);
        if !payment_id.is_empty() {
            span.record("payment_id", payment_id);
        }
        tracing::debug!(
            target: telemetry::REQUESTS,
            request_id = self.request_id.to_str().unwrap_or_default(),
            payment_id,
            method = self.labels.method,
            route = self.labels.route,
            status = self.status,
            seconds = self.seconds,
            "answered"
        );
    }
}

/// The payment that an answer is about: in its `Location`, else in the path that was asked for; empty when there is none.
fn payment_id_in<'a>(path: &'a str, headers: &'a HeaderMap) -> &'a str {
    let location = headers.get(header::LOCATION);
    let location = location.and_then(|location| location.to_str().ok());
    let below = location.unwrap_or(path).strip_prefix("/v1/payments/");
    let id = below.and_then(|below| below.split('/').next());
    id.filter(|id| Uuid::try_parse(id).is_ok())
        .unwrap_or_default()
}
