//! A map in this process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::{Failed, Known, Order, Store};

/// Keeps everything until the process ends.
#[derive(Default)]
pub(crate) struct Memory(Mutex<HashMap<String, (Order, Option<String>)>>);

impl Store for Memory {
    async fn claim(&self, key: &str, _id: Uuid, order: &Order) -> Result<Option<Known>, Failed> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(match known.entry(key.to_owned()) {
            Entry::Vacant(place) => {
                place.insert((order.clone(), None));
                None
            }
            Entry::Occupied(found) => {
                let (order, body) = found.get().clone();
                Some(Known { order, body })
            }
        })
    }

    async fn settle(&self, key: &str, _order: &Order, body: &str) -> Result<(), Failed> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kept)) = known.get_mut(key) {
            *kept = Some(body.to_owned());
        }
        Ok(())
    }
}
