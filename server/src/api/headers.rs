//! Headers that the payment routes answer with.

use poem::http::{HeaderName, HeaderValue};

pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(super) const SHOULD_RETRY: HeaderName = HeaderName::from_static("holdfast-should-retry");
pub(super) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

pub(super) fn boolean(value: bool) -> HeaderValue {
    HeaderValue::from_static(if value { "true" } else { "false" })
}
