//! Validated texts: the macro behind every text newtype, and the character classes that they share.

/// Why a text is not a valid identifier. The message says which texts are allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be {rule}")]
pub struct InvalidText {
    rule: &'static str,
}

impl InvalidText {
    pub(crate) const fn new(rule: &'static str) -> Self {
        Self { rule }
    }
}

/// Defines a validated, cheaply cloned text. Decoding from storage passes the same check.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $rule:expr, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "std::sync::Arc<str>")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The rule for valid values, as a text.
            pub const RULE: &'static str = $rule;

            /// Checks `text` and keeps a copy of it.
            ///
            /// # Errors
            /// When `text` breaks [`Self::RULE`].
            pub fn new(text: &str) -> Result<Self, $crate::text::InvalidText> {
                Self::try_from(std::sync::Arc::<str>::from(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<std::sync::Arc<str>> for $name {
            type Error = $crate::text::InvalidText;

            fn try_from(text: std::sync::Arc<str>) -> Result<Self, Self::Error> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err($crate::text::InvalidText::new(Self::RULE))
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_newtype;

/// The characters of merchants and ledger accounts: safe in URLs, logs and storage keys.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

/// One to `max` visible ASCII characters (RFC 5234 `VCHAR`).
pub(crate) fn is_visible_ascii(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
