//! The `Prefer` header (RFC 7240): how long to wait, and whether to join.

use std::time::Duration;

use holdfast_engine::service::CreateOptions;
use poem::http::{HeaderMap, header::HeaderName};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchema, MetaSchemaRef};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

/// How long a create waits for the end of the payment when the client does not say, in seconds.
pub(crate) const WAIT_DEFAULT_S: u64 = 10;

/// Longest wait a client may ask for, in seconds.
pub(crate) const WAIT_MAX_S: u64 = 60;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What the client prefers, as far as it is known and honoured. The rest is ignored, as RFC 7240
/// demands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Preferences {
    wait_s: Option<u64>,
    respond_async: bool,
    handling: Option<Handling>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handling {
    Strict,
    Lenient,
}

/// The parts between separators; one in a quoted string separates nothing (RFC 9110, section 5.6.4).
fn split(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    line.split(move |c| {
        let separates = c == separator && !quoted;
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        separates
    })
}

/// A token as it is, a quoted string without its quotes; `None` for half of one.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut text = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return chars.next().is_none().then_some(text),
            '\\' => text.push(chars.next()?),
            c => text.push(c),
        }
    }
    None
}

impl Preferences {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Self {
        let mut preferences = Self::default();
        let lines = headers
            .get_all(PREFER)
            .iter()
            .filter_map(|line| line.to_str().ok());
        for preference in lines.flat_map(|line| split(line, ',')) {
            // Parameters after a semicolon belong to preferences not known here.
            let token = split(preference, ';').next().unwrap_or_default();
            let (name, value) = token.split_once('=').unwrap_or((token, ""));
            if let Some(value) = unquoted(value.trim()) {
                preferences.take(&name.trim().to_ascii_lowercase(), &value);
            }
        }
        preferences
    }

    /// Takes one preference; of several with the same name the first counts.
    fn take(&mut self, name: &str, value: &str) {
        match name {
            "wait" if self.wait_s.is_none() => {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                self.wait_s = value
                    .parse()
                    .ok()
                    .filter(|wait_s| digits && *wait_s <= WAIT_MAX_S);
            }
            "respond-async" => self.respond_async = true,
            "handling" if self.handling.is_none() => {
                self.handling = match value.to_ascii_lowercase().as_str() {
                    "strict" => Some(Handling::Strict),
                    "lenient" => Some(Handling::Lenient),
                    _ => None,
                };
            }
            _ => {}
        }
    }

    pub(crate) fn options(&self) -> CreateOptions {
        let default_s = if self.respond_async {
            0
        } else {
            WAIT_DEFAULT_S
        };
        CreateOptions {
            wait: Duration::from_secs(self.wait_s.unwrap_or(default_s)),
            strict: self.handling == Some(Handling::Strict),
        }
    }

    /// The value of `Preference-Applied`; `None` when nothing was asked for that is honoured.
    pub(crate) fn applied(&self) -> Option<String> {
        let wait = self.wait_s.map(|wait_s| format!("wait={wait_s}"));
        let respond_async = self.respond_async.then(|| "respond-async".to_owned());
        let handling = self.handling.map(|handling| match handling {
            Handling::Strict => "handling=strict".to_owned(),
            Handling::Lenient => "handling=lenient".to_owned(),
        });
        let applied: Vec<String> = [respond_async, wait, handling]
            .into_iter()
            .flatten()
            .collect();
        (!applied.is_empty()).then(|| applied.join(", "))
    }
}

/// The preferences of a create, taken from its headers.
pub(crate) struct PreferHeader(pub(crate) Preferences);

impl<'a> ApiExtractor<'a> for PreferHeader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(MetaSchemaRef::Inline(Box::new(MetaSchema {
            example: Some("wait=10".into()),
            ..MetaSchema::new("string")
        })))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(Preferences::from_headers(request.headers())))
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    fn parse(lines: &[&'static str]) -> (u64, bool, Option<String>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(PREFER, HeaderValue::from_static(line));
        }
        let preferences = Preferences::from_headers(&headers);
        let options = preferences.options();
        (
            options.wait.as_secs(),
            options.strict,
            preferences.applied(),
        )
    }

    #[test]
    fn what_is_honoured_is_named_and_the_rest_is_ignored() {
        let applied = |text: &str| Some(text.to_owned());
        assert_eq!(parse(&[]), (10, false, None));
        assert_eq!(parse(&["wait=0"]), (0, false, applied("wait=0")));
        assert_eq!(parse(&["wait=60"]), (60, false, applied("wait=60")));
        assert_eq!(parse(&["wait=61"]), (10, false, None));
        assert_eq!(parse(&["wait=-1"]), (10, false, None));
        assert_eq!(parse(&["wait=+1"]), (10, false, None));
        assert_eq!(parse(&["wait"]), (10, false, None));
        assert_eq!(
            parse(&["respond-async"]),
            (0, false, applied("respond-async"))
        );
        assert_eq!(
            parse(&["respond-async, wait=5"]),
            (5, false, applied("respond-async, wait=5"))
        );
        assert_eq!(
            parse(&["return=minimal, Wait = \"3\"", "handling=strict; x=1"]),
            (3, true, applied("wait=3, handling=strict"))
        );
        assert_eq!(
            parse(&["handling=lenient"]),
            (10, false, applied("handling=lenient"))
        );
        assert_eq!(parse(&["wait=2, wait=9"]), (2, false, applied("wait=2")));
        // What stands in a quoted string is no preference.
        for (line, wait_s) in [
            ("foo=\"a, wait=0\", wait=5", 5),
            ("foo=\"a; b, wait=0\"; c=\"d, wait=0\", wait=5", 5),
            ("foo=\"a\\\", wait=0\", wait=5", 5),
            ("foo; bar=\", wait=0\", wait=5", 5),
            ("wait=\"5\"", 5),
            ("wait=\"\\5\"", 5),
            // Half a quoted string goes on to the end.
            ("foo=\"a, wait=5", 10),
            ("wait=\"5, handling=strict", 10),
            ("wait=5\"", 10),
            (", ,wait=5", 5),
        ] {
            assert_eq!(parse(&[line]).0, wait_s, "{line}");
        }
    }
}
