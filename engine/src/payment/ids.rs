//! Newtypes for every identifier: a value that exists is a value that is valid.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text was refused as an identifier. The message says what is allowed.
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
            /// What a valid value looks like, in words.
            pub const RULE: &'static str = $rule;

            /// Checks `text` and keeps a copy of it.
            ///
            /// # Errors
            /// When `text` breaks [`Self::RULE`].
            pub fn new(text: &str) -> Result<Self, $crate::payment::InvalidText> {
                Self::try_from(std::sync::Arc::<str>::from(text))
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<std::sync::Arc<str>> for $name {
            type Error = $crate::payment::InvalidText;

            fn try_from(text: std::sync::Arc<str>) -> Result<Self, Self::Error> {
                let valid: fn(&str) -> bool = $valid;
                if valid(&text) {
                    Ok(Self(text))
                } else {
                    Err($crate::payment::InvalidText::new(Self::RULE))
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

text_newtype!(
    /// A ledger account that is debited or credited.
    AccountId,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

text_newtype!(
    /// The bank's own id for a transaction it carried out.
    BankTransactionId,
    "1 to 128 visible ASCII characters",
    |text| is_visible_ascii(text, 128)
);

text_newtype!(
    /// The bank's machine-readable reason for a decline, such as `insufficient_funds`.
    DeclineCode,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

text_newtype!(
    /// The bank's explanation of a decline, for people.
    DeclineMessage,
    "up to 500 characters without control characters",
    |text| text.chars().count() <= 500 && !text.chars().any(char::is_control)
);

text_newtype!(
    /// The configured name of a bank. A payment belongs to the bank it was admitted for, by this name.
    BankName,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

text_newtype!(
    /// Where a bank is reached: scheme, host and port, such as `https://bank.example:443`.
    BankAddress,
    "1 to 300 visible ASCII characters",
    |text| is_visible_ascii(text, 300)
);

/// A payment's id: a UUIDv7 (RFC 9562), so ids sort by creation time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PaymentId(Uuid);

impl PaymentId {
    /// Wraps a UUID made by the id source or read from storage.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Our own id for a payment at the bank.
///
/// It is a pure function of the payment's id, so every attempt, in every life of the process,
/// carries the same one: that is what lets a bank recognise a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BankReference(PaymentId);

impl BankReference {
    /// The one reference of a payment.
    pub const fn of(id: PaymentId) -> Self {
        Self(id)
    }
}

impl fmt::Display for BankReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf_{}", self.0.0.simple())
    }
}

/// A moment of wall-clock time: whole milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since the Unix epoch.
    pub const fn from_unix_ms(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_unix_ms(self) -> u64 {
        self.0
    }

    /// This moment plus `ms` milliseconds; stops at the end of the representable range.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this moment; zero when the clock went backwards.
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
