//! Browsers say which page sent a request; one of another origin may change nothing here.
//!
//! Without API keys everyone on this machine is the merchant `default`, and so is every page in a browser on it. A
//! request that needs no preflight (a cancel has no body) would get through. Programs that are no browsers send neither
//! header and are not concerned. Sources: Fetch Metadata Request Headers (W3C), RFC 6454, section 7.

use poem::Request;
use poem::http::{HeaderValue, Uri, header};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// What is said to such a page.
pub(crate) const REFUSED: &str = "A page of another origin sent this request. Send it from your own server, or from a page of this origin.";

/// Whether a browser says that a page of another origin wants something changed.
pub(crate) fn is_foreign(request: &Request) -> bool {
    if request.method().is_safe() {
        return false;
    }
    let text = |value: &HeaderValue| value.to_str().unwrap_or("?").to_owned();
    let headers = request.headers();
    if let Some(site) = headers.get(SEC_FETCH_SITE) {
        return !matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return false;
    };
    // HTTP/2 has the host in the request's own address.
    let host = match headers.get(header::HOST) {
        Some(host) => Some(text(host)),
        None => request.uri().authority().map(ToString::to_string),
    };
    let origin: Option<Uri> = text(origin).parse().ok();
    let origin = origin.and_then(|origin| origin.authority().map(ToString::to_string));
    origin.is_none() || origin != host
}

#[cfg(test)]
mod tests {
    use poem::http::Method;

    use super::*;

    fn foreign(method: Method, headers: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri_str("/v1/payments");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        is_foreign(&request.finish())
    }

    #[test]
    fn only_pages_of_this_origin_may_change_anything() {
        let host = ("host", "pay.example:8080");
        let site = |name| ("sec-fetch-site", name);
        for (expected, headers) in [
            (false, vec![]),
            (false, vec![host]),
            (false, vec![host, site("same-origin")]),
            (false, vec![host, site("none")]),
            (true, vec![host, site("cross-site")]),
            (true, vec![host, site("same-site")]),
            (false, vec![host, ("origin", "http://pay.example:8080")]),
            (true, vec![host, ("origin", "http://pay.example")]),
            (true, vec![host, ("origin", "https://evil.example")]),
            (true, vec![host, ("origin", "null")]),
            (true, vec![("origin", "https://evil.example")]),
            // A proxy may have changed the host; the browser knows better.
            (
                false,
                vec![
                    host,
                    site("same-origin"),
                    ("origin", "https://shop.example"),
                ],
            ),
        ] {
            assert_eq!(foreign(Method::POST, &headers), expected, "{headers:?}");
            assert!(!foreign(Method::GET, &headers), "{headers:?}");
        }
    }
}
