//! Restate: the bank is called in a durable step of a handler, and the ingress keeps the idempotency key.
//!
//! In front of it stands the same endpoint as elsewhere, which passes orders on to the ingress.

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use restate_sdk::prelude::*;

use crate::{Bank, Failed, Failure, Order, created, listen_on, settled};

/// What Restate calls.
struct Payments(Bank);

#[service]
impl Payments {
    #[handler]
    async fn pay(&self, mut context: Context<'_>, order: Json<Order>) -> Result<String, HandlerError> {
        let order = order.into_inner();
        let id = context.rand_uuid();
        let charged = order.clone();
        let charge = context.run(|| async move {
            let charged = self.0.charge(id, &charged).await;
            charged.map_err(|error| std::io::Error::other(error.to_string()).into())
        });
        let bank_transaction_id = charge.name("charge").await?;
        Ok(settled(id, &order, bank_transaction_id)?)
    }
}

/// Serves the endpoint, and the handler at another address.
pub(crate) async fn serve(listen: &str, handler: &str, ingress: &str) -> Result<(), Failed> {
    let endpoint = Endpoint::builder().bind(Payments(Bank::from_environment()?)).build();
    let handler = handler.parse()?;
    tokio::spawn(HttpServer::new(endpoint).listen_and_serve(handler));
    let http = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(1_024).build()?;
    let front = Arc::new((http, format!("{ingress}/Payments/pay")));
    let app = Router::new()
        .route("/v1/payments", post(pass_on))
        .route("/metrics", get(|| async { "" }))
        .with_state(front);
    listen_on(listen, app).await
}

async fn pass_on(
    State(front): State<Arc<(reqwest::Client, String)>>,
    headers: HeaderMap,
    order: Bytes,
) -> Result<Response, Failure> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok((StatusCode::BAD_REQUEST, "Idempotency-Key is missing").into_response());
    };
    let (http, pay) = &*front;
    let order = http.post(pay).header("idempotency-key", key).body(order);
    let answer = order.header(header::CONTENT_TYPE, "application/json").send().await;
    let answer = answer.and_then(reqwest::Response::error_for_status);
    let answer = answer.map_err(|error: reqwest::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })?;
    let body: String = serde_json::from_slice(&answer.bytes().await?)?;
    Ok(created(body))
}
