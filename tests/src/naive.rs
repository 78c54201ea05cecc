//! A payment service without any care: what each retry costs without Holdfast.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use crate::{Client, Stub};

/// Charges the bank once for every request it gets, as many a service does.
pub struct NaiveService;

impl NaiveService {
    /// Starts it on a free port, in front of the bank at `bank` (`host:port`).
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(bank: &str) -> Stub {
        let bank = Client::new(bank);
        let charges = Arc::new(AtomicU64::new(0));
        Stub::start(move |request| Box::pin(serve(request, bank.clone(), charges.clone()))).await
    }
}

async fn serve(
    request: Request<Bytes>,
    bank: Client,
    charges: Arc<AtomicU64>,
) -> Response<Full<Bytes>> {
    let body = String::from_utf8_lossy(request.body()).into_owned();
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
    response
}
