//! The key of an operation: the merchant and the merchant's idempotency key. At most one operation exists per key.

use serde::{Deserialize, Serialize};

use crate::ids::Merchant;
use crate::text::{is_visible_ascii, text_newtype};

text_newtype!(
    /// The client's name for one intent
    /// (IETF draft-ietf-httpapi-idempotency-key-header-07), without any quoting.
    IdempotencyKey,
    "1 to 255 visible ASCII characters",
    |text| is_visible_ascii(text, 255)
);

/// The identity of an operation. For each value of this type, at most one effect ever happens at a bank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationKey {
    /// The merchant that the key belongs to. Two merchants may use the same text for different operations.
    pub merchant: Merchant,
    /// The client's key.
    pub idempotency_key: IdempotencyKey,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_accepted_exactly_when_it_is_1_to_255_visible_ascii(text in ".{0,300}") {
            let valid = (1..=255).contains(&text.chars().count())
                && text.chars().all(|c| ('!'..='~').contains(&c));
            prop_assert_eq!(IdempotencyKey::new(&text).is_ok(), valid);
        }
    }

    #[test]
    fn the_bounds_of_a_key_are_exact() {
        assert!(IdempotencyKey::new("").is_err());
        assert!(IdempotencyKey::new("!").is_ok());
        assert!(IdempotencyKey::new(&"~".repeat(255)).is_ok());
        assert!(IdempotencyKey::new(&"~".repeat(256)).is_err());
        assert!(IdempotencyKey::new("a b").is_err());
        assert!(IdempotencyKey::new("a\u{7f}").is_err());
    }
}
