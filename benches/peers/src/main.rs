//! The idempotent payment endpoint that people build by hand, as yardsticks for Holdfast.
//!
//! One axum service over several stores, in all of which a payment takes two durable steps: the first claims the
//! idempotency key before the bank is called, the second keeps the answer afterwards. The bank is the same for all:
//! another process, over HTTP, through the same light client (`wire`).
//!
//! It does less than Holdfast, being kept simple, and that only makes it cheaper: a payment cut off between the two
//! steps stays claimed until somebody looks at it; there is no ledger and no journal.
//!
//! Usage: `peers MODE LISTEN`, with `BANK_URL` for all but `bank`, and `DATABASE` for the stores that have one.
//!
//! | mode | store |
//! |---|---|
//! | `postgres-explicit` | `PostgreSQL`, each step between `BEGIN` and `COMMIT`, as a database library's transactions are |
//! | `postgres-lean` | the same, each step one statement in its own implicit transaction: one round trip |
//! | `postgres-batched` | the same, the steps of all that wait in one statement |
//! | `redis` | Redis; durable when it runs with `appendfsync always` |
//! | `restate` | Restate, whose ingress keeps the key; `DATABASE` is its address, and `HANDLER` where it reaches this process |
//! | `memory` | a map in this process, lost with it: the ceiling for what speaks HTTP so |
//! | `bank` | no service, but the bank: it confirms everything at once, names the reference, and keeps nothing |
//! | `mute-bank` | the same, but its answers do not say which charge they are about |
//!
//! A bank waits `BANK_DELAY_MS` before it answers.

mod memory;
mod postgres;
mod redis_store;
mod restate;
mod wire;

use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::wire::Wire;

type Failed = Box<dyn Error + Send + Sync>;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    amount: i64,
    currency: String,
    debtor: String,
    creditor: String,
    reference: String,
}

/// What a key stands for.
struct Known {
    order: Order,
    /// The answer, once there is one.
    body: Option<String>,
}

/// Where payments are kept.
trait Store: Send + Sync + 'static {
    /// Makes the key stand for the order, durably; what it stands for already, if anything.
    fn claim(&self, key: &str, id: Uuid, order: &Order) -> impl Future<Output = Result<Option<Known>, Failed>> + Send;

    /// Keeps the answer, durably.
    fn settle(&self, key: &str, order: &Order, body: &str) -> impl Future<Output = Result<(), Failed>> + Send;
}

struct Service<S> {
    store: S,
    bank: Bank,
}

/// The way to the bank.
struct Bank(Wire);

#[derive(Serialize)]
struct Payment<'a> {
    id: Uuid,
    state: &'static str,
    #[serde(flatten)]
    order: &'a Order,
    bank_transaction_id: String,
}

#[derive(Serialize, Deserialize)]
struct Charged {
    status: String,
    transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bank_reference: Option<String>,
}

/// Whatever went wrong inside; the caller may send the request again.
struct Failure(Failed);

impl<E: Into<Failed>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

impl Bank {
    fn from_environment() -> Result<Self, Failed> {
        let bank = std::env::var("BANK_URL").map_err(|_| "BANK_URL is missing")?;
        Ok(Self(Wire::new(&bank)?))
    }

    async fn charge(&self, reference: Uuid, order: &Order) -> Result<String, Failed> {
        let body = serde_json::to_vec(&serde_json::json!({
            "amount": order.amount, "currency": order.currency,
            "debtor": order.debtor, "creditor": order.creditor,
        }))?;
        let answer = self.0.post("/charges", &reference.to_string(), body).await?;
        let charged: Charged = serde_json::from_slice(&answer)?;
        Ok(charged.transaction_id)
    }
}

async fn pay<S: Store>(
    State(service): State<Arc<Service<S>>>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Response, Failure> {
    let Some(key) = headers.get("idempotency-key").and_then(|v| v.to_str().ok()) else {
        return Ok((StatusCode::BAD_REQUEST, "Idempotency-Key is missing").into_response());
    };
    let id = Uuid::new_v4();
    if let Some(known) = service.store.claim(key, id, &order).await? {
        return Ok(replay(known, &order));
    }
    let body = settled(id, &order, service.bank.charge(id, &order).await?)?;
    service.store.settle(key, &order, &body).await?;
    Ok(created(body))
}

fn settled(id: Uuid, order: &Order, bank_transaction_id: String) -> serde_json::Result<String> {
    let state = "settled";
    serde_json::to_string(&Payment { id, state, order, bank_transaction_id })
}

/// Answers a request whose key is taken.
fn replay(known: Known, order: &Order) -> Response {
    if known.order != *order {
        let text = "the key was used for another request";
        return (StatusCode::UNPROCESSABLE_ENTITY, text).into_response();
    }
    match known.body {
        Some(body) => created(body),
        None => (StatusCode::CONFLICT, "the payment is in progress").into_response(),
    }
}

fn created(body: String) -> Response {
    // The load generator wants to know where the payment stands; there is nothing there.
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::LOCATION, "/v1/payments/0"),
    ];
    (StatusCode::CREATED, headers, body).into_response()
}

async fn serve<S: Store>(listen: &str, store: S) -> Result<(), Failed> {
    let service = Service { store, bank: Bank::from_environment()? };
    let app = Router::new()
        .route("/v1/payments", post(pay::<S>))
        // The load generator asks for it; there is nothing to tell.
        .route("/metrics", get(|| async { "" }))
        .with_state(Arc::new(service));
    listen_on(listen, app).await
}

/// How the bank answers.
#[derive(Clone, Copy)]
struct Manner {
    names_reference: bool,
    delay: Duration,
}

/// The bank: confirms everything, in the words of Holdfast's contract with banks.
async fn charge(State(manner): State<Manner>, headers: HeaderMap, _order: Bytes) -> Response {
    if !manner.delay.is_zero() {
        tokio::time::sleep(manner.delay).await;
    }
    let reference = headers.get("idempotency-key").and_then(|value| value.to_str().ok());
    let reference = reference.unwrap_or("none").trim_matches('"');
    let charged = Charged {
        status: "confirmed".to_owned(),
        transaction_id: format!("b_{reference}"),
        bank_reference: manner.names_reference.then(|| reference.to_owned()),
    };
    Json(charged).into_response()
}

async fn bank(listen: &str, names_reference: bool) -> Result<(), Failed> {
    let delay_ms = std::env::var("BANK_DELAY_MS").map_or(Ok(0), |ms| ms.parse())?;
    let manner = Manner { names_reference, delay: Duration::from_millis(delay_ms) };
    listen_on(listen, Router::new().route("/charges", post(charge)).with_state(manner)).await
}

async fn listen_on(listen: &str, app: Router) -> Result<(), Failed> {
    use axum::serve::ListenerExt;
    let listener = TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

fn database() -> Result<String, Failed> {
    std::env::var("DATABASE").map_err(|_| "DATABASE is missing".into())
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, listen] = &arguments[..] else {
        return Err("usage: peers MODE LISTEN".into());
    };
    match mode.as_str() {
        "postgres-explicit" => serve(listen, postgres::Simple::open(&database()?, true).await?).await,
        "postgres-lean" => serve(listen, postgres::Simple::open(&database()?, false).await?).await,
        "postgres-batched" => serve(listen, postgres::Batched::open(&database()?).await?).await,
        "redis" => serve(listen, redis_store::Redis::open(&database()?).await?).await,
        "restate" => {
            let handler = std::env::var("HANDLER").map_err(|_| "HANDLER is missing")?;
            restate::serve(listen, &handler, &database()?).await
        }
        "memory" => serve(listen, memory::Memory::default()).await,
        "bank" => bank(listen, true).await,
        "mute-bank" => bank(listen, false).await,
        other => Err(format!("there is no mode {other}").into()),
    }
}
