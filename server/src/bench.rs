//! `holdfast bench`: a closed-loop load generator.
//!
//! Each connection sends its next request when the last is answered. It measures what clients see
//! and, from the service's own metrics, how many writes went into a commit; CPU time of the service
//! is for the operating system to tell (`benches/compare.sh` does so).

use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use hdrhistogram::Histogram;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rand::TryRng;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What `bench` can be told.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The service, such as `http://127.0.0.1:8080`
    url: Uri,
    /// Connections at once
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// How long to send, in seconds
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// What to send: a new payment each time, or the same one again
    #[arg(long, value_enum, default_value = "fresh")]
    workload: Workload,
    /// An API key, when the service has any configured
    #[arg(long, env = "HOLDFAST_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Workload {
    Fresh,
    Replay,
}

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error("{0} is no address of a service; give one such as http://127.0.0.1:8080")]
    Url(Uri),
    #[error("cannot reach the service: {0}")]
    Connect(#[from] std::io::Error),
    #[error("a request failed: {0}")]
    Request(#[from] hyper::Error),
    #[error("the service answered {status} where a payment should settle: {body}")]
    Answer { status: StatusCode, body: String },
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

/// Latencies above this are counted as this, in microseconds.
const LATENCY_MAX_US: u64 = 60_000_000;

/// What one connection saw.
struct Seen {
    /// Latencies in microseconds.
    latency_us: Histogram<u64>,
}

/// Runs the measurement and prints a table.
#[expect(clippy::print_stdout, reason = "the table is the command's result")]
pub(crate) async fn run(args: BenchArgs) -> Result<(), BenchError> {
    let authority = args
        .url
        .authority()
        .ok_or_else(|| BenchError::Url(args.url.clone()))?;
    let port = authority.port_u16().unwrap_or(80);
    let address = format!("{}:{port}", authority.host());
    let mut run = [0_u8; 8];
    rand::rngs::SysRng.try_fill_bytes(&mut run)?;
    let run = u64::from_le_bytes(run);

    let before = commits(&address).await?;
    let started = Instant::now();
    let until = started + Duration::from_secs(args.seconds);
    let tasks: Vec<_> = (0..args.connections)
        .map(|connection| {
            let address = address.clone();
            let api_key = args.api_key.clone();
            let workload = args.workload;
            tokio::spawn(async move {
                let client = Client {
                    address,
                    api_key,
                    run,
                    connection,
                    workload,
                };
                client.send_until(until).await
            })
        })
        .collect();
    let mut latency_us = new_histogram();
    for task in tasks {
        let seen = task.await.expect("a connection's task does not panic")?;
        latency_us
            .add(seen.latency_us)
            .expect("histograms of one shape");
    }
    let elapsed_s = started.elapsed().as_secs_f64();
    let after = commits(&address).await?;

    let count = latency_us.len();
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    let per_second = count as f64 / elapsed_s;
    println!(
        "workload      {:?}, {} connections, {elapsed_s:.1} s",
        args.workload, args.connections
    );
    println!("answers       {count} ({per_second:.0} a second), all settled");
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        println!("{name:<13} {} us", latency_us.value_at_quantile(quantile));
    }
    let (commits, writes) = (after.0 - before.0, after.1 - before.1);
    if commits > 0.0 {
        println!(
            "commits       {commits:.0}, {:.1} writes each",
            writes / commits
        );
    }
    Ok(())
}

fn new_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are in order")
}

struct Client {
    address: String,
    api_key: Option<String>,
    run: u64,
    connection: usize,
    workload: Workload,
}

impl Client {
    async fn send_until(self, until: Instant) -> Result<Seen, BenchError> {
        let mut sender = connect(&self.address).await?;
        let mut latency_us = new_histogram();
        let mut n = 0_u64;
        while Instant::now() < until {
            let started = Instant::now();
            sender.ready().await?;
            let answer = sender.send_request(self.request(n)).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            if status != StatusCode::CREATED {
                let body = String::from_utf8_lossy(&body).into_owned();
                return Err(BenchError::Answer { status, body });
            }
            let us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            latency_us.saturating_record(us);
            if self.workload == Workload::Fresh {
                n += 1;
            }
        }
        Ok(Seen { latency_us })
    }

    fn request(&self, n: u64) -> Request<Full<Bytes>> {
        let body = r#"{"amount":1999,"currency":"EUR","debtor":"acct_alice","creditor":"acct_shop","reference":"order 1001"}"#;
        let mut request = Request::post("/v1/payments")
            .header(header::HOST, &self.address)
            .header(header::CONTENT_TYPE, "application/json")
            .header(
                "idempotency-key",
                format!("{:016x}-{:04}-{n}", self.run, self.connection),
            );
        if let Some(api_key) = &self.api_key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {api_key}"));
        }
        request.body(Full::from(body)).expect("the parts are valid")
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>, BenchError> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// Number of commits and of writes in them, from the service's metrics.
async fn commits(address: &str) -> Result<(f64, f64), BenchError> {
    let mut sender = connect(address).await?;
    let request = Request::get("/metrics")
        .header(header::HOST, address)
        .body(Full::default())
        .expect("the parts are valid");
    let body = sender
        .send_request(request)
        .await?
        .into_body()
        .collect()
        .await?
        .to_bytes();
    let text = String::from_utf8_lossy(&body);
    let value = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.strip_prefix(name).is_some_and(|r| r.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
            .unwrap_or(0.0)
    };
    Ok((
        value("holdfast_commit_batch_size_count"),
        value("holdfast_commit_batch_size_sum"),
    ))
}
