//! A service in virtual time, over a simulated store and a bank that answers from a script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::{
    BankAddress, BankName, BankReference, BankTransactionId, Budgets, Capability, Cause, Decision,
    DeclineCode, DeclineMessage, Operation, Phase, State, Timestamp,
};
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome};
use holdfast_engine::clock::Clock;
use holdfast_engine::lanes::{LaneOptions, LaneParts};
use holdfast_engine::pipeline::SendPermit;
use holdfast_engine::service::{
    CreateError, CreateOptions, Created, Service, ServiceOptions, ServiceParts,
};
use holdfast_engine::source::SeededSource;
use holdfast_engine::store::Store;
use holdfast_server::api::FrontDoor;
use holdfast_simulator::SimulatedStore;
use tokio::time::Instant;

use crate::sample::{key, request};

thread_local! {
    /// When the time of a test began: all its lives share one.
    static BEGAN: Instant = Instant::now();
}

/// Time that follows tokio's, so that pausing pauses it. Its wall clock can be set.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock {
    ahead_ms: Arc<AtomicI64>,
}

impl VirtualClock {
    /// Sets the wall clock so many milliseconds ahead of the time that passed; behind it when negative.
    pub fn set_ahead_ms(&self, ahead_ms: i64) {
        self.ahead_ms.store(ahead_ms, Ordering::SeqCst);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let ms =
            u64::try_from(self.steady().as_millis()).expect("what a test cannot go on without");
        let ahead_ms = self.ahead_ms.load(Ordering::SeqCst);
        Timestamp::from_unix_ms((1_767_225_600_000 + ms).saturating_add_signed(ahead_ms))
    }

    fn steady(&self) -> Duration {
        BEGAN.with(Instant::elapsed)
    }
}

/// A bank that answers from a script, and counts.
#[derive(Debug)]
pub struct ScriptedBank {
    name: BankName,
    address: BankAddress,
    capability: Capability,
    latency: Duration,
    inquiry_latency: Duration,
    charges: Mutex<VecDeque<ChargeOutcome>>,
    inquiries: Mutex<VecDeque<InquiryOutcome>>,
    inquired: AtomicU64,
    references: Mutex<Vec<BankReference>>,
    attempts: Mutex<Vec<u32>>,
}

/// The bank's confirmation, with the transaction id `b_1`.
///
/// # Panics
/// Never: the id is valid.
pub fn confirmed() -> Decision {
    Decision::Confirmed {
        bank_transaction_id: BankTransactionId::new("b_1")
            .expect("what a test cannot go on without"),
    }
}

/// The bank's refusal.
///
/// # Panics
/// Never: code and message are valid.
pub fn declined() -> Decision {
    Decision::Declined {
        code: DeclineCode::new("insufficient_funds").expect("what a test cannot go on without"),
        message: DeclineMessage::new("The account has not enough funds.")
            .expect("what a test cannot go on without"),
    }
}

impl ScriptedBank {
    /// The same bank under another name.
    ///
    /// # Panics
    /// When `name` is no name.
    pub fn named(mut self, name: &str) -> Self {
        self.name = BankName::new(name).expect("a name");
        self
    }

    /// A bank of this capability that confirms at once whatever is not scripted.
    ///
    /// # Panics
    /// Never: its name and address are valid.
    pub fn new(capability: Capability) -> Self {
        Self {
            name: BankName::new("default").expect("a name"),
            address: BankAddress::new("http://bank.example:80").expect("an address"),
            capability,
            latency: Duration::ZERO,
            inquiry_latency: Duration::ZERO,
            charges: Mutex::default(),
            inquiries: Mutex::default(),
            inquired: AtomicU64::new(0),
            references: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// Takes so long for each charge.
    pub fn latency_s(mut self, seconds: u64) -> Self {
        self.latency = Duration::from_secs(seconds);
        self
    }

    /// Takes so long for each inquiry.
    pub fn inquiry_latency_s(mut self, seconds: u64) -> Self {
        self.inquiry_latency = Duration::from_secs(seconds);
        self
    }

    /// Answers the next charges so.
    ///
    /// # Panics
    /// When a test panicked before.
    pub fn charges(self, outcomes: impl IntoIterator<Item = ChargeOutcome>) -> Self {
        self.charges
            .lock()
            .expect("what a test cannot go on without")
            .extend(outcomes);
        self
    }

    /// Answers the next inquiries so.
    ///
    /// # Panics
    /// When a test panicked before.
    pub fn inquiries(self, outcomes: impl IntoIterator<Item = InquiryOutcome>) -> Self {
        self.inquiries
            .lock()
            .expect("what a test cannot go on without")
            .extend(outcomes);
        self
    }

    /// The references of the charges that reached it, in order.
    ///
    /// # Panics
    /// When a test panicked before.
    pub fn references(&self) -> Vec<BankReference> {
        self.references
            .lock()
            .expect("no test has panicked")
            .clone()
    }

    /// The numbers of the attempts that reached it, in order.
    ///
    /// # Panics
    /// When a test panicked before.
    pub fn attempts(&self) -> Vec<u32> {
        self.attempts.lock().expect("no test has panicked").clone()
    }

    /// How many charges and inquiries reached it.
    ///
    /// # Panics
    /// When a test panicked before.
    pub fn counts(&self) -> (usize, u64) {
        (
            self.references
                .lock()
                .expect("what a test cannot go on without")
                .len(),
            self.inquired.load(Ordering::SeqCst),
        )
    }
}

#[async_trait]
impl Bank for ScriptedBank {
    fn name(&self) -> &BankName {
        &self.name
    }

    fn address(&self) -> &BankAddress {
        &self.address
    }

    fn capability(&self) -> Capability {
        self.capability
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        self.references
            .lock()
            .expect("what a test cannot go on without")
            .push(permit.bank_reference());
        self.attempts
            .lock()
            .expect("no test has panicked")
            .push(permit.attempt());
        tokio::time::sleep(self.latency).await;
        let next = self
            .charges
            .lock()
            .expect("what a test cannot go on without")
            .pop_front();
        next.unwrap_or_else(|| ChargeOutcome::Decided(confirmed()))
    }

    async fn inquire(&self, _: BankReference) -> InquiryOutcome {
        self.inquired.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.inquiry_latency).await;
        let next = self
            .inquiries
            .lock()
            .expect("what a test cannot go on without")
            .pop_front();
        next.unwrap_or(InquiryOutcome::NotFound)
    }
}

/// A bank that remembers our reference for a day.
pub const KEYED: Capability = Capability::Keyed {
    window_ms: 24 * 3_600_000,
    grace_ms: 60_000,
};

/// A service over a simulated store and a scripted bank.
pub struct World {
    /// The service.
    pub service: Service,
    /// Its HTTP API, without a socket.
    pub front_door: FrontDoor,
    /// Its store.
    pub store: Arc<SimulatedStore>,
    /// Its bank.
    pub bank: Arc<ScriptedBank>,
    /// Its clock.
    pub clock: VirtualClock,
}

/// The lane of a bank, with the default bounds.
pub fn lane(bank: Arc<dyn Bank>) -> LaneParts {
    LaneParts {
        bank,
        options: LaneOptions::default(),
    }
}

/// A world with default options.
pub fn world(bank: ScriptedBank) -> World {
    world_with(bank, SimulatedStore::default(), ServiceOptions::default())
}

/// A world with the given store and options.
pub fn world_with(bank: ScriptedBank, store: SimulatedStore, options: ServiceOptions) -> World {
    world_at(bank, store, options, VirtualClock::default())
}

/// A world with the given bounds of calls to its bank.
pub fn world_bounded(bank: ScriptedBank, bounds: LaneOptions) -> World {
    let (store, options) = (SimulatedStore::default(), ServiceOptions::default());
    world_of(bank, bounds, store, options, VirtualClock::default())
}

/// A world with the given store, options and clock.
pub fn world_at(
    bank: ScriptedBank,
    store: SimulatedStore,
    options: ServiceOptions,
    clock: VirtualClock,
) -> World {
    world_of(bank, LaneOptions::default(), store, options, clock)
}

/// A world with everything given.
pub fn world_of(
    bank: ScriptedBank,
    bounds: LaneOptions,
    store: SimulatedStore,
    options: ServiceOptions,
    clock: VirtualClock,
) -> World {
    let (store, bank) = (Arc::new(store), Arc::new(bank));
    let told = Arc::new(clock.clone());
    let source = Arc::new(SeededSource::new([9; 32]));
    let service = Service::start(ServiceParts {
        store: Store::new(store.clone()),
        banks: vec![LaneParts {
            bank: bank.clone(),
            options: bounds,
        }],
        clock: told.clone(),
        source: source.clone(),
        options,
    });
    World {
        front_door: FrontDoor::new(service.clone(), told, source),
        service,
        clock,
        store,
        bank,
    }
}

/// Few attempts and inquiries, so that a test sees them spent.
pub fn small_budgets() -> ServiceOptions {
    let budgets = Budgets {
        attempts_max: 3,
        inquiries_max: 4,
    };
    ServiceOptions {
        budgets,
        ..ServiceOptions::default()
    }
}

/// Waits so long for the end, and joins.
pub fn wait(seconds: u64) -> CreateOptions {
    CreateOptions {
        wait: Duration::from_secs(seconds),
        strict: false,
    }
}

impl World {
    /// Pays under a key.
    ///
    /// # Errors
    /// As the service does.
    pub async fn pay(&self, text: &str, options: CreateOptions) -> Result<Created, CreateError> {
        self.service.create(key(text), request(1999), options).await
    }

    /// Pays under a key and waits for it to settle.
    ///
    /// # Panics
    /// When it does not.
    pub async fn settles(&self, text: &str) -> Arc<Operation> {
        let payment = self
            .pay(text, wait(3_600))
            .await
            .expect("what a test cannot go on without")
            .payment;
        assert!(
            matches!(payment.state, State::Settled { .. }),
            "{payment:?}"
        );
        payment
    }

    /// The causes of all journal entries.
    pub fn causes(&self) -> Vec<Cause> {
        self.store
            .journal()
            .iter()
            .map(|entry| entry.cause.clone())
            .collect()
    }
}

/// The phase of a payment in `BankCalled`.
pub fn phase(payment: &Operation) -> Option<Phase> {
    match &payment.state {
        State::BankCalled(called) => Some(called.phase),
        State::Received | State::Persisted | State::Settled { .. } | State::Failed { .. } => None,
    }
}
