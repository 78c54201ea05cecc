//! The auditor: a separate model of the service. Its only inputs are the durable data, the answers that clients get,
//! and the ledger of the bank. It shares no code with the engine: transitions, sums and limits are written here a
//! second time.

mod answers;
mod invariant;
mod journal;
mod known;
mod standing;
mod truth;
mod wanted;

use std::collections::BTreeMap;

use holdfast_core::OperationId;
use holdfast_core::journal::{Digest, Head};

pub(super) use answers::Asked;
pub use invariant::{Invariant, Violation};
pub(super) use known::Known;
pub(super) use standing::{Failed, Standing};
pub(super) use wanted::Wanted;

use super::plan::Plan;

/// Sums of an account: debits pending and posted, credits pending and posted.
pub(in crate::chaos) type Balances = BTreeMap<(String, String), [u64; 4]>;

/// Watches a world.
#[derive(Debug)]
pub(in crate::chaos) struct Auditor {
    bounds: Bounds,
    /// The known payments, by id.
    pub(in crate::chaos) payments: BTreeMap<OperationId, Known>,
    /// The payment of each key.
    pub(in crate::chaos) by_key: BTreeMap<u32, OperationId>,
    by_reference: BTreeMap<String, OperationId>,
    sequence: u64,
    digest: Digest,
    /// How far the durable bytes were read.
    read: Read,
    balances: Balances,
    unfinished: usize,
    /// The first violation.
    pub(in crate::chaos) violation: Option<Violation>,
    /// How many checks were made.
    pub(in crate::chaos) checks: u64,
    /// The virtual time, as the world sets it.
    pub(in crate::chaos) now_ms: u64,
    /// Which life of the service it is.
    pub(in crate::chaos) life: u32,
}

/// How far the durable bytes were read: the number of frames, and the end of the journal after them.
#[derive(Debug, Clone, Copy, Default)]
struct Read {
    frames: usize,
    end: Head,
}

#[derive(Debug, Clone, Copy)]
struct Bounds {
    attempts: u32,
    inquiries: u32,
    wait_ms: u64,
}

impl Auditor {
    /// An auditor of a world.
    pub(in crate::chaos) fn new(plan: &Plan) -> Self {
        let options = &plan.options;
        let bounds = Bounds {
            attempts: options.budgets.attempts_max,
            inquiries: options.budgets.inquiries_max,
            wait_ms: options.backoff.cap_ms.max(plan.bank.throttled.ms.max()),
        };
        Self {
            bounds,
            payments: BTreeMap::new(),
            by_key: BTreeMap::new(),
            by_reference: BTreeMap::new(),
            sequence: 0,
            digest: Digest::GENESIS,
            read: Read::default(),
            balances: BTreeMap::new(),
            unfinished: 0,
            violation: None,
            checks: 0,
            now_ms: 0,
            life: 0,
        }
    }

    /// Records a broken invariant. Only the first one is kept.
    pub(in crate::chaos) fn violated(
        &mut self,
        invariant: Invariant,
        key: Option<u32>,
        detail: impl Into<String>,
    ) {
        if self.violation.is_none() {
            self.violation = Some(Violation {
                invariant,
                key,
                at_ms: self.now_ms,
                detail: detail.into(),
            });
        }
    }

    fn check(
        &mut self,
        holds: bool,
        invariant: Invariant,
        key: Option<u32>,
        detail: impl FnOnce() -> String,
    ) {
        self.checks += 1;
        if !holds {
            self.violated(invariant, key, detail());
        }
    }

    /// How many payments are not final.
    pub(in crate::chaos) const fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// The payment of a key.
    pub(in crate::chaos) fn of_key(&self, key: u32) -> Option<&Known> {
        self.payments.get(self.by_key.get(&key)?)
    }

    /// The key of a bank reference.
    pub(in crate::chaos) fn key_of_reference(&self, reference: &str) -> Option<u32> {
        let id = self.by_reference.get(reference)?;
        Some(self.payments[id].key)
    }
}
