//! The idempotent payment endpoint that people build by hand today, as a yardstick for Holdfast.
//!
//! An axum service on `PostgreSQL` with two transactions per payment: the first claims the
//! idempotency key before the bank is called, the second stores the answer afterwards. With
//! `TRANSACTIONS=explicit` each runs between `BEGIN` and `COMMIT`, as a database library's
//! transactions do; else each is one statement in its own implicit transaction, which costs a single
//! round trip: the cheapest honest form. Statements are prepared once per connection.
//!
//! It does less than Holdfast, being kept simple, and that only makes it cheaper: a payment cut
//! off between the two transactions stays at `bank_called` until somebody looks at it.
//!
//! Usage: `postgres-pattern LISTEN DATABASE`, or the variables `LISTEN` and `DATABASE_URL`.
//! `POOL_SIZE` sets the number of database connections (32 unless told).

use std::error::Error;
use std::str::FromStr;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

/// Holdfast keeps keys apart by merchant; the load generator is a single one.
const MERCHANT: &str = "default";

const TABLE: &str = "
CREATE TABLE IF NOT EXISTS payments (
    merchant        text NOT NULL,
    idempotency_key text NOT NULL,
    id              uuid NOT NULL,
    amount          bigint NOT NULL,
    currency        text NOT NULL,
    debtor          text NOT NULL,
    creditor        text NOT NULL,
    reference       text NOT NULL,
    state           text NOT NULL,
    response_body   text,
    PRIMARY KEY (merchant, idempotency_key)
)";

const CLAIM: &str = "
INSERT INTO payments
    (merchant, idempotency_key, id, amount, currency, debtor, creditor, reference, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'bank_called')
ON CONFLICT (merchant, idempotency_key) DO NOTHING";

const SETTLE: &str = "
UPDATE payments SET state = 'settled', response_body = $3
WHERE merchant = $1 AND idempotency_key = $2";

const READ: &str = "
SELECT amount, currency, debtor, creditor, reference, response_body FROM payments
WHERE merchant = $1 AND idempotency_key = $2";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    amount: i64,
    currency: String,
    debtor: String,
    creditor: String,
    reference: String,
}

#[derive(Serialize)]
struct Payment<'a> {
    id: Uuid,
    state: &'static str,
    #[serde(flatten)]
    order: &'a Order,
    bank_reference: Uuid,
}

#[derive(Clone)]
struct Service {
    pool: Pool,
    explicit_transactions: bool,
}

/// Whatever went wrong inside; the caller may send the request again.
struct Failure(Box<dyn Error + Send + Sync>);

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0.to_string()).into_response()
    }
}

/// The bank, in this process and without latency: only the service and its database are measured.
fn call_bank(_order: &Order) -> Uuid {
    Uuid::new_v4()
}

/// Runs one statement as one transaction: between `BEGIN` and `COMMIT`, as a service does whose
/// transactions may come to hold more than one statement, or alone, which saves two round trips.
async fn transact(
    service: &Service,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<u64, Failure> {
    let mut db = service.pool.get().await?;
    let statement = db.prepare_cached(statement).await?;
    if !service.explicit_transactions {
        return Ok(db.execute(&statement, parameters).await?);
    }
    let transaction = db.transaction().await?;
    let rows = transaction.execute(&statement, parameters).await?;
    transaction.commit().await?;
    Ok(rows)
}

async fn pay(
    State(service): State<Service>,
    headers: HeaderMap,
    Json(order): Json<Order>,
) -> Result<Response, Failure> {
    let Some(key) = headers.get("idempotency-key").and_then(|v| v.to_str().ok()) else {
        return Ok((StatusCode::BAD_REQUEST, "Idempotency-Key is missing").into_response());
    };
    let id = Uuid::new_v4();

    // The connection goes back to the pool before the bank is called, which may take its time.
    let claim: [&(dyn ToSql + Sync); 8] = [
        &MERCHANT,
        &key,
        &id,
        &order.amount,
        &order.currency,
        &order.debtor,
        &order.creditor,
        &order.reference,
    ];
    let claimed = transact(&service, CLAIM, &claim).await? == 1;
    if !claimed {
        return replay(&service.pool, key, &order).await;
    }

    let bank_reference = call_bank(&order);
    let body = serde_json::to_string(&Payment {
        id,
        state: "settled",
        order: &order,
        bank_reference,
    })?;

    transact(&service, SETTLE, &[&MERCHANT, &key, &body]).await?;
    Ok(created(body))
}

/// Answers a request whose key is taken.
async fn replay(pool: &Pool, key: &str, order: &Order) -> Result<Response, Failure> {
    let db = pool.get().await?;
    let read = db.prepare_cached(READ).await?;
    let row = db.query_one(&read, &[&MERCHANT, &key]).await?;
    let stored = Order {
        amount: row.get(0),
        currency: row.get(1),
        debtor: row.get(2),
        creditor: row.get(3),
        reference: row.get(4),
    };
    if stored != *order {
        let text = "the key was used for another request";
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, text).into_response());
    }
    Ok(match row.get::<_, Option<String>>(5) {
        Some(body) => created(body),
        None => (StatusCode::CONFLICT, "the payment is in progress").into_response(),
    })
}

fn created(body: String) -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::CREATED, json, body).into_response()
}

/// The argument at `place`, or else the environment variable.
fn setting(place: usize, variable: &str) -> Result<String, String> {
    std::env::args()
        .nth(place)
        .or_else(|| std::env::var(variable).ok())
        .ok_or_else(|| format!("argument {place} or {variable} is missing"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let listen = setting(1, "LISTEN")?;
    let database = tokio_postgres::Config::from_str(&setting(2, "DATABASE_URL")?)?;
    let explicit_transactions = std::env::var("TRANSACTIONS").is_ok_and(|t| t == "explicit");
    let pool_size = std::env::var("POOL_SIZE").map_or(Ok(32), |n| n.parse())?;

    // `Fast` takes a connection from the pool without asking the server whether it is alive.
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(database, NoTls, config);
    let pool = Pool::builder(manager).max_size(pool_size).build()?;
    pool.get().await?.batch_execute(TABLE).await?;

    let app = Router::new()
        .route("/v1/payments", post(pay))
        // The load generator asks for it; there is nothing to tell.
        .route("/metrics", get(|| async { "" }))
        .with_state(Service { pool, explicit_transactions });
    let listener = TcpListener::bind(&listen).await?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}
