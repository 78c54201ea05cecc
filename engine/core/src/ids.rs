//! Newtypes for every identifier. A value of these types is always valid.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text::{is_name, is_visible_ascii, text_newtype};
use crate::time::Timestamp;

text_newtype!(
    /// The API principal. It scopes idempotency keys and operations.
    Merchant,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

impl Merchant {
    /// The merchant of every request while no API keys are configured.
    pub fn default_merchant() -> Self {
        Self(std::sync::Arc::from("default"))
    }
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
    /// The configured name of a bank. An operation belongs to the bank it was admitted for, by this name.
    BankName,
    "1 to 64 of the characters A-Z a-z 0-9 . _ : -",
    is_name
);

text_newtype!(
    /// The address of a bank: scheme, host and port, such as `https://bank.example:443`.
    BankAddress,
    "1 to 300 visible ASCII characters",
    |text| is_visible_ascii(text, 300)
);

/// An operation's id: a UUIDv7 (RFC 9562), so ids sort by creation time. The time in it is never earlier than the
/// operation's own; it is later only after the clock was set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(Uuid);

impl OperationId {
    /// Wraps a UUID made by the id source or read from storage.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The UUID.
    pub const fn as_uuid(self) -> Uuid {
        self.0
    }

    /// A bound: no operation that was created later than `moment` has a smaller id.
    pub const fn first_after(moment: Timestamp) -> Self {
        // The first 48 bits are the time, in milliseconds (RFC 9562, section 5.7).
        let ms = moment.plus_ms(1).as_unix_ms();
        let ms = if ms >> 48 == 0 { ms } else { u64::MAX >> 16 };
        Self(Uuid::from_u128((ms as u128) << 80))
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

/// Our own id for an operation at the bank.
///
/// It is a pure function of the operation's id, so every attempt carries the same one, also after a restart. This lets
/// a bank recognise a repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BankReference(OperationId);

impl BankReference {
    /// The one reference of an operation.
    pub const fn of(id: OperationId) -> Self {
        Self(id)
    }
}

impl fmt::Display for BankReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hf_{}", self.0.0.simple())
    }
}
