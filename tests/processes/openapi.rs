//! The generated document, pinned: a change of the API's description is seen and decided.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::process::Command;

use serde_json::Value;

fn document() -> (String, Value) {
    let output = Command::new(holdfast_tests::holdfast())
        .arg("openapi")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let value = serde_json::from_str(&text).unwrap();
    (text, value)
}

#[test]
fn the_generated_document_is_as_reviewed() {
    insta::assert_snapshot!(document().0);
}

/// The names of an object's members.
fn names(value: &Value) -> Vec<&String> {
    value
        .as_object()
        .map(|object| object.keys().collect())
        .unwrap_or_default()
}

#[test]
fn every_operation_answer_and_header_is_described_and_every_answer_has_an_example() {
    let (_, document) = document();
    let mut answers = 0;
    for path in names(&document["paths"]) {
        for method in names(&document["paths"][path]) {
            let operation = &document["paths"][path][method];
            for member in ["operationId", "summary", "description"] {
                assert!(
                    operation[member].is_string(),
                    "{method} {path} lacks {member}"
                );
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(
                    parameter["description"].is_string(),
                    "{method} {path} {parameter}"
                );
            }
            for status in names(&operation["responses"]) {
                let response = &operation["responses"][status];
                assert!(response["description"].is_string());
                assert!(response["headers"]["X-Request-Id"].is_object());
                for header in names(&response["headers"]) {
                    assert!(response["headers"][header]["description"].is_string());
                }
                for content_type in names(&response["content"]) {
                    let examples = &response["content"][content_type]["examples"];
                    assert!(!names(examples).is_empty(), "{method} {path} {status}");
                    answers += 1;
                }
            }
        }
    }
    assert!(answers >= 30, "the table was read: {answers}");
}

#[test]
fn requests_are_held_to_the_letter_and_answers_may_get_new_members() {
    let (_, document) = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut closed: Vec<_> = schemas
        .iter()
        .filter(|(_, schema)| schema["additionalProperties"] == false)
        .map(|(name, _)| name.as_str())
        .collect();
    closed.sort_unstable();
    assert_eq!(closed, ["CreatePayment", "ResolvePayment"]);
    for (schema, property, format) in [
        ("Payment", "id", "uuid"),
        ("Payment", "created_at", "date-time"),
        ("Payment", "updated_at", "date-time"),
        ("Event", "payment_id", "uuid"),
        ("Event", "at", "date-time"),
    ] {
        let found = &schemas[schema]["properties"][property]["format"];
        assert_eq!(found, format, "{schema}.{property}");
    }
}
