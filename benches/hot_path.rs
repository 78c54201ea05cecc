//! The steps that a request takes inside, each by itself.
//!
//! ```text
//! cargo bench -p holdfast-tests                  # times, by divan
//! benches/instructions.py                        # instructions, by callgrind, which repeat
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a benchmark that cannot go on stops"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use divan::counter::ItemsCount;
use holdfast_bank_simulator::{SimulatedBank, SimulatedBankOptions};
use holdfast_core::record::Record;
use holdfast_core::{
    BankTransactionId, Decision, Event, Evidence, Metadata, Operation, OperationKey,
    PaymentRequest, Step, Timestamp, transition,
};
use holdfast_engine::clock::Clock;
use holdfast_engine::lanes::{LaneOptions, LaneParts};
use holdfast_engine::service::{CreateOptions, Service, ServiceOptions, ServiceParts};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, Store, Verdict};
use holdfast_local::format::record_key;
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_server::api::{FrontDoor, InProcess, Routes};
use holdfast_tests::sample::{BODY, key, mark, payment_request, request};
use http::{Request, Response};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Payments in the store before anything is measured.
const STORED: u64 = 10_000;

/// Writes of one batch, as under load.
const BATCH: u64 = 64;

/// The clocks of the standard library. The service's own clock asks the kernel's vDSO in a way that valgrind does not follow.
struct StdClock(Instant);

impl Clock for StdClock {
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap();
        Timestamp::from_unix_ms(u64::try_from(since_epoch.as_millis()).unwrap())
    }

    fn steady(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What is measured. Each step may be taken any number of times.
struct Bench {
    runtime: Runtime,
    store: Arc<LocalStore>,
    service: Service,
    api: InProcess,
    source: SeededSource,
    next: u64,
    sample: Sample,
    _directory: TempDir,
}

/// What steps are taken with.
struct Sample {
    awaiting: Operation,
    settled: Operation,
    storage_key: Vec<u8>,
    encoded: Vec<u8>,
    stored: OperationKey,
    replayed: OperationKey,
    asked: PaymentRequest,
}

impl Sample {
    fn new(source: &SeededSource) -> Self {
        let awaiting = dispatched(&admitted(source, 0).operation).operation;
        let settled = settled(&awaiting).operation;
        let storage_key = record_key(&settled.key);
        Self {
            encoded: Record::of(&settled, 3).encode(&storage_key).unwrap(),
            stored: key("key-0000000042"),
            replayed: key("replayed"),
            asked: request_of_body(),
            awaiting,
            settled,
            storage_key,
        }
    }
}

/// What [`BODY`] asks for.
fn request_of_body() -> PaymentRequest {
    let request = payment_request(1_999);
    let metadata = Metadata::new(BTreeMap::new()).unwrap();
    let (debtor, creditor) = (request.debtor().clone(), request.creditor().clone());
    let (amount, currency) = (request.amount(), request.currency());
    PaymentRequest::new(amount, currency, debtor, creditor, None, metadata).unwrap()
}

fn admitted(source: &SeededSource, n: u64) -> Step {
    let now = Timestamp::from_unix_ms(1_700_000_000_000 + n);
    let key = key(&format!("key-{n:010}"));
    let received = Operation::received(source.operation_id(now), key, request(1_999), now);
    transition(&received, &Event::Admit, now).unwrap()
}

fn dispatched(payment: &Operation) -> Step {
    transition(payment, &Event::Dispatch(mark()), payment.updated_at).unwrap()
}

fn settled(payment: &Operation) -> Step {
    let decision = Decision::Confirmed {
        bank_transaction_id: BankTransactionId::new("b_0123456789").unwrap(),
    };
    let evidence = Evidence::Answer;
    let decided = Event::Decided { decision, evidence };
    transition(payment, &decided, payment.updated_at).unwrap()
}

impl Bench {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let store = LocalStore::open(&LocalOptions {
            directory: directory.path().join("data"),
            accept_older: false,
            neighbours: Vec::new(),
            cache_bytes: 256 << 20,
        });
        let store = Arc::new(store.unwrap());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (clock, seeded) = (
            Arc::new(StdClock(Instant::now())),
            Arc::new(SeededSource::new([7; 32])),
        );
        let bank = SimulatedBank::open(&SimulatedBankOptions::default()).unwrap();
        let service = runtime.block_on(async {
            Service::start(ServiceParts {
                store: Store::new(store.clone()),
                banks: vec![LaneParts {
                    bank: Arc::new(bank),
                    options: LaneOptions::default(),
                }],
                clock: clock.clone(),
                source: seeded.clone(),
                options: ServiceOptions::default(),
            })
        });
        let front_door = FrontDoor::new(service.clone(), clock, seeded);
        let mut bench = Self {
            api: InProcess::new(&front_door, &Routes::undocumented()),
            runtime,
            store,
            service,
            source: SeededSource::new([8; 32]),
            next: 0,
            sample: Sample::new(&SeededSource::new([8; 32])),
            _directory: directory,
        };
        while bench.next < STORED {
            bench.batch();
        }
        let response = bench.create("replayed");
        assert_eq!(response.status(), 201);
        bench
    }

    /// Two batches: so many payments are admitted with their mark, and then settled.
    fn batch(&mut self) {
        let mut marked = Vec::new();
        let mut batch = Vec::new();
        for _ in 0..BATCH {
            let admitted = admitted(&self.source, self.next);
            self.next += 1;
            let dispatched = dispatched(&admitted.operation);
            marked.push(dispatched.operation.clone());
            batch.push(admitted.then(dispatched));
        }
        self.commit(batch);
        self.commit(marked.iter().map(settled).collect());
    }

    fn commit(&self, batch: Vec<Step>) {
        let verdicts = self.runtime.block_on(self.store.commit(batch)).unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
    }

    fn create(&self, key: &str) -> Response<Bytes> {
        let request = Request::post("/v1/payments")
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(Bytes::from_static(BODY.as_bytes()))
            .unwrap();
        self.runtime.block_on(self.api.call(request))
    }

    /// Takes a step so many times; returns how many payments it was about. A function of its own for callgrind.
    #[inline(never)]
    fn take(&mut self, step: &str, times: u64) -> u64 {
        for _ in 0..times {
            match step {
                "nothing" => {}
                "transition" => {
                    black_box(settled(black_box(&self.sample.awaiting)));
                }
                "encode" => {
                    let record = Record::of(black_box(&self.sample.settled), 3);
                    black_box(record.encode(&self.sample.storage_key).unwrap());
                }
                "decode" => {
                    let Sample {
                        storage_key,
                        encoded,
                        ..
                    } = &self.sample;
                    black_box(Record::decode(storage_key, black_box(encoded)).unwrap());
                }
                "key lookup" => {
                    let found = self.store.get(black_box(&self.sample.stored));
                    assert!(self.runtime.block_on(found).unwrap().is_some());
                }
                "replay by the service" => {
                    let Sample {
                        replayed, asked, ..
                    } = &self.sample;
                    let options = CreateOptions {
                        wait: Duration::from_secs(1),
                        strict: false,
                    };
                    let created = self
                        .service
                        .create(replayed.clone(), asked.clone(), options);
                    assert!(self.runtime.block_on(created).unwrap().replayed);
                }
                "replay by the API" => {
                    assert_eq!(self.create("replayed").status(), 201);
                }
                "new payment by the API" => {
                    let key = format!("new-{}", self.next);
                    self.next += 1;
                    assert_eq!(self.create(&key).status(), 201);
                }
                "two batches of 64" => self.batch(),
                other => panic!("there is no step {other}"),
            }
        }
        times
            * if step == "two batches of 64" {
                BATCH
            } else {
                1
            }
    }
}

/// All of them, for `benches/instructions.py` and divan.
const STEPS: [&str; 9] = [
    "nothing",
    "transition",
    "encode",
    "decode",
    "key lookup",
    "replay by the service",
    "replay by the API",
    "new payment by the API",
    "two batches of 64",
];

#[divan::bench(args = STEPS)]
fn step(bencher: divan::Bencher, step: &str) {
    let mut bench = Bench::new();
    let payments = bench.take(step, 1);
    bencher
        .counter(ItemsCount::new(payments))
        .bench_local(move || bench.take(step, 1));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        // One step, so many times: what callgrind counts.
        Some("take") => {
            let times = arguments[2].parse().unwrap();
            let payments = Bench::new().take(&arguments[1], times);
            eprintln!("{payments} payments");
        }
        Some("steps") => eprintln!("{}", STEPS.join("\n")),
        _ => divan::main(),
    }
}
