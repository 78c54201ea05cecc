//! The simulated bank: what it does with each call, without a socket and without waiting.
//!
//! It plans each call by the fault model, processes it against its books, and says what is to become
//! of the answer. Two adapters carry that out: [`SimulatedBank`] for callers in the same process, and
//! the HTTP server of `holdfast bank`.

mod in_process;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::faults::{self, Call, Delivery, Fault, FaultProfile, Operation, Plan, Processing};
use crate::ledger::{Account, ChargeTerms, Debit, Ledger, LedgerError, Verdict};
pub(crate) use in_process::Gullible;
pub use in_process::{Later, SIMULATED, SimulatedBank, simulated_address};

/// What the bank promises about repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A repeat of a reference gets the first answer, while the bank remembers it.
    #[default]
    Keyed,
    /// Every charge is processed, but the bank can be asked by reference.
    InquiryOnly,
    /// Every charge is processed, and the bank knows nothing when asked.
    Neither,
}

/// How the simulated bank behaves.
#[derive(Debug, Clone, Default)]
pub struct SimulatedBankOptions {
    /// What it promises.
    pub mode: Mode,
    /// What goes wrong.
    pub faults: FaultProfile,
    /// From what the faults are drawn.
    pub seed: u64,
    /// How long a request may be under way, in milliseconds, for callers in the same process.
    pub grace_ms: u64,
    /// Where the bank keeps its debits; in memory only when `None`.
    pub ledger: Option<PathBuf>,
    /// Milliseconds as someone else counts them; the bank's own clock when `None`.
    pub time: Option<Arc<AtomicU64>>,
}

/// What the bank says about a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BankAnswer {
    /// The debit happened.
    Confirmed {
        /// The bank's id for it.
        transaction_id: String,
    },
    /// It did not happen.
    Declined {
        /// Why, for programs.
        code: String,
        /// Why, for people.
        message: String,
    },
}

/// An answer, with the reference that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedAnswer {
    /// What the bank says.
    #[serde(flatten)]
    pub answer: BankAnswer,
    /// Of which reference.
    pub bank_reference: String,
}

impl BankAnswer {
    fn about(self, bank_reference: &str) -> NamedAnswer {
        NamedAnswer {
            answer: self,
            bank_reference: bank_reference.to_owned(),
        }
    }
}

/// The code of a decline that says: this reference is known.
pub const DUPLICATE: &str = "duplicate_reference";

/// A charge as the bank takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The caller's reference.
    pub bank_reference: String,
    /// What to move.
    pub terms: ChargeTerms,
}

/// What is to be done about a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Reaction<T> {
    /// How long to take for it, in milliseconds.
    pub delay_ms: u64,
    /// What becomes of the answer.
    pub delivery: Delivery,
    /// The answer, for the deliveries that have one.
    pub answer: T,
    /// What is to be processed later, and in how many milliseconds.
    pub later: Option<(u64, Deferred)>,
}

/// A charge that reached the bank's processing after its caller gave up.
#[derive(Debug, Clone, PartialEq)]
pub struct Deferred {
    charge: Charge,
    plan: Plan,
}

impl Deferred {
    /// The reference it is about.
    pub fn reference(&self) -> &str {
        &self.charge.bank_reference
    }

    /// The amount it is about, in minor units.
    pub const fn amount(&self) -> u64 {
        self.charge.terms.amount
    }
}

/// A charge under a reference that stands for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reference stands for a charge with other contents")]
pub struct ReferenceReused;

/// A reference in the bank's books, for auditors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditLine {
    /// The caller's reference.
    pub bank_reference: String,
    /// What it moved.
    #[serde(flatten)]
    pub terms: ChargeTerms,
    /// How often it was debited.
    pub debits: u32,
}

/// The bank.
#[derive(Debug)]
pub struct Bank {
    mode: Mode,
    seed: u64,
    started: Instant,
    time: Option<Arc<AtomicU64>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    faults: FaultProfile,
    ledger: Ledger,
    /// Calls so far of a kind about a reference, by their hash: a bank that sees millions of references
    /// keeps a few bytes for each. Looked up only, so its order decides nothing.
    calls: HashMap<u64, u32>,
    outage_until_ms: u64,
    injected: BTreeMap<Fault, u64>,
}

/// Creditors whose name begins so are declined: a way to see a declined payment by hand.
const DECLINED_PREFIX: &str = "acct_declined";

impl Bank {
    /// Opens the bank with its books.
    ///
    /// # Errors
    /// When the ledger file cannot be read or written.
    pub fn open(options: &SimulatedBankOptions) -> Result<Self, LedgerError> {
        let ledger = match &options.ledger {
            Some(path) => Ledger::open(path)?,
            None => Ledger::default(),
        };
        Ok(Self {
            mode: options.mode,
            seed: options.seed,
            started: Instant::now(),
            time: options.time.clone(),
            state: Mutex::new(State {
                faults: options.faults.clone(),
                ledger,
                calls: HashMap::new(),
                outage_until_ms: 0,
                injected: BTreeMap::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        match &self.time {
            Some(time) => time.load(Ordering::Relaxed),
            None => u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// What the bank promises about repeats.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What goes wrong at present.
    pub fn faults(&self) -> FaultProfile {
        self.lock().faults.clone()
    }

    /// Changes what goes wrong, and ends an outage.
    pub fn set_faults(&self, faults: FaultProfile) {
        let mut state = self.lock();
        state.faults = faults;
        state.outage_until_ms = 0;
    }

    /// How often each fault has happened so far.
    pub fn injected(&self) -> BTreeMap<Fault, u64> {
        let now_ms = self.now_ms();
        let state = self.lock();
        let mut injected = state.injected.clone();
        if self.mode == Mode::Keyed
            && let Some(window_ms) = state.faults.key_window_ms
        {
            let accounts = state.ledger.entries_from(0);
            let forgotten =
                accounts.filter(|(_, _, account)| account.is_forgotten(window_ms, now_ms));
            let forgotten = u64::try_from(forgotten.count()).unwrap_or(u64::MAX);
            injected.insert(Fault::Forgotten, forgotten);
        }
        injected
    }

    /// How many debits the bank has carried out.
    pub fn debits(&self) -> u64 {
        self.lock().ledger.debits()
    }

    /// How often a reference was debited.
    pub fn debits_of(&self, bank_reference: &str) -> u32 {
        let state = self.lock();
        state
            .ledger
            .get(bank_reference)
            .map_or(0, |account| account.debits)
    }

    /// The references with a debit, from a place in the books on, and the place after them when
    /// there is more.
    pub fn audit(&self, place: usize, limit: usize) -> (Vec<AuditLine>, Option<usize>) {
        let state = self.lock();
        let mut debited = state
            .ledger
            .entries_from(place)
            .filter(|(_, _, account)| account.debits > 0);
        let mut lines = Vec::new();
        let mut next = place;
        for (after, reference, account) in debited.by_ref().take(limit) {
            next = after;
            lines.push(AuditLine {
                bank_reference: reference.to_owned(),
                terms: account.terms.clone(),
                debits: account.debits,
            });
        }
        (lines, debited.next().map(|_| next))
    }

    /// Takes a charge.
    ///
    /// # Errors
    /// When a keyed bank knows the reference for a charge with other contents.
    pub fn charge(
        &self,
        charge: &Charge,
    ) -> Result<Reaction<Option<NamedAnswer>>, ReferenceReused> {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        if self.mode == Mode::Keyed
            && let Some(account) = state.ledger.get(&charge.bank_reference)
            && account.terms != charge.terms
        {
            return Err(ReferenceReused);
        }
        let plan = self.plan(
            &mut state,
            Operation::Charge,
            &charge.bank_reference,
            now_ms,
        );
        let times = match plan.processing {
            Processing::Never | Processing::After(_) => 0,
            Processing::Now => 1,
            Processing::Twice => 2,
        };
        let mut answer = None;
        for _ in 0..times {
            let processed = self.process(&mut state, charge, &plan, now_ms);
            answer = answer.or(processed);
        }
        let later = match plan.processing {
            Processing::After(after_ms) => {
                let charge = charge.clone();
                let plan = plan.clone();
                Some((after_ms, Deferred { charge, plan }))
            }
            Processing::Never | Processing::Now | Processing::Twice => None,
        };
        Ok(Reaction {
            delay_ms: plan.delay_ms,
            delivery: plan.delivery,
            answer: delivered(&state, plan.delivery, answer, &charge.bank_reference),
            later,
        })
    }

    /// Processes what came late. Nobody hears of it.
    pub fn process_late(&self, deferred: &Deferred) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        self.process(&mut state, &deferred.charge, &deferred.plan, now_ms);
    }

    /// Looks a reference up.
    pub fn inquire(&self, bank_reference: &str) -> Reaction<Option<NamedAnswer>> {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let plan = self.plan(&mut state, Operation::Inquire, bank_reference, now_ms);
        let found = match self.mode {
            Mode::Keyed | Mode::InquiryOnly => state.ledger.get(bank_reference),
            Mode::Neither => None,
        };
        let hidden = found.is_some_and(|account| account.hidden_until_ms > now_ms);
        let answer = found.filter(|_| !hidden).map(Account::answer);
        if hidden && plan.delivery == Delivery::Whole {
            *state.injected.entry(Fault::InquiryNotFound).or_default() += 1;
        }
        Reaction {
            delay_ms: plan.delay_ms,
            delivery: plan.delivery,
            answer: delivered(&state, plan.delivery, answer, bank_reference),
            later: None,
        }
    }

    fn plan(&self, state: &mut State, operation: Operation, reference: &str, now_ms: u64) -> Plan {
        // Every call is numbered, so that an outage shifts no draw of the calls after it.
        let mut hasher = DefaultHasher::new();
        (operation, reference).hash(&mut hasher);
        let number = state.calls.entry(hasher.finish()).or_default();
        *number += 1;
        let number = *number;
        if now_ms < state.outage_until_ms {
            *state.injected.entry(Fault::Outage).or_default() += 1;
            return Plan::down();
        }
        let call = Call {
            operation,
            reference,
            number,
        };
        let mut plan = state.faults.plan(self.seed, call);
        if plan.processing == Processing::Twice && self.mode == Mode::InquiryOnly {
            // A bank that can be asked has one answer per charge: what arrives twice is noticed.
            plan.fault = None;
            plan.processing = Processing::Now;
        }
        if let Some(fault) = plan.fault {
            *state.injected.entry(fault).or_default() += 1;
        }
        if let Some(outage_ms) = plan.outage_ms {
            state.outage_until_ms = now_ms + outage_ms;
        }
        plan
    }

    fn process(
        &self,
        state: &mut State,
        charge: &Charge,
        plan: &Plan,
        now_ms: u64,
    ) -> Option<BankAnswer> {
        let key_window_ms = state.faults.key_window_ms;
        let known = state.ledger.get(&charge.bank_reference);
        if self.mode == Mode::Keyed
            && let Some(account) = known
            && !key_window_ms.is_some_and(|window_ms| account.is_forgotten(window_ms, now_ms))
        {
            let first = account.answer();
            if plan.refuses_repeat {
                *state.injected.entry(Fault::RepeatRefused).or_default() += 1;
                return Some(BankAnswer::Declined {
                    code: DUPLICATE.to_owned(),
                    message: "The reference is known.".to_owned(),
                });
            }
            return Some(first);
        }
        let reference = &charge.bank_reference;
        let declined = if charge.terms.creditor.starts_with(DECLINED_PREFIX) {
            Some(faults::decline(0))
        } else {
            plan.decline.clone()
        };
        if let Some(decline) = declined {
            if plan.decline.is_some() {
                *state.injected.entry(Fault::Declined).or_default() += 1;
            }
            let (code, message) = decline.clone();
            state
                .ledger
                .decline(reference.clone(), charge.terms.clone(), decline, now_ms);
            return Some(BankAnswer::Declined {
                code: code.to_string(),
                message: message.to_string(),
            });
        }
        let times = known.map_or(0, |account| account.debits);
        let transaction_id = transaction_id(reference, times);
        let debit = Debit {
            bank_reference: reference.clone(),
            transaction_id: transaction_id.clone(),
            terms: charge.terms.clone(),
        };
        if let Err(error) = state.ledger.debit(debit, now_ms) {
            tracing::error!(%error, "the simulated bank cannot write its ledger");
            return None;
        }
        if let (Some(hidden_ms), Some(account)) = (plan.hidden_ms, state.ledger.get_mut(reference))
        {
            account.hidden_until_ms = now_ms + hidden_ms;
        }
        Some(BankAnswer::Confirmed { transaction_id })
    }
}

/// The answer that arrives: the one that was made, or one about another reference.
fn delivered(
    state: &State,
    delivery: Delivery,
    answer: Option<BankAnswer>,
    reference: &str,
) -> Option<NamedAnswer> {
    if delivery != Delivery::Stray {
        return answer.map(|answer| answer.about(reference));
    }
    let other = state.ledger.latest_but(reference);
    Some(other.map_or_else(
        || {
            let transaction_id = "b_stray".to_owned();
            BankAnswer::Confirmed { transaction_id }.about("hf_stray")
        },
        |(other, account)| account.answer().about(other),
    ))
}

/// The bank's id follows from the reference, and from how often it was debited before; a real bank's
/// does not, and nothing relies on it.
fn transaction_id(reference: &str, times: u32) -> String {
    let base = reference.strip_prefix("hf_").unwrap_or(reference);
    match times {
        0 => format!("b_{base}"),
        times => format!("b_{base}_{}", times + 1),
    }
}

impl Account {
    const fn is_forgotten(&self, window_ms: u64, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.first_at_ms) >= window_ms
    }

    fn answer(&self) -> BankAnswer {
        match &self.verdict {
            Verdict::Confirmed { transaction_id } => BankAnswer::Confirmed {
                transaction_id: transaction_id.clone(),
            },
            Verdict::Declined { code, message } => BankAnswer::Declined {
                code: code.to_string(),
                message: message.to_string(),
            },
        }
    }
}
