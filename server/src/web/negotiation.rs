//! Which of two representations a client wants, by its `Accept` (RFC 9110, section 12.5.1).

use poem::web::Accept;
use poem::{FromRequest, Request};

/// Whether the client names this media type, wants it, and wants the other one no more than it.
///
/// Ranges such as `*/*` name nothing: the other one is what clients get that do not care.
pub(crate) async fn prefers(request: &Request, named: &str, other: &str) -> bool {
    let Ok(Accept(ranges)) = Accept::from_request_without_body(request).await else {
        return false;
    };
    let quality = |media_type: &str| {
        let mut of_it = ranges
            .iter()
            .filter(|range| range.essence_str().eq_ignore_ascii_case(media_type));
        let range = of_it.next()?;
        let weight = range
            .get_param("q")
            .map_or(Ok(1.0), |weight| weight.as_str().parse());
        weight
            .ok()
            .filter(|weight: &f32| (0.0..=1.0).contains(weight))
    };
    let wanted = quality(named).unwrap_or(0.0);
    wanted > 0.0 && wanted >= quality(other).unwrap_or(0.0)
}
