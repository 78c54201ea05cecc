//! One life of the service: from its start to the crash that ends it.
//!
//! Each life has its own runtime, on the same thread and with paused time. Dropping it ends every task at once, as
//! killing a process would. The bank and the clients continue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_core::Merchant;
use holdfast_engine::bank::Bank;
use holdfast_engine::lanes::LaneParts;
use holdfast_engine::service::{Service, ServiceParts};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::Store;
use http::Request;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::front_door::{Door, FrontDoor};
use super::ground::Ground;
use super::message::{Answer, Message};
use super::{sabotaged_door, sabotaged_log};

/// One life of the service.
pub(super) struct Life {
    runtime: Runtime,
    pub(super) service: Service,
    door: Arc<dyn Door>,
    ground: Arc<Ground>,
    began: Instant,
    base_ms: u64,
    /// Requests that have no answer yet.
    pub(super) at_work: BTreeMap<Message, AbortHandle>,
    /// Whether an orderly stop is under way.
    pub(super) stopping: bool,
}

impl Life {
    /// Starts the service and its recovery.
    pub(super) fn begin(
        ground: &Arc<Ground>,
        store: Store,
        bank: Arc<dyn Bank>,
        front_door: &dyn FrontDoor,
        merchant: &Merchant,
        number: u32,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing of the system");
        let entered = runtime.enter();
        ground.life_begins(number);
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&ground.draw("ids").with(number.into()).value().to_le_bytes());
        let source = Arc::new(SeededSource::new(seed));
        let service = Service::start(ServiceParts {
            store: sabotaged_log::store(ground, store),
            banks: vec![LaneParts {
                bank,
                options: ground.plan.lane,
            }],
            clock: ground.clone(),
            source: source.clone(),
            options: ground.plan.options.clone(),
        });
        let door = front_door.open(service.clone(), ground.clone(), source, merchant);
        let door = sabotaged_door::door(ground, door);
        let recovering = service.clone();
        tokio::spawn(async move {
            // A failure shows in the service itself.
            let _ = recovering.recover().await;
        });
        let began = Instant::now();
        drop(entered);
        Self {
            runtime,
            service,
            door,
            ground: ground.clone(),
            began,
            base_ms: ground.now_ms(),
            at_work: BTreeMap::new(),
            stopping: false,
        }
    }

    /// Lets time pass until a moment, or until something needs attention.
    pub(super) fn advance(&self, until_ms: u64) {
        let passed = until_ms.saturating_sub(self.base_ms);
        let until = self.began + Duration::from_millis(passed);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.ground.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
            self.ground.touch();
        });
    }

    /// Handles a request.
    pub(super) fn serve(&mut self, message: Message, request: Request<Bytes>) {
        let entered = self.runtime.enter();
        let ground = self.ground.clone();
        let reply = self.door.call(request);
        let task = tokio::spawn(async move {
            let response = reply.await;
            ground.touch();
            let replayed = response.headers().get("idempotent-replayed");
            let answer = Answer {
                message,
                status: response.status().as_u16(),
                replayed: replayed.is_some_and(|value| value == "true"),
                body: response.into_body(),
            };
            ground.lock().answers.push(answer);
            ground.wake.notify_one();
        });
        self.at_work.insert(message, task.abort_handle());
        drop(entered);
    }

    /// Breaks the connection of a request.
    pub(super) fn reset(&mut self, message: Message) -> bool {
        let task = self.at_work.remove(&message);
        task.map(|task| task.abort()).is_some()
    }

    /// Begins an orderly stop.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let service = self.service.clone();
        let ground = self.ground.clone();
        self.runtime.spawn(async move {
            // A failure shows in the service itself.
            let _ = service.shutdown().await;
            ground.lock().stopped = true;
            ground.wake.notify_one();
        });
    }
}
