//! The accept loop: sockets in, requests to the front door, responses out.
//!
//! It replaces the framework's accept loop, because that one lacks four things: no delay on small packets, a time limit on
//! slow headers, a limit on connections, and an orderly end. It speaks HTTP/1.1 and HTTP/2. Over TLS the client chooses
//! (ALPN). Without TLS a client gets HTTP/2 if it begins with HTTP/2 (RFC 9113, section 3.3).

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

/// Limits on connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Most connections at once. Further ones wait in the kernel's queue.
    pub(crate) connections_max: usize,
    /// Header timeout and idle timeout. A client that has not sent its headers within this time is disconnected
    /// (slowloris), and so is one that sends no request for this time.
    pub(crate) head_timeout: Duration,
    /// A client that reads none of its response for this time is disconnected.
    pub(crate) answer_timeout: Duration,
    /// Size limit of a request head, in bytes. hyper rejects a larger one.
    pub(crate) head_bytes_max: usize,
    /// Most headers of a request that are parsed. This is far more than the front door accepts, so that the front door
    /// can reject them with an explanation.
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

/// The first bytes of every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The number of headers that hyper parses without allocating memory.
const HEADERS_PARSED_MAX: usize = 100;

/// Pause before checking a connection again of which only a part of the HTTP/2 preface has arrived.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Most concurrent requests on one HTTP/2 connection.
const STREAMS_MAX: u32 = 128;

/// A silent HTTP/2 client gets a ping after this time. If it does not answer the ping within the same time again, it is
/// disconnected.
const PING_AFTER: Duration = Duration::from_secs(20);

/// A connection ended abnormally. This is the client's problem.
type Ended = Box<dyn std::error::Error + Send + Sync>;

/// Serves until `stop` completes. Then stops accepting and returns the connections that are still active. `words` are the
/// answers to input that never becomes a request.
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
                tracing::warn!(%error, "cannot accept connections; retrying");
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
            // A broken connection is the client's problem. Its payment continues without it.
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

/// A connection whose protocol is not known yet.
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
                // A client that has closed its sending side still gets its answer.
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

/// Whether a client begins with HTTP/2. Only peeks: consumes no bytes.
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
