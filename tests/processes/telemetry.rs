//! What the service says of itself: one payment can be followed through traces and through the log, and no secret is in
//! either.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot go on without fails it"
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use holdfast_tests::sample::BODY;
use holdfast_tests::{ApiKey, Server, Stub};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AttributeValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "vendor=opaque";

/// What was heard, as it was sent.
type Heard<T> = Arc<Mutex<Vec<T>>>;

/// A bank that fails the first attempt in an unknown way, confirms the next, and notes the headers of each.
async fn bank() -> (Stub, Heard<HeaderMap>) {
    let heard: Heard<HeaderMap> = Arc::default();
    let stub = Stub::start({
        let heard = heard.clone();
        move |request| {
            let mut heard = heard.lock().unwrap();
            heard.push(request.headers().clone());
            let (status, body) = if heard.len() == 1 {
                (StatusCode::BAD_GATEWAY, json!({}))
            } else {
                (
                    StatusCode::OK,
                    json!({"status": "confirmed", "transaction_id": "b_1"}),
                )
            };
            let answer = Response::builder()
                .status(status)
                .header("content-type", "application/json")
                .body(Full::from(body.to_string()))
                .unwrap();
            Box::pin(async { answer })
        }
    })
    .await;
    (stub, heard)
}

/// A collector that notes the spans it gets.
async fn collector() -> (Stub, Heard<Span>) {
    let heard: Heard<Span> = Arc::default();
    let stub = Stub::start({
        let heard = heard.clone();
        move |request| {
            assert_eq!(request.uri().path(), "/v1/traces");
            let export = ExportTraceServiceRequest::decode(request.into_body()).unwrap();
            let spans = export.resource_spans.into_iter();
            let spans = spans.flat_map(|resource| resource.scope_spans);
            let spans = spans.flat_map(|scope| scope.spans);
            heard.lock().unwrap().extend(spans);
            Box::pin(async { Response::new(Full::<Bytes>::default()) })
        }
    })
    .await;
    (stub, heard)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn attributes(span: &Span) -> BTreeMap<&str, String> {
    let attributes = span.attributes.iter().filter_map(|attribute| {
        let value = match attribute.value.as_ref()?.value.as_ref()? {
            AttributeValue::StringValue(text) => text.clone(),
            AttributeValue::IntValue(number) => number.to_string(),
            other => format!("{other:?}"),
        };
        Some((attribute.key.as_str(), value))
    });
    let attributes: Vec<_> = attributes.collect();
    let count = attributes.len();
    let unique: BTreeMap<_, _> = attributes.into_iter().collect();
    assert_eq!(
        unique.len(),
        count,
        "each attribute is there once: {span:?}"
    );
    unique
}

async fn stop(server: Server) -> String {
    server.signal("TERM");
    let (status, said) = tokio::task::spawn_blocking(|| server.wait()).await.unwrap();
    assert!(status.success(), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_context_reaches_the_bank_on_every_attempt_also_without_a_collector() {
    let (bank, heard) = bank().await;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--bank", &bank.url()]);
    let client = server.client();
    let headers = [("traceparent", PARENT), ("tracestate", STATE)];
    let answer = client.pay_with("traced", BODY, &headers).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(client.pay("plain", BODY).await.unwrap().status, 201);
    let broken = [("traceparent", "00-nonsense")];
    let answer = client.pay_with("broken", BODY, &broken).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);

    let heard = heard.lock().unwrap().clone();
    let sent: Vec<_> = heard
        .iter()
        .map(|headers| ["traceparent", "tracestate"].map(|name| headers.get(name).cloned()))
        .collect();
    let traced = [PARENT, STATE].map(|value| Some(value.parse().unwrap()));
    assert_eq!(sent, [traced.clone(), traced, [None, None], [None, None]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_followed_through_its_commits_and_attempts() {
    let ((bank, heard), (collector, spans)) = (bank().await, collector().await);
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--bank", &bank.url(), "--otlp-endpoint", &collector.url()];
    let server = Server::start(data.path(), &arguments);
    let headers = [("traceparent", PARENT), ("tracestate", STATE)];
    let answer = server.client().pay_with("traced", BODY, &headers).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    stop(server).await;

    let spans = spans.lock().unwrap().clone();
    let traced: Vec<&Span> = spans
        .iter()
        .filter(|span| hex(&span.trace_id) == TRACE_ID)
        .collect();
    let named = |name: &str| -> Vec<&Span> {
        let fits = |span: &&&Span| span.name == name;
        traced.iter().filter(fits).copied().collect()
    };
    let [request] = named("POST /v1/payments")[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(hex(&request.parent_span_id), "00f067aa0ba902b7");
    let [payment] = named("payment")[..] else {
        panic!("{spans:?}");
    };
    assert_eq!(payment.parent_span_id, request.span_id);
    for span in [request, payment] {
        assert_eq!(attributes(span)["payment_id"], id);
    }
    assert_eq!(attributes(payment)["state"], "Settled");
    assert_eq!(attributes(request)["http.response.status_code"], "201");
    assert_eq!(
        attributes(request)["request_id"],
        answer.header("x-request-id")
    );
    // The intent with the first attempt, the unknown outcome, the second attempt, the outcome.
    let commits = named("commit");
    assert_eq!(commits.len(), 4);
    let charged = named("charge");
    let outcomes: Vec<_> = charged
        .iter()
        .map(|span| {
            let mut attributes = attributes(span);
            ["attempt", "outcome"].map(|name| attributes.remove(name).unwrap())
        })
        .collect();
    assert_eq!(outcomes, [["1", "unknown"], ["2", "confirmed"]]);
    for span in commits.iter().chain(&charged) {
        assert_eq!(span.parent_span_id, payment.span_id, "{span:?}");
    }
    // The bank's spans would hang below the attempt that it answers.
    let heard = heard.lock().unwrap().clone();
    for (span, headers) in charged.iter().zip(&heard) {
        let expected = format!("00-{TRACE_ID}-{}-01", hex(&span.span_id));
        assert_eq!(headers["traceparent"], expected);
        assert_eq!(headers["tracestate"], STATE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_gone_costs_spans_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    // Nobody listens on port 1.
    let server = Server::start(data.path(), &["--otlp-endpoint", "http://127.0.0.1:1"]);
    for n in 0..100 {
        let answer = server.client().pay(&format!("k{n}"), BODY).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let said = stop(server).await;
    assert!(
        said.contains("the collector does not accept spans"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_never_answers_holds_nothing_up() {
    let silent = Stub::start(|_| Box::pin(std::future::pending())).await;
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), &["--otlp-endpoint", &silent.url()]);
    // More than the spans that wait for a batch.
    let client = server.client();
    for n in 0..1_000 {
        let answer = client.pay(&format!("k{n}"), BODY).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    stop(server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_requests_and_payments_and_no_secret() {
    const TOKEN: &str = "bank-token-that-nobody-may-see";
    let (bank, heard) = bank().await;
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let key = ApiKey::of("shop", "operator");
    std::fs::write(path("holdfast.toml"), &key.block).unwrap();
    std::fs::write(path("token"), TOKEN).unwrap();
    let arguments = [
        "--config",
        &path("holdfast.toml"),
        "--bank",
        &bank.url(),
        "--bank-token-file",
        &path("token"),
        "--log",
        "trace",
        "--log-format",
        "json",
    ];
    let server = Server::start(&directory.path().join("data"), &arguments);
    let headers = [
        ("authorization", key.bearer.as_str()),
        ("x-request-id", "r-17"),
    ];
    let answer = server.client().pay_with("k", BODY, &headers).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
    let authorization = format!("Bearer {TOKEN}");
    assert_eq!(heard.lock().unwrap()[0]["authorization"], authorization);
    let wrong = [("authorization", "Bearer hf_of-somebody-else")];
    let refused = server.client().pay_with("k", BODY, &wrong).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let said = stop(server).await;

    let lines: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of_payment = answer.json()["id"].clone();
    let answered = lines.iter().find(|line| line["request_id"] == "r-17");
    let answered = answered.unwrap();
    assert_eq!(answered["payment_id"], of_payment);
    assert_eq!(
        (&answered["status"], &answered["method"]),
        (&json!(201), &json!("POST"))
    );
    // What happens on the way to the answer says which payment and which request it is about.
    let within = |line: &&Value, name: &str, value: &Value| {
        let spans = line["spans"].as_array();
        spans.is_some_and(|spans| spans.iter().any(|span| &span[name] == value))
    };
    assert!(lines.iter().any(|line| {
        within(&line, "payment_id", &of_payment) && within(&line, "request_id", &json!("r-17"))
    }));
    let secret = key.bearer.trim_start_matches("Bearer ");
    for secret in [secret, TOKEN, "hf_of-somebody-else"] {
        let leak = said.lines().find(|line| line.contains(secret));
        assert_eq!(leak, None);
    }
}
