//! Liveness, readiness and metrics.

use std::sync::atomic::AtomicU64;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response};
use poem_openapi::OpenApi;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::FrontDoor;
use super::answers::Answer;
use super::operations;
use super::problem::Problem;
use crate::process::Usage;

pub(crate) struct ProbesApi;

#[expect(
    clippy::unused_async,
    reason = "handlers are asynchronous by the framework's rule"
)]
#[OpenApi(tag = "super::Tag::Probes")]
impl ProbesApi {
    /// Is the process alive?
    ///
    /// Answers as long as the process runs, also while it stops. Restart it when this fails.
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> Answer<operations::AlwaysText> {
        text("text/plain; charset=utf-8", "ok\n".to_owned()).into()
    }

    /// Does the service take new payments in?
    ///
    /// Fails while the service shuts down or its disk is almost full, and once its store has stopped.
    /// Send traffic elsewhere while this fails.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(
        &self,
        front_door: Data<&FrontDoor>,
    ) -> poem::Result<Answer<operations::Probe>> {
        front_door.service.ready().map_err(Problem::from)?;
        Ok(text("text/plain; charset=utf-8", "ok\n".to_owned()).into())
    }

    /// Metrics for Prometheus
    ///
    /// In the text format that Prometheus scrapes; declared as `OpenMetrics` to clients that accept it.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(
        &self,
        front_door: Data<&FrontDoor>,
        request: &Request,
    ) -> Answer<operations::AlwaysText> {
        let mut registry = Registry::with_prefix("holdfast");
        front_door.service.metrics().register(&mut registry);
        front_door.requests.register(&mut registry);
        register_state(&front_door, &mut registry);
        let mut body = String::new();
        prometheus_client::encoding::text::encode(&mut body, &registry)
            .expect("writing to a string cannot fail");
        let accept = request
            .headers()
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok());
        let content_type = if accept.is_some_and(|accept| accept.contains("openmetrics-text")) {
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        } else {
            "text/plain; version=0.0.4; charset=utf-8"
        };
        text(content_type, body).into()
    }
}

/// What is not counted but looked up.
fn register_state(front_door: &FrontDoor, registry: &mut Registry) {
    let mut gauge = |name, help, value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    };
    let service = &front_door.service;
    let head = *service.appended().borrow();
    gauge(
        "journal_head",
        "Sequence of the last durable journal entry",
        head,
    );
    let cached = service.cached();
    gauge("cache_payments", "Finished payments in the cache", cached);
    let ready = u64::from(service.ready().is_ok());
    gauge("ready", "1 while new payments are taken in", ready);
    if let Some(usage) = Usage::now() {
        gauge(
            "process_resident_memory_bytes",
            "Memory that the process has",
            usage.resident_bytes,
        );
        let cpu: Counter<f64, AtomicU64> = Counter::default();
        cpu.inc_by(usage.cpu_seconds);
        registry.register(
            "process_cpu_seconds",
            "CPU time of the process so far, its own and the system's for it",
            cpu,
        );
    }
    // A gauge, for the text format knows no type for what only informs.
    let build: Family<[(&str, &str); 2], Gauge> = Family::default();
    let version = ("version", env!("CARGO_PKG_VERSION"));
    let labels = [version, ("commit", env!("HOLDFAST_COMMIT"))];
    build.get_or_create(&labels).set(1);
    registry.register("build_info", "What runs: always 1", build);
}

fn text(content_type: &'static str, body: String) -> Response {
    Response::builder()
        .status(StatusCode::OK)
        .header(header::CONTENT_TYPE, content_type)
        .body(Body::from(body))
}
