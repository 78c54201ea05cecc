//! The bank behind a URL: sends our orders over HTTP and classifies the answers.
//!
//! Every way a call can end is classified once, here, by what it proves. In doubt the outcome is
//! unknown: only an answer that can be read completely, or proof that no byte was sent, says more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_core::{
    BankAddress, BankName, BankReference, BankTransactionId, Capability, Decision, DeclineCode,
    DeclineMessage,
};
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome, is_about};
use holdfast_engine::pipeline::SendPermit;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use reqwest::Url;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use serde::{Deserialize, Serialize};

pub use crate::bank_wire::Answer;
use crate::bank_wire::{CallError, Whole, Wire};
use crate::codes::{Code, Coded};
use crate::telemetry;
use crate::tls::install_provider;
use crate::web::media_type::{is_in_utf8, is_json};

/// How to reach a bank, and what it can do.
#[derive(Debug, Clone)]
pub struct BankClientOptions {
    /// Its configured name.
    pub name: BankName,
    /// The base address of its routes.
    pub url: Url,
    /// What it promises about repeated requests.
    pub capability: Capability,
    /// Time limit for connecting, in milliseconds. After it the request counts as not sent.
    pub connect_timeout_ms: u64,
    /// Most idle connections to keep.
    pub connections_idle_max: usize,
    /// Trust only the certificates in this PEM file, instead of those the system trusts.
    pub ca: Option<PathBuf>,
    /// Present the client certificate in this PEM file, which also contains its key.
    pub identity: Option<PathBuf>,
    /// Send the token in this file as `Authorization: Bearer`.
    pub token_file: Option<PathBuf>,
    /// How to interpret its answers.
    pub reading: Reading,
}

/// How to interpret the answers of a bank, where banks differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// Which 404 to an inquiry means "not found".
    pub not_found: Marks,
    /// Which 429 or 503 to a charge means "not processed".
    pub throttle: Marks,
    /// Decline codes that mean "this reference is known".
    pub duplicate_codes: Vec<DeclineCode>,
    /// Reuse a connection even if its last answer did not name our reference.
    pub reuse_connections: bool,
}

impl Default for Reading {
    fn default() -> Self {
        let code = |code| DeclineCode::new(code).expect("a valid code");
        Self {
            not_found: Marks::Marked,
            throttle: Marks::Marked,
            duplicate_codes: DUPLICATE_CODES.map(code).to_vec(),
            reuse_connections: false,
        }
    }
}

/// The default decline codes that mean "this reference is known".
pub(crate) const DUPLICATE_CODES: [&str; 2] = ["duplicate_reference", "duplicate"];

/// Which answers count as the bank's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marks {
    /// Only a response whose body says so and names our reference
    #[default]
    Marked,
    /// Any response with the status, also that of a gateway
    Bare,
}

impl BankClientOptions {
    /// Scheme, host and port.
    ///
    /// # Panics
    /// Never: a URL with a host is visible ASCII, and short.
    pub fn address(&self) -> BankAddress {
        let host = self.url.host_str().unwrap_or_default();
        let port = self.url.port_or_known_default().unwrap_or_default();
        let address = format!("{}://{host}:{port}", self.url.scheme());
        BankAddress::new(&address).expect("the configuration has checked its length")
    }
}

/// The configured connection to the bank cannot be set up.
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
    /// A file does not have the expected contents.
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
    #[error("cannot set up TLS: {0}")]
    Client(#[from] rustls::Error),
}

impl Coded for BankClientError {
    fn code(&self) -> Code {
        Code::BankFiles
    }
}

/// Longest wait that `Retry-After` can ask for. The engine's own cap is far lower.
const RETRY_AFTER_MS_MAX: u64 = 60 * 60 * 1000;

/// A bank behind a URL.
#[derive(Debug)]
pub struct BankClient {
    wire: Wire,
    /// The path of charges.
    charges: String,
    /// Headers of every request.
    headers: HeaderMap,
    name: BankName,
    address: BankAddress,
    capability: Capability,
    reading: Reading,
}

#[derive(Debug, Serialize)]
struct ChargeBody<'a> {
    amount: u64,
    currency: &'a str,
    debtor: &'a str,
    creditor: &'a str,
}

/// The bank's answer. Unknown members are ignored.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum AnswerBody {
    Confirmed { transaction_id: String },
    Declined { code: String, message: String },
}

impl AnswerBody {
    /// The decision, if each part of it can be stored.
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
    /// A file cannot be read, or does not have the expected contents.
    ///
    /// # Panics
    /// Never: a URL with a longer path is still a URL.
    pub fn new(options: &BankClientOptions) -> Result<Self, BankClientError> {
        let base = options.url.as_str().trim_end_matches('/');
        let charges = Url::parse(&format!("{base}/charges")).expect("a longer path is a URL still");
        let bank = format!("{}://{}", charges.scheme(), charges.authority());
        let bank: Uri = bank.parse().expect("a part of a URL is one");
        let wire = Wire::new(
            bank,
            tls(options)?,
            Duration::from_millis(options.connect_timeout_ms),
            options.connections_idle_max,
        );
        Ok(Self {
            wire,
            headers: headers(options, charges.authority())?,
            charges: charges.path().to_owned(),
            name: options.name.clone(),
            address: options.address(),
            capability: options.capability,
            reading: options.reading.clone(),
        })
    }

    fn request(&self, method: Method, path: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a part of a URL is one");
        request.headers_mut().clone_from(&self.headers);
        telemetry::outgoing(request.headers_mut());
        request
    }

    fn order(&self, permit: &SendPermit) -> Request<Full<Bytes>> {
        let holdfast_core::Request::Payment(charge) = permit.request();
        let body = ChargeBody {
            amount: charge.amount().minor_units(),
            currency: charge.currency().code(),
            debtor: charge.debtor().as_str(),
            creditor: charge.creditor().as_str(),
        };
        let body = serde_json::to_vec(&body).expect("plain data is JSON");
        let mut order = self.request(Method::POST, &self.charges, body);
        let reference = HeaderValue::try_from(permit.bank_reference().to_string());
        let reference = reference.expect("our references are visible ASCII");
        let json = HeaderValue::from_static("application/json");
        order.headers_mut().insert("idempotency-key", reference);
        order.headers_mut().insert(header::CONTENT_TYPE, json);
        order
    }

    async fn ask(&self, bank_reference: BankReference) -> Result<Answer, CallError> {
        let path = format!("{}/{bank_reference}", self.charges);
        let request = self.request(Method::GET, &path, Vec::new());
        self.call(request, self.reading.not_found).await
    }

    /// Sends a request. If an answer without a reference may count, the request gets a new connection: on a reused one
    /// nobody could tell which call such an answer belongs to.
    async fn call(&self, request: Request<Full<Bytes>>, marks: Marks) -> Result<Answer, CallError> {
        match marks {
            Marks::Bare if !self.reading.reuse_connections => self.wire.call_anew(request).await,
            Marks::Bare | Marks::Marked => self.wire.call(request).await,
        }
    }
}

/// A TLS configuration that trusts the certificates in a PEM file, or those that the system trusts. `option` names the
/// option for error messages.
pub(crate) fn trusting(
    option: &'static str,
    ca: Option<&Path>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, BankClientError> {
    install_provider();
    let trusting = ClientConfig::builder();
    let Some(path) = ca else {
        return Ok(trusting.with_platform_verifier()?);
    };
    let nothing = "contains no certificate; use a PEM file with the certificates to trust";
    let mut trusted = RootCertStore::empty();
    for certificate in certificates(option, path)? {
        trusted
            .add(certificate)
            .map_err(|error| content(option, path, &error.to_string()))?;
    }
    if trusted.is_empty() {
        return Err(content(option, path, nothing));
    }
    Ok(trusting.with_root_certificates(trusted))
}

/// The TLS configuration: which certificates to trust, and which client certificate to present.
fn tls(options: &BankClientOptions) -> Result<ClientConfig, BankClientError> {
    let trusting = trusting("bank_ca", options.ca.as_deref())?;
    let Some(path) = &options.identity else {
        return Ok(trusting.with_no_client_auth());
    };
    let nothing = "does not contain a certificate with its key; use a PEM file with both";
    let chain = certificates("bank_identity", path)?;
    let key = PrivateKeyDer::from_pem_slice(&read("bank_identity", path)?);
    let (false, Ok(key)) = (chain.is_empty(), key) else {
        return Err(content("bank_identity", path, nothing));
    };
    trusting
        .with_client_auth_cert(chain, key)
        .map_err(|error| content("bank_identity", path, &error.to_string()))
}

/// The certificates in a PEM file. Empty if it does not contain any.
fn certificates(
    option: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, BankClientError> {
    let pem = read(option, path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>();
    Ok(certificates.unwrap_or_default())
}

fn headers(options: &BankClientOptions, host: &str) -> Result<HeaderMap, BankClientError> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::try_from(host).expect("a URL's authority is visible ASCII");
    headers.insert(header::HOST, host);
    let product = concat!("holdfast/", env!("CARGO_PKG_VERSION"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(product));
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
                    "contains no token; write only the token into it, in one line of visible ASCII",
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
    fn name(&self) -> &BankName {
        &self.name
    }

    fn address(&self) -> &BankAddress {
        &self.address
    }

    fn capability(&self) -> Capability {
        self.capability
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        let reference = permit.bank_reference().to_string();
        let order = self.order(&permit);
        match self.call(order, self.reading.throttle).await {
            Ok(answer) => charge_outcome(answer, &reference, &self.reading).await,
            Err(error) => {
                log("charge", &error);
                match error {
                    CallError::NotSent(_) => ChargeOutcome::NotSent,
                    CallError::Broken(_) => ChargeOutcome::Unknown,
                }
            }
        }
    }

    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome {
        match self.ask(bank_reference).await {
            Ok(answer) => inquiry_outcome(answer, &bank_reference.to_string(), &self.reading).await,
            Err(error) => {
                log("inquiry", &error);
                InquiryOutcome::Unknown
            }
        }
    }
}

/// What an answer to a charge under our reference proves.
pub async fn charge_outcome(answer: Answer, reference: &str, reading: &Reading) -> ChargeOutcome {
    let status = answer.status();
    let retry_after_ms = retry_after_ms(answer.headers());
    let Some(heard) = Heard::of(answer, reference, reading).await else {
        return ChargeOutcome::Unknown;
    };
    match status {
        StatusCode::OK => match heard.decision() {
            Some(Decision::Declined { code, .. }) if reading.duplicate_codes.contains(&code) => {
                ChargeOutcome::Known
            }
            Some(decision) => ChargeOutcome::Decided(decision),
            None => ChargeOutcome::Unknown,
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let bare = status == StatusCode::TOO_MANY_REQUESTS || retry_after_ms.is_some();
            if heard.is_marked(NOT_PROCESSED) || (reading.throttle == Marks::Bare && bare) {
                let retry_after_ms = retry_after_ms.unwrap_or(0);
                ChargeOutcome::Throttled { retry_after_ms }
            } else {
                ChargeOutcome::Unknown
            }
        }
        status => {
            if status.is_client_error() || status.is_redirection() {
                tracing::error!(
                    %status, code = Code::BankRefuses.name(), help = %Code::BankRefuses.link(),
                    "the bank refused a charge with a status that is not part of its contract; check the URL and the \
                     credentials"
                );
            }
            ChargeOutcome::Unknown
        }
    }
}

/// What an answer to an inquiry by our reference proves.
pub async fn inquiry_outcome(answer: Answer, reference: &str, reading: &Reading) -> InquiryOutcome {
    let status = answer.status();
    let Some(heard) = Heard::of(answer, reference, reading).await else {
        return InquiryOutcome::Unknown;
    };
    match status {
        StatusCode::OK => heard
            .decision()
            .map_or(InquiryOutcome::Unknown, InquiryOutcome::Decided),
        StatusCode::NOT_FOUND => {
            let bare = reading.not_found == Marks::Bare && heard.may_be_bare();
            if heard.is_marked(NOT_FOUND) || bare {
                InquiryOutcome::NotFound
            } else {
                InquiryOutcome::Unknown
            }
        }
        _ => InquiryOutcome::Unknown,
    }
}

/// The bank's own mark that it does not know a reference.
const NOT_FOUND: &str = "not_found";

/// The bank's own mark that it did not process a request.
const NOT_PROCESSED: &str = "not_processed";

/// An answer that was read completely and may be about our reference.
#[derive(Debug)]
struct Heard {
    body: Bytes,
    is_json: bool,
    is_problem: bool,
    name: Name,
}

/// The reference and code in an answer, whether it is a decision or a problem. Unknown members are ignored.
#[derive(Debug, Default, Deserialize)]
struct Name {
    #[serde(default)]
    bank_reference: Option<serde_json::Value>,
    #[serde(default)]
    code: Option<serde_json::Value>,
}

impl Heard {
    /// Reads an answer and decides whether to keep its connection. `None` if the answer cannot be read or cannot be ours:
    /// it names another reference, or it names none on a connection where it may belong to an earlier call.
    async fn of(answer: Answer, reference: &str, reading: &Reading) -> Option<Self> {
        let content_type = answer.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.map(|value| value.as_bytes().to_vec());
        let content_type = content_type.unwrap_or_default();
        let is_json = is_json(&content_type);
        let is_problem = is_in_utf8(&content_type, "application/problem+json");
        let reused = answer.is_on_used_connection();
        let matters = matches!(
            answer.status(),
            StatusCode::OK
                | StatusCode::NOT_FOUND
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::SERVICE_UNAVAILABLE
        );
        let whole: Whole = if matters {
            answer.read().await?
        } else {
            answer.read_soon().await?
        };
        let body = whole.body.clone();
        let name = if is_json || is_problem {
            Name::in_body(&body)
        } else {
            Some(Name::default())
        };
        let Some(name) = name else {
            tracing::error!(
                reference, code = Code::BankNamesOther.name(), help = %Code::BankNamesOther.link(),
                "a response of the bank names its reference more than once: it is ignored, and the connection is closed"
            );
            return None;
        };
        if !name.is_about(reference) {
            tracing::error!(
                reference, named = ?name.bank_reference,
                code = Code::BankNamesOther.name(), help = %Code::BankNamesOther.link(),
                "a response of the bank names another reference: it is ignored, and the connection is closed"
            );
            return None;
        }
        let named = name.bank_reference.is_some();
        if reused && !named && !reading.reuse_connections {
            tracing::warn!(
                reference, code = Code::BankNamesNone.name(), help = %Code::BankNamesNone.link(),
                "a response on a reused connection names no reference and may belong to another call: it is ignored, and \
                 the connection is closed"
            );
            return None;
        }
        if named || reading.reuse_connections {
            whole.keep_connection();
        }
        Some(Self {
            body,
            is_json,
            is_problem,
            name,
        })
    }

    /// Whether the answer has this code of the bank and names our reference.
    fn is_marked(&self, mark: &str) -> bool {
        let code = self.name.code.as_ref();
        self.name.bank_reference.is_some() && code.and_then(|code| code.as_str()) == Some(mark)
    }

    /// Whether the answer has no body, or a JSON object. A gateway's answer for an unknown address is often an HTML page, but
    /// not always.
    fn may_be_bare(&self) -> bool {
        let json = self.is_json || self.is_problem;
        self.body.is_empty()
            || (json && serde_json::from_slice::<serde_json::Map<_, _>>(&self.body).is_ok())
    }

    /// The decision in the answer, if it is a valid one.
    fn decision(&self) -> Option<Decision> {
        if !self.is_json {
            tracing::debug!("the response of the bank does not have the content type JSON");
            return None;
        }
        // serde accepts an array for a struct, but the bank's answer must be an object.
        if !is_object(&self.body) {
            tracing::debug!("the response of the bank is not a JSON object");
            return None;
        }
        let answer: AnswerBody = serde_json::from_slice(&self.body)
            .inspect_err(
                |error| tracing::debug!(%error, "the response of the bank cannot be parsed"),
            )
            .ok()?;
        answer.decision()
    }
}

impl Name {
    /// `None` if an object has the same member twice: nobody can tell which reference it is about.
    fn in_body(body: &[u8]) -> Option<Self> {
        if !is_object(body) {
            return Some(Self::default());
        }
        match serde_json::from_slice(body) {
            Ok(name) => Some(name),
            Err(error) if error.is_data() => None,
            // A body that is not JSON contains no decision either.
            Err(_) => Some(Self::default()),
        }
    }

    /// Whether the answer can be about a reference: it names this one, or none.
    fn is_about(&self, reference: &str) -> bool {
        match &self.bank_reference {
            None => true,
            // Our references are text, so any other value is not one of ours.
            Some(named) => named
                .as_str()
                .is_some_and(|named| is_about(reference, Some(named))),
        }
    }
}

fn log(what: &'static str, error: &CallError) {
    tracing::debug!(what, ?error, "a call to the bank failed");
}

fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// The wait in `Retry-After`, in milliseconds: seconds, or a date (RFC 9110, section 10.2.3).
/// `None` if there is none, or it cannot be parsed.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    let text = text.trim();
    let wait_ms = match text.parse::<u64>() {
        Ok(seconds) => seconds.saturating_mul(1000),
        Err(_) => wait_until_ms(text, headers.get(header::DATE))?,
    };
    Some(wait_ms.min(RETRY_AFTER_MS_MAX))
}

/// The wait until a date, measured by the bank's own clock.
fn wait_until_ms(until: &str, date: Option<&HeaderValue>) -> Option<u64> {
    let parse = |text: &str| jiff::fmt::rfc2822::parse(text).ok();
    let until = parse(until)?.timestamp();
    let now = date.and_then(|date| parse(date.to_str().ok()?));
    let now = now?.timestamp();
    u64::try_from(until.as_millisecond() - now.as_millisecond())
        .ok()
        .or(Some(0))
}
