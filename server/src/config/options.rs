//! Every option, once. A maintainer who adds one adds it here, and uses its value where `Values` is read.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;

use super::bounds::{Bounds, count, memory_ms, wait_ms};
use super::declare::options;
use crate::accept::ConnectionLimits;
use crate::api::{BodyLimits, RequestLimits};
use crate::api_keys::ApiKey;
use crate::bank_client::{DUPLICATE_CODES, Marks};
use crate::capability::CapabilityName;
use crate::telemetry::LogFormat;

/// The word for the built-in bank.
pub(super) const SIMULATED: &str = "sim";

/// The name of the bank that it stands for. No other bank may have it.
pub(crate) const SIMULATED_NAME: &str = "simulated";

/// The name of a bank at a URL that was given none.
const BANK_NAME: &str = "default";

/// The connection to the bank gets this much of the time limit of a call, in milliseconds, but at most half of it.
const CONNECT_TIMEOUT_MS: u64 = 3_000;

const MIB: u64 = 1024 * 1024;

options! {
    "" {
        /// Address and port to listen on
        listen: SocketAddr => "ADDRESS:PORT",
            default(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080));
        /// Serve TLS with the certificate in this PEM file, followed by the intermediate certificates
        tls_certificate: PathBuf => "FILE", unset("no TLS");
        /// Private key of the certificate, a PEM file
        tls_key: PathBuf => "FILE", unset("no TLS");
        /// Data directory; created if it does not exist
        data: PathBuf => "DIR", default(PathBuf::from("./holdfast-data"));
        /// Open a store whose journal.head is missing, unreadable, older or newer than the store. Use it once, when you know
        /// that the store is complete or when you restored an older copy on purpose
        accept_older_store: bool => "BOOL", default(false);
        /// Merchants that have payments but no API key any more
        retired_merchants: Vec<String> => "NAME,...", unset("none");
    }
    "Bank" {
        /// The bank: `sim` for the built-in simulated bank, or the base URL of a bank
        bank: String => "sim|URL", default(SIMULATED.to_owned());
        /// Name of the bank. A payment belongs to the bank with this name and is never sent to another one
        bank_name: String => "NAME",
            default_by("simulated, or `default` for a bank at a URL", |set| bank_name(set).to_owned());
        /// Confirm that the bank at the new address is the same bank. Needed when unfinished payments were sent to the old
        /// address
        bank_moved: bool => "BOOL", default(false), when [AtUrl];
        /// What the bank promises about repeated requests with the same reference
        bank_capability: CapabilityName => "CAPABILITY", default(CapabilityName::Keyed);
        /// How long a keyed bank remembers a reference, in milliseconds
        bank_window_ms: u64 => "MS", default(24 * 60 * 60 * 1_000), bounds memory_ms(0), when [AtUrl, Keyed];
        /// Longest time between recording an attempt and the bank receiving it, in milliseconds. Half is budgeted for the
        /// disk, half for the network. Until it has passed, "not found" proves nothing
        bank_grace_ms: u64 => "MS", default(60 * 1_000), bounds wait_ms(0), when [AtUrl, Asked];
        /// Time limit of a bank call, in milliseconds; after it the outcome is unknown
        bank_timeout_ms: u64 => "MS", default(lane().timeout_ms), bounds wait_ms(1);
        /// Time limit for connecting to the bank, in milliseconds; after it the attempt counts as not sent
        bank_connect_timeout_ms: u64 => "MS",
            default_by("3000, but at most half of bank_timeout_ms", connect_timeout_ms),
            bounds wait_ms(1), when [AtUrl];
        /// Maximum number of concurrent bank calls; further payments wait
        bank_calls_max: usize => "N", default(lane().calls_max), bounds count(1, 100_000);
        /// Trust only the certificates in this PEM file for TLS to the bank
        bank_ca: PathBuf => "FILE", unset("the certificates that the system trusts"), when [AtUrl, Tls];
        /// Present the client certificate in this PEM file to the bank; the file also holds its private key
        bank_identity: PathBuf => "FILE", unset("none"), when [AtUrl, Tls];
        /// Send the token in this file to the bank as `Authorization: Bearer`
        bank_token_file: PathBuf => "FILE", unset("none"), when [AtUrl];
        /// Which 404 responses to an inquiry mean "not found": `marked`, only those whose body says so and names our
        /// reference; `bare`, any without a body or with a JSON object. With `bare`, a gateway that loses its route can cause a
        /// second charge
        bank_not_found: Marks => "MARKS", default(Marks::default()), when [AtUrl, Asked];
        /// Which 429 and 503 responses to a charge mean "not processed": `marked`, only those whose body says so and names
        /// our reference; `bare`, any 429, and any 503 with Retry-After. With `bare`, a gateway that responds after it has
        /// forwarded the charge can cause a second charge
        bank_throttle: Marks => "MARKS", default(Marks::default()), when [AtUrl];
        /// Decline codes that mean "duplicate reference": the bank is then asked for the outcome
        bank_duplicate_codes: Vec<String> => "CODE,...",
            default(DUPLICATE_CODES.map(str::to_owned).to_vec()), when [AtUrl];
        /// Reuse connections to a bank whose responses do not name our reference. One misplaced response can then give later
        /// payments the outcome of others. Connections to a bank that names it are always reused
        bank_reuse_connections: bool => "BOOL", default(false), when [AtUrl];
        /// Response time of the simulated bank, in milliseconds
        bank_latency_ms: u64 => "MS", default(0), bounds wait_ms(0), when [Simulated];
    }
    "Retries" {
        /// Maximum number of attempts per payment
        attempts_max: u32 => "N", default(service().budgets.attempts_max), bounds count(1, 1_000_000);
        /// Maximum number of inquiries per attempt; after them the payment goes to review
        inquiries_max: u32 => "N", default(service().budgets.inquiries_max), bounds count(0, 1_000_000);
        /// Maximum wait after the first attempt, in milliseconds; it doubles with each attempt
        backoff_base_ms: u64 => "MS", default(service().backoff.base_ms), bounds wait_ms(1);
        /// Maximum wait between attempts, in milliseconds
        backoff_cap_ms: u64 => "MS", default(service().backoff.cap_ms), bounds wait_ms(1);
        /// Open the circuit breaker after this many bank calls in a row without a response
        breaker_failures_max: u32 => "N", default(lane().breaker.failures_max), bounds count(1, 1_000_000);
        /// First time that the circuit breaker stays open, in milliseconds; it doubles each time
        breaker_open_ms: u64 => "MS", default(lane().breaker.open_ms), bounds wait_ms(1);
        /// Maximum time that the circuit breaker stays open, in milliseconds
        breaker_open_ms_max: u64 => "MS", default(lane().breaker.open_ms_max), bounds wait_ms(1);
        /// Fail a payment as expired that waits this long without being sent, in milliseconds
        expire_after_ms: u64 => "MS", default(service().expire_after_ms), bounds memory_ms(0);
    }
    "Limits" {
        /// Maximum number of payments in flight; further new payments get 503
        flights_max: usize => "N", default(service().flights_max), bounds count(1, 10_000_000);
        /// Maximum number of connections; further ones wait
        connections_max: usize => "N", default(connections().connections_max), bounds count(1, 1_000_000);
        /// Header timeout and idle timeout, in milliseconds: disconnect a client that has not sent its complete headers by
        /// then, or that sends no request
        head_timeout_ms: u64 => "MS", default(ms(connections().head_timeout)), bounds wait_ms(1);
        /// Disconnect a client that reads none of its response for this many milliseconds
        answer_timeout_ms: u64 => "MS", default(ms(connections().answer_timeout)), bounds wait_ms(1);
        /// Maximum size of a request head (request line and headers), in bytes; a larger one gets 431
        // hyper asks for 8 KiB at least.
        head_bytes_max: usize => "BYTES", default(connections().head_bytes_max),
            bounds count(8 * 1024, 16 * 1024 * 1024);
        /// Maximum number of headers of a request; a request with more gets 431
        // Twice as many are parsed, and a map of headers holds 24,576 at most.
        headers_max: usize => "N", default(RequestLimits::default().headers_max), bounds count(1, 8_192);
        /// Maximum size of a request body, in bytes; a larger one gets 413
        body_bytes_max: usize => "BYTES", default(body().bytes_max), bounds count(1, 16 * 1024 * 1024);
        /// Time limit for receiving a request body, in milliseconds; after it the request gets 408
        body_timeout_ms: u64 => "MS", default(ms(body().timeout)), bounds wait_ms(1);
        /// Rate limit: requests per second and merchant; further requests get 429
        // A larger rate is none.
        rate_per_second: u32 => "N", unset("no limit"), bounds count(1, 1_000_000);
        /// Burst of the rate limit: requests that a merchant may send at once
        rate_burst: u32 => "N", unset("as many as rate_per_second"), bounds count(1, 3_600_000_000);
    }
    "Memory" {
        /// Cache for finished payments, in MiB; 0 disables it
        // At most a PiB.
        cache_mib: u64 => "MIB", default(service().cache_bytes / MIB), bounds count(0, 1 << 30);
        /// Cache of the database, in MiB
        // sled takes no cache of 256 TiB or more.
        store_cache_mib: u64 => "MIB", default(256), bounds count(0, 1 << 26);
    }
    "Log and traces" {
        /// Log filter: a level, or levels by target; `info,holdfast::requests=debug` logs each request
        log: String => "FILTER", default("info".to_owned());
        /// Log format: text for people, or one JSON object per line
        log_format: LogFormat => "FORMAT", default(LogFormat::default());
        /// Send OpenTelemetry traces to this collector, with OTLP over HTTP
        otlp_endpoint: String => "URL", unset("no traces");
        /// Share of the traces started here that is recorded
        otlp_ratio: f64 => "SHARE", default(1.0), bounds Bounds::Share;
    }
    in the file only {
        api_keys: Vec<ApiKey>;
    }
}

fn lane() -> LaneOptions {
    LaneOptions::default()
}

fn service() -> ServiceOptions {
    ServiceOptions::default()
}

fn connections() -> ConnectionLimits {
    ConnectionLimits::default()
}

fn body() -> BodyLimits {
    BodyLimits::default()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The name of a bank that was given none.
fn bank_name(set: &Options) -> &'static str {
    match set.bank.as_deref() {
        None | Some(SIMULATED) => SIMULATED_NAME,
        Some(_) => BANK_NAME,
    }
}

/// The time limit for connecting when none was given.
fn connect_timeout_ms(set: &Options) -> u64 {
    let timeout_ms = set.bank_timeout_ms.unwrap_or(lane().timeout_ms);
    CONNECT_TIMEOUT_MS.min(timeout_ms.div_ceil(2))
}
