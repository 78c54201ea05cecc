//! Pays with reqwest, once, however often it has to ask.
//!
//! ```text
//! cargo run -p holdfast-tests --example pay -- URL INTENT.json    INTENT.json is the body of POST /v1/payments
//! ```
//!
//! Ends with 0: settled. 1: failed for good. 2: the request or the configuration is wrong.
//! 3: still open; run it again with the same file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use rand::RngExt;
use reqwest::{Client, StatusCode, header};
use tokio::time::Instant;
use uuid::Uuid;

/// How a payment ended, as far as is known; each with the body of the last answer.
enum Outcome {
    Settled(String),
    /// No money moved under this key, and none can. A new try is a new intent, with a new key.
    Failed(String),
    /// The request or the configuration is wrong: a repeat gets the same answer.
    Refused(String),
    /// Nobody knows yet. Keep the key and call again with it; never pay under a new one.
    Open(String),
}

/// The key of an intent: made once, and on disk before the first request.
///
/// A key that is only in memory dies with the process, and the next process would pay again. In a
/// program with a database it is a column of the order, committed before the request.
fn key_beside(intent_file: &Path) -> io::Result<String> {
    let key_file = PathBuf::from(format!("{}.key", intent_file.display()));
    if !key_file.exists() {
        let draft = PathBuf::from(format!("{}.{}", key_file.display(), std::process::id()));
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&draft)?;
        file.write_all(Uuid::new_v4().to_string().as_bytes())?;
        file.sync_all()?;
        // Whole and only once, also when two processes start at the same time.
        match fs::hard_link(&draft, &key_file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => fs::remove_file(&draft)?,
        }
    }
    Ok(fs::read_to_string(&key_file)?.trim().to_owned())
}

async fn pay(client: &Client, url: &str, intent: &str, key: &str, patience: Duration) -> Outcome {
    let began = Instant::now();
    let mut widest_ms = 200;
    loop {
        // Every retry carries the same key and the same body.
        let request = client
            .post(format!("{url}/v1/payments"))
            .header("Idempotency-Key", format!("\"{key}\""))
            .header(header::CONTENT_TYPE, "application/json")
            .body(intent.to_owned());
        let mut retry_after = Duration::ZERO;
        let last = match answer(request).await {
            Ok((StatusCode::CREATED, _, body)) => return Outcome::Settled(body),
            Ok((StatusCode::PAYMENT_REQUIRED, _, body)) => return Outcome::Failed(body),
            Ok((
                status @ (StatusCode::REQUEST_TIMEOUT
                | StatusCode::CONFLICT
                | StatusCode::TOO_MANY_REQUESTS),
                wait,
                _,
            )) => {
                retry_after = wait;
                status.to_string()
            }
            Ok((status, _, body)) if status.is_client_error() => return Outcome::Refused(body),
            // 202, 500, 503, or whatever a gateway makes up.
            Ok((status, wait, _)) => {
                retry_after = wait;
                status.to_string()
            }
            // No answer, or only a part of one: nobody knows, so the same key asks again.
            Err(error) => error.to_string(),
        };
        // Full jitter keeps many clients from coming back at the same moment.
        let jitter = Duration::from_millis(rand::rng().random_range(0..=widest_ms));
        widest_ms = (widest_ms * 2).min(30_000);
        let wait = jitter.max(retry_after);
        if began.elapsed() + wait > patience {
            return Outcome::Open(format!("still open under the key {key}; last: {last}"));
        }
        tokio::time::sleep(wait).await;
    }
}

/// An answer, read to its end: its status, its `Retry-After`, its body.
async fn answer(
    request: reqwest::RequestBuilder,
) -> reqwest::Result<(StatusCode, Duration, String)> {
    let response = request.send().await?;
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let wait = Duration::from_secs(seconds.unwrap_or(0));
    Ok((status, wait, response.text().await?))
}

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command that says what came of it"
)]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(intent_file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pay URL INTENT.json".into());
    };
    let intent_file = PathBuf::from(intent_file);
    let mut headers = header::HeaderMap::new();
    if let Ok(token) = std::env::var("HOLDFAST_API_KEY") {
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse()?);
    }
    // This build of reqwest leaves the choice of the cryptography to the program.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // The time-out is more than the ten seconds for which the service waits for the bank. The library's own retries
    // are off: this program decides.
    let client = Client::builder()
        .timeout(Duration::from_secs(15))
        .default_headers(headers)
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()?;
    let key = key_beside(&intent_file)?;
    let intent = fs::read_to_string(&intent_file)?;
    let patience = Duration::from_mins(2);
    Ok(match pay(&client, &url, &intent, &key, patience).await {
        Outcome::Settled(payment) => {
            println!("{payment}");
            ExitCode::SUCCESS
        }
        Outcome::Failed(problem) => {
            eprintln!("{problem}");
            ExitCode::from(1)
        }
        Outcome::Refused(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
        Outcome::Open(what) => {
            eprintln!("{what}");
            ExitCode::from(3)
        }
    })
}
