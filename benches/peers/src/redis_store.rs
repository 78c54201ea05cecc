//! Redis: a claim is a `SET NX`, an answer a `SET`. All requests share one connection, whose commands are pipelined.
//! With `appendfsync always` Redis answers once the command is on disk, and syncs once for all that came together.

use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Failed, Known, Order, Store};

pub(crate) struct Redis(MultiplexedConnection);

#[derive(Serialize, Deserialize)]
struct Kept {
    order: Order,
    body: Option<String>,
}

impl Redis {
    pub(crate) async fn open(database: &str) -> Result<Self, Failed> {
        let client = redis::Client::open(database)?;
        Ok(Self(client.get_multiplexed_async_connection().await?))
    }
}

impl Store for Redis {
    async fn claim(&self, key: &str, _id: Uuid, order: &Order) -> Result<Option<Known>, Failed> {
        let mut connection = self.0.clone();
        let kept = serde_json::to_vec(&Kept {
            order: order.clone(),
            body: None,
        })?;
        if connection.set_nx(key, kept).await? {
            return Ok(None);
        }
        let kept: Vec<u8> = connection.get(key).await?;
        let Kept { order, body } = serde_json::from_slice(&kept)?;
        Ok(Some(Known { order, body }))
    }

    async fn settle(&self, key: &str, order: &Order, body: &str) -> Result<(), Failed> {
        let mut connection = self.0.clone();
        let kept = serde_json::to_vec(&Kept {
            order: order.clone(),
            body: Some(body.to_owned()),
        })?;
        let () = connection.set(key, kept).await?;
        Ok(())
    }
}
