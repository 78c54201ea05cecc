//! The planted bugs at the front door.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};

use super::front_door::{Door, Reply};
use super::ground::Ground;
use super::sabotage::Sabotage;

/// Wraps the front door with the planted bug, if it is one of these.
pub(super) fn door(ground: &Arc<Ground>, door: Arc<dyn Door>) -> Arc<dyn Door> {
    match ground.sabotage {
        Some(
            sabotage @ (Sabotage::UnfinishedCached
            | Sabotage::FingerprintIgnored
            | Sabotage::LostWakeUp
            | Sabotage::ReplayDiffers),
        ) => Arc::new(SabotagedDoor {
            door,
            sabotage,
            memory: Arc::default(),
        }),
        _ => door,
    }
}

/// The memory of a sabotaged door, by key.
#[derive(Debug, Default)]
struct Memory {
    bodies: BTreeMap<Vec<u8>, Bytes>,
    answers: BTreeMap<Vec<u8>, (http::StatusCode, http::HeaderMap, Bytes)>,
    in_flight: BTreeSet<Vec<u8>>,
    replays: u32,
}

struct SabotagedDoor {
    door: Arc<dyn Door>,
    sabotage: Sabotage,
    memory: Arc<Mutex<Memory>>,
}

impl Door for SabotagedDoor {
    fn call(&self, request: Request<Bytes>) -> Reply {
        let header = request.headers().get("idempotency-key");
        let Some(key) = header.map(|value| value.as_bytes().to_vec()) else {
            return self.door.call(request);
        };
        match self.sabotage {
            Sabotage::FingerprintIgnored => {
                let mut request = request;
                let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
                let first = memory
                    .bodies
                    .entry(key)
                    .or_insert_with(|| request.body().clone());
                *request.body_mut() = first.clone();
                drop(memory);
                self.door.call(request)
            }
            Sabotage::LostWakeUp => self.join_for_ever(key, request),
            Sabotage::UnfinishedCached => self.cache_whatever(key, request),
            _ => self.differ(request),
        }
    }
}

impl SabotagedDoor {
    fn join_for_ever(&self, key: Vec<u8>, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let joined = {
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            !memory.in_flight.insert(key.clone())
        };
        if joined {
            return Box::pin(std::future::pending());
        }
        let reply = self.door.call(request);
        Box::pin(async move {
            let response = reply.await;
            let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.in_flight.remove(&key);
            response
        })
    }

    fn cache_whatever(&self, key: Vec<u8>, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let cached = {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.answers.get(&key).cloned()
        };
        if let Some((status, headers, body)) = cached {
            return Box::pin(async move { whole(status, headers, body) });
        }
        let reply = self.door.call(request);
        Box::pin(async move {
            let response = reply.await;
            if response.status().is_success() {
                let (parts, body) = response.into_parts();
                let answer = (parts.status, parts.headers, body);
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.answers.insert(key, answer.clone());
                return whole(answer.0, answer.1, answer.2);
            }
            response
        })
    }

    fn differ(&self, request: Request<Bytes>) -> Reply {
        let memory = self.memory.clone();
        let reply = self.door.call(request);
        Box::pin(async move {
            let mut response = reply.await;
            let replayed = response.headers().get("idempotent-replayed");
            if replayed.is_some_and(|value| value == "true") {
                let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
                memory.replays += 1;
                let mut body = response.body().to_vec();
                body.extend(std::iter::repeat_n(b' ', memory.replays as usize));
                *response.body_mut() = Bytes::from(body);
            }
            response
        })
    }
}

fn whole(status: http::StatusCode, headers: http::HeaderMap, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
