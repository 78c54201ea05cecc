//! The payment request that belongs to a key. Its amount names the key, so the bank's books can be matched to keys.

use std::fmt::{self, Display};

use bytes::Bytes;

/// The request that belongs to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chaos) struct Wanted {
    /// Minor units; unique to key and variant.
    pub(in crate::chaos) amount: u64,
    /// ISO 4217 code.
    pub(in crate::chaos) currency: &'static str,
    /// Who pays.
    pub(in crate::chaos) debtor: String,
    /// Who is paid.
    pub(in crate::chaos) creditor: String,
}

const VARIANT_APART: u64 = 1_000_000;
const AMOUNT_LEAST: u64 = 1_000;

impl Wanted {
    /// The request of a key. Variant 0 is the one that belongs to it.
    pub(in crate::chaos) fn of(key: u32, variant: u32) -> Self {
        Self {
            amount: AMOUNT_LEAST + u64::from(key) + u64::from(variant) * VARIANT_APART,
            currency: ["EUR", "USD", "JPY"][(key % 7 % 3) as usize],
            debtor: format!("acct_c{}", key % 5),
            creditor: if key % 11 == 10 {
                "acct_declined".to_owned()
            } else {
                format!("acct_shop{}", key % 3)
            },
        }
    }

    /// The key that an amount belongs to.
    pub(in crate::chaos) fn key_of(amount: u64) -> Option<u32> {
        u32::try_from((amount % VARIANT_APART).checked_sub(AMOUNT_LEAST)?).ok()
    }

    /// As the body of a request.
    pub(in crate::chaos) fn body(&self) -> Bytes {
        let Self {
            amount,
            currency,
            debtor,
            creditor,
        } = self;
        Bytes::from(format!(
            r#"{{"amount":{amount},"currency":"{currency}","debtor":"{debtor}","creditor":"{creditor}"}}"#
        ))
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            amount,
            currency,
            debtor,
            creditor,
        } = self;
        write!(f, "{amount} {currency} from {debtor} to {creditor}")
    }
}
