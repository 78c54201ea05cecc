//! HTTP/1.1 to the bank over kept connections.
//!
//! A call drives its own connection: the task that waits for the answer also writes the request and reads the answer, so
//! no other task has to be woken in between. Nothing drives an idle connection. Before it is reused, it is checked whether
//! the bank has closed it in the meantime.
//!
//! The reader of an answer decides whether its connection is kept. If an extra answer can arrive on a connection, each later
//! call on it receives the answer to another call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tower_service::Service;

/// Size limit of an answer, in bytes. The bank's answers are far smaller.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Idle timeout of a connection. It is short, so that a call rarely gets a connection that the bank has closed
/// already.
const CONNECTION_IDLE: Duration = Duration::from_secs(20);

/// Time limit for reading the rest of an unneeded answer, so that its connection can be kept.
const REST_WAIT: Duration = Duration::from_millis(50);

type Driver = http1::Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>;

/// The connections to one bank. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Wire(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connector: HttpsConnector<HttpConnector>,
    /// Scheme and authority of the bank.
    bank: Uri,
    connect_timeout: Duration,
    idle_max: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// In order of last use, the most recent one last.
    idle: VecDeque<Idle>,
    /// Whether a task is running that closes stale connections.
    watched: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

#[derive(Debug)]
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
}

/// How a call ended without an answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// Not a byte of the request left.
    #[error("cannot connect: {0}")]
    NotSent(Box<dyn std::error::Error + Send + Sync>),
    /// The request may have arrived.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
}

/// An answer whose body may still be arriving.
#[derive(Debug)]
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: AnswerBody,
    /// Whether the connection had been used before.
    reused: bool,
}

/// An answer that was read completely.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Its body.
    pub(crate) body: Bytes,
    connection: Option<(Wire, Connection)>,
}

impl Whole {
    /// Keeps the connection for another call.
    pub(crate) fn keep_connection(self) {
        if let Some((wire, connection)) = self.connection {
            wire.keep(connection);
        }
    }
}

#[derive(Debug)]
enum AnswerBody {
    Whole(Bytes),
    Coming(Box<Coming>),
}

#[derive(Debug)]
struct Coming {
    body: Incoming,
    connection: Connection,
    wire: Wire,
}

impl Wire {
    /// Makes no connection yet.
    pub(crate) fn new(
        bank: Uri,
        tls: ClientConfig,
        connect_timeout: Duration,
        idle_max: usize,
    ) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(connect_timeout));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self(Arc::new(Shared {
            connector,
            bank,
            connect_timeout,
            idle_max,
            kept: Mutex::default(),
        }))
    }

    /// Sends a request, once, and waits for the head of the answer.
    pub(crate) async fn call(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        while let Some(mut connection) = self.kept().await {
            match connection.call(request).await {
                Ok(response) => return Ok(self.answer(response, connection, true)),
                // The bank had closed the connection. hyper returns a request that it has not begun to send.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().into()),
                },
            }
        }
        self.call_anew(request).await
    }

    /// Like [`call`](Self::call), but on a new connection.
    pub(crate) async fn call_anew(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, CallError> {
        let mut connection = self.connect().await.map_err(CallError::NotSent)?;
        match connection.call(request).await {
            Ok(response) => Ok(self.answer(response, connection, false)),
            Err(failed) => Err(failed.into_error().into()),
        }
    }

    async fn connect(&self) -> Result<Connection, Box<dyn std::error::Error + Send + Sync>> {
        let mut connector = self.0.connector.clone();
        poll_fn(|context| connector.poll_ready(context)).await?;
        let connecting = connector.call(self.0.bank.clone());
        let stream = timeout(self.0.connect_timeout, connecting).await??;
        let (sender, driver) = http1::handshake(stream).await?;
        let driver = Some(driver);
        Ok(Connection { sender, driver })
    }

    /// A kept connection that is still usable, as far as can be told.
    async fn kept(&self) -> Option<Connection> {
        loop {
            // The lock is not held while the connection is checked.
            let kept = self.0.kept().idle.pop_back()?;
            if kept.since.elapsed() > CONNECTION_IDLE {
                // So are all connections before it.
                self.0.kept().idle.clear();
                return None;
            }
            let mut connection = kept.connection;
            if connection.is_usable().await {
                return Some(connection);
            }
        }
    }

    fn answer(&self, response: Response<Incoming>, connection: Connection, reused: bool) -> Answer {
        let (head, body) = response.into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            reused,
            body: AnswerBody::Coming(Box::new(Coming {
                body,
                connection,
                wire: self.clone(),
            })),
        }
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.0.kept();
        if kept.idle.len() >= self.0.idle_max {
            return;
        }
        if !std::mem::replace(&mut kept.watched, true) {
            tokio::spawn(Shared::close_stale(Arc::downgrade(&self.0)));
        }
        let since = Instant::now();
        kept.idle.push_back(Idle { connection, since });
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic elsewhere leaves the list intact: it is changed only by single pushes and pops.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes stale connections, until none is idle.
    async fn close_stale(shared: Weak<Self>) {
        loop {
            tokio::time::sleep(CONNECTION_IDLE).await;
            let Some(shared) = shared.upgrade() else {
                return;
            };
            let mut kept = shared.kept();
            let stale = |idle: &Idle| idle.since.elapsed() > CONNECTION_IDLE;
            while kept.idle.front().is_some_and(stale) {
                kept.idle.pop_front();
            }
            if kept.idle.is_empty() {
                kept.watched = false;
                return;
            }
        }
    }
}

impl Connection {
    async fn call(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Full<Bytes>>>> {
        let response = self.sender.try_send_request(request);
        beside(&mut self.driver, response).await
    }

    /// Whether the connection is open and ready, as far as the operating system knows now.
    async fn is_usable(&mut self) -> bool {
        let look = beside(&mut self.driver, std::future::ready(()));
        // Without this the runtime would hide readiness from a task that has used up its budget.
        tokio::task::unconstrained(look).await;
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Waits for something that arrives over a connection, and drives the connection in the meantime.
async fn beside<T>(driver: &mut Option<Driver>, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    poll_fn(|context| {
        if let Some(open) = driver
            && Pin::new(open).poll(context).is_ready()
        {
            // hyper reports the end to everyone who still waits.
            *driver = None;
        }
        wanted.as_mut().poll(context)
    })
    .await
}

impl Answer {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether the connection had been used before.
    pub(crate) const fn is_on_used_connection(&self) -> bool {
        self.reused
    }

    /// The complete answer, if it can be read and is not too large. Otherwise the connection is closed.
    pub(crate) async fn read(self) -> Option<Whole> {
        match self.body {
            AnswerBody::Whole(body) => (body.len() <= ANSWER_BYTES_MAX).then_some(Whole {
                body,
                connection: None,
            }),
            AnswerBody::Coming(coming) => coming.read().await,
        }
    }

    /// Like [`read`](Self::read), if the rest arrives soon. For answers whose status says enough.
    pub(crate) async fn read_soon(self) -> Option<Whole> {
        timeout(REST_WAIT, self.read()).await.ok()?
    }
}

/// An answer that is already complete, as if on a new connection.
impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            reused: false,
            body: AnswerBody::Whole(body),
        }
    }
}

impl Coming {
    async fn read(self) -> Option<Whole> {
        let Self {
            mut body,
            mut connection,
            wire,
        } = self;
        let mut read = BytesMut::new();
        while let Some(frame) = beside(&mut connection.driver, body.frame()).await {
            let frame = frame.inspect_err(|error| {
                tracing::debug!(%error, "the response of the bank cannot be read completely");
            });
            let Ok(data) = frame.ok()?.into_data() else {
                // Trailers are not needed.
                continue;
            };
            if read.len() + data.len() > ANSWER_BYTES_MAX {
                tracing::debug!("the response of the bank is too large");
                return None;
            }
            read.extend_from_slice(&data);
        }
        Some(Whole {
            body: read.freeze(),
            connection: Some((wire, connection)),
        })
    }
}
