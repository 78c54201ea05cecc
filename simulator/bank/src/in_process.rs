//! The simulated bank for callers in the same process, in real or virtual time.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_core::{
    BankAddress, BankName, BankReference, BankTransactionId, Capability, Decision, DeclineCode,
    DeclineMessage, PaymentRequest, Request,
};
use holdfast_engine::bank::{self, ChargeOutcome, InquiryOutcome, is_about};
use holdfast_engine::pipeline::SendPermit;

use super::ledger::{BankLedgerError, ChargeTerms};
use super::messages::{BankAnswer, Charge, DUPLICATE, Deferred, NamedAnswer, Reaction};
use super::options::{Mode, SimulatedBankOptions};
use super::processing::Bank;
use crate::faults::Delivery;

/// A bank that lives in this process. It moves no money.
#[derive(Debug, Clone)]
pub struct SimulatedBank {
    bank: Arc<Bank>,
    name: BankName,
    address: BankAddress,
    grace_ms: u64,
    later: Option<Arc<dyn Later>>,
    gullible: Option<Gullible>,
}

/// The kind of wrong answer that a caller accepts as the bank's. Only a service that is broken on purpose has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gullible {
    /// An answer about another reference.
    Strays,
    /// The answer of a gateway.
    Gateways,
    /// "Duplicate" for a decline of the payment.
    Duplicates,
}

/// The name of the simulated bank that is built in.
pub const SIMULATED: &str = "simulated";

/// The address of a bank in this process.
const ADDRESS: &str = "in-process";

/// The address of the built-in simulated bank.
///
/// # Panics
/// Never: the address is valid.
pub fn simulated_address() -> BankAddress {
    BankAddress::new(ADDRESS).expect("the address is one")
}

/// Delivers charges to the bank long after their caller gave up, even if the caller's process
/// has ended by then.
pub trait Later: Send + Sync + std::fmt::Debug {
    /// Makes the bank process this after a delay in milliseconds.
    fn schedule(&self, after_ms: u64, deferred: Deferred);
}

/// The window of a bank that never forgets a reference: a century, in milliseconds.
const WINDOW_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1000;

impl SimulatedBank {
    /// Opens the bank with its ledger.
    ///
    /// # Errors
    /// When the ledger file cannot be read or written.
    ///
    /// # Panics
    /// Never: its name is valid.
    pub fn open(options: &SimulatedBankOptions) -> Result<Self, BankLedgerError> {
        Ok(Self {
            bank: Arc::new(Bank::open(options)?),
            name: BankName::new(SIMULATED).expect("the name is one"),
            address: simulated_address(),
            grace_ms: options.grace_ms,
            later: None,
            gullible: None,
        })
    }

    /// Gives the bank another name and address.
    pub fn named(mut self, name: BankName, address: BankAddress) -> Self {
        self.name = name;
        self.address = address;
        self
    }

    /// Makes the caller accept wrong answers of this kind.
    pub fn gullible(mut self, gullible: Option<Gullible>) -> Self {
        self.gullible = gullible;
        self
    }

    fn believes(&self, gullible: Gullible) -> bool {
        self.gullible == Some(gullible)
    }

    /// The decision in an answer, if it is about this reference.
    fn decision(&self, reference: &str, named: NamedAnswer) -> Option<Decision> {
        let about_it = is_about(reference, Some(&named.bank_reference));
        (about_it || self.believes(Gullible::Strays)).then(|| decision(named.answer))
    }

    /// Hands delayed charges to someone who outlives the caller.
    pub fn with_later(mut self, later: Arc<dyn Later>) -> Self {
        self.later = Some(later);
        self
    }

    /// Charges under any reference. Only a service that is broken on purpose needs it.
    pub async fn charge_as(
        &self,
        bank_reference: String,
        request: &PaymentRequest,
    ) -> ChargeOutcome {
        let charge = Charge {
            bank_reference: bank_reference.clone(),
            terms: ChargeTerms {
                amount: request.amount().minor_units(),
                currency: request.currency().code().to_owned(),
                debtor: request.debtor().as_str().to_owned(),
                creditor: request.creditor().as_str().to_owned(),
            },
        };
        let Ok(reaction) = self.bank.charge(&charge) else {
            // Our references are unique. If the bank says otherwise, the outcome is unknown.
            return ChargeOutcome::Unknown;
        };
        if let Some((after_ms, deferred)) = reaction.later.clone() {
            if let Some(later) = &self.later {
                later.schedule(after_ms, deferred);
            } else {
                let bank = self.bank.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after_ms)).await;
                    bank.process_late(&deferred);
                });
            }
        }
        match hear(reaction).await {
            Heard::Whole(Some(named)) => match self.decision(&bank_reference, named) {
                Some(Decision::Declined { code, .. })
                    if code.as_str() == DUPLICATE && !self.believes(Gullible::Duplicates) =>
                {
                    ChargeOutcome::Known
                }
                Some(decision) => ChargeOutcome::Decided(decision),
                None => ChargeOutcome::Unknown,
            },
            Heard::Throttled { retry_after_ms } => ChargeOutcome::Throttled { retry_after_ms },
            Heard::Gateway if self.believes(Gullible::Gateways) => {
                ChargeOutcome::Throttled { retry_after_ms: 0 }
            }
            Heard::Whole(None) | Heard::Broken | Heard::Gateway => ChargeOutcome::Unknown,
        }
    }

    /// The bank itself, for auditors and for changing its faults.
    pub fn bank(&self) -> &Bank {
        &self.bank
    }
}

/// The part of an answer that the caller gets.
enum Heard<T> {
    Whole(T),
    Broken,
    Gateway,
    Throttled { retry_after_ms: u64 },
}

/// Waits as long as the bank takes, and loses the answers that are lost. A silence ends at the caller's own time
/// limit.
async fn hear<T>(reaction: Reaction<T>) -> Heard<T> {
    if reaction.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reaction.delay_ms)).await;
    }
    match reaction.delivery {
        Delivery::Whole | Delivery::Stray => Heard::Whole(reaction.answer),
        Delivery::Gateway => Heard::Gateway,
        Delivery::Silence => pending().await,
        Delivery::Broken | Delivery::Cut | Delivery::Unreadable | Delivery::Error(_) => {
            Heard::Broken
        }
        Delivery::Throttled { retry_after_ms, .. } => Heard::Throttled { retry_after_ms },
    }
}

fn decision(answer: BankAnswer) -> Decision {
    match answer {
        BankAnswer::Confirmed { transaction_id } => Decision::Confirmed {
            bank_transaction_id: BankTransactionId::new(&transaction_id)
                .expect("the bank's own ids are short visible ASCII"),
        },
        BankAnswer::Declined { code, message } => Decision::Declined {
            code: DeclineCode::new(&code).expect("the bank's own codes are names"),
            message: DeclineMessage::new(&message).expect("the bank's own words are short"),
        },
    }
}

#[async_trait]
impl bank::Bank for SimulatedBank {
    fn name(&self) -> &BankName {
        &self.name
    }

    fn address(&self) -> &BankAddress {
        &self.address
    }

    fn capability(&self) -> Capability {
        let grace_ms = self.grace_ms;
        match self.bank.mode() {
            Mode::Keyed => Capability::Keyed {
                window_ms: self.bank.faults().key_window_ms.unwrap_or(WINDOW_MS_MAX),
                grace_ms,
            },
            Mode::InquiryOnly => Capability::InquiryOnly { grace_ms },
            Mode::Neither => Capability::Neither,
        }
    }

    async fn charge(&self, permit: SendPermit) -> ChargeOutcome {
        let reference = permit.bank_reference().to_string();
        let Request::Payment(request) = permit.request();
        self.charge_as(reference, request).await
    }

    async fn inquire(&self, bank_reference: BankReference) -> InquiryOutcome {
        let reference = bank_reference.to_string();
        let reaction = self.bank.inquire(&reference);
        match hear(reaction).await {
            Heard::Whole(Some(named)) => self
                .decision(&reference, named)
                .map_or(InquiryOutcome::Unknown, InquiryOutcome::Decided),
            Heard::Whole(None) => InquiryOutcome::NotFound,
            Heard::Gateway if self.believes(Gullible::Gateways) => InquiryOutcome::NotFound,
            Heard::Broken | Heard::Gateway | Heard::Throttled { .. } => InquiryOutcome::Unknown,
        }
    }
}
