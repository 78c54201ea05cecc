//! The service over a map that is lost with the process: what all but the store costs. `volatile LISTEN BANK`.
//!
//! The front door, the flights, the pipeline and the client of the bank are the service's own; nothing is written anywhere.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "what it cannot go on without stops it"
)]

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_core::ledger::Balance;
use holdfast_core::{
    AccountId, BankName, Capability, Currency, JournalEntry, Merchant, Operation, OperationId,
    OperationKey, Step, Tenure,
};
use holdfast_engine::clock::SystemClock;
use holdfast_engine::lanes::{LaneOptions, LaneParts};
use holdfast_engine::service::{Service, ServiceOptions, ServiceParts};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{
    CursorName, Cursors, Log, NotedTime, Page, Query, Store, StoreError, Verdict, Views,
};
use holdfast_server::api::{FrontDoor, InProcess, Routes};
use holdfast_server::bank_client::{BankClient, BankClientOptions, Reading};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Payments by key. What the load generator does not ask for is not kept.
struct Volatile {
    payments: Mutex<HashMap<OperationKey, Operation>>,
    appended: watch::Sender<u64>,
}

#[async_trait]
impl Log for Volatile {
    fn tenure(&self) -> Tenure {
        Tenure::new(1)
    }

    fn is_over(&self, tenure: Tenure) -> bool {
        tenure != self.tenure()
    }

    async fn commit(&self, batch: Vec<Step>) -> Result<Vec<Verdict>, StoreError> {
        let mut payments = self.payments.lock().unwrap();
        let verdicts = batch.iter().map(|write| {
            let current = payments.get(write.key());
            let version = current.map_or(0, |payment| payment.version);
            if version != write.expected_version() {
                let current = current.cloned().map(Box::new);
                return Verdict::Lost { current };
            }
            payments.insert(write.key().clone(), write.operation.clone());
            Verdict::Applied
        });
        Ok(verdicts.collect())
    }

    async fn get(&self, key: &OperationKey) -> Result<Option<Operation>, StoreError> {
        Ok(self.payments.lock().unwrap().get(key).cloned())
    }

    async fn entries(&self, _: u64, _: usize) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        Ok(Vec::new())
    }

    fn head(&self) -> watch::Receiver<u64> {
        self.appended.subscribe()
    }

    async fn unfinished(
        &self,
        _: Option<OperationId>,
        _: usize,
    ) -> Result<Vec<(OperationId, OperationKey)>, StoreError> {
        Ok(Vec::new())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn noted_time(&self) -> NotedTime {
        NotedTime::default()
    }

    async fn note_time(&self, _: NotedTime) -> Result<(), StoreError> {
        Ok(())
    }

    fn check_tenure(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Views for Volatile {
    async fn find(&self, _: &Merchant, _: OperationId) -> Result<Option<Operation>, StoreError> {
        Ok(None)
    }

    async fn list(&self, _: &Query) -> Result<Page, StoreError> {
        Ok(Page::default())
    }

    async fn history(
        &self,
        _: &Merchant,
        _: OperationId,
    ) -> Result<Option<Vec<(u64, JournalEntry)>>, StoreError> {
        Ok(None)
    }

    async fn contradictions(
        &self,
        _: &Merchant,
        _: u64,
        _: usize,
    ) -> Result<Vec<(u64, JournalEntry)>, StoreError> {
        Ok(Vec::new())
    }

    async fn account(
        &self,
        _: &Merchant,
        _: &AccountId,
    ) -> Result<Vec<(Currency, Balance)>, StoreError> {
        Ok(Vec::new())
    }

    async fn merchants(&self) -> Result<BTreeSet<Merchant>, StoreError> {
        Ok(BTreeSet::new())
    }

    async fn banks(&self) -> Result<BTreeSet<BankName>, StoreError> {
        Ok(BTreeSet::new())
    }
}

#[async_trait]
impl Cursors for Volatile {
    async fn load(&self, _: &CursorName) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn save(&self, _: &CursorName, _: u64) -> Result<(), StoreError> {
        Ok(())
    }
}

/// One thread, like the service with two cores: it leaves a core to the thread that commits, which there is none of here.
#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, bank] = &arguments[..] else {
        panic!("usage: volatile LISTEN BANK");
    };
    let store = Volatile {
        payments: Mutex::default(),
        appended: watch::Sender::new(0),
    };
    let lane = LaneOptions::default();
    let bank = BankClient::new(&BankClientOptions {
        name: BankName::new("default").unwrap(),
        reading: Reading::default(),
        url: bank.parse().unwrap(),
        capability: Capability::InquiryOnly { grace_ms: 60_000 },
        connect_timeout_ms: 3_000,
        connections_idle_max: lane.calls_max,
        ca: None,
        identity: None,
        token_file: None,
    });
    let (clock, source) = (Arc::new(SystemClock), Arc::new(SeededSource::new([7; 32])));
    let service = Service::start(ServiceParts {
        store: Store::new(Arc::new(store)),
        banks: vec![LaneParts {
            bank: Arc::new(bank.unwrap()),
            options: lane,
        }],
        clock: clock.clone(),
        source: source.clone(),
        options: ServiceOptions::default(),
    });
    let front_door = FrontDoor::new(service, clock, source);
    let api = InProcess::new(&front_door, &Routes::undocumented());
    let listener = TcpListener::bind(listen).await.unwrap();
    println!("listening on http://{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let api = api.clone();
        let answer = service_fn(move |request| answer(api.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

async fn answer(
    api: InProcess,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), http_body_util::Collected::to_bytes);
    let response = api.call(Request::from_parts(head, body)).await;
    Ok(response.map(Full::new))
}
