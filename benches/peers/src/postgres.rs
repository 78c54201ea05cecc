//! `PostgreSQL`: a claim is an `INSERT .. ON CONFLICT DO NOTHING`, an answer an `UPDATE`. Statements are prepared once per
//! connection.

use std::collections::HashMap;
use std::str::FromStr;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio::sync::{mpsc, oneshot};
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Failed, Known, Order, Store};

/// Connections of the pool.
const POOL: usize = 32;

/// Most steps in one statement.
const BATCH: usize = 256;

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

const CLAIM_MANY: &str = "
INSERT INTO payments
    (merchant, idempotency_key, id, amount, currency, debtor, creditor, reference, state)
SELECT $1, *, 'bank_called' FROM
    unnest($2::text[], $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
ON CONFLICT (merchant, idempotency_key) DO NOTHING
RETURNING idempotency_key, id";

const SETTLE_MANY: &str = "
UPDATE payments SET state = 'settled', response_body = answers.body
FROM unnest($2::text[], $3::text[]) AS answers (key, body)
WHERE merchant = $1 AND idempotency_key = answers.key";

async fn pool(database: &str) -> Result<Pool, Failed> {
    let database = tokio_postgres::Config::from_str(database)?;
    // `Fast` takes a connection from the pool without asking the server whether it is alive.
    let config = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = Manager::from_config(database, NoTls, config);
    let pool = Pool::builder(manager).max_size(POOL).build()?;
    pool.get().await?.batch_execute(TABLE).await?;
    Ok(pool)
}

async fn known(pool: &Pool, key: &str) -> Result<Option<Known>, Failed> {
    let db = pool.get().await?;
    let read = db.prepare_cached(READ).await?;
    let row = db.query_one(&read, &[&MERCHANT, &key]).await?;
    Ok(Some(Known {
        order: Order {
            amount: row.get(0),
            currency: row.get(1),
            debtor: row.get(2),
            creditor: row.get(3),
            reference: row.get(4),
        },
        body: row.get(5),
    }))
}

/// Each step is a transaction of its own.
pub(crate) struct Simple {
    pool: Pool,
    /// Between `BEGIN` and `COMMIT`, as a service does whose transactions may come to hold more than one statement; or
    /// alone, which saves two round trips.
    explicit: bool,
}

impl Simple {
    pub(crate) async fn open(database: &str, explicit: bool) -> Result<Self, Failed> {
        let pool = pool(database).await?;
        Ok(Self { pool, explicit })
    }

    async fn transact(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64, Failed> {
        let mut db = self.pool.get().await?;
        let statement = db.prepare_cached(statement).await?;
        if !self.explicit {
            return Ok(db.execute(&statement, parameters).await?);
        }
        let transaction = db.transaction().await?;
        let rows = transaction.execute(&statement, parameters).await?;
        transaction.commit().await?;
        Ok(rows)
    }
}

impl Store for Simple {
    async fn claim(&self, key: &str, id: Uuid, order: &Order) -> Result<Option<Known>, Failed> {
        let Order { amount, currency, debtor, creditor, reference } = order;
        let claim: [&(dyn ToSql + Sync); 8] =
            [&MERCHANT, &key, &id, amount, currency, debtor, creditor, reference];
        if self.transact(CLAIM, &claim).await? == 1 {
            return Ok(None);
        }
        known(&self.pool, key).await
    }

    async fn settle(&self, key: &str, _order: &Order, body: &str) -> Result<(), Failed> {
        self.transact(SETTLE, &[&MERCHANT, &key, &body]).await?;
        Ok(())
    }
}

struct Claim {
    key: String,
    id: Uuid,
    order: Order,
    claimed: oneshot::Sender<bool>,
}

struct Settle {
    key: String,
    body: String,
    settled: oneshot::Sender<()>,
}

/// The steps of all that wait go into one statement, and the next gather meanwhile.
pub(crate) struct Batched {
    pool: Pool,
    claims: mpsc::Sender<Claim>,
    settles: mpsc::Sender<Settle>,
}

impl Batched {
    pub(crate) async fn open(database: &str) -> Result<Self, Failed> {
        let pool = pool(database).await?;
        let (claims, waiting_claims) = mpsc::channel(20_000);
        let (settles, waiting_settles) = mpsc::channel(20_000);
        tokio::spawn(claim_all(pool.clone(), waiting_claims));
        tokio::spawn(settle_all(pool.clone(), waiting_settles));
        Ok(Self { pool, claims, settles })
    }
}

/// Ends at the first failure: whoever waits learns of it from the closed channel.
async fn claim_all(pool: Pool, mut waiting: mpsc::Receiver<Claim>) -> Result<(), Failed> {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let of = |field: fn(&Order) -> &String| -> Vec<&str> {
            batch.iter().map(|claim: &Claim| field(&claim.order).as_str()).collect()
        };
        let keys: Vec<&str> = batch.iter().map(|claim| claim.key.as_str()).collect();
        let ids: Vec<Uuid> = batch.iter().map(|claim| claim.id).collect();
        let amounts: Vec<i64> = batch.iter().map(|claim| claim.order.amount).collect();
        let (currencies, debtors) = (of(|order| &order.currency), of(|order| &order.debtor));
        let (creditors, references) = (of(|order| &order.creditor), of(|order| &order.reference));
        let db = pool.get().await?;
        let claim = db.prepare_cached(CLAIM_MANY).await?;
        let parameters: [&(dyn ToSql + Sync); 8] =
            [&MERCHANT, &keys, &ids, &amounts, &currencies, &debtors, &creditors, &references];
        let rows = db.query(&claim, &parameters).await?;
        let won: HashMap<String, Uuid> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        for Claim { key, id, claimed, .. } in batch.drain(..) {
            let _ = claimed.send(won.get(&key) == Some(&id));
        }
    }
    Ok(())
}

async fn settle_all(pool: Pool, mut waiting: mpsc::Receiver<Settle>) -> Result<(), Failed> {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let keys: Vec<&str> = batch.iter().map(|settle: &Settle| settle.key.as_str()).collect();
        let bodies: Vec<&str> = batch.iter().map(|settle| settle.body.as_str()).collect();
        let db = pool.get().await?;
        let settle = db.prepare_cached(SETTLE_MANY).await?;
        db.execute(&settle, &[&MERCHANT, &keys, &bodies]).await?;
        for Settle { settled, .. } in batch.drain(..) {
            let _ = settled.send(());
        }
    }
    Ok(())
}

impl Store for Batched {
    async fn claim(&self, key: &str, id: Uuid, order: &Order) -> Result<Option<Known>, Failed> {
        let (answer, claimed) = oneshot::channel();
        let claim = Claim {
            key: key.to_owned(),
            id,
            order: order.clone(),
            claimed: answer,
        };
        self.claims.send(claim).await.map_err(|_| "the claims have stopped")?;
        if claimed.await? {
            return Ok(None);
        }
        known(&self.pool, key).await
    }

    async fn settle(&self, key: &str, _order: &Order, body: &str) -> Result<(), Failed> {
        let (answer, settled) = oneshot::channel();
        let settle = Settle {
            key: key.to_owned(),
            body: body.to_owned(),
            settled: answer,
        };
        self.settles.send(settle).await.map_err(|_| "the answers have stopped")?;
        Ok(settled.await?)
    }
}
