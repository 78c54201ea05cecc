//! What a `Content-Type` means.

/// Whether a `Content-Type` means JSON in UTF-8.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    is_in_utf8(content_type, "application/json")
}

/// Whether a `Content-Type` means this media type, in UTF-8.
pub(crate) fn is_in_utf8(content_type: &[u8], media_type: &str) -> bool {
    let Ok(text) = std::str::from_utf8(content_type) else {
        return false;
    };
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case(media_type)
        && parts.filter(|part| !part.is_empty()).all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_other_than_json_in_utf_8_are_refused() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;",
        ] {
            assert!(is_json(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "text/json",
            "application/json; charset=latin1",
            "application/problem+json",
        ] {
            assert!(!is_json(bad.as_bytes()), "{bad}");
        }
    }
}
