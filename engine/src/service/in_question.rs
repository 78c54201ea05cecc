//! Counts the payments whose outcome is unknown, by phase.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use holdfast_core::{Operation, OperationId, Phase};

use crate::metrics::{ByPhase, Metrics};

/// The payments in the phases unknown and review. Those of an earlier life are added as recovery reaches them.
#[derive(Debug)]
pub(super) struct InQuestion {
    noted: Mutex<BTreeMap<OperationId, Phase>>,
    metrics: Metrics,
}

impl InQuestion {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            noted: Mutex::default(),
            metrics,
        }
    }

    /// Records the durable state of a payment. The versions of one payment must be recorded in order.
    pub(super) fn note(&self, payment: &Operation) {
        let phase = payment.state.phase();
        let phase = phase.filter(|phase| match phase {
            Phase::Unknown | Phase::Review => true,
            Phase::Awaiting => false,
        });
        // A panic elsewhere leaves the map whole: it is changed by single inserts and removes.
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match phase {
            Some(phase) => noted.insert(payment.id, phase),
            None => noted.remove(&payment.id),
        };
        if let Some(phase) = phase.filter(|phase| before != Some(*phase)) {
            let (id, merchant) = (payment.id, &payment.key.merchant);
            let bank_reference = payment.bank_reference();
            let what = match phase {
                Phase::Review => "a payment went to review: an operator decides what became of it",
                Phase::Unknown | Phase::Awaiting => {
                    "the outcome of a payment is unknown; the bank is asked, or the charge sent again, where that is safe"
                }
            };
            tracing::info!(%id, %merchant, %bank_reference, attempts = payment.attempts, "{what}");
        }
        let gauges = &self.metrics.in_question;
        if let Some(phase) = before {
            gauges.get_or_create(&ByPhase::of(phase)).dec();
        }
        if let Some(phase) = phase {
            gauges.get_or_create(&ByPhase::of(phase)).inc();
        }
    }
}
