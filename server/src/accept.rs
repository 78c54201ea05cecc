//! The accept loop: sockets in, requests to the front door, responses out.
//!
//! It is small and its own because it needs what the framework's does not give: no delay on small
//! packets, a time limit on slow headers, a bound on connections, and an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Addr, Endpoint, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// What connections may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    /// Most at once; further ones wait in the kernel's queue.
    pub(crate) connections_max: usize,
    /// A client must have sent its headers within this time, or it is cut off (slowloris). That also ends
    /// connections on which nothing is asked for so long.
    pub(crate) head_timeout: Duration,
    /// Largest request head, in bytes; hyper refuses a larger one.
    pub(crate) head_bytes_max: usize,
    /// Most headers of a request.
    pub(crate) headers_max: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 8_192,
            head_timeout: Duration::from_secs(20),
            head_bytes_max: 32 * 1024,
            headers_max: 64,
        }
    }
}

/// How long to pause when the process has run out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// In the extensions of a response: break the connection instead of sending it. Only a simulated bank
/// does so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the connection is to break without an answer")]
pub(crate) struct Abort;

/// Serves until `stop` completes; then stops accepting and returns the connections still at work.
pub(crate) async fn serve<E>(
    listener: TcpListener,
    endpoint: Arc<E>,
    limits: ConnectionLimits,
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
        let Ok(connection) = connect(stream, remote.into(), endpoint.clone(), limits) else {
            continue;
        };
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // A broken connection is the client's affair; its payment goes on without it.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
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

fn connect<E>(
    stream: TcpStream,
    remote: Addr,
    endpoint: Arc<E>,
    limits: ConnectionLimits,
) -> io::Result<impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send>
where
    E: Endpoint<Output = Response> + 'static,
{
    stream.set_nodelay(true)?;
    let local: Addr = stream.local_addr()?.into();
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let endpoint = endpoint.clone();
        let (local, remote) = (LocalAddr(local.clone()), RemoteAddr(remote.clone()));
        async move {
            let request = (request, local, remote, http::uri::Scheme::HTTP).into();
            let response = endpoint.get_response(request).await;
            match response.extensions().get::<Abort>() {
                Some(abort) => Err(*abort),
                None => Ok(hyper::Response::from(response)),
            }
        }
    });
    Ok(hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max)
        .serve_connection(TokioIo::new(stream), service))
}
