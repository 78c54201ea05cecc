//! Fills a data directory with settled payments, without a service: `fill DIRECTORY COUNT`.
//!
//! They come in batches, as under load, and each batch is synced. The directory may hold payments already.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "what it cannot go on without stops it"
)]

use holdfast_core::{
    AccountId, BankTransactionId, Decision, Event, Evidence, Operation, PaymentRequest, Request,
    Step, transition,
};
use holdfast_engine::clock::{Clock, SystemClock};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::{Log, Verdict};
use holdfast_local::{LocalOptions, LocalStore};
use holdfast_tests::sample::{key, mark, payment_request};
use tokio::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 256;

const ACCOUNTS: u64 = 100_000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, count] = &arguments[..] else {
        panic!("usage: fill DIRECTORY COUNT");
    };
    let count: u64 = count.parse().unwrap();
    let options = LocalOptions {
        directory: directory.into(),
        accept_older: false,
        neighbours: Vec::new(),
        // Much, for keys come in no order: only the filling is faster for it.
        cache_bytes: 4 << 30,
    };
    let store = LocalStore::open(&options).unwrap();
    // Other keys and ids than those of an earlier run.
    let run = SystemClock.now().as_unix_ms();
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&run.to_le_bytes());
    let source = SeededSource::new(seed);
    let began = Instant::now();
    let mut done = 0;
    while done < count {
        let mut marked = Vec::new();
        let mut batch = Vec::new();
        for n in done..count.min(done + BATCH) {
            let now = SystemClock.now();
            // Keys come in no order, as clients make them.
            let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let key = key(&format!("{scattered:016x}-{run:x}"));
            let id = source.operation_id(now);
            let received = Operation::received(id, key, between_accounts(scattered), now);
            let admitted = transition(&received, &Event::Admit, now).unwrap();
            let dispatched =
                transition(&admitted.operation, &Event::Dispatch(mark()), now).unwrap();
            marked.push(dispatched.operation.clone());
            batch.push(admitted.then(dispatched));
        }
        done += batch.len() as u64;
        commit(&store, batch).await;
        let settled = marked.iter().map(|payment| {
            let id = BankTransactionId::new(&format!("b_{}", payment.id)).unwrap();
            let decision = Decision::Confirmed {
                bank_transaction_id: id,
            };
            let evidence = Evidence::Answer;
            let decided = Event::Decided { decision, evidence };
            transition(payment, &decided, payment.updated_at).unwrap()
        });
        commit(&store, settled.collect()).await;
        if done % (BATCH * 1_000) == 0 || done == count {
            let seconds = began.elapsed().as_secs();
            eprintln!("{done} of {count} payments in {seconds} s");
        }
    }
    store.close().await.unwrap();
}

/// A payment between two of many accounts.
fn between_accounts(scattered: u64) -> Request {
    let account = |n: u64| AccountId::new(&format!("acct_{}", n % ACCOUNTS)).unwrap();
    let sample = payment_request(1_999);
    let request = PaymentRequest::new(
        sample.amount(),
        sample.currency(),
        account(scattered),
        account(scattered / ACCOUNTS),
        sample.reference().cloned(),
        sample.metadata().clone(),
    );
    // Both ends can be the same account.
    request.unwrap_or(sample).into()
}

async fn commit(store: &LocalStore, batch: Vec<Step>) {
    let verdicts = store.commit(batch).await.unwrap();
    assert!(verdicts.iter().all(|verdict| *verdict == Verdict::Applied));
}
