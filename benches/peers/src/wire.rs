//! The way to the bank, as light as Holdfast's own: kept connections over HTTP/1.1, each driven by the call itself, so that no
//! other task is woken. A yardstick with a heavier client would make Holdfast look good for a reason that is not its store.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use axum::body::Bytes;
use axum::http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Failed;

struct Kept {
    sender: SendRequest<Full<Bytes>>,
    driver: Connection<TokioIo<TcpStream>, Full<Bytes>>,
}

/// The connections to one address.
pub(crate) struct Wire {
    address: String,
    idle: Mutex<Vec<Kept>>,
}

impl Wire {
    /// Makes no connection yet.
    pub(crate) fn new(url: &str) -> Result<Self, Failed> {
        let address = url.strip_prefix("http://").ok_or("the bank must be an http:// URL")?;
        Ok(Self { address: address.trim_end_matches('/').to_owned(), idle: Mutex::default() })
    }

    /// Posts JSON, and returns the body of an answer that is a success.
    pub(crate) async fn post(&self, path: &str, key: &str, body: Vec<u8>) -> Result<Bytes, Failed> {
        let request = Request::post(path)
            .header(header::HOST, &self.address)
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut kept = match idle {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let call = kept.sender.send_request(request);
        let answer = driven(&mut kept.driver, call).await?;
        if !answer.status().is_success() {
            return Err(format!("the bank answered {}", answer.status()).into());
        }
        let body = driven(&mut kept.driver, answer.into_body().collect()).await?.to_bytes();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        Ok(body)
    }

    async fn connect(&self) -> Result<Kept, Failed> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        Ok(Kept { sender, driver })
    }
}

/// Waits for `work`, and moves bytes meanwhile.
async fn driven<T>(
    driver: &mut Connection<TokioIo<TcpStream>, Full<Bytes>>,
    work: impl Future<Output = hyper::Result<T>>,
) -> Result<T, Failed> {
    let mut work = pin!(work);
    let mut is_open = true;
    poll_fn(move |context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(done.map_err(Into::into));
        }
        if is_open && Pin::new(&mut *driver).poll(context).is_ready() {
            is_open = false;
        }
        // What it has just read may be what is waited for.
        work.as_mut().poll(context).map_err(Into::into)
    })
    .await
}
