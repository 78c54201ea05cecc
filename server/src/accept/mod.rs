//! The accept loop: sockets in, requests to the front door, responses out.
//!
//! It is small and its own because it needs what the framework's does not give: no delay on small
//! packets, a time limit on slow headers, a bound on connections, and an orderly end. HTTP/1.1 and HTTP/2: over
//! TLS the client chooses (ALPN), without it HTTP/2 is spoken to whoever begins with it (RFC 9113, section 3.3).

mod at_work;
mod host;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutWriter;

use crate::refusal::{InOurWords, Words};
use crate::tls::Tls;
use crate::web::marks::Abort;
use at_work::{AtWork, AtWorkBody};
use host::wrong_host;

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Most at once; further ones wait in the kernel's queue.
    pub(crate) connections_max: usize,
    /// A client must have sent its headers within this time, or it is cut off (slowloris). That also ends
    /// connections on which nothing is asked for so long.
    pub(crate) head_timeout: Duration,
    /// A client that takes nothing of what is written to it for so long is cut off.
    pub(crate) answer_timeout: Duration,
    /// Largest request head, in bytes; hyper refuses a larger one.
    pub(crate) head_bytes_max: usize,
    /// Most headers of a request that are parsed; far more than the front door takes, which can say so.
    pub(crate) headers_parsed_max: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            head_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(30),
            head_bytes_max: 32 * 1024,
            headers_parsed_max: HEADERS_PARSED_MAX,
        }
    }
}

/// How long to pause when the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a client sends first that speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// So many headers hyper parses without asking for memory.
const HEADERS_PARSED_MAX: usize = 100;

/// How long to wait before another look at a client that has begun to say which HTTP it speaks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Most requests at once of a client that speaks HTTP/2.
const STREAMS_MAX: u32 = 128;

/// A client that speaks HTTP/2 and is silent is asked after so long whether it is still there, and cut off when it does
/// not answer in as long again.
const PING_AFTER: Duration = Duration::from_secs(20);

/// A connection ended otherwise than it should: the client's affair.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Serves until `stop` completes; then stops accepting and returns the connections still at work. `words` answer what never
/// becomes a request.
pub(crate) async fn serve<E>(
    listener: TcpListener,
    endpoint: Arc<E>,
    limits: ConnectionLimits,
    tls: Option<Tls>,
    words: Option<Words>,
    stop: impl Future<Output = ()>,
) -> GracefulShutdown
where
    E: Endpoint<Output = Response> + 'static,
{
    let connections = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            biased;
            () = &mut stop => return connections,
            place = places.clone().acquire_owned() => place.expect("never closed"),
        };
        let accepted = tokio::select! {
            biased;
            () = &mut stop => return connections,
            accepted = listener.accept() => accepted,
        };
        let (stream, remote) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_about_one_connection(&error) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = Connection {
            endpoint: endpoint.clone(),
            limits,
            watcher: connections.watcher(),
            remote: remote.into(),
            words: words.clone(),
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            // A broken connection is the client's affair; its payment goes on without it.
            if let Err(error) = connection.take(stream, tls).await {
                tracing::debug!(error, "connection ended");
            }
            drop(place);
        });
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A connection before it is known what is spoken on it.
struct Connection<E> {
    endpoint: Arc<E>,
    limits: ConnectionLimits,
    watcher: Watcher,
    remote: Addr,
    words: Option<Words>,
}

impl<E: Endpoint<Output = Response> + 'static> Connection<E> {
    async fn take(self, stream: TcpStream, tls: Option<Tls>) -> Result<(), Ended> {
        stream.set_nodelay(true)?;
        let local: Addr = stream.local_addr()?.into();
        let patience = self.limits.head_timeout;
        let Some(tls) = tls else {
            let http2 = timeout(patience, begins_with_http2(&stream)).await??;
            return self.speak(stream, local, Scheme::HTTP, http2).await;
        };
        let stream = timeout(patience, tls.acceptor().accept(stream)).await??;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.speak(stream, local, Scheme::HTTPS, http2).await
    }

    async fn speak(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        local: Addr,
        scheme: Scheme,
        http2: bool,
    ) -> Result<(), Ended> {
        let Self {
            endpoint,
            limits,
            watcher,
            remote,
            words,
        } = self;
        let at_work = http2.then(Arc::<AtWork>::default);
        let counted = at_work.clone();
        let service = hyper::service::service_fn(move |mut request: hyper::Request<Incoming>| {
            if let Some(wrong) = wrong_host(request.version(), request.headers()) {
                request.extensions_mut().insert(wrong);
            }
            let endpoint = endpoint.clone();
            let at_work = counted.as_ref().map(AtWork::begin);
            let (local, remote) = (LocalAddr(local.clone()), RemoteAddr(remote.clone()));
            let scheme = scheme.clone();
            async move {
                let request = (request, local, remote, scheme).into();
                let response = endpoint.get_response(request).await;
                if let Some(abort) = response.extensions().get::<Abort>() {
                    return Err(*abort);
                }
                // It is at work until its body is gone.
                let response = hyper::Response::from(response);
                Ok(response.map(|body| AtWorkBody::new(body, at_work)))
            }
        });
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(limits.answer_timeout));
        let stream = Box::pin(stream);
        if let Some(at_work) = at_work {
            let head_bytes_max = u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX);
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(STREAMS_MAX)
                .max_header_list_size(head_bytes_max)
                .keep_alive_interval(PING_AFTER)
                .keep_alive_timeout(PING_AFTER)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                ended = watcher.watch(connection) => ended?,
                () = at_work.idle(limits.head_timeout) => {}
            }
        } else {
            let stream = TokioIo::new(InOurWords::new(stream, words));
            let connection = http1::Builder::new()
                // Who has said all that there is to say still hears the answer.
                .half_close(true)
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head_timeout)
                .max_headers(limits.headers_parsed_max)
                .max_buf_size(limits.head_bytes_max)
                .serve_connection(stream, service);
            watcher.watch(connection).await?;
        }
        Ok(())
    }
}

/// Whether a client begins with HTTP/2. Takes nothing of what it sends.
async fn begins_with_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut seen).await?;
        if count == 0 || !PREFACE.starts_with(&seen[..count]) {
            return Ok(false);
        }
        if count == PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
