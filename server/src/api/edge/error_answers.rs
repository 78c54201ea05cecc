//! Every error as problem details, the framework's own included.

use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Error, Response};
use poem_openapi::error::{ParseParamError, ParsePathError};

use crate::api::problem::{FieldError, Kind, Problem, quoted};
use crate::api::routes::KnownRoutes;

/// The answer to an error, of a handler or of the framework.
pub(crate) fn respond_to_error(
    error: Error,
    path: &str,
    request_id: &HeaderValue,
    known: &KnownRoutes,
) -> Response {
    if error.is_from_response() {
        return error.into_response();
    }
    let allow = error
        .is::<MethodNotAllowedError>()
        .then(|| known.allowed_at(path));
    let problem = problem_of(&error, path, known);
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

fn problem_of(error: &Error, path: &str, known: &KnownRoutes) -> Problem {
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
            format!("This URL supports only {}.", known.allowed_at(path)),
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
