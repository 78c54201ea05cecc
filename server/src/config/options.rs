//! Every option once: as a flag, in the environment, in the file.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use holdfast_core::Budgets;
use holdfast_core::retry::Backoff;
use holdfast_engine::lanes::{BreakerOptions, LaneOptions};
use holdfast_engine::service::ServiceOptions;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::bank::{self, SIMULATED};
use super::limits::Limits;
use super::{DATA, LISTEN, STORE_CACHE_MIB, telemetry};
use crate::api::RequestLimits;
use crate::api_keys::ApiKey;
use crate::bank_client::{DUPLICATE_CODES, Marks};
use crate::bank_server::ModeArg;
use crate::telemetry::LogFormat;

/// Everything that can be set, as flags, in the environment or in the file.
#[derive(Debug, Default, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Options {
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "HOLDFAST_LISTEN", value_name = "ADDRESS:PORT")]
    pub(super) listen: Option<SocketAddr>,

    /// Speak TLS with the certificate in this PEM file, followed by those that lead to one that clients trust
    #[arg(long, env = "HOLDFAST_TLS_CERTIFICATE", value_name = "FILE")]
    pub(super) tls_certificate: Option<PathBuf>,

    /// The private key of the certificate, a PEM file
    #[arg(long, env = "HOLDFAST_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Directory of the payments; made when it does not exist [default: ./holdfast-data]
    #[arg(long, env = "HOLDFAST_DATA", value_name = "DIR")]
    pub(super) data: Option<PathBuf>,

    /// Open a store although its journal.head is missing, unreadable, older or newer than the store: you know that
    /// the store is whole, or put an older copy there on purpose. Say it once [default: false]
    #[arg(long, env = "HOLDFAST_ACCEPT_OLDER_STORE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true")]
    pub(super) accept_older_store: Option<bool>,

    /// Merchants with payments for whom nobody acts any more, so that no API key names them
    #[arg(
        long,
        env = "HOLDFAST_RETIRED_MERCHANTS",
        value_name = "NAME,...",
        value_delimiter = ','
    )]
    pub(super) retired_merchants: Option<Vec<String>>,

    /// The bank to speak to: `sim`, the built-in simulated bank, or the URL below which a bank's
    /// routes stand [default: sim]
    #[arg(
        long,
        env = "HOLDFAST_BANK",
        value_name = "sim|URL",
        help_heading = "Bank"
    )]
    pub(super) bank: Option<String>,

    /// Name of the bank. A payment belongs to the bank it was admitted for, by this name, and is never sent to another
    /// [default: simulated, or `default` for a bank at a URL]
    #[arg(
        long,
        env = "HOLDFAST_BANK_NAME",
        value_name = "NAME",
        help_heading = "Bank"
    )]
    pub(super) bank_name: Option<String>,

    /// Confirm that the bank is the same one at a new address, although unfinished payments were sent to the
    /// earlier address [default: false]
    #[arg(long, env = "HOLDFAST_BANK_MOVED", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", help_heading = "Bank")]
    pub(super) bank_moved: Option<bool>,

    /// What the bank promises about repeats of our reference [default: keyed]
    #[arg(
        long,
        env = "HOLDFAST_BANK_CAPABILITY",
        value_enum,
        help_heading = "Bank"
    )]
    pub(super) bank_capability: Option<ModeArg>,

    /// How long a keyed bank remembers our reference, in milliseconds [default: 86400000]
    #[arg(
        long,
        env = "HOLDFAST_BANK_WINDOW_MS",
        value_name = "MS",
        help_heading = "Bank"
    )]
    pub(super) bank_window_ms: Option<u64>,

    /// How long after its mark was made a request may reach the bank, in milliseconds: half of it for the disk,
    /// half for the way. Before that "not found" proves nothing [default: 60000]
    #[arg(
        long,
        env = "HOLDFAST_BANK_GRACE_MS",
        value_name = "MS",
        help_heading = "Bank"
    )]
    pub(super) bank_grace_ms: Option<u64>,

    /// After so long a call to the bank counts as unknown, in milliseconds [default: 10000]
    #[arg(
        long,
        env = "HOLDFAST_BANK_TIMEOUT_MS",
        value_name = "MS",
        help_heading = "Bank"
    )]
    pub(super) bank_timeout_ms: Option<u64>,

    /// After so long a connection to the bank counts as not made, in milliseconds [default: 3000,
    /// but half of --bank-timeout-ms at most]
    #[arg(
        long,
        env = "HOLDFAST_BANK_CONNECT_TIMEOUT_MS",
        value_name = "MS",
        help_heading = "Bank"
    )]
    pub(super) bank_connect_timeout_ms: Option<u64>,

    /// Most calls to the bank at once; further payments wait their turn [default: 256]
    #[arg(
        long,
        env = "HOLDFAST_BANK_CALLS_MAX",
        value_name = "N",
        help_heading = "Bank"
    )]
    pub(super) bank_calls_max: Option<usize>,

    /// Trust only the certificates in this PEM file for TLS to the bank
    #[arg(
        long,
        env = "HOLDFAST_BANK_CA",
        value_name = "FILE",
        help_heading = "Bank"
    )]
    pub(super) bank_ca: Option<PathBuf>,

    /// Show the bank the certificate in this PEM file, which also holds its key
    #[arg(
        long,
        env = "HOLDFAST_BANK_IDENTITY",
        value_name = "FILE",
        help_heading = "Bank"
    )]
    pub(super) bank_identity: Option<PathBuf>,

    /// Send the bank the token in this file as `Authorization: Bearer`
    #[arg(
        long,
        env = "HOLDFAST_BANK_TOKEN_FILE",
        value_name = "FILE",
        help_heading = "Bank"
    )]
    pub(super) bank_token_file: Option<PathBuf>,

    /// Which 404 answers to an inquiry mean "not found": `marked`, only those whose body says so and names our
    /// reference; `bare`, any without a body or with a JSON object. With `bare` a gateway that loses its route
    /// can cause a second charge [default: marked]
    #[arg(
        long,
        env = "HOLDFAST_BANK_NOT_FOUND",
        value_enum,
        help_heading = "Bank"
    )]
    pub(super) bank_not_found: Option<Marks>,

    /// Which 429 and 503 answers to a charge mean "not processed": `marked`, only those whose body says so and names
    /// our reference; `bare`, any 429, and any 503 with Retry-After. With `bare` a gateway that answers after it
    /// has passed the charge on can cause a second charge [default: marked]
    #[arg(
        long,
        env = "HOLDFAST_BANK_THROTTLE",
        value_enum,
        help_heading = "Bank"
    )]
    pub(super) bank_throttle: Option<Marks>,

    /// Decline codes that mean "this reference is known": the bank is then asked what it decided
    /// [default: ["duplicate_reference", "duplicate"]]
    #[expect(
        clippy::doc_link_with_quotes,
        clippy::doc_markdown,
        reason = "it is the default as the file has it"
    )]
    #[arg(
        long,
        env = "HOLDFAST_BANK_DUPLICATE_CODES",
        value_name = "CODE,...",
        value_delimiter = ',',
        help_heading = "Bank"
    )]
    pub(super) bank_duplicate_codes: Option<Vec<String>>,

    /// Reuse connections to a bank whose answers do not name our reference. One stray answer then gives later
    /// payments each another's outcome. Connections to a bank that names it are always reused [default: false]
    #[arg(long, env = "HOLDFAST_BANK_REUSE_CONNECTIONS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", help_heading = "Bank")]
    pub(super) bank_reuse_connections: Option<bool>,

    /// How long the simulated bank takes, in milliseconds [default: 0]
    #[arg(
        long,
        env = "HOLDFAST_BANK_LATENCY_MS",
        value_name = "MS",
        help_heading = "Bank"
    )]
    pub(super) bank_latency_ms: Option<u64>,

    /// Most attempts of one payment at the bank [default: 20]
    #[arg(
        long,
        env = "HOLDFAST_ATTEMPTS_MAX",
        value_name = "N",
        help_heading = "Retries"
    )]
    pub(super) attempts_max: Option<u32>,

    /// Most inquiries about one attempt; then the payment goes to review [default: 50]
    #[arg(
        long,
        env = "HOLDFAST_INQUIRIES_MAX",
        value_name = "N",
        help_heading = "Retries"
    )]
    pub(super) inquiries_max: Option<u32>,

    /// Widest wait after the first attempt, in milliseconds; doubles with each [default: 200]
    #[arg(
        long,
        env = "HOLDFAST_BACKOFF_BASE_MS",
        value_name = "MS",
        help_heading = "Retries"
    )]
    pub(super) backoff_base_ms: Option<u64>,

    /// No wait is longer, in milliseconds [default: 30000]
    #[arg(
        long,
        env = "HOLDFAST_BACKOFF_CAP_MS",
        value_name = "MS",
        help_heading = "Retries"
    )]
    pub(super) backoff_cap_ms: Option<u64>,

    /// Hold calls back after so many in a row without an answer [default: 10]
    #[arg(
        long,
        env = "HOLDFAST_BREAKER_FAILURES_MAX",
        value_name = "N",
        help_heading = "Retries"
    )]
    pub(super) breaker_failures_max: Option<u32>,

    /// How long to hold calls back at first, in milliseconds; doubles each time [default: 1000]
    #[arg(
        long,
        env = "HOLDFAST_BREAKER_OPEN_MS",
        value_name = "MS",
        help_heading = "Retries"
    )]
    pub(super) breaker_open_ms: Option<u64>,

    /// No longer than this, in milliseconds [default: 10000]
    #[arg(
        long,
        env = "HOLDFAST_BREAKER_OPEN_MS_MAX",
        value_name = "MS",
        help_heading = "Retries"
    )]
    pub(super) breaker_open_ms_max: Option<u64>,

    /// A payment that waits so long to be sent at all expires, in milliseconds [default: 86400000]
    #[arg(
        long,
        env = "HOLDFAST_EXPIRE_AFTER_MS",
        value_name = "MS",
        help_heading = "Retries"
    )]
    pub(super) expire_after_ms: Option<u64>,

    /// Most payments in flight; beyond it new ones are refused with 503 [default: 20000]
    #[arg(
        long,
        env = "HOLDFAST_FLIGHTS_MAX",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub(super) flights_max: Option<usize>,

    /// Most connections at once; further ones wait [default: 8192]
    #[arg(
        long,
        env = "HOLDFAST_CONNECTIONS_MAX",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub(super) connections_max: Option<usize>,

    /// A client must have sent its headers within this time, in milliseconds; also the longest that a connection
    /// stands idle [default: 20000]
    #[arg(
        long,
        env = "HOLDFAST_HEAD_TIMEOUT_MS",
        value_name = "MS",
        help_heading = "Limits"
    )]
    pub(super) head_timeout_ms: Option<u64>,

    /// A client that takes nothing of its answer for so long is cut off, in milliseconds [default: 30000]
    #[arg(
        long,
        env = "HOLDFAST_ANSWER_TIMEOUT_MS",
        value_name = "MS",
        help_heading = "Limits"
    )]
    pub(super) answer_timeout_ms: Option<u64>,

    /// Largest request head, in bytes, from 8192 [default: 32768]
    #[arg(
        long,
        env = "HOLDFAST_HEAD_BYTES_MAX",
        value_name = "BYTES",
        help_heading = "Limits"
    )]
    pub(super) head_bytes_max: Option<usize>,

    /// Most headers of a request [default: 64]
    #[arg(
        long,
        env = "HOLDFAST_HEADERS_MAX",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub(super) headers_max: Option<usize>,

    /// Largest body, in bytes; a larger one gets 413 [default: 16384]
    #[arg(
        long,
        env = "HOLDFAST_BODY_BYTES_MAX",
        value_name = "BYTES",
        help_heading = "Limits"
    )]
    pub(super) body_bytes_max: Option<usize>,

    /// A body must have arrived within this time, in milliseconds, or it gets 408 [default: 20000]
    #[arg(
        long,
        env = "HOLDFAST_BODY_TIMEOUT_MS",
        value_name = "MS",
        help_heading = "Limits"
    )]
    pub(super) body_timeout_ms: Option<u64>,

    /// Requests a second that each merchant may send; beyond it they get 429. Without it there is no limit
    #[arg(
        long,
        env = "HOLDFAST_RATE_PER_SECOND",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub(super) rate_per_second: Option<u32>,

    /// Requests that a merchant may send at once. Without it as many as in a second
    #[arg(
        long,
        env = "HOLDFAST_RATE_BURST",
        value_name = "N",
        help_heading = "Limits"
    )]
    pub(super) rate_burst: Option<u32>,

    /// Memory for finished payments, in MiB; 0 turns the cache off [default: 64]
    #[arg(
        long,
        env = "HOLDFAST_CACHE_MIB",
        value_name = "MIB",
        help_heading = "Memory"
    )]
    pub(super) cache_mib: Option<u64>,

    /// Memory for the database's own pages, in MiB [default: 256]
    #[arg(
        long,
        env = "HOLDFAST_STORE_CACHE_MIB",
        value_name = "MIB",
        help_heading = "Memory"
    )]
    pub(super) store_cache_mib: Option<u64>,

    /// What the log takes: a level, or levels by target; `info,holdfast::requests=debug` has a line for each request
    /// [default: info]
    #[arg(
        long,
        env = "HOLDFAST_LOG",
        value_name = "FILTER",
        help_heading = "Log and traces"
    )]
    pub(super) log: Option<String>,

    /// What a line of the log is: text for people, or a JSON object [default: text]
    #[arg(
        long,
        env = "HOLDFAST_LOG_FORMAT",
        value_enum,
        help_heading = "Log and traces"
    )]
    pub(super) log_format: Option<LogFormat>,

    /// Send OpenTelemetry traces to the collector at this address, as OTLP over HTTP; off when left out
    #[arg(
        long,
        env = "HOLDFAST_OTLP_ENDPOINT",
        value_name = "URL",
        help_heading = "Log and traces"
    )]
    pub(super) otlp_endpoint: Option<String>,

    /// Which share of the traces that begin here is recorded, from 0 to 1 [default: 1.0]
    #[arg(
        long,
        env = "HOLDFAST_OTLP_RATIO",
        value_name = "SHARE",
        help_heading = "Log and traces"
    )]
    pub(super) otlp_ratio: Option<f64>,

    /// In the file only.
    #[arg(skip)]
    #[serde(skip_serializing)]
    pub(super) api_keys: Vec<ApiKey>,
}

impl Options {
    /// What holds unless it is set, beside what is set.
    pub(super) fn defaults(set: &Self) -> Self {
        let service = ServiceOptions::default();
        let Limits {
            connections,
            request: RequestLimits { headers_max, body },
            ..
        } = Limits::default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let lane = LaneOptions::default();
        let bank_timeout_ms = set.bank_timeout_ms.unwrap_or(lane.timeout_ms);
        Self {
            listen: Some(LISTEN),
            tls_certificate: None,
            tls_key: None,
            data: Some(DATA.into()),
            accept_older_store: Some(false),
            retired_merchants: None,
            bank: Some(SIMULATED.to_owned()),
            bank_name: Some(bank::default_name(set.bank.as_deref()).to_owned()),
            bank_moved: Some(false),
            bank_capability: Some(ModeArg::Keyed),
            bank_window_ms: Some(bank::WINDOW_MS),
            bank_grace_ms: Some(bank::GRACE_MS),
            bank_timeout_ms: Some(lane.timeout_ms),
            bank_connect_timeout_ms: Some(bank::connect_timeout_ms(bank_timeout_ms)),
            bank_calls_max: Some(lane.calls_max),
            bank_ca: None,
            bank_identity: None,
            bank_token_file: None,
            bank_not_found: Some(Marks::default()),
            bank_throttle: Some(Marks::default()),
            bank_duplicate_codes: Some(DUPLICATE_CODES.map(str::to_owned).to_vec()),
            bank_reuse_connections: Some(false),
            bank_latency_ms: Some(0),
            attempts_max: Some(service.budgets.attempts_max),
            inquiries_max: Some(service.budgets.inquiries_max),
            backoff_base_ms: Some(service.backoff.base_ms),
            backoff_cap_ms: Some(service.backoff.cap_ms),
            breaker_failures_max: Some(lane.breaker.failures_max),
            breaker_open_ms: Some(lane.breaker.open_ms),
            breaker_open_ms_max: Some(lane.breaker.open_ms_max),
            expire_after_ms: Some(service.expire_after_ms),
            flights_max: Some(service.flights_max),
            connections_max: Some(connections.connections_max),
            head_timeout_ms: Some(ms(connections.head_timeout)),
            answer_timeout_ms: Some(ms(connections.answer_timeout)),
            head_bytes_max: Some(connections.head_bytes_max),
            headers_max: Some(headers_max),
            body_bytes_max: Some(body.bytes_max),
            body_timeout_ms: Some(ms(body.timeout)),
            rate_per_second: None,
            rate_burst: None,
            cache_mib: Some(service.cache_bytes / (1024 * 1024)),
            store_cache_mib: Some(STORE_CACHE_MIB),
            log: Some(telemetry::LOG.to_owned()),
            log_format: Some(LogFormat::default()),
            otlp_endpoint: None,
            otlp_ratio: Some(telemetry::OTLP_RATIO),
            api_keys: Vec::new(),
        }
    }

    /// What is set here, and for the rest what is set in `file`.
    pub(super) fn over(&self, file: &Self) -> Result<Self, serde_json::Error> {
        let members = |options: &Self| -> Result<Map<String, Value>, serde_json::Error> {
            let members: Map<_, _> = serde_json::from_value(serde_json::to_value(options)?)?;
            Ok(members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect())
        };
        let mut merged = members(file)?;
        merged.extend(members(self)?);
        serde_json::from_value(Value::Object(merged))
    }

    pub(super) fn lane(&self) -> LaneOptions {
        let defaults = LaneOptions::default();
        let breaker = defaults.breaker;
        LaneOptions {
            calls_max: self.bank_calls_max.unwrap_or(defaults.calls_max),
            timeout_ms: self.bank_timeout_ms.unwrap_or(defaults.timeout_ms),
            breaker: BreakerOptions {
                failures_max: self.breaker_failures_max.unwrap_or(breaker.failures_max),
                open_ms: self.breaker_open_ms.unwrap_or(breaker.open_ms),
                open_ms_max: self.breaker_open_ms_max.unwrap_or(breaker.open_ms_max),
            },
        }
    }

    pub(super) fn service(&self) -> ServiceOptions {
        let defaults = ServiceOptions::default();
        let budgets = defaults.budgets;
        let cache_bytes = self.cache_mib.map(|mib| mib.saturating_mul(1024 * 1024));
        ServiceOptions {
            cache_bytes: cache_bytes.unwrap_or(defaults.cache_bytes),
            flights_max: self.flights_max.unwrap_or(defaults.flights_max),
            backoff: Backoff {
                base_ms: self.backoff_base_ms.unwrap_or(defaults.backoff.base_ms),
                cap_ms: self.backoff_cap_ms.unwrap_or(defaults.backoff.cap_ms),
            },
            budgets: Budgets {
                attempts_max: self.attempts_max.unwrap_or(budgets.attempts_max),
                inquiries_max: self.inquiries_max.unwrap_or(budgets.inquiries_max),
            },
            batch_max: defaults.batch_max,
            expire_after_ms: self.expire_after_ms.unwrap_or(defaults.expire_after_ms),
        }
    }
}
