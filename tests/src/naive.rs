//! A payment service without any care: what each retry costs without Holdfast.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Client;

/// Charges the bank once for every request it gets, as many a service does.
pub struct NaiveService {
    /// Where it listens.
    pub address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for NaiveService {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NaiveService {
    /// Starts it on a free port, in front of the bank at `bank` (`host:port`).
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(bank: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let bank = Client::new(bank);
        let charges = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (bank, charges) = (bank.clone(), charges.clone());
                let service =
                    service_fn(move |request| serve(request, bank.clone(), charges.clone()));
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        Self { address, task }
    }
}

async fn serve(
    request: Request<Incoming>,
    bank: Client,
    charges: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await;
    let body = body
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    // A new reference each time: nothing tells a retry from a new intent to pay.
    let reference = format!("naive_{}", charges.fetch_add(1, Ordering::SeqCst));
    let call = tokio::spawn(async move {
        let headers = [
            ("content-type", "application/json"),
            ("idempotency-key", reference.as_str()),
        ];
        let answer = bank.send(Method::POST, "/charges", &headers, &body);
        tokio::time::timeout(std::time::Duration::from_secs(1), answer).await
    });
    let status = match call.await {
        Ok(Ok(Ok(answer))) if answer.status == StatusCode::OK => StatusCode::CREATED,
        _ => StatusCode::GATEWAY_TIMEOUT,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}
