//! The bank: it plans each call by the fault model, processes it against its ledger, and says how to deliver the answer.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::ledger::{BankLedgerError, Debit, KnownReference, Ledger};
use super::messages::{
    AuditLine, BankAnswer, Charge, DUPLICATE, Deferred, NamedAnswer, Reaction, ReferenceReused,
};
use super::options::{Mode, SimulatedBankOptions};
use crate::faults::{self, Call, CallKind, CallPlan, Delivery, Fault, FaultProfile, Processing};

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
    /// Number of calls of a kind about a reference, by their hash: a bank that sees millions of references
    /// keeps a few bytes for each. It is never iterated, so its order does not matter.
    calls: HashMap<u64, u32>,
    outage_until_ms: u64,
    injected: BTreeMap<Fault, u64>,
}

/// Payments to creditors with this prefix are declined: a way to see a declined payment by hand.
const DECLINED_PREFIX: &str = "acct_declined";

impl Bank {
    /// Opens the bank with its ledger.
    ///
    /// # Errors
    /// When the ledger file cannot be read or written.
    pub fn open(options: &SimulatedBankOptions) -> Result<Self, BankLedgerError> {
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

    /// The current faults.
    pub fn faults(&self) -> FaultProfile {
        self.lock().faults.clone()
    }

    /// Changes the faults, and ends an outage.
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
            let references = state.ledger.entries_from(0);
            let forgotten =
                references.filter(|(_, _, known)| known.is_forgotten(window_ms, now_ms));
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
            .map_or(0, |known| known.debits)
    }

    /// The references with a debit, starting at a place in the ledger, and the place after them when
    /// there is more.
    pub fn audit(&self, place: usize, limit: usize) -> (Vec<AuditLine>, Option<usize>) {
        let state = self.lock();
        let mut debited = state
            .ledger
            .entries_from(place)
            .filter(|(_, _, known)| known.debits > 0);
        let mut lines = Vec::new();
        let mut next = place;
        for (after, reference, known) in debited.by_ref().take(limit) {
            next = after;
            lines.push(AuditLine {
                bank_reference: reference.to_owned(),
                terms: known.terms.clone(),
                debits: known.debits,
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
            && let Some(known) = state.ledger.get(&charge.bank_reference)
            && known.terms != charge.terms
        {
            return Err(ReferenceReused);
        }
        let plan = self.plan(&mut state, CallKind::Charge, &charge.bank_reference, now_ms);
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

    /// Processes a delayed charge. Nobody gets the answer.
    pub fn process_late(&self, deferred: &Deferred) {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        self.process(&mut state, &deferred.charge, &deferred.plan, now_ms);
    }

    /// Looks a reference up.
    pub fn inquire(&self, bank_reference: &str) -> Reaction<Option<NamedAnswer>> {
        let now_ms = self.now_ms();
        let mut state = self.lock();
        let plan = self.plan(&mut state, CallKind::Inquire, bank_reference, now_ms);
        let found = match self.mode {
            Mode::Keyed | Mode::InquiryOnly => state.ledger.get(bank_reference),
            Mode::Neither => None,
        };
        let hidden = found.is_some_and(|known| known.hidden_until_ms > now_ms);
        let answer = found.filter(|_| !hidden).map(KnownReference::answer);
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

    fn plan(&self, state: &mut State, kind: CallKind, reference: &str, now_ms: u64) -> CallPlan {
        // Every call is numbered, so that an outage shifts no draw of the calls after it.
        let mut hasher = DefaultHasher::new();
        (kind, reference).hash(&mut hasher);
        let number = state.calls.entry(hasher.finish()).or_default();
        *number += 1;
        let number = *number;
        if now_ms < state.outage_until_ms {
            *state.injected.entry(Fault::Outage).or_default() += 1;
            return CallPlan::down();
        }
        let call = Call {
            kind,
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
        plan: &CallPlan,
        now_ms: u64,
    ) -> Option<BankAnswer> {
        let key_window_ms = state.faults.key_window_ms;
        let known = state.ledger.get(&charge.bank_reference);
        if self.mode == Mode::Keyed
            && let Some(known) = known
            && !key_window_ms.is_some_and(|window_ms| known.is_forgotten(window_ms, now_ms))
        {
            let first = known.answer();
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
        let times = known.map_or(0, |known| known.debits);
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
        if let (Some(hidden_ms), Some(known)) = (plan.hidden_ms, state.ledger.get_mut(reference)) {
            known.hidden_until_ms = now_ms + hidden_ms;
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
        |(other, known)| known.answer().about(other),
    ))
}

/// The bank's id follows from the reference and from the number of earlier debits. A real bank's id does not, and
/// nothing relies on it.
fn transaction_id(reference: &str, times: u32) -> String {
    let base = reference.strip_prefix("hf_").unwrap_or(reference);
    match times {
        0 => format!("b_{base}"),
        times => format!("b_{base}_{}", times + 1),
    }
}
