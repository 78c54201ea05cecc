//! The log on standard error, and traces to a collector.
//!
//! Traces are off unless a collector is configured. Then every request is a span. The flight that it opens is a child
//! span, and the commits and bank calls are children of the flight. A separate thread sends the spans in batches, as OTLP
//! over HTTP. Spans that cannot be delivered are dropped: a payment never waits for its trace. W3C Trace Context is passed
//! on in any case: a client's `traceparent` reaches the bank, as a part of our own trace if there is one.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_engine::trace::TraceContext;
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::{Bytes, HeaderExtractor, HeaderInjector, HttpClient, HttpError};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use reqwest::Url;
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::codes::{Code, Coded};
use crate::tls::install_provider;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The log target of requests: one line each, at level debug.
pub(crate) const REQUESTS: &str = "holdfast::requests";

/// Time limit for a collector to accept a batch.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for sending the last spans when the service stops.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The format of a log line.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    clap::ValueEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object, for machines.
    Json,
}

/// Where the log and the traces go.
#[derive(Debug)]
pub(crate) struct TelemetryOptions {
    /// The log filter, in the syntax of `tracing`'s `EnvFilter`.
    pub(crate) filter: EnvFilter,
    pub(crate) format: LogFormat,
    pub(crate) traces: Option<TraceOptions>,
}

/// The destination of traces.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TraceOptions {
    /// The base address of the collector. Spans go to `/v1/traces` under it.
    pub(crate) collector: Url,
    /// The share of traces to record, of those that begin here; 1 for all.
    pub(crate) ratio: f64,
}

/// Traces cannot be sent as configured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    #[error("cannot set up the connection to the collector: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot send traces to the collector: {0}")]
    Exporter(#[from] ExporterBuildError),
}

impl Coded for TelemetryError {
    fn code(&self) -> Code {
        Code::Traces
    }
}

/// The log and the traces of a running service.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Starts both. Must be called within the runtime.
    pub(crate) fn start(options: TelemetryOptions) -> Result<Self, TelemetryError> {
        let log = tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            // The layer reports its own errors on standard error too, and panics when that is closed.
            .log_internal_errors(false)
            .with_writer(std::io::stderr);
        let log = match options.format {
            LogFormat::Text => log.boxed(),
            LogFormat::Json => log
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .boxed(),
        };
        let provider = options.traces.as_ref().map(provider).transpose()?;
        let spans = provider.as_ref().map(|provider| {
            let ours = filter_fn(|metadata| {
                metadata.is_span() && metadata.target().starts_with("holdfast")
            });
            tracing_opentelemetry::layer()
                .with_tracer(provider.tracer("holdfast"))
                .with_location(false)
                .with_threads(false)
                .with_filter(LevelFilter::DEBUG.and(ours))
        });
        tracing_subscriber::registry()
            .with(spans)
            .with(log.with_filter(options.filter))
            .init();
        Ok(Self(provider))
    }

    /// Sends the last spans.
    pub(crate) async fn stop(self) {
        let Some(provider) = self.0 else { return };
        let stopped =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(LAST_SPANS));
        if let Ok(Err(error)) = stopped.await {
            tracing::warn!(%error, "the last spans were not sent to the collector");
        }
    }
}

fn provider(options: &TraceOptions) -> Result<SdkTracerProvider, TelemetryError> {
    install_provider();
    let client = reqwest::Client::builder()
        .timeout(EXPORT_TIMEOUT)
        .no_proxy()
        .build()?;
    let client = CollectorClient {
        http: client,
        runtime: tokio::runtime::Handle::current(),
        failed: AtomicBool::new(false),
    };
    let collector = options.collector.as_str().trim_end_matches('/');
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{collector}/v1/traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    let resource = Resource::builder().with_service_name("holdfast");
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let begun_here = Sampler::TraceIdRatioBased(options.ratio);
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(begun_here)))
        .with_resource(resource.with_attribute(version).build())
        .build())
}

/// Sends batches with the service's own HTTP client. The exporter calls it from a thread outside the runtime.
#[derive(Debug)]
struct CollectorClient {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
    /// Whether the collector did not accept the last batch.
    failed: AtomicBool,
}

impl CollectorClient {
    /// Logs when the collector stops accepting spans and when it accepts them again, not every failure.
    fn works(&self, problem: Option<String>) {
        let failed = self.failed.swap(problem.is_some(), Ordering::Relaxed);
        match problem {
            Some(problem) if !failed => {
                tracing::warn!(
                    problem,
                    "the collector does not accept spans; they are dropped"
                );
            }
            None if failed => tracing::info!("the collector accepts spans again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for CollectorClient {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let http = self.http.clone();
        let sent = self.runtime.spawn(async move {
            let response = http.execute(request.try_into()?).await?;
            let mut answer = http::Response::builder().status(response.status());
            if let Some(headers) = answer.headers_mut() {
                headers.clone_from(response.headers());
            }
            Ok::<_, HttpError>(answer.body(response.bytes().await?)?)
        });
        let answer = sent.await?;
        match &answer {
            Ok(answer) if answer.status().is_success() => self.works(None),
            Ok(answer) => self.works(Some(answer.status().to_string())),
            Err(error) => self.works(Some(error.to_string())),
        }
        answer
    }
}

/// The trace context of an incoming request. `None` if there is more than one `traceparent`.
pub(crate) fn incoming(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(&TRACEPARENT).iter();
    let parent = parents.next()?.to_str().ok()?;
    if parents.next().is_some() {
        return None;
    }
    let states = headers.get_all(&TRACESTATE).iter();
    let states: Result<Vec<_>, _> = states.map(HeaderValue::to_str).collect();
    let state = states.ok().filter(|states| !states.is_empty());
    TraceContext::new(parent, state.map(|states| states.join(",")).as_deref())
}

/// The span of a request, as a child of the context that came with it.
pub(crate) fn request_span(
    method: &'static str,
    route: &'static str,
    request_id: &HeaderValue,
    context: Option<&TraceContext>,
) -> Span {
    let span = tracing::debug_span!(
        "request",
        otel.name = format_args!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        request_id = request_id.to_str().unwrap_or_default(),
        http.response.status_code = tracing::field::Empty,
        payment_id = tracing::field::Empty,
    );
    if let Some(context) = context.filter(|_| !span.is_disabled()) {
        let mut headers = HeaderMap::new();
        insert(context, &mut headers);
        let parent = TraceContextPropagator::new().extract(&HeaderExtractor(&headers));
        // This fails when traces are off; then there is no span to attach the parent to.
        let _ = span.set_parent(parent);
    }
    span
}

/// Puts the context of the current span into the headers of an outgoing request. Without a span, uses the context that
/// came in.
pub(crate) fn outgoing(headers: &mut HeaderMap) {
    let context = Span::current().context();
    if context.span().span_context().is_valid() {
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(headers));
    } else if let Some(context) = TraceContext::current() {
        insert(&context, headers);
    }
}

fn insert(context: &TraceContext, headers: &mut HeaderMap) {
    let mut insert = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    insert(TRACEPARENT, context.traceparent());
    if let Some(state) = context.tracestate() {
        insert(TRACESTATE, state);
    }
}
