//! The generated OpenAPI document, completed.
//!
//! poem-openapi generates the document from the handlers and types. What it cannot say is added
//! here: that rendered members are always present, which of them may be null, that unknown members
//! of a request are refused, that an API key is needed only where keys are configured, and an example of every
//! answer. The result is OpenAPI 3.1, whose `type: [.., "null"]` says "may be null" exactly.

use holdfast_core::{Currency, Metadata};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService, ServerObject};
use serde_json::{Map, Value, json};

use crate::api::document::examples;
use crate::api::request::principal;
use crate::api::routes::{self, Access};
use crate::web::document::Document;

/// Adds title, description and the like to the API.
pub(crate) fn describe<T>(api: OpenApiService<T, ()>) -> OpenApiService<T, ()> {
    api.summary("Payments with safe retries.")
        .description(include_str!("openapi_description.md"))
        .license(LicenseObject::new("MIT").url("https://spdx.org/licenses/MIT.html"))
        .server(ServerObject::new("/").description("The service that serves this document"))
}

/// The document of the API, completed.
pub(crate) fn document<T: OpenApi>(api: &OpenApiService<T, ()>) -> Document {
    Document::completed(api, "Holdfast API", complete)
}

/// The schemas of what is rendered with every member, always. `Problem` leaves members out, and
/// `CreatePayment` is what the server takes.
const RENDERED: [&str; 12] = [
    "Payment",
    "PaymentPage",
    "Event",
    "EventPage",
    "JournalPage",
    "Movement",
    "Failure",
    "Account",
    "Balance",
    "Contradiction",
    "FieldError",
    "Retry",
];

/// Members that are left out where there is nothing to say: of an event whose cause has no use for them, and of a
/// payment that was admitted before there were such members.
const LEFT_OUT: [(&str, &str); 5] = [
    ("Event", "operator"),
    ("Event", "evidence"),
    ("Event", "contradiction"),
    ("Failure", "source"),
    ("Payment", "bank"),
];

/// The schemas of what the server takes: a member that they do not have is refused.
const TAKEN: [&str; 2] = ["CreatePayment", "ResolvePayment"];

/// Texts that are of a form which the types do not tell.
const FORMATS: [(&str, &str, &str); 6] = [
    ("Payment", "id", "uuid"),
    ("Payment", "created_at", "date-time"),
    ("Payment", "updated_at", "date-time"),
    ("Event", "payment_id", "uuid"),
    ("Event", "at", "date-time"),
    ("Problem", "type", "uri-reference"),
];

fn complete(mut document: Value) -> Value {
    document["openapi"] = "3.1.0".into();
    document["security"] = json!([{}, {principal::SCHEME: []}]);
    if let Some(tags) = document["tags"].as_array_mut() {
        // What most readers come for stands first; the generator sorts by name.
        tags.sort_by_key(|tag| tag["name"] != "Payments");
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for (name, schema) in schemas {
            complete_schema(name, schema);
        }
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        for item in paths.values_mut().filter_map(Value::as_object_mut) {
            for operation in item.values_mut() {
                complete_operation(operation);
            }
        }
    }
    modernise(&mut document);
    document
}

/// Every currency that a new payment can be made in, in the order of the alphabet.
fn currencies() -> Vec<&'static str> {
    let all = Currency::all().into_iter();
    let payable = all.filter(|currency| currency.check_payable().is_ok());
    payable.map(Currency::code).collect()
}

fn complete_schema(name: &str, schema: &mut Value) {
    let Some(properties) = schema["properties"].as_object().cloned() else {
        return;
    };
    // What is sent is held to the letter. What is answered may get new members in later versions.
    if TAKEN.contains(&name) {
        schema["additionalProperties"] = false.into();
    }
    for (_, property, format) in FORMATS.iter().filter(|(of, ..)| *of == name) {
        schema["properties"][property]["format"] = (*format).into();
    }
    if name == "CreatePayment" {
        schema["example"] = examples::create_body();
        schema["properties"]["currency"]["enum"] = currencies().into();
        let metadata = &mut schema["properties"]["metadata"];
        metadata["propertyNames"] = json!({"maxLength": Metadata::KEY_CHARS_MAX});
        metadata["additionalProperties"]["maxLength"] = Metadata::VALUE_CHARS_MAX.into();
    }
    if !RENDERED.contains(&name) {
        return;
    }
    let required: Vec<String> = match schema["required"].as_array() {
        Some(required) => required
            .iter()
            .filter_map(|v| v.as_str().map(str::to_owned))
            .collect(),
        None => Vec::new(),
    };
    // What is rendered always has every member, but for those that belong to some values only; those
    // that are optional in the code may be null.
    let always = |property: &&String| !LEFT_OUT.contains(&(name, property.as_str()));
    for property in properties
        .keys()
        .filter(|property| !required.contains(property))
        .filter(always)
    {
        let given = schema["properties"][property].take();
        schema["properties"][property] = nullable(given);
    }
    let present = properties.keys().filter(always).cloned();
    schema["required"] = present.collect::<Vec<_>>().into();
}

fn nullable(mut schema: Value) -> Value {
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
        return schema;
    }
    // A reference, alone or in an `allOf` beside its description.
    let description = schema
        .as_object_mut()
        .and_then(|schema| schema.shift_remove("description"));
    let alternative = match schema.get("allOf").and_then(Value::as_array) {
        Some(all_of) => all_of.first().cloned().unwrap_or_default(),
        None => schema,
    };
    let mut nullable = json!({"anyOf": [alternative, {"type": "null"}]});
    if let Some(description) = description {
        nullable["description"] = description;
    }
    nullable
}

fn complete_operation(operation: &mut Value) {
    let id = operation["operationId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let route = routes::of_operation(&id).expect("every operation is in the table of routes");
    operation["security"] = match route.access {
        Access::Anyone => json!([]),
        Access::Merchant | Access::Operator => json!([{}, {principal::SCHEME: []}]),
    };
    if let Some(body) = operation.get_mut("requestBody") {
        body["content"]["application/json"]["example"] = examples::body_of(&id);
    }
    if let Some(parameters) = operation
        .get_mut("parameters")
        .and_then(Value::as_array_mut)
    {
        for parameter in parameters {
            complete_parameter(parameter);
        }
    }
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, response) in responses {
        let mut headers = Map::new();
        headers.insert("X-Request-Id".to_owned(), request_id_header());
        if let Some(given) = response["headers"].as_object() {
            headers.extend(given.clone());
        }
        response["headers"] = headers.into();
        if response.get("content").is_none() {
            continue;
        }
        let given = examples::of(&id, status);
        assert!(!given.is_empty(), "{id} {status} has no example");
        if let Some(content) = response["content"].as_object_mut() {
            for (content_type, media_type) in content {
                if content_type == "text/event-stream" {
                    media_type["examples"] =
                        json!({"a_settled_payment": {"value": examples::event_stream()}});
                    continue;
                }
                let named = given.iter().map(|example| {
                    (
                        example.name.to_owned(),
                        json!({"value": example.value.clone()}),
                    )
                });
                media_type["examples"] = named.collect::<Map<_, _>>().into();
            }
        }
    }
}

fn complete_parameter(parameter: &mut Value) {
    match parameter["name"].as_str() {
        Some("created_after" | "created_before") => {
            parameter["schema"]["format"] = "date-time".into();
        }
        Some("currency") => {
            let all = Currency::all().into_iter().map(Currency::code);
            parameter["schema"]["enum"] = all.collect::<Vec<_>>().into();
        }
        _ => {}
    }
}

fn request_id_header() -> Value {
    json!({
        "description": "Identifies this request in the logs; taken over from the request's own \
                        X-Request-Id when it sent a harmless one.",
        "required": true,
        "schema": {"type": "string"},
    })
}

/// A reference and its description, which the generator puts into an `allOf` as if both were schemas. In OpenAPI 3.1 they
/// stand side by side; what makes clients of a document is often at a loss with the other form.
fn merge_reference(object: &mut Map<String, Value>) {
    let Some([reference, described]) = object
        .get("allOf")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    else {
        return;
    };
    let (Some(reference), Some(described)) = (reference.as_object(), described.as_object()) else {
        return;
    };
    let only_words = described.keys().all(|key| key == "description");
    if !reference.contains_key("$ref") || !only_words {
        return;
    }
    let (reference, described) = (reference.clone(), described.clone());
    object.shift_remove("allOf");
    object.extend(reference);
    object.extend(described);
}

/// From OpenAPI 3.0 to 3.1, and off with defaults that say nothing.
fn modernise(value: &mut Value) {
    match value {
        Value::Object(object) => {
            for (_, inner) in object.iter_mut() {
                modernise(inner);
            }
            merge_reference(object);
            if object.get("deprecated") == Some(&Value::Bool(false)) {
                object.shift_remove("deprecated");
            }
            let is_schema = object.contains_key("type") && !object.contains_key("scheme");
            if is_schema && let Some(example) = object.shift_remove("example") {
                object.insert("examples".to_owned(), json!([example]));
            }
        }
        Value::Array(array) => array.iter_mut().for_each(modernise),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
