//! Liveness, readiness and metrics.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::AtomicU64;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, Request, Response};
use poem_openapi::OpenApi;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::api::document::answers::Answer;
use crate::api::document::operations;
use crate::api::front_door::FrontDoor;
use crate::api::problem::Problem;
use crate::api::tags::Tag;
use crate::process::Usage;
use crate::web::negotiation::prefers;

pub(crate) struct ProbesApi;

#[expect(
    clippy::unused_async,
    reason = "handlers are asynchronous by the framework's rule"
)]
#[OpenApi(tag = "Tag::Probes")]
impl ProbesApi {
    /// Is the process alive?
    ///
    /// Answers while the process runs, also while it shuts down. Restart the process when this fails.
    #[oai(path = "/livez", method = "get", operation_id = "livez")]
    async fn livez(&self) -> Answer<operations::AlwaysText> {
        text("text/plain; charset=utf-8", "ok\n".to_owned()).into()
    }

    /// Does the service accept new payments?
    ///
    /// Fails while the service shuts down or its disk is almost full, and after its store has stopped.
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
        if prefers(request, "application/openmetrics-text", "text/plain").await {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            return text(content_type, body).into();
        }
        text(
            "text/plain; version=0.0.4; charset=utf-8",
            to_text_format(&body),
        )
        .into()
    }
}

/// The format before `OpenMetrics`, 0.0.4. In it a counter is described under the name that its samples have, with `_total`;
/// under another name Prometheus finds neither its type nor its help. There are no units and there is no last line.
fn to_text_format(open_metrics: &str) -> String {
    let described = |line: &str| -> Option<(String, String)> {
        let mut words = line.splitn(4, ' ').skip(1).map(str::to_owned);
        let _ = words.next()?;
        Some((words.next()?, words.next()?))
    };
    let counters: BTreeSet<String> = open_metrics
        .lines()
        .filter(|line| line.starts_with("# TYPE ") && line.ends_with(" counter"))
        .filter_map(|line| described(line).map(|(name, _)| name))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let counter = described(line).filter(|_| line.starts_with("# "));
        if let Some((name, rest)) = counter.filter(|(name, _)| counters.contains(name)) {
            let word = if line.starts_with("# TYPE ") {
                "TYPE"
            } else {
                "HELP"
            };
            let _ = writeln!(text, "# {word} {name}_total {rest}");
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
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
    gauge("ready", "1 while new payments are accepted", ready);
    if let Some(usage) = Usage::now() {
        gauge(
            "process_resident_memory_bytes",
            "Resident memory of the process",
            usage.resident_bytes,
        );
        let cpu: Counter<f64, AtomicU64> = Counter::default();
        cpu.inc_by(usage.cpu_seconds);
        registry.register(
            "process_cpu_seconds",
            "CPU time of the process so far, user and system",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_described_under_the_name_of_their_samples() {
        let open_metrics = "# HELP a_b Of one kind.\n# TYPE a_b counter\na_b_total{x=\"# TYPE\"} 1\n\
            # HELP c Held.\n# TYPE c gauge\nc 2\n# HELP d_seconds Time.\n# TYPE d_seconds histogram\n\
            # UNIT d_seconds seconds\nd_seconds_sum 0.5\n# EOF\n";
        let expected = "# HELP a_b_total Of one kind.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE\"} 1\n\
            # HELP c Held.\n# TYPE c gauge\nc 2\n# HELP d_seconds Time.\n# TYPE d_seconds histogram\n\
            d_seconds_sum 0.5\n";
        assert_eq!(to_text_format(open_metrics), expected);
    }
}
