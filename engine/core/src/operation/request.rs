//! The client's request. The stored request is its own fingerprint: a repeat is compared field by field. So the answer
//! can name the fields that differ, and no hash collision can confuse two payments.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::AccountId;
use crate::ledger::{Movement, MovementKind};
use crate::money::{Amount, Currency};
use crate::text::text_newtype;

text_newtype!(
    /// The client's own text for the payment, such as an order number.
    Reference,
    "up to 140 characters without control characters",
    |text| text.chars().count() <= 140 && !text.chars().any(char::is_control)
);

/// Free key-value pairs the client keeps with the payment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Metadata(BTreeMap<String, String>);

/// The limit that the metadata exceeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetadata {
    /// More than [`Metadata::ENTRIES_MAX`] entries.
    #[error("must have at most {} entries", Metadata::ENTRIES_MAX)]
    TooManyEntries,
    /// A key longer than [`Metadata::KEY_CHARS_MAX`].
    #[error("keys must be at most {} characters", Metadata::KEY_CHARS_MAX)]
    KeyTooLong,
    /// A value longer than [`Metadata::VALUE_CHARS_MAX`].
    #[error("values must be at most {} characters", Metadata::VALUE_CHARS_MAX)]
    ValueTooLong,
}

impl Metadata {
    /// Most entries.
    pub const ENTRIES_MAX: usize = 16;
    /// Most characters of a key.
    pub const KEY_CHARS_MAX: usize = 40;
    /// Most characters of a value.
    pub const VALUE_CHARS_MAX: usize = 500;

    /// Checks the limits.
    ///
    /// # Errors
    /// When there are too many entries, or a key or value is too long.
    pub fn new(entries: BTreeMap<String, String>) -> Result<Self, InvalidMetadata> {
        if entries.len() > Self::ENTRIES_MAX {
            return Err(InvalidMetadata::TooManyEntries);
        }
        for (key, value) in &entries {
            if key.chars().count() > Self::KEY_CHARS_MAX {
                return Err(InvalidMetadata::KeyTooLong);
            }
            if value.chars().count() > Self::VALUE_CHARS_MAX {
                return Err(InvalidMetadata::ValueTooLong);
            }
        }
        Ok(Self(entries))
    }

    /// The entries, ordered by key.
    pub const fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

impl TryFrom<BTreeMap<String, String>> for Metadata {
    type Error = InvalidMetadata;

    fn try_from(entries: BTreeMap<String, String>) -> Result<Self, Self::Error> {
        Self::new(entries)
    }
}

/// Debtor and creditor are the same account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must differ from debtor: money moves between two accounts")]
pub struct SameParties;

/// A valid request to move money once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequest {
    amount: Amount,
    currency: Currency,
    debtor: AccountId,
    creditor: AccountId,
    reference: Option<Reference>,
    metadata: Metadata,
}

impl PaymentRequest {
    /// Puts valid parts together.
    ///
    /// # Errors
    /// When debtor and creditor are the same account.
    pub fn new(
        amount: Amount,
        currency: Currency,
        debtor: AccountId,
        creditor: AccountId,
        reference: Option<Reference>,
        metadata: Metadata,
    ) -> Result<Self, SameParties> {
        if debtor == creditor {
            return Err(SameParties);
        }
        Ok(Self {
            amount,
            currency,
            debtor,
            creditor,
            reference,
            metadata,
        })
    }

    /// The amount.
    pub const fn amount(&self) -> Amount {
        self.amount
    }

    /// The currency.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// The account to debit.
    pub const fn debtor(&self) -> &AccountId {
        &self.debtor
    }

    /// The account to credit.
    pub const fn creditor(&self) -> &AccountId {
        &self.creditor
    }

    /// Its movement in one phase.
    pub fn movement(&self, kind: MovementKind) -> Movement {
        Movement {
            kind,
            debit: self.debtor.clone(),
            credit: self.creditor.clone(),
            amount: self.amount,
            currency: self.currency,
        }
    }

    /// The client's text, if any.
    pub const fn reference(&self) -> Option<&Reference> {
        self.reference.as_ref()
    }

    /// The client's key-value pairs.
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The names of the fields in which `other` differs; empty when it is the same request. The order is that of the
    /// API's documentation.
    pub fn mismatched_fields(&self, other: &Self) -> Vec<&'static str> {
        // Destructured, so that a new field does not compile until it is compared.
        let Self {
            amount,
            currency,
            debtor,
            creditor,
            reference,
            metadata,
        } = self;
        [
            ("amount", *amount != other.amount),
            ("currency", *currency != other.currency),
            ("debtor", *debtor != other.debtor),
            ("creditor", *creditor != other.creditor),
            (
                "reference",
                said(reference.as_ref()) != said(other.reference()),
            ),
            ("metadata", *metadata != other.metadata),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }
}

/// An empty reference means the same as no reference. Earlier versions stored it.
fn said(reference: Option<&Reference>) -> Option<&Reference> {
    reference.filter(|reference| !reference.as_str().is_empty())
}

/// A client's request, by the kind of operation. Cheap to clone.
///
/// The kind decides the movement in the ledger, the checks at admission, and the call to the bank. Match on it without
/// a default arm, so that a new kind does not compile until each of these is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Debit one account and credit another, once.
    Payment(Arc<PaymentRequest>),
}

/// The kind of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A payment.
    Payment,
}

impl Request {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Payment(_) => Kind::Payment,
        }
    }

    /// The amount.
    pub fn amount(&self) -> Amount {
        match self {
            Self::Payment(payment) => payment.amount(),
        }
    }

    /// The currency.
    pub fn currency(&self) -> Currency {
        match self {
            Self::Payment(payment) => payment.currency(),
        }
    }

    /// Its movement in the ledger in one phase.
    pub fn movement(&self, kind: MovementKind) -> Movement {
        match self {
            Self::Payment(payment) => payment.movement(kind),
        }
    }

    /// The names of the fields in which `other` differs; empty when it is the same request.
    pub fn mismatched_fields(&self, other: &Self) -> Vec<&'static str> {
        match (self, other) {
            (Self::Payment(payment), Self::Payment(other)) => payment.mismatched_fields(other),
        }
    }
}

impl From<PaymentRequest> for Request {
    fn from(payment: PaymentRequest) -> Self {
        Self::Payment(Arc::new(payment))
    }
}
