//! The body of a create: strict JSON, every broken rule named.
//!
//! What would make two different requests look the same, or one look like two, is refused: duplicate
//! members, unknown members, numbers as strings, arrays for objects.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_core::{AccountId, Amount, Currency, Metadata, PaymentRequest, Reference};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaRequest, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, Object};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::api::problem::{FieldError, Problem, quoted};
use crate::api::request::json_body::{self, text};
use crate::api::request::metadata_member::MetadataMember;

/// A request to move money once.
#[derive(Debug, Object)]
#[oai(rename = "CreatePayment")]
struct CreatePaymentSchema {
    /// Minor units (cents for EUR, yen for JPY).
    #[oai(validator(minimum(value = "1"), maximum(value = "999999999999")))]
    amount: i64,
    /// ISO 4217 code, upper case.
    #[oai(validator(pattern = "^[A-Z]{3}$"))]
    currency: String,
    /// The account that pays.
    #[oai(validator(pattern = "^[A-Za-z0-9._:-]{1,64}$"))]
    debtor: String,
    /// The account that is paid; another one than the debtor.
    #[oai(validator(pattern = "^[A-Za-z0-9._:-]{1,64}$"))]
    creditor: String,
    /// The client's own text, such as an order number; no control characters.
    #[oai(validator(max_length = 140, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$"))]
    reference: Option<String>,
    /// The client's own key-value pairs: up to 16, keys up to 40 characters, values up to 500.
    #[oai(validator(max_properties = 16))]
    metadata: Option<BTreeMap<String, String>>,
}

/// The body of a create, or why it is not valid.
///
/// The extractor never fails: the handler answers, for it knows the key.
pub(crate) struct CreateBody(pub(crate) Result<PaymentRequest, Problem>);

impl<'a> ApiExtractor<'a> for CreateBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        // Not imported: the trait brings an `is_empty` of its own to every string.
        <CreatePaymentSchema as poem_openapi::types::Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_body::meta::<CreatePaymentSchema>(
            "The payment to make.",
        ))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        Ok(Self(read(request, body).await))
    }
}

async fn read(request: &Request, body: &mut RequestBody) -> Result<PaymentRequest, Problem> {
    let bytes = json_body::read(request, body).await?;
    parse(&bytes).map_err(Problem::validation)
}

/// Parses and checks a body.
pub(crate) fn parse(bytes: &[u8]) -> Result<PaymentRequest, Vec<FieldError>> {
    match serde_json::from_slice::<Members>(bytes) {
        Ok(members) => members.check(),
        Err(error) => Err(vec![json_body::not_json(&error)]),
    }
}

/// The members of the body, not yet checked.
#[derive(Debug, Default)]
struct Members {
    /// As it was written: a number of JSON may have more digits than any type of number.
    amount: Option<Box<RawValue>>,
    currency: Option<Value>,
    debtor: Option<Value>,
    creditor: Option<Value>,
    reference: Option<Value>,
    metadata: Option<MetadataMember>,
    errors: Vec<FieldError>,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some(name) = map.next_key::<String>()? {
            let slot = match name.as_str() {
                "currency" => &mut members.currency,
                "debtor" => &mut members.debtor,
                "creditor" => &mut members.creditor,
                "reference" => &mut members.reference,
                "amount" => {
                    if members.amount.replace(map.next_value()?).is_some() {
                        members.error(&name, "must be given only once");
                    }
                    continue;
                }
                "metadata" => {
                    let value = map.next_value()?;
                    if members.metadata.replace(value).is_some() {
                        members.error(&name, "must be given only once");
                    }
                    continue;
                }
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                    members.error(
                        &name,
                        "is not a field of a payment; the fields are amount, currency, debtor, \
                         creditor, reference and metadata",
                    );
                    continue;
                }
            };
            if slot.replace(map.next_value()?).is_some() {
                members.error(&name, "must be given only once");
            }
        }
        Ok(members)
    }
}

impl Members {
    fn error(&mut self, field: &str, message: impl Into<String>) {
        self.errors.push(FieldError {
            field: quoted(field),
            message: message.into(),
        });
    }

    /// Checks one member; `None` when it broke a rule, which is then noted.
    fn take<V, T, E: fmt::Display>(
        &mut self,
        field: &str,
        value: Option<V>,
        check: impl FnOnce(V) -> Result<T, E>,
    ) -> Option<T> {
        let Some(value) = value else {
            self.error(field, "is required");
            return None;
        };
        check(value)
            .map_err(|error| self.error(field, error.to_string()))
            .ok()
    }

    fn check(mut self) -> Result<PaymentRequest, Vec<FieldError>> {
        let (amount, currency) = (self.amount.take(), self.currency.take());
        let (debtor, creditor) = (self.debtor.take(), self.creditor.take());
        let amount = self.take("amount", amount, |value| {
            Amount::new(integer(value.get()).unwrap_or_default())
        });
        let currency = self.take("currency", currency, |value| {
            text(
                &value,
                "an ISO 4217 currency code in upper case, such as EUR",
                Currency::from_code,
            )
        });
        let debtor = self.take("debtor", debtor, |value| {
            text(&value, AccountId::RULE, AccountId::new)
        });
        let creditor = self.take("creditor", creditor, |value| {
            text(&value, AccountId::RULE, AccountId::new)
        });
        let reference = match self.reference.take() {
            None | Some(Value::Null) => Some(None),
            given => self
                .take("reference", given, |value| {
                    text(&value, Reference::RULE, Reference::new)
                })
                // An empty one says as much as none.
                .map(|reference| Some(reference).filter(|given| !given.as_str().is_empty())),
        };
        let metadata = match self.metadata.take() {
            None | Some(MetadataMember::Null) => Some(Metadata::default()),
            Some(MetadataMember::Entries(entries)) => Metadata::new(entries)
                .map_err(|error| self.error("metadata", error.to_string()))
                .ok(),
            Some(MetadataMember::Invalid { field, message }) => {
                self.error(&field, message);
                None
            }
        };
        if let (false, Some(currency)) = (self.errors.is_empty(), currency)
            && let Err(error) = currency.check_payable()
        {
            // Alone it is no matter of the body: a key that stands for such a payment is answered.
            self.error("currency", error.to_string());
        }
        if debtor.is_some() && debtor == creditor {
            self.error("creditor", holdfast_core::SameParties.to_string());
        }
        let (Some(amount), Some(currency), Some(debtor), Some(creditor)) =
            (amount, currency, debtor, creditor)
        else {
            return Err(self.errors);
        };
        let (Some(reference), Some(metadata)) = (reference, metadata) else {
            return Err(self.errors);
        };
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        PaymentRequest::new(amount, currency, debtor, creditor, reference, metadata).map_err(
            |error| {
                vec![FieldError {
                    field: "creditor".into(),
                    message: error.to_string(),
                }]
            },
        )
    }
}

/// The integer that a number of JSON stands for, however it is written: `1999.0` and `1.999e3` are the same number as `1999`
/// (JSON Schema 2020-12, section 4.2.3). Read digit by digit, for `0.99999999999999999999` is not 1, and as a floating-point
/// number it would be. `None` for what is no number, no integer, negative or larger than any amount.
fn integer(number: &str) -> Option<u64> {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let significant = digits.trim_end_matches('0');
    let dropped = digits.len() - significant.len();
    let significant = significant.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    // How many zeros follow the digits that count. Exponents beyond this range leave no amount, be it too large or no integer.
    let exponent: i64 = exponent.parse().ok()?;
    let dropped = i64::try_from(dropped).ok()?;
    let fraction = i64::try_from(fraction.len()).ok()?;
    let zeros = exponent.checked_add(dropped)?.checked_sub(fraction)?;
    let zeros = u32::try_from(zeros).ok()?;
    let significant: u64 = significant.parse().ok()?;
    significant.checked_mul(10_u64.checked_pow(zeros)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn valid() -> Value {
        json!({
            "amount": 1999, "currency": "EUR", "debtor": "acct_alice", "creditor": "acct_shop",
            "reference": "order 1001", "metadata": {"cart": "77"},
        })
    }

    fn errors_of(body: &str) -> Vec<(String, String)> {
        let errors = parse(body.as_bytes()).unwrap_err();
        errors
            .into_iter()
            .map(|error| (error.field, error.message))
            .collect()
    }

    #[test]
    fn a_valid_body_is_taken_with_and_without_its_optional_members() {
        let request = parse(valid().to_string().as_bytes()).unwrap();
        assert_eq!(request.amount().minor_units(), 1999);
        assert_eq!(request.metadata().entries()["cart"], "77");
        let bare = r#"{"amount":1,"currency":"JPY","debtor":"a","creditor":"b"}"#;
        let nulls = r#"{"amount":1,"currency":"JPY","debtor":"a","creditor":"b",
            "reference":null,"metadata":null}"#;
        assert_eq!(
            parse(bare.as_bytes()).unwrap(),
            parse(nulls.as_bytes()).unwrap()
        );
    }

    #[test]
    fn every_broken_rule_is_named() {
        let mut table = String::new();
        let mut row = |body: &str| {
            use std::fmt::Write;
            writeln!(table, "{body}").unwrap();
            for (field, message) in errors_of(body) {
                writeln!(table, "    {field:?} {message}").unwrap();
            }
        };
        for body in [
            "",
            "nonsense",
            "[]",
            "null",
            "\"text\"",
            "{",
            "{}",
            "[1999, \"EUR\"]",
        ] {
            row(body);
        }
        for (field, value) in [
            ("amount", json!(0)),
            ("amount", json!(-1)),
            ("amount", json!(1_000_000_000_000_u64)),
            ("amount", json!("1999")),
            ("amount", json!(19.99)),
            ("amount", json!(null)),
            ("currency", json!("eur")),
            ("currency", json!("XXX")),
            ("currency", json!(978)),
            ("debtor", json!("")),
            ("debtor", json!("a b")),
            ("debtor", json!("x".repeat(65))),
            ("debtor", json!(true)),
            ("creditor", json!("acct_alice")),
            ("reference", json!("x".repeat(141))),
            ("reference", json!("line\nbreak")),
            ("reference", json!(7)),
            ("metadata", json!([])),
            ("metadata", json!("text")),
            ("metadata", json!({"a": 1})),
            ("metadata", json!({"a": "x".repeat(501)})),
            ("metadata", json!({"k".repeat(41): "a"})),
            ("surprise", json!(1)),
        ] {
            let mut body = valid();
            body[field] = value;
            row(&body.to_string());
        }
        row(r#"{"amount":1,"amount":2,"currency":"EUR","debtor":"a","creditor":"b"}"#);
        row(r#"{"amount":1,"currency":"EUR","debtor":"a","creditor":"b",
            "metadata":{"a":"1","a":"2"}}"#);
        row(r#"{"amount":1e300,"currency":"EUR","debtor":"a","creditor":"b"}"#);
        row(r#"{"amount":1,"currency":"EUR","debtor":"a","creditor":"b"} trailing"#);
        insta::assert_snapshot!(table);
    }

    #[test]
    fn an_integer_is_the_same_however_it_is_written() {
        let amount = |written: &str| {
            let body =
                format!(r#"{{"amount":{written},"currency":"EUR","debtor":"a","creditor":"b"}}"#);
            parse(body.as_bytes()).map(|request| request.amount().minor_units())
        };
        let long = format!("1999.{}", "0".repeat(5_000));
        for written in ["1999", "1999.0", "1.999e3", "19990e-1", "0.1999E+4", &long] {
            assert_eq!(amount(written), Ok(1999), "{written}");
        }
        assert_eq!(amount("1e0"), Ok(1));
        assert_eq!(amount("999999999999.000"), Ok(999_999_999_999));
        for written in [
            "1999.5",
            "-1.0",
            "0.0",
            "0e5",
            "1e15",
            // As floating-point numbers they would be 1, 1999 and the largest amount.
            "0.99999999999999999999",
            "1.00000000000000000001",
            "1999.0000000000000000001",
            "999999999999.00000000001",
            "1e-1",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "18446744073709551617",
        ] {
            assert!(amount(written).is_err(), "{written}");
        }
    }

    proptest! {
        #[test]
        fn the_fingerprint_does_not_depend_on_member_order(seed: u64) {
            let mut members: Vec<_> = valid().as_object().unwrap().clone().into_iter().collect();
            let count = members.len();
            members.rotate_left(usize::try_from(seed % count as u64).unwrap());
            let shuffled = Value::Object(members.into_iter().collect());
            let original = parse(valid().to_string().as_bytes()).unwrap();
            let shuffled = parse(shuffled.to_string().as_bytes()).unwrap();
            prop_assert!(original.mismatched_fields(&shuffled).is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn arbitrary_text_around_a_body_never_panics(text in ".*") {
            let _ = errors_of_any(&format!("{{\"amount\":{text}}}"));
        }
    }

    fn errors_of_any(body: &str) -> Option<Vec<FieldError>> {
        parse(body.as_bytes()).err()
    }
}
