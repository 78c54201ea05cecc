//! The bank as the service calls it: the simulated bank, with the auditor listening to every call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::{
    BankAddress, BankName, BankReference, Capability, Decision, DeclineCode, DeclineMessage,
    Request,
};
use holdfast_engine::bank::{Bank, ChargeOutcome, InquiryOutcome};
use holdfast_engine::pipeline::SendPermit;

use super::auditor::Wanted;
use super::banks::Banks;
use super::describe;
use super::ground::Ground;
use super::moments::Sometimes;
use super::plan::CLOCK_SLACK_MS;
use super::sabotage::Sabotage;
use super::trace::Track;
use super::which_bank::WhichBank;
use holdfast_bank_simulator::SimulatedBank;

/// Failures in a row after which a sabotaged breaker stays open.
const STUCK_AFTER: u32 = 3;

/// The bank, in one life of the service.
#[derive(Debug)]
pub(super) struct WatchedBank {
    inner: SimulatedBank,
    banks: Banks,
    ground: Arc<Ground>,
    failures: AtomicU32,
}

/// Records a call that its caller gave up on.
struct Waiting<'a> {
    ground: &'a Ground,
    banks: &'a Banks,
    reference: &'a str,
    key: Option<u32>,
    answered: bool,
}

impl Waiting<'_> {
    fn debits(&self) -> u32 {
        self.banks.debits_of(self.reference)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // At a crash nobody waits for the call any more.
        if !self.answered && self.ground.lock().is_alive() {
            self.ground.lock().happened(Sometimes::BankTimeout);
            self.ground.note(Track::Bank, self.key, self.debits(), || {
                format!("no answer in time; debits so far: {}", self.debits())
            });
        }
    }
}

impl WatchedBank {
    pub(super) fn new(banks: &Banks, which: WhichBank, ground: Arc<Ground>) -> Self {
        Self {
            inner: banks.get(which).clone(),
            banks: banks.clone(),
            ground,
            failures: AtomicU32::new(0),
        }
    }

    /// Whether the sabotaged breaker has opened for good.
    fn is_stuck(&self) -> bool {
        self.ground.is_sabotaged_by(Sabotage::BreakerStuck)
            && self.failures.load(Ordering::Relaxed) >= STUCK_AFTER
    }

    fn went(&self, well: bool) {
        if well {
            // Once stuck, it stays stuck.
            let _ = self
                .failures
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |failures| {
                    (failures < STUCK_AFTER).then_some(0)
                });
        } else {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn send(&self, permit: SendPermit) -> ChargeOutcome {
        if self.ground.is_sabotaged_by(Sabotage::NewReference) {
            let reference = format!("{}.{}", permit.bank_reference(), permit.attempt());
            let Request::Payment(request) = permit.request();
            return self.inner.charge_as(reference, request).await;
        }
        if self.ground.is_sabotaged_by(Sabotage::TimeoutIsFailure) {
            let limit = Duration::from_millis(self.ground.plan.lane.timeout_ms - 1);
            let answer = tokio::time::timeout(limit, self.inner.charge(permit)).await;
            return match answer.unwrap_or(ChargeOutcome::Unknown) {
                ChargeOutcome::Unknown => ChargeOutcome::Decided(Decision::Declined {
                    code: DeclineCode::new("timeout").expect("a name"),
                    message: DeclineMessage::new("It took too long.").expect("a sentence"),
                }),
                outcome => outcome,
            };
        }
        self.inner.charge(permit).await
    }
}

#[async_trait]
impl Bank for WatchedBank {
    fn name(&self) -> &BankName {
        if self.ground.is_sabotaged_by(Sabotage::OtherBank) {
            // The other bank uses the name of the usual one.
            return self.banks.get(WhichBank::Usual).name();
        }
        self.inner.name()
    }

    fn address(&self) -> &BankAddress {
        self.inner.address()
    }

    fn capability(&self) -> Capability {
        match (self.inner.capability(), self.ground.sabotage) {
            (Capability::InquiryOnly { grace_ms }, Some(Sabotage::ResendBlindly)) => {
                Capability::Keyed {
                    window_ms: 3_600_000,
                    grace_ms,
                }
            }
            (Capability::InquiryOnly { .. }, Some(Sabotage::NotFoundIsProof)) => {
                Capability::InquiryOnly { grace_ms: 0 }
            }
            (
                Capability::Keyed {
                    window_ms,
                    grace_ms,
                },
                _,
            ) => Capability::Keyed {
                // Shorter by the time that a wall clock can hide while the service is down.
                window_ms: window_ms.saturating_sub(CLOCK_SLACK_MS),
                grace_ms,
            },
            (capability, _) => capability,
        }
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        self.ground.touch();
        let reference = permit.bank_reference().to_string();
        let attempt = permit.attempt();
        let amount = permit.request().amount().minor_units();
        let key = {
            let mut state = self.ground.lock();
            state.auditor.heard(&reference, amount, attempt);
            Wanted::key_of(amount)
        };
        self.ground.note(Track::Bank, key, attempt, || {
            format!("receives attempt {attempt}")
        });
        if self.is_stuck() {
            return ChargeOutcome::NotSent;
        }
        let mut waiting = Waiting {
            ground: &self.ground,
            banks: &self.banks,
            reference: &reference,
            key,
            answered: false,
        };
        let outcome = self.send(permit).await;
        waiting.answered = true;
        self.ground.touch();
        let debits = self.banks.debits_of(&reference);
        self.ground.lock().auditor.processed(amount, debits);
        let well = matches!(outcome, ChargeOutcome::Decided(_));
        self.went(well);
        self.ground.note(Track::Bank, key, (debits, well), || {
            format!("debits so far: {debits}; {}", describe::charged(&outcome))
        });
        outcome
    }

    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome {
        self.ground.touch();
        if self.is_stuck() {
            return InquiryOutcome::Unknown;
        }
        let outcome = self.inner.inquire(bank_reference).await;
        self.ground.touch();
        let found = matches!(outcome, InquiryOutcome::Decided(_));
        self.went(!matches!(outcome, InquiryOutcome::Unknown));
        let key = self
            .ground
            .lock()
            .auditor
            .key_of_reference(&bank_reference.to_string());
        self.ground.note(Track::Bank, key, found, || {
            format!("asked, {}", describe::inquired(&outcome))
        });
        outcome
    }
}
