//! The browsable documentation: an entry page, Swagger UI and Scalar, all out of the binary.
//!
//! Nothing is fetched from elsewhere: the content security policy forbids it, so a page that tried
//! would show it at once.

use poem::endpoint::{make, make_sync};
use poem::error::NotFoundError;
use poem::http::{StatusCode, header};
use poem::{Endpoint, Request, Response, Route};

use super::negotiation::prefers;
use super::openapi::Document;

/// Policy of the plain pages: no scripts, nothing from elsewhere.
pub(super) const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Policy of the API browsers. Their scripts stand in the page itself, and they talk to this server
/// only.
const BROWSER_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
     style-src 'unsafe-inline'; img-src 'self' data: blob:; font-src data:; connect-src 'self'; \
     worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes below `/docs`.
pub(super) fn routes(document: &Document) -> Route {
    Route::new()
        .at("/", fixed(index(), PAGE_POLICY))
        .at("/swagger", fixed(document.swagger_ui(), BROWSER_POLICY))
        .at("/scalar", fixed(document.scalar(), BROWSER_POLICY))
}

/// The root: a browser is led to the documentation; nothing else is there.
pub(super) fn entrance() -> impl Endpoint<Output = Response> {
    poem::get(make(async |request: Request| -> poem::Result<Response> {
        if !prefers(&request, "text/html", "application/json").await {
            return Err(NotFoundError.into());
        }
        let found = Response::builder().status(StatusCode::SEE_OTHER);
        Ok(found.header(header::LOCATION, "/docs").finish())
    }))
}

/// The API browsers alone, the first of them at the root.
pub(super) fn browsers(document: &Document) -> Route {
    Route::new()
        .at("/", fixed(document.swagger_ui(), BROWSER_POLICY))
        .at("/scalar", fixed(document.scalar(), BROWSER_POLICY))
}

fn fixed(html: String, policy: &'static str) -> impl Endpoint<Output = Response> {
    let body = bytes::Bytes::from(html);
    poem::get(make_sync(move |_| {
        Response::builder()
            .header(header::CONTENT_TYPE, "text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .body(body.clone())
    }))
}

fn index() -> String {
    page("API documentation", include_str!("docs_index.html"))
}

/// A plain page in the house's look, in light and dark. `body` is HTML; `title` is text.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · \
         Holdfast</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n\
         </main>\n</body>\n</html>\n",
        include_str!("docs.css")
    )
}

/// Text as it stands in HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Escapes text and sets what stands between backticks as code.
pub(super) fn escape_with_code(text: &str) -> String {
    let parts = escape(text);
    parts
        .split('`')
        .enumerate()
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<code>{part}</code>")
            } else {
                part.to_owned()
            }
        })
        .collect()
}
