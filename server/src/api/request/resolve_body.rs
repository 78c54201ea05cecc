//! What an operator sends to resolve a payment: the decision, and the version it is about.

use std::collections::BTreeSet;

use holdfast_core::{BankTransactionId, EvidenceText, ResolvedOutcome};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaRequest, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, Enum, ExtractParamOptions, Object};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::api::problem::{FieldError, Kind, Problem, quoted};
use crate::api::request::json_body::{self, text};
use crate::api::request::preconditions::{IF_MATCH_PATTERN, NoTags, Tags};

/// An operator's decision about a payment whose outcome is unknown.
#[derive(Debug, Object)]
#[oai(rename = "ResolvePayment")]
struct ResolvePaymentSchema {
    /// What became of the payment.
    outcome: Outcome,
    /// Why the operator is sure: what was looked at. Journalled with the operator's name.
    #[oai(validator(
        max_length = 1000,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*[^\s\u0000-\u001f\u007f-\u009f][^\u0000-\u001f\u007f-\u009f]*$"
    ))]
    evidence: String,
    /// The bank's id for the debit: with `settled` it must be given, with `failed` it must not.
    #[oai(validator(pattern = "^[!-~]{1,128}$"))]
    bank_transaction_id: Option<String>,
}

/// What an operator can find out.
#[derive(Debug, Enum)]
#[oai(rename_all = "snake_case", rename = "Outcome")]
enum Outcome {
    /// The debit happened.
    Settled,
    /// No debit happened and none can.
    Failed,
}

/// The body of a resolve.
#[derive(Debug)]
pub(crate) struct ResolveBody {
    pub(crate) outcome: ResolvedOutcome,
    pub(crate) evidence: EvidenceText,
}

impl<'a> ApiExtractor<'a> for ResolveBody {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <ResolvePaymentSchema as poem_openapi::types::Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(json_body::meta::<ResolvePaymentSchema>("The decision."))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = json_body::read(request, body).await?;
        Ok(parse(&bytes).map_err(Problem::validation)?)
    }
}

/// The members of the body, not yet checked.
#[derive(Debug, Default)]
struct Members {
    outcome: Option<Value>,
    evidence: Option<Value>,
    bank_transaction_id: Option<Value>,
    errors: Vec<FieldError>,
}

struct MembersVisitor;

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        let mut seen = BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            match name.as_str() {
                "outcome" => members.outcome = Some(value),
                "evidence" => members.evidence = Some(value),
                "bank_transaction_id" => members.bank_transaction_id = Some(value),
                _ => {
                    members.error(
                        &name,
                        "is not a field of a resolution; the fields are outcome, evidence and \
                         bank_transaction_id",
                    );
                }
            }
            if seen.contains(&name) {
                members.error(&name, "must be given only once");
            }
            seen.insert(name);
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

    fn check(mut self) -> Result<ResolveBody, Vec<FieldError>> {
        let evidence = match self.evidence.take() {
            Some(value) => text(&value, EvidenceText::RULE, EvidenceText::new),
            None => Err("is required".to_owned()),
        };
        let evidence = evidence.map_err(|message| self.error("evidence", message));
        let transaction = match self.bank_transaction_id.take() {
            None | Some(Value::Null) => Ok(None),
            Some(value) => text(&value, BankTransactionId::RULE, BankTransactionId::new).map(Some),
        };
        let transaction = transaction.map_err(|message| self.error("bank_transaction_id", message));
        let named = self.outcome.take();
        let outcome = match (named.as_ref().and_then(Value::as_str), transaction) {
            (Some("settled"), Ok(Some(bank_transaction_id))) => Some(ResolvedOutcome::Settled {
                bank_transaction_id,
            }),
            (Some("settled"), Ok(None)) => {
                self.error("bank_transaction_id", "is required with settled");
                None
            }
            (Some("failed"), Ok(None)) => Some(ResolvedOutcome::Failed),
            (Some("failed"), Ok(Some(_))) => {
                self.error("bank_transaction_id", "is allowed only with settled");
                None
            }
            (Some("settled" | "failed"), Err(())) => None,
            (Some(_) | None, _) => {
                self.error("outcome", "must be settled or failed");
                None
            }
        };
        match (outcome, evidence) {
            (Some(outcome), Ok(evidence)) if self.errors.is_empty() => {
                Ok(ResolveBody { outcome, evidence })
            }
            _ => Err(self.errors),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<ResolveBody, Vec<FieldError>> {
    match serde_json::from_slice::<Members>(bytes) {
        Ok(members) => members.check(),
        Err(error) => Err(vec![json_body::not_json(&error)]),
    }
}

/// The versions in `If-Match`: entity tags (RFC 9110, section 13.1.1), or one version bare.
pub(crate) struct VersionHeader(pub(crate) Tags);

impl<'a> ApiExtractor<'a> for VersionHeader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = true;

    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        let schema = MetaSchema {
            pattern: Some(IF_MATCH_PATTERN.to_owned()),
            example: Some("\"3\"".into()),
            ..MetaSchema::new("string")
        };
        Some(MetaSchemaRef::Inline(Box::new(schema)))
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let named = Tags::if_match(request.headers());
        match named {
            Ok(Some(named)) => Ok(Self(named)),
            Ok(None) => Err(Problem::new(
                Kind::VersionRequired,
                "Send the payment's version in If-Match, for example If-Match: \"3\".",
            )
            .into()),
            Err(NoTags) => Err(Problem::field(
                "If-Match",
                "must be the payment's version, quoted or bare: If-Match: \"3\"; a list of versions in quotes, or *",
            )
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broken_rule_of_a_resolution_is_named() {
        let mut table = String::new();
        for body in [
            "",
            "[]",
            "{}",
            r#"{"outcome":"settled","evidence":"x","bank_transaction_id":"b_1"}"#,
            r#"{"outcome":"failed","evidence":"x"}"#,
            r#"{"outcome":"failed","evidence":"x","bank_transaction_id":null}"#,
            r#"{"outcome":"failed","evidence":"x","bank_transaction_id":"b_1"}"#,
            r#"{"outcome":"settled","evidence":"x"}"#,
            r#"{"outcome":"maybe","evidence":" "}"#,
            r#"{"outcome":"failed","evidence":7}"#,
            r#"{"outcome":"settled","evidence":"x","bank_transaction_id":"b 1"}"#,
            r#"{"outcome":"failed","outcome":"settled","evidence":"x","bank_transaction_id":"b"}"#,
            r#"{"outcome":"failed","evidence":"x","operator":"me"}"#,
        ] {
            use std::fmt::Write;
            writeln!(table, "{body}").unwrap();
            match parse(body.as_bytes()) {
                Ok(taken) => writeln!(table, "    {taken:?}").unwrap(),
                Err(errors) => {
                    for FieldError { field, message } in errors {
                        writeln!(table, "    {field:?} {message}").unwrap();
                    }
                }
            }
        }
        insta::assert_snapshot!(table);
    }
}
