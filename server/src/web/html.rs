//! Plain pages in the house's look: no scripts, nothing from elsewhere.

use bytes::Bytes;
use poem::endpoint::make_sync;
use poem::http::header;
use poem::{Endpoint, Response};

/// The content type of every page.
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// Policy of the plain pages: no scripts, nothing from elsewhere.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A plain page in the house's look, in light and dark. `body` is HTML; `title` is text.
pub(crate) fn page(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta \
         name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title} · \
         Holdfast</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n{body}\n\
         </main>\n</body>\n</html>\n",
        include_str!("page.css")
    )
}

/// The same as a response.
pub(crate) fn page_response(title: &str, body: &str) -> Response {
    Response::builder()
        .header(header::CONTENT_TYPE, HTML)
        .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
        .body(page(title, body))
}

/// An endpoint that always answers with this content, under this content security policy.
pub(crate) fn fixed_page(
    content_type: &'static str,
    policy: &'static str,
    content: impl Into<Bytes>,
) -> impl Endpoint<Output = Response> + 'static {
    let content = content.into();
    poem::get(make_sync(move |_| {
        Response::builder()
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_SECURITY_POLICY, policy)
            .body(content.clone())
    }))
}

/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Escapes text for HTML, and renders text between backticks as code.
pub(crate) fn escape_with_code(text: &str) -> String {
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
