//! A page per kind of problem: what the `type` of a problem points to.

use poem::web::Path;
use poem::{Response, Route, get, handler};

use crate::api::problem::{Kind, Problem};
use crate::web::html::{escape_with_code, page_response};

/// The routes below `/problems`.
pub(crate) fn routes() -> Route {
    Route::new().at("/", get(index)).at("/:name", get(page))
}

#[handler]
fn index() -> Response {
    let mut rows = String::new();
    for kind in Kind::ALL {
        let (status, name, title) = (kind.status().as_u16(), kind.name(), kind.title());
        let link = format!("<a href=\"/problems/{name}\"><code>{name}</code></a>");
        let row = format!("<tr><td>{status}</td><td>{link}</td><td>{title}</td></tr>\n");
        rows.push_str(&row);
    }
    page_response(
        "Problem types",
        &format!(
            "<p>Every error of the API is <code>application/problem+json</code> (RFC 9457); its \
             <code>type</code> is one of these.</p>\n<table><tr><th>Status</th><th>Type</th>\
             <th>Title</th></tr>\n{rows}</table>"
        ),
    )
}

#[handler]
fn page(Path(name): Path<String>) -> poem::Result<Response> {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name() == name) else {
        return Err(Problem::new(Kind::NotFound, "There is no such problem type.").into());
    };
    let explanation = escape_with_code(kind.explanation());
    let retry = if kind.should_retry() {
        "Yes, later: the answer may change."
    } else {
        "No: the same request gets the same answer."
    };
    Ok(page_response(
        kind.title(),
        &format!(
            "<p><code>{}</code>, with status {}.</p>\n<p>{explanation}</p>\n<h2>Is a retry with the \
             same key useful?</h2>\n<p>{retry} It is safe in any case.</p>\n<p><a \
             href=\"/problems\">All problem types</a> · <a href=\"/docs\">API documentation</a></p>",
            kind.name(),
            kind.status(),
        ),
    ))
}
