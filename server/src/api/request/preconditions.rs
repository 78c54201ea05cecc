//! `If-Match` and `If-None-Match` (RFC 9110, section 13.1): what a client has seen of a payment.

use poem::http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What such a header names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: any version.
    Any,
    /// Some of these.
    OneOf(Vec<Tag>),
}

/// An entity tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    weak: bool,
    text: String,
}

/// What `If-Match` may be: a version bare, `*`, or entity tags.
pub(crate) const IF_MATCH_PATTERN: &str =
    r#"^([0-9]{1,19}|\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$"#;

/// The header is no list of entity tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTags;

impl Tags {
    /// What `If-Match` says; one version may be bare there. `None` when there is none.
    pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Self>, NoTags> {
        let mut lines = headers.get_all(header::IF_MATCH).iter();
        match (lines.next().and_then(bare_version), lines.next()) {
            (Some(version), None) => Ok(Some(Self::version(version))),
            _ => Self::of(headers, &header::IF_MATCH),
        }
    }

    /// What the header of that name says; `None` when there is none.
    pub(crate) fn of(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Self>, NoTags> {
        let mut lines = Vec::new();
        for line in headers.get_all(name) {
            lines.push(line.to_str().map_err(|_| NoTags)?);
        }
        if lines.is_empty() {
            return Ok(None);
        }
        // Lines of one name are one list (RFC 9110, section 5.3).
        Self::parse(&lines.join(",")).map(Some)
    }

    fn parse(list: &str) -> Result<Self, NoTags> {
        if list.trim() == "*" {
            return Ok(Self::Any);
        }
        let mut tags = Vec::new();
        let mut rest = list.trim_start_matches([' ', '\t', ',']);
        while !rest.is_empty() {
            let opaque = rest.strip_prefix("W/");
            let weak = opaque.is_some();
            let quoted = opaque.unwrap_or(rest).strip_prefix('"').ok_or(NoTags)?;
            let (text, after) = quoted.split_once('"').ok_or(NoTags)?;
            if text.contains([' ', '\t', '\u{7f}']) {
                return Err(NoTags);
            }
            tags.push(Tag {
                weak,
                text: text.to_owned(),
            });
            let after = after.trim_start_matches([' ', '\t']);
            if !after.is_empty() && !after.starts_with(',') {
                return Err(NoTags);
            }
            rest = after.trim_start_matches([' ', '\t', ',']);
        }
        if tags.is_empty() {
            return Err(NoTags);
        }
        Ok(Self::OneOf(tags))
    }

    /// Whether this very version is named: a weak tag never is (strong comparison, section 8.8.3.2).
    pub(crate) fn name_strongly(&self, version: u64) -> bool {
        self.name(version, |tag| !tag.weak)
    }

    /// Whether the version is named, also weakly (weak comparison).
    pub(crate) fn name_weakly(&self, version: u64) -> bool {
        self.name(version, |_| true)
    }

    fn name(&self, version: u64, counts: impl Fn(&Tag) -> bool) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => {
                let version = version.to_string();
                tags.iter().any(|tag| counts(tag) && tag.text == version)
            }
        }
    }

    fn version(version: u64) -> Self {
        let text = version.to_string();
        Self::OneOf(vec![Tag { weak: false, text }])
    }
}

/// A version without quotes, which is no entity tag.
fn bare_version(line: &HeaderValue) -> Option<u64> {
    let digits = line.to_str().ok()?.trim();
    let all_digits = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_may_be_bare() {
        let version = |line: &'static str| bare_version(&HeaderValue::from_static(line));
        assert_eq!(version(" 3 "), Some(3));
        for other in ["", "\"3\"", "*", "+3", "a", "3, 4", "18446744073709551616"] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn lists_weak_tags_and_the_star_are_read_as_the_rfc_has_them() {
        let three = |list: &str| {
            let tags = Tags::parse(list).unwrap();
            (tags.name_strongly(3), tags.name_weakly(3))
        };
        for (list, strongly, weakly) in [
            ("\"3\"", true, true),
            ("*", true, true),
            (" * ", true, true),
            ("W/\"3\"", false, true),
            ("\"2\", \"3\"", true, true),
            ("\"2\" ,,\tW/\"3\"", false, true),
            (",\"3\",", true, true),
            ("\"03\"", false, false),
            ("\"+3\"", false, false),
            ("\"\"", false, false),
            ("\"*\"", false, false),
            ("\"3, 4\"".replace(' ', "").as_str(), false, false),
            ("\"18446744073709551619\"", false, false),
        ] {
            assert_eq!(three(list), (strongly, weakly), "{list}");
        }
        for bad in [
            "",
            ",",
            "3",
            "\"3",
            "3\"",
            "w/\"3\"",
            "\"3\" x",
            "\"3\"\"4\"",
            "*, \"3\"",
            "\"a b\"",
        ] {
            assert_eq!(Tags::parse(bad), Err(NoTags), "{bad}");
        }
    }
}
