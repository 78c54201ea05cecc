//! The `Idempotency-Key` header: exactly one line, a structured-field string or the same bare.
//!
//! Source: draft-ietf-httpapi-idempotency-key-header-07, section 2.1; RFC 8941, section 3.3.3.

use holdfast_core::IdempotencyKey;
use poem::http::HeaderMap;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::api::problem::{Kind, Problem};

/// The header's name.
pub(crate) const NAME: &str = "idempotency-key";

/// The key of a create, taken from its header.
pub(crate) struct KeyHeader(pub(crate) IdempotencyKey);

impl<'a> ApiExtractor<'a> for KeyHeader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema {
            min_length: Some(1),
            // 255 characters, two quotes, and an escape before each: what the syntax can need.
            max_length: Some(512),
            // A structured-field string, or the same bare: then it begins with no quote.
            pattern: Some(r#"^("([!#-\[\]-~]|\\["\\]){1,255}"|[!#-~][!-~]{0,254})$"#.to_owned()),
            example: Some("\"8e03978e-40d5-43dd-bc93-6894a57f9324\"".into()),
            ..MetaSchema::new("string")
        })))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(from_headers(request.headers())?))
    }
}

/// The key in a request's headers.
pub(crate) fn from_headers(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut lines = headers.get_all(NAME).iter();
    let Some(line) = lines.next() else {
        return Err(Problem::new(
            Kind::KeyMissing,
            "Send an Idempotency-Key header that identifies this intent to pay, for example a UUID.",
        )
        .new_key_safe(true));
    };
    if lines.next().is_some() {
        return Err(invalid("the header was sent more than once"));
    }
    parse(line.as_bytes())
}

fn invalid(what: &str) -> Problem {
    // Nothing can have happened under something that is no key.
    Problem::new(
        Kind::KeyInvalid,
        format!("The Idempotency-Key header is malformed: {what}."),
    )
    .new_key_safe(true)
}

/// Parses one header line. Quoted and bare forms of a key give the same key.
pub(crate) fn parse(line: &[u8]) -> Result<IdempotencyKey, Problem> {
    let text = std::str::from_utf8(line)
        .map_err(|_| invalid("it has characters that are not visible ASCII"))?
        .trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(quoted) => IdempotencyKey::new(&unquote(quoted)?),
        None => IdempotencyKey::new(text),
    };
    key.map_err(|error| invalid(&format!("the key {error}")))
}

/// The content of a structured-field string whose opening quote was taken off (RFC 8941, section
/// 4.2.5).
fn unquote(rest: &str) -> Result<String, Problem> {
    let mut content = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    loop {
        match characters.next() {
            None => return Err(invalid("the closing quote is missing")),
            Some('"') => break,
            Some('\\') => match characters.next() {
                Some(escaped @ ('"' | '\\')) => content.push(escaped),
                _ => {
                    return Err(invalid(
                        "a backslash may only precede a quote or a backslash",
                    ));
                }
            },
            Some(character) => content.push(character),
        }
    }
    if characters.as_str().is_empty() {
        Ok(content)
    } else {
        Err(invalid("there are characters after the closing quote"))
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn key(line: &str) -> Result<String, Kind> {
        parse(line.as_bytes())
            .map(|key| key.as_str().to_owned())
            .map_err(|problem| problem.kind)
    }

    /// A key as a structured-field string (RFC 8941, section 4.1.6).
    fn quote(key: &str) -> String {
        format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
    }

    proptest! {
        #[test]
        fn quoted_and_bare_are_the_same_key(text in "[!-~]{1,255}") {
            prop_assert_eq!(key(&quote(&text)).unwrap(), text.clone());
            // A bare key that begins with a quote would be read as a quoted one.
            prop_assume!(!text.starts_with('"'));
            prop_assert_eq!(key(&text).unwrap(), text);
        }

        #[test]
        fn any_bytes_are_a_key_or_malformed_and_never_a_panic(line: Vec<u8>) {
            match parse(&line) {
                Ok(key) => prop_assert!(IdempotencyKey::new(key.as_str()).is_ok()),
                Err(problem) => prop_assert_eq!(problem.kind, Kind::KeyInvalid),
            }
        }
    }

    #[test]
    fn the_syntax_is_held_to_the_letter() {
        assert_eq!(key(" abc\t").unwrap(), "abc");
        assert_eq!(key("\"abc\"").unwrap(), "abc");
        assert_eq!(key(r#""a\"b\\c""#).unwrap(), r#"a"b\c"#);
        assert_eq!(key(r#"a"b\c"#).unwrap(), r#"a"b\c"#);
        for bad in [
            "",
            "\"\"",
            "\"abc",
            "\"abc\"d",
            "\"abc\";p=1",
            r#""a\b""#,
            r#""abc\"#,
            "a b",
            "\"a b\"",
            "ключ",
            "a, b",
        ] {
            assert_eq!(key(bad).unwrap_err(), Kind::KeyInvalid, "{bad:?}");
        }
        assert!(key(&"k".repeat(255)).is_ok());
        assert!(key(&"k".repeat(256)).is_err());
        assert!(key(&quote(&"\"".repeat(255))).is_ok());
    }

    #[test]
    fn a_missing_header_and_a_repeated_one_are_told_apart() {
        let mut headers = HeaderMap::new();
        assert_eq!(from_headers(&headers).unwrap_err().kind, Kind::KeyMissing);
        headers.append(NAME, HeaderValue::from_static("a"));
        assert_eq!(from_headers(&headers).unwrap().as_str(), "a");
        headers.append(NAME, HeaderValue::from_static("a"));
        assert_eq!(from_headers(&headers).unwrap_err().kind, Kind::KeyInvalid);
    }
}
