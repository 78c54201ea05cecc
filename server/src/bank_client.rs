//! The bank behind a URL: our orders as HTTP, and its answers sorted.
//!
//! Every way a call can end is classified once, here, into what it proves. When in doubt the outcome
//! is unknown: only an answer that can be read whole, or proof that not a byte left, says more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome};
use holdfast_engine::payment::{
    BankReference, BankTransactionId, Capability, Decision, DeclineCode, DeclineMessage,
};
use holdfast_engine::pipeline::SendPermit;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Identity, Request, Response, Url};
use serde::{Deserialize, Serialize};

use crate::api::{is_in_utf8, is_json};
use crate::telemetry;
use crate::tls::install_provider;

/// How to reach a bank, and what it can do.
#[derive(Debug, Clone)]
pub struct BankClientOptions {
    /// Below which address its routes stand.
    pub url: Url,
    /// What it promises about repeats.
    pub capability: Capability,
    /// After so long a connection that is not made counts as not sent, in milliseconds.
    pub connect_timeout_ms: u64,
    /// Most idle connections that are kept.
    pub connections_idle_max: usize,
    /// Trust only the certificates in this PEM file, instead of those the system trusts.
    pub ca: Option<PathBuf>,
    /// Show the certificate in this PEM file, which also holds its key.
    pub identity: Option<PathBuf>,
    /// Send the token in this file as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
}

/// The bank cannot be spoken to as configured.
#[derive(Debug, thiserror::Error)]
pub enum BankClientError {
    /// A file cannot be read.
    #[error("cannot read {option} {}: {source}", path.display())]
    Read {
        /// Which option names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds something else than it should.
    #[error("{option} {}: {problem}", path.display())]
    Content {
        /// Which option names it.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The client cannot be made.
    #[error("cannot set up the connection to the bank: {0:?}")]
    Client(#[from] reqwest::Error),
}

/// Largest answer that is read, in bytes; the bank's are far smaller.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// How long a connection may stand idle before it is closed, so that a call seldom meets one that the
/// bank has closed already.
const CONNECTION_IDLE: Duration = Duration::from_secs(20);

/// Longest wait that is taken from `Retry-After`; the engine's own cap is far below.
const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1000;

/// A bank behind a URL.
#[derive(Debug)]
pub struct BankClient {
    http: Client,
    charges: Url,
    capability: Capability,
}

#[derive(Debug, Serialize)]
struct ChargeBody<'a> {
    amount: u64,
    currency: &'a str,
    debtor: &'a str,
    creditor: &'a str,
}

/// The bank's answer. Members that we do not know are its own affair.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum AnswerBody {
    Confirmed { transaction_id: String },
    Declined { code: String, message: String },
}

impl AnswerBody {
    /// The decision, when each part of it can be kept.
    fn decision(self) -> Option<Decision> {
        Some(match self {
            Self::Confirmed { transaction_id } => Decision::Confirmed {
                bank_transaction_id: BankTransactionId::new(&transaction_id).ok()?,
            },
            Self::Declined { code, message } => Decision::Declined {
                code: DeclineCode::new(&code).ok()?,
                message: DeclineMessage::new(&message).ok()?,
            },
        })
    }
}

impl BankClient {
    /// Prepares a client. Nothing is sent yet.
    ///
    /// # Errors
    /// When a file cannot be read, or holds something else than it should.
    ///
    /// # Panics
    /// Never: a URL with a longer path is a URL still.
    pub fn new(options: &BankClientOptions) -> Result<Self, BankClientError> {
        install_provider();
        let mut builder = Client::builder()
            .connect_timeout(Duration::from_millis(options.connect_timeout_ms))
            .pool_max_idle_per_host(options.connections_idle_max)
            .pool_idle_timeout(CONNECTION_IDLE)
            // A redirected POST would be a second request to someone else.
            .redirect(Policy::none())
            // Whoever sets a proxy for other programs has not decided where payments go.
            .no_proxy()
            .retry(reqwest::retry::never())
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(options)?);
        if let Some(path) = &options.ca {
            let pem = read("bank_ca", path)?;
            let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
            if certificates.is_empty() {
                return Err(content(
                    "bank_ca",
                    path,
                    "holds no certificate; give a PEM file with those to trust",
                ));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let Some(path) = &options.identity {
            let pem = read("bank_identity", path)?;
            let identity = Identity::from_pem(&pem).map_err(|_| {
                content(
                    "bank_identity",
                    path,
                    "holds no certificate with its key; give a PEM file with both",
                )
            })?;
            builder = builder.identity(identity);
        }
        let base = options.url.as_str().trim_end_matches('/');
        let charges = Url::parse(&format!("{base}/charges")).expect("a longer path is a URL still");
        Ok(Self {
            http: builder.build()?,
            charges,
            capability: options.capability,
        })
    }

    fn order(&self, permit: &SendPermit) -> Result<Request, reqwest::Error> {
        let request = permit.request();
        let body = ChargeBody {
            amount: request.amount().minor_units(),
            currency: request.currency().code(),
            debtor: request.debtor().as_str(),
            creditor: request.creditor().as_str(),
        };
        let body = serde_json::to_vec(&body).expect("plain data is JSON");
        let mut order = self
            .http
            .post(self.charges.clone())
            .header("idempotency-key", permit.bank_reference().to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(body)
            .build()?;
        telemetry::outgoing(order.headers_mut());
        Ok(order)
    }

    async fn ask(&self, bank_reference: BankReference) -> Result<Response, reqwest::Error> {
        let url = format!("{}/{bank_reference}", self.charges);
        let mut question = self.http.get(url).build()?;
        telemetry::outgoing(question.headers_mut());
        self.http.execute(question).await
    }
}

fn headers(options: &BankClientOptions) -> Result<HeaderMap, BankClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(path) = &options.token_file {
        let token = read("bank_token_file", path)?;
        let token = String::from_utf8_lossy(&token);
        let value = HeaderValue::try_from(format!("Bearer {}", token.trim()));
        let mut value = value
            .ok()
            .filter(|_| !token.trim().is_empty())
            .ok_or_else(|| {
                content(
                    "bank_token_file",
                    path,
                    "holds no token; put the token alone into it, in one line of visible ASCII",
                )
            })?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, BankClientError> {
    std::fs::read(path).map_err(|source| BankClientError::Read {
        option,
        path: path.to_owned(),
        source,
    })
}

fn content(option: &'static str, path: &Path, problem: &str) -> BankClientError {
    BankClientError::Content {
        option,
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}

#[async_trait]
impl Bank for BankClient {
    fn capability(&self) -> Capability {
        self.capability
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        let Ok(order) = self.order(&permit) else {
            return ChargeOutcome::NotSent;
        };
        let response = match self.http.execute(order).await {
            Ok(response) => response,
            Err(error) => {
                log("charge", &error);
                // A connection that was never made carried nothing.
                return if error.is_connect() {
                    ChargeOutcome::NotSent
                } else {
                    ChargeOutcome::Unknown
                };
            }
        };
        charge_outcome(response).await
    }

    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome {
        match self.ask(bank_reference).await {
            Ok(response) => inquiry_outcome(response).await,
            Err(error) => {
                log("inquiry", &error);
                InquiryOutcome::Unknown
            }
        }
    }
}

/// What an answer to a charge proves.
pub async fn charge_outcome(response: Response) -> ChargeOutcome {
    match response.status() {
        StatusCode::OK => decision(response)
            .await
            .map_or(ChargeOutcome::Unknown, ChargeOutcome::Decided),
        StatusCode::TOO_MANY_REQUESTS => ChargeOutcome::Throttled {
            retry_after_ms: retry_after_ms(&response).unwrap_or(0),
        },
        StatusCode::SERVICE_UNAVAILABLE => match retry_after_ms(&response) {
            Some(retry_after_ms) => ChargeOutcome::Throttled { retry_after_ms },
            None => ChargeOutcome::Unknown,
        },
        status => {
            if status.is_client_error() || status.is_redirection() {
                tracing::error!(
                    %status,
                    "the bank refuses a charge in a way that is none of its contract; check the \
                     address and the credentials"
                );
            }
            ChargeOutcome::Unknown
        }
    }
}

/// What an answer to an inquiry proves.
pub async fn inquiry_outcome(response: Response) -> InquiryOutcome {
    match response.status() {
        StatusCode::OK => decision(response)
            .await
            .map_or(InquiryOutcome::Unknown, InquiryOutcome::Decided),
        StatusCode::NOT_FOUND if is_the_banks_own(response).await => InquiryOutcome::NotFound,
        _ => InquiryOutcome::Unknown,
    }
}

/// Whether a 404 can be the bank's: it is bare, or a JSON object. What a gateway says of an address
/// that it does not know is a page for people, and proves nothing.
async fn is_the_banks_own(response: Response) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    let json = content_type.is_some_and(|value| {
        let value = value.as_bytes();
        is_json(value) || is_in_utf8(value, "application/problem+json")
    });
    match body(response).await {
        // An object that is cut short may be anything.
        Some(body) => {
            body.is_empty()
                || (json && serde_json::from_slice::<serde_json::Map<_, _>>(&body).is_ok())
        }
        None => false,
    }
}

fn log(what: &'static str, error: &reqwest::Error) {
    tracing::debug!(what, ?error, "a call to the bank failed");
}

/// The decision in an answer, if it can be read whole and is what it says it is.
async fn decision(response: Response) -> Option<Decision> {
    let content_type = response.headers().get(header::CONTENT_TYPE)?;
    if !is_json(content_type.as_bytes()) {
        tracing::debug!(?content_type, "the bank's answer is not declared as JSON");
        return None;
    }
    let body = body(response).await?;
    // serde takes an array for a struct; the bank's answer is an object.
    if !is_object(&body) {
        tracing::debug!("the bank's answer is no JSON object");
        return None;
    }
    let answer: AnswerBody = serde_json::from_slice(&body)
        .inspect_err(|error| tracing::debug!(%error, "the bank's answer cannot be read"))
        .ok()?;
    answer.decision()
}

/// The body, if it can be read whole and is not too large.
async fn body(mut response: Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .inspect_err(|error| log("answer", error))
        .ok()?
    {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            tracing::debug!("the bank's answer is too large");
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// The wait in `Retry-After`, in milliseconds: seconds, or a date (RFC 9110, section 10.2.3).
/// `None` when there is none that can be read.
fn retry_after_ms(response: &Response) -> Option<u64> {
    let text = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    let text = text.trim();
    let wait_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => wait_until_ms(text, response.headers().get(header::DATE))?,
    };
    Some(wait_ms.min(RETRY_AFTER_MS_MAX))
}

/// The wait until a date, counted from the bank's own clock.
fn wait_until_ms(until: &str, date: Option<&HeaderValue>) -> Option<u64> {
    let parse = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
    let until = parse(until)?.timestamp();
    let now = date.and_then(|date| parse(date.to_str().ok()?));
    let now = now?.timestamp();
    u64::try_from(until.as_millisecond() - now.as_millisecond())
        .ok()
        .or(Some(0))
}
