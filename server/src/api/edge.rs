//! The outermost layer: every answer leaves through here.
//!
//! It turns each error, the framework's own included, into problem details, and adds the headers
//! that every answer carries. What it does not know: what any route means.

use std::collections::BTreeSet;

use bytes::Bytes;
use holdfast_engine::trace::TraceContext;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, Error, IntoResponse, Request, Response};
use poem_openapi::error::{ParseParamError, ParsePathError};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::time::Instant;
use tracing::{Instrument, Level, Span};
use uuid::Uuid;

use super::payments::{REPLAYED, SHOULD_RETRY, boolean};
use super::problem::{FieldError, Kind, Problem, quoted};
use super::rate::Told;
use super::{FrontDoor, PAYMENTS_PATH, key_header, same_origin};
use crate::refusal::Refused;
use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(key_header::NAME);

/// Longest request id that is taken over from the client, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Counts answers by route and status, and times them by route.
#[derive(Debug, Clone)]
pub(super) struct Requests {
    answers: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabel, Histogram, fn() -> Histogram>,
}

impl Default for Requests {
    fn default() -> Self {
        let buckets = || Histogram::new(exponential_buckets(0.000_25, 2.0, 18));
        Self {
            answers: Family::default(),
            seconds: Family::new_with_constructor(buckets),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    method: &'static str,
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: &'static str,
    status: u16,
}

impl Requests {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "http_requests",
            "Answers by method, route and status",
            self.answers.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time of a request: to the answer's head, waits that clients ask for included",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }
}

/// Wraps the routes; never fails.
pub(super) struct Edge<E> {
    inner: E,
    front_door: FrontDoor,
}

impl<E: Endpoint> Edge<E> {
    pub(super) fn new(inner: E, front_door: FrontDoor) -> Self {
        Self { inner, front_door }
    }

    /// The client's request id when it is harmless, else one of our own.
    fn request_id(&self, headers: &HeaderMap) -> HeaderValue {
        let harmless = |value: &&HeaderValue| {
            let bytes = value.as_bytes();
            (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(b))
        };
        headers
            .get(&REQUEST_ID)
            .filter(harmless)
            .cloned()
            .unwrap_or_else(|| own_request_id(&self.front_door))
    }
}

fn own_request_id(front_door: &FrontDoor) -> HeaderValue {
    let id = front_door.source.request_id(front_door.clock.now());
    HeaderValue::try_from(id.to_string()).expect("a UUID is ASCII")
}

/// In the extensions of a request over HTTP/1: what is wrong with its Host (RFC 9112, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WrongHost(pub(crate) &'static str);

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

/// The whole answer, in bytes, to what never became a request.
pub(super) fn refuse(front_door: &FrontDoor, refused: Refused<'_>) -> Bytes {
    let Refused { status, date } = refused;
    let (kind, detail) = match status {
        StatusCode::URI_TOO_LONG => (
            Kind::UriTooLong,
            "The URL is longer than the server accepts.",
        ),
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
            Kind::TooManyHeaders,
            "The request line and the headers are larger, or more, than the server accepts.",
        ),
        _ => (
            Kind::BadRequest,
            "The request is not valid HTTP/1.1: the request line, a header or the framing breaks a rule.",
        ),
    };
    let (method, route) = ("other", "other");
    let labels = RequestLabels {
        method,
        route,
        status: status.as_u16(),
    };
    front_door.requests.answers.get_or_create(&labels).inc();
    let request_id = own_request_id(front_door);
    let request_id = request_id.to_str().unwrap_or_default();
    tracing::debug!(target: telemetry::REQUESTS, request_id, status = status.as_u16(), "rejected before it was read");
    let body = Problem::new(kind, detail).view("");
    let body = serde_json::to_string(&body).expect("a problem is plain data");
    let reason = status.canonical_reason().unwrap_or_default();
    let length = body.len();
    Bytes::from(format!(
        "HTTP/1.1 {} {reason}\r\nx-request-id: {request_id}\r\ncontent-type: application/problem+json\r\n\
         content-length: {length}\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
         connection: close\r\ndate: {date}\r\n\r\n{body}",
        status.as_u16()
    ))
}

impl<E: Endpoint> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let began = Instant::now();
        let rates = self.front_door.rates.as_ref();
        let rates = rates.map(|rates| (rates, Told::default()));
        if let Some((_, told)) = &rates {
            request.extensions_mut().insert(told.clone());
        }
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let request_id = self.request_id(request.headers());
        let is_create = method == Method::POST && path == PAYMENTS_PATH;
        let keys: Vec<HeaderValue> = if is_create {
            request
                .headers()
                .get_all(&IDEMPOTENCY_KEY)
                .iter()
                .cloned()
                .collect()
        } else {
            Vec::new()
        };

        let route = route_of(&path);
        let method = label_of(&method);
        let context = telemetry::incoming(request.headers());
        let span = telemetry::request_span(method, route, &request_id, context.as_ref());
        let mut response = if let Some(problem) = refused_before(&self.front_door, &request) {
            problem.respond(&path)
        } else {
            let call = self.inner.call(request).instrument(span.clone());
            match TraceContext::within(context, call).await {
                Ok(response) => response.into_response(),
                Err(error) => respond_to_error(error, &path, &request_id),
            }
        };

        let status = response.status().as_u16();
        let labels = RequestLabels {
            method,
            route,
            status,
        };
        let requests = &self.front_door.requests;
        requests.answers.get_or_create(&labels).inc();
        let seconds = began.elapsed().as_secs_f64();
        let label = RouteLabel { method, route };
        requests.seconds.get_or_create(&label).observe(seconds);
        if !span.is_disabled() || tracing::enabled!(target: telemetry::REQUESTS, Level::DEBUG) {
            let answered = Answered {
                method,
                route,
                status,
                seconds,
                request_id: &request_id,
            };
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
        if let Some((rates, told)) = &rates {
            rates.describe(told, headers);
        }
        if is_create {
            for key in keys {
                headers.append(IDEMPOTENCY_KEY, key);
            }
            headers.entry(REPLAYED).or_insert_with(|| boolean(false));
            headers
                .entry(SHOULD_RETRY)
                .or_insert_with(|| boolean(should_retry));
        }
        Ok(response)
    }
}

/// A request that was answered, for the log and for its span.
struct Answered<'a> {
    method: &'static str,
    route: &'static str,
    status: u16,
    seconds: f64,
    request_id: &'a HeaderValue,
}

impl Answered<'_> {
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
            method = self.method,
            route = self.route,
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

fn respond_to_error(error: Error, path: &str, request_id: &HeaderValue) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let allow = error
        .is::<MethodNotAllowedError>()
        .then(|| allowed_methods(path));
    let problem = problem_of(&error, path);
    if problem.kind == Kind::InternalError {
        let request_id = request_id.to_str().unwrap_or_default();
        tracing::error!(%error, request_id, path = quoted(path), "a request failed with an internal error");
    }
    let mut response = problem.respond(path);
    if let Some(allow) = allow {
        let allow = HeaderValue::try_from(allow).expect("method names are ASCII");
        response.headers_mut().insert(header::ALLOW, allow);
    }
    response
}

fn problem_of(error: &Error, path: &str) -> Problem {
    if let Some(problem) = error.downcast_ref::<Problem>() {
        return problem.clone();
    }
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return invalid_parameter(name, reason);
    }
    if error.is::<ParsePathError>() {
        // The only parameter in a path is a payment's id: what is no id is the id of no payment.
        return Problem::new(Kind::NotFound, "There is no such payment.");
    }
    if error.is::<NotFoundError>() {
        return not_found(path);
    }
    if error.is::<MethodNotAllowedError>() {
        return Problem::new(
            Kind::MethodNotAllowed,
            format!("This URL supports only {}.", allowed_methods(path)),
        );
    }
    match error.status() {
        StatusCode::NOT_FOUND => not_found(path),
        status if status.is_client_error() => Problem::validation(vec![FieldError {
            field: String::new(),
            message: quoted(&error.to_string()),
        }]),
        _ => Problem::new(
            Kind::InternalError,
            "Internal error. The log has the details under this X-Request-Id.",
        ),
    }
}

fn not_found(path: &str) -> Problem {
    Problem::new(
        Kind::NotFound,
        format!(
            "There is nothing at {}. The API documentation is at /docs.",
            quoted(path)
        ),
    )
}

fn invalid_parameter(name: &str, reason: &str) -> Problem {
    let rule = match name {
        "idempotency_key" => "must be 1 to 255 visible ASCII characters".to_owned(),
        "after" => "must be an integer from 0 to 9007199254740991".to_owned(),
        "limit" => "must be an integer from 1 to 100".to_owned(),
        "state" => "must be one of persisted, bank_called, settled, failed".to_owned(),
        "phase" => "must be one of awaiting, unknown, review".to_owned(),
        "If-Match" => "must be a list of entity tags, or *: If-Match: \"3\"".to_owned(),
        "cursor" => "must be the next_cursor of an earlier page, unchanged".to_owned(),
        _ => format!("is not valid: {}", quoted(reason)),
    };
    Problem::field(name, rule)
}

/// The API's addresses and the methods each takes; `{}` stands for one path segment.
const ROUTES: [(&str, &[&str]); 15] = [
    ("/v1/payments", &["GET", "POST"]),
    ("/v1/payments/{}", &["GET"]),
    ("/v1/payments/{}/events", &["GET"]),
    ("/v1/payments/{}/cancel", &["POST"]),
    ("/v1/payments/{}/resolve", &["POST"]),
    ("/v1/accounts/{}", &["GET"]),
    ("/v1/events", &["GET"]),
    ("/v1/contradictions", &["GET"]),
    ("/v1/journal", &["GET"]),
    ("/livez", &["GET"]),
    ("/readyz", &["GET"]),
    ("/metrics", &["GET"]),
    ("/openapi.json", &["GET"]),
    ("/console/chaos", &["GET", "POST"]),
    ("/console/payments/{}/inquiry", &["POST"]),
];

/// The route a path belongs to, for metrics: a bounded set of names.
fn route_of(path: &str) -> &'static str {
    let matches = |pattern: &str| {
        let mut segments = path.split('/');
        pattern.split('/').all(|expected| match segments.next() {
            Some(segment) => expected == "{}" || expected == segment,
            None => false,
        }) && segments.next().is_none()
    };
    ROUTES
        .iter()
        .map(|(pattern, _)| *pattern)
        .find(|pattern| matches(pattern))
        .unwrap_or("other")
}

fn allowed_methods(path: &str) -> String {
    let route = route_of(path);
    let methods = ROUTES.iter().find(|(pattern, _)| *pattern == route);
    let mut methods: BTreeSet<&str> = methods
        .map_or(&["GET"][..], |(_, methods)| methods)
        .iter()
        .copied()
        .collect();
    if methods.contains("GET") {
        methods.insert("HEAD");
    }
    methods.into_iter().collect::<Vec<_>>().join(", ")
}

/// Standard methods by name; the rest is client input and would grow the metrics without bound.
fn label_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
