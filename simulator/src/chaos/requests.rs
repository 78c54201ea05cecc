//! The HTTP request of each operation.

use bytes::Bytes;
use http::{HeaderValue, Method, Request};

use super::auditor::Wanted;
use super::plan::Action;
use super::random::Draw;
use super::world::World;

impl World<'_> {
    /// The request of an operation; `None` when its client does not know the payment yet.
    pub(super) fn request(&self, action: Action) -> Option<Request<Bytes>> {
        let builder = Request::builder();
        let state = self.ground.lock();
        let id = |key: u32| {
            let known = state.auditor.of_key(key).filter(|known| known.shown > 0)?;
            let id = state.auditor.by_key.get(&known.key)?;
            Some(*id)
        };
        let request = match action {
            Action::Pay {
                key,
                variant,
                strict,
                wait_s,
            } => {
                let prefer = if strict {
                    format!("wait={wait_s}, handling=strict")
                } else {
                    format!("wait={wait_s}")
                };
                builder
                    .method(Method::POST)
                    .uri("/v1/payments")
                    .header("idempotency-key", format!("key-{key}"))
                    .header("content-type", HeaderValue::from_static("application/json"))
                    .header("prefer", prefer)
                    .body(Wanted::of(key, variant).body())
            }
            Action::Look { key } => builder
                .uri(format!("/v1/payments/{}", id(key)?))
                .body(Bytes::new()),
            Action::Events { key } => builder
                .uri(format!("/v1/payments/{}/events", id(key)?))
                .body(Bytes::new()),
            Action::Find { key } => builder
                .uri(format!("/v1/payments?idempotency_key=key-{key}"))
                .body(Bytes::new()),
            Action::Cancel { key } => builder
                .method(Method::POST)
                .uri(format!("/v1/payments/{}/cancel", id(key)?))
                .body(Bytes::new()),
            Action::Resolve { key, carelessly } => {
                // An operator looks the payment up, even if no client has seen it.
                let payment = *state.auditor.by_key.get(&key)?;
                let version = state.auditor.payments[&payment].version();
                let reference = holdfast_core::BankReference::of(payment).to_string();
                let debited = if carelessly {
                    Draw::new(u64::from(key)).happens(0.5)
                } else {
                    self.banks.debits_of(&reference) > 0
                };
                let body = if debited {
                    r#"{"outcome":"settled","evidence":"The bank's books.","bank_transaction_id":"b_seen"}"#
                } else {
                    r#"{"outcome":"failed","evidence":"Not in the bank's books."}"#
                };
                builder
                    .method(Method::POST)
                    .uri(format!("/v1/payments/{payment}/resolve"))
                    .header("if-match", format!("\"{version}\""))
                    .header("content-type", HeaderValue::from_static("application/json"))
                    .body(Bytes::from_static(body.as_bytes()))
            }
        };
        Some(request.expect("the parts of a request are valid"))
    }
}
