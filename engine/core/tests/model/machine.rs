//! The service under test: its budgets, its bank, and the bug that is planted in it.

use std::sync::Arc;

use holdfast_core::*;

use super::sample::mark;

/// A bug to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flaw {
    /// A write applies whatever version it expects.
    BlindWrites,
    /// An attempt is sent whether its mark became durable or not.
    SpeaksFirst,
    /// A timeout counts as "not sent".
    TimeoutIsRefusal,
    /// "Not found" counts at once.
    NotFoundIsProof,
    /// "Not found" counts by the time at which it was heard, not at which it was asked for.
    OldNotFoundIsProof,
    /// An outcome in question is sent again though the bank does not deduplicate.
    ResendsInQuestion,
    /// The bank is trusted to deduplicate for ever.
    WindowForgotten,
}

/// The bound, and the bank.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) capability: Capability,
    pub(crate) budgets: Budgets,
    /// How often the process ends without a word.
    pub(crate) crashes: u8,
    /// How many requests of clients make a flight.
    pub(crate) requests: u8,
    /// Ticks.
    pub(crate) time: u64,
    pub(crate) flaw: Option<Flaw>,
}

impl Machine {
    pub(crate) fn with(capability: Capability) -> Self {
        Self {
            capability,
            budgets: Budgets {
                attempts_max: 2,
                inquiries_max: 2,
            },
            crashes: 1,
            requests: 3,
            time: 5,
            flaw: None,
        }
    }
}

impl Machine {
    /// The next attempt is about to be sent.
    pub(crate) fn dispatch(&self) -> Event {
        Event::Dispatch(Arc::new(Mark {
            capability: self.believed(),
            ..Mark::clone(&mark())
        }))
    }

    /// What the service takes the bank to promise.
    fn believed(&self) -> Capability {
        let never_forgets = Capability::Keyed {
            window_ms: u64::MAX,
            grace_ms: 0,
        };
        match self.flaw {
            Some(Flaw::ResendsInQuestion | Flaw::WindowForgotten) => never_forgets,
            _ => self.capability,
        }
    }

    pub(crate) fn next(
        &self,
        payment: &Operation,
        called: &BankCalled,
        now: Timestamp,
    ) -> NextStep {
        next_step(self.believed(), self.budgets, payment, called, now)
    }
}
