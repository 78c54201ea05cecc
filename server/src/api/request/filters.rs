//! The filters of a list, from query parameters.

use holdfast_core::{AccountId, Amount, Currency, IdempotencyKey, Reference, Timestamp};

use crate::api::problem::Problem;
use crate::api::request::key_header;

/// What a moment must be.
const MOMENT_RULE: &str = "must be a date and time of RFC 3339 with its offset, such as 2026-01-31T12:00:00Z (write the + of \
                           an offset as %2B)";

/// A parameter, if it is given, as what it means.
pub(crate) fn given<T>(
    text: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, Problem>,
) -> Result<Option<T>, Problem> {
    text.map(parse).transpose()
}

pub(crate) fn idempotency_key(text: &str) -> Result<IdempotencyKey, Problem> {
    key_header::parse(text.as_bytes()).map_err(|_| must_be("idempotency_key", IdempotencyKey::RULE))
}

pub(crate) fn account(text: &str) -> Result<AccountId, Problem> {
    AccountId::new(text).map_err(|_| must_be("account", AccountId::RULE))
}

/// An empty reference is none, and there is no search for payments without one.
pub(crate) fn reference(text: &str) -> Result<Reference, Problem> {
    Reference::new(text)
        .ok()
        .filter(|_| !text.is_empty())
        .ok_or_else(|| {
            let rule = "1 to 140 characters without control characters";
            must_be("reference", rule)
        })
}

pub(crate) fn currency(text: &str) -> Result<Currency, Problem> {
    Currency::from_code(text)
        .map_err(|_| must_be("currency", "an ISO 4217 code in upper case, such as EUR"))
}

pub(crate) fn amount(minor_units: u64) -> Result<Amount, Problem> {
    Amount::new(minor_units).map_err(|_| {
        let rule = format!("an integer from 1 to {}, in minor units", Amount::MAX);
        must_be("amount", &rule)
    })
}

/// Times are kept in milliseconds: what is later than a moment within one is later than its beginning.
pub(crate) fn created_after(text: &str) -> Result<Timestamp, Problem> {
    let moment = moment("created_after", text)?;
    let ms = moment.as_millisecond().max(0);
    Ok(Timestamp::from_unix_ms(ms.unsigned_abs()))
}

/// What is earlier than a moment within a millisecond may have been created in this millisecond.
pub(crate) fn created_before(text: &str) -> Result<Timestamp, Problem> {
    let moment = moment("created_before", text)?;
    let is_within = moment.subsec_nanosecond() % 1_000_000 != 0;
    let ms = moment.as_millisecond().max(0).unsigned_abs();
    Ok(Timestamp::from_unix_ms(ms + u64::from(is_within)))
}

fn moment(name: &str, text: &str) -> Result<jiff::Timestamp, Problem> {
    text.parse().map_err(|_| Problem::field(name, MOMENT_RULE))
}

fn must_be(name: &str, rule: &str) -> Problem {
    Problem::field(name, format!("must be {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_taken_to_the_millisecond_without_losing_a_payment() {
        let ms = |parsed: Result<Timestamp, Problem>| parsed.ok().map(Timestamp::as_unix_ms);
        for (text, after, before) in [
            ("1970-01-01T00:00:01Z", 1_000, 1_000),
            ("1970-01-01T01:00:01+01:00", 1_000, 1_000),
            ("1970-01-01T00:00:00.001Z", 1, 1),
            ("1970-01-01T00:00:00.0010001Z", 1, 2),
            // Before 1970 nothing was created.
            ("1969-12-31T23:59:59Z", 0, 0),
        ] {
            assert_eq!(ms(created_after(text)), Some(after), "{text}");
            assert_eq!(ms(created_before(text)), Some(before), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-01-31",
            "2026-01-31T12:00:00",
            "2026-02-31T12:00:00Z",
        ] {
            assert!(created_after(text).is_err(), "{text}");
            assert!(created_before(text).is_err(), "{text}");
        }
    }
}
