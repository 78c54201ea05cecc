//! A small HTTP client over real sockets.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// No answer may take longer; a test that hangs says so.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer, read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value as text; empty when it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap_or("?"))
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What a retry must get again: status, body and location.
    pub fn frozen(&self) -> (StatusCode, Bytes, String) {
        (
            self.status,
            self.body.clone(),
            self.header("location").to_owned(),
        )
    }

    /// Whether the payment is finished: 201 or 402.
    pub fn is_final(&self) -> bool {
        matches!(
            self.status,
            StatusCode::CREATED | StatusCode::PAYMENT_REQUIRED
        )
    }
}

/// Why there was no answer: the connection failed or broke.
pub type NoAnswer = Box<dyn std::error::Error + Send + Sync>;

/// Speaks to one service; clones share the connections.
///
/// It keeps its connections itself: the pool of `hyper-util` sometimes waited for ever, without a connection, when the
/// service ended while one was made.
#[derive(Debug, Clone)]
pub struct Client {
    address: String,
    idle: Arc<Mutex<Vec<SendRequest<Full<Bytes>>>>>,
}

impl Client {
    /// A client of the service at `address` (`host:port`).
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            idle: Arc::default(),
        }
    }

    /// Sends a request with the given headers.
    ///
    /// # Errors
    /// When the connection fails: the process is gone, say.
    ///
    /// # Panics
    /// When the answer takes far too long, or the parts make no request.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer, NoAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::from(body.to_owned()))
            .expect("the parts make a request");
        tokio::time::timeout(PATIENCE, self.exchange(request))
            .await
            .unwrap_or_else(|_| panic!("no answer from {path} within {PATIENCE:?}"))
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        loop {
            let idle = self.idle().pop();
            let (mut sender, is_new) = match idle {
                Some(sender) => (sender, false),
                None => (self.connect().await?, true),
            };
            if let Err(closed) = sender.ready().await {
                if is_new {
                    return Err(closed.into());
                }
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (parts, body) = response.into_parts();
                    let body = body.collect().await?.to_bytes();
                    self.idle().push(sender);
                    return Ok(Answer {
                        status: parts.status,
                        headers: parts.headers,
                        body,
                    });
                }
                // An idle connection that was closed before anything was sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) if !is_new => request = unsent,
                    Some(_) | None => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, NoAnswer> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Posts a payment under `key`.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn pay(&self, key: &str, body: &str) -> Result<Answer, NoAnswer> {
        self.pay_with(key, body, &[]).await
    }

    /// Posts a payment under `key` with further headers.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn pay_with(
        &self,
        key: &str,
        body: &str,
        more: &[(&str, &str)],
    ) -> Result<Answer, NoAnswer> {
        let mut headers = vec![
            ("idempotency-key", key),
            (header::CONTENT_TYPE.as_str(), "application/json"),
        ];
        headers.extend_from_slice(more);
        self.send(Method::POST, "/v1/payments", &headers, body)
            .await
    }

    /// Gets a path.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub async fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        self.send(Method::GET, path, &[], "").await
    }
}
