//! The auditor: a model of its own, fed only by what became durable, what clients were shown, and what the
//! bank's books hold. It shares no code with the engine that it judges: edges, sums and bounds are
//! written here once more.

mod answers;
mod journal;
mod truth;

use std::collections::BTreeMap;

use bytes::Bytes;
use holdfast_core::journal::{Digest, Head};
use holdfast_core::{BankName, OperationId, Phase};
use serde::Serialize;

pub(super) use answers::Asked;

use super::plan::Plan;

/// Something that must always hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invariant {
    /// What was durable, or shown to anyone, is there for ever.
    AcknowledgedStays,
    /// At most one debit per key.
    OneDebit,
    /// Payments move along the edges of the state machine only.
    LegalEdges,
    /// Nothing follows on a final state.
    FinalIsFinal,
    /// The mark "about to call" is durable before the bank hears of it.
    IntentBeforeBank,
    /// Every repeat of a finished payment gets the same bytes.
    SameAnswer,
    /// Another request under a known key is refused.
    OtherRequestRefused,
    /// Nobody is shown what is not durable.
    DurableBeforeShown,
    /// An answer says of a payment what was asked for.
    AnswerMatchesRequest,
    /// An answer is one that the contract knows.
    KnownAnswer,
    /// Debits and credits agree, and each payment holds once, then posts or voids once.
    Ledger,
    /// The journal is dense and chained, and the feed is the journal.
    Journal,
    /// Attempts, inquiries and waits stay within their bounds.
    Bounds,
    /// Nobody sees a payment go back in time.
    Linearizable,
    /// A failed payment was not debited.
    FailedIsUncharged,
    /// A settled payment was debited.
    SettledIsCharged,
    /// A damaged record stops the service, and a failed one does not run on.
    StopsLoudly,
    /// Every accepted payment ends once the faults have ended, and so does every watch of the bank.
    EveryPaymentEnds,
    /// Every request gets an answer.
    EveryRequestAnswered,
}

impl Invariant {
    /// Whether something bad happened, rather than something good not.
    pub const fn is_safety(self) -> bool {
        !matches!(self, Self::EveryPaymentEnds | Self::EveryRequestAnswered)
    }

    /// What must hold, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::AcknowledgedStays => "what was durable is there for ever",
            Self::OneDebit => "at most one debit per key",
            Self::LegalEdges => "payments move along the edges of the state machine only",
            Self::FinalIsFinal => "nothing follows on a final state",
            Self::IntentBeforeBank => "the intent is durable before the bank hears of it",
            Self::SameAnswer => "every repeat of a finished payment gets the same bytes",
            Self::OtherRequestRefused => "another request under a known key is refused",
            Self::DurableBeforeShown => "nobody is shown what is not durable",
            Self::AnswerMatchesRequest => "an answer says of a payment what was asked for",
            Self::KnownAnswer => "an answer is one that the contract knows",
            Self::Ledger => "debits and credits agree; each hold is posted or voided once",
            Self::Journal => "the journal is dense and chained, and the feed is the journal",
            Self::Bounds => "attempts, inquiries and waits stay within their bounds",
            Self::Linearizable => "nobody sees a payment go back in time",
            Self::FailedIsUncharged => "a failed payment was not debited",
            Self::SettledIsCharged => "a settled payment was debited",
            Self::StopsLoudly => "a damaged store stops the service",
            Self::EveryPaymentEnds => "every accepted payment ends once the faults have ended",
            Self::EveryRequestAnswered => "every request gets an answer",
        }
    }
}

/// Something that must always hold did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// What must hold.
    pub invariant: Invariant,
    /// Of which key.
    pub key: Option<u32>,
    /// When it was seen, in virtual milliseconds.
    pub at_ms: u64,
    /// What was seen.
    pub detail: String,
}

/// Where a payment stands, as the auditor sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Standing {
    /// Admitted, not sent.
    Persisted,
    /// The bank may have it.
    Called(Phase),
    /// Final.
    Settled,
    /// Final.
    Failed(Failed),
}

/// Why a payment failed, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) enum Failed {
    /// The bank declined, or it was never sent.
    Uncharged,
    /// An operator said so.
    Resolved,
}

impl Standing {
    /// Whether nothing may follow.
    pub(in crate::chaos) const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::Failed(_))
    }
}

/// What was asked for under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chaos) struct Wanted {
    /// Minor units; unique to key and variant.
    pub(in crate::chaos) amount: u64,
    /// ISO 4217 code.
    pub(in crate::chaos) currency: &'static str,
    /// Who pays.
    pub(in crate::chaos) debtor: String,
    /// Who is paid.
    pub(in crate::chaos) creditor: String,
}

const VARIANT_APART: u64 = 1_000_000;
const AMOUNT_LEAST: u64 = 1_000;

impl Wanted {
    /// What a client asks for.
    pub(in crate::chaos) fn of(key: u32, variant: u32) -> Self {
        Self {
            amount: AMOUNT_LEAST + u64::from(key) + u64::from(variant) * VARIANT_APART,
            currency: ["EUR", "USD", "JPY"][(key % 7 % 3) as usize],
            debtor: format!("acct_c{}", key % 5),
            creditor: if key % 11 == 10 {
                "acct_declined".to_owned()
            } else {
                format!("acct_shop{}", key % 3)
            },
        }
    }

    /// The key that an amount belongs to.
    pub(in crate::chaos) fn key_of(amount: u64) -> Option<u32> {
        u32::try_from((amount % VARIANT_APART).checked_sub(AMOUNT_LEAST)?).ok()
    }

    /// As the body of a request.
    pub(in crate::chaos) fn body(&self) -> Bytes {
        let Self {
            amount,
            currency,
            debtor,
            creditor,
        } = self;
        Bytes::from(format!(
            r#"{{"amount":{amount},"currency":"{currency}","debtor":"{debtor}","creditor":"{creditor}"}}"#
        ))
    }
}

/// A payment as the auditor knows it.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Known {
    /// Under which key.
    pub(in crate::chaos) key: u32,
    /// What was asked for.
    pub(in crate::chaos) wanted: Wanted,
    /// Where it stood after each version, from 1.
    pub(in crate::chaos) standings: Vec<Standing>,
    /// Attempts that were made durable.
    pub(in crate::chaos) attempts: u32,
    /// Attempts that were held back, because their time was over.
    held_back: u32,
    /// For which bank it was admitted.
    pub(in crate::chaos) bank: Option<BankName>,
    /// Whether an operator decided it.
    pub(in crate::chaos) resolved: bool,
    /// Whether the bank is asked about it after an operator's decision.
    pub(in crate::chaos) watched: bool,
    /// How many movements of each kind there were: hold, post, void.
    pub(in crate::chaos) moved: [u32; 3],
    /// The first final answer to a create: status and body.
    frozen: Option<(u16, Bytes)>,
    /// The highest version that anyone was shown.
    pub(in crate::chaos) shown: u64,
    /// In which life it finished.
    pub(in crate::chaos) finished_in: Option<u32>,
}

impl Known {
    /// Where it stands.
    pub(in crate::chaos) fn standing(&self) -> Standing {
        self.standings[self.standings.len() - 1]
    }

    /// Its version.
    pub(in crate::chaos) fn version(&self) -> u64 {
        self.standings.len() as u64
    }

    /// Whether this bank is asked about it after an operator's decision.
    pub(in crate::chaos) fn is_watched_by(&self, bank: &BankName) -> bool {
        self.watched && self.bank.as_ref() == Some(bank)
    }
}

/// Sums of an account: debits pending and posted, credits pending and posted.
pub(in crate::chaos) type Balances = BTreeMap<(String, String), [u64; 4]>;

/// Watches a world.
#[derive(Debug)]
pub(in crate::chaos) struct Auditor {
    bounds: Bounds,
    /// By id, what is known.
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

/// How far the durable bytes were read: how many frames, and where the journal stood after them.
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

    /// Notes that something did not hold; the first counts.
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

    /// What is known of a key.
    pub(in crate::chaos) fn of_key(&self, key: u32) -> Option<&Known> {
        self.payments.get(self.by_key.get(&key)?)
    }

    /// The key of a bank reference.
    pub(in crate::chaos) fn key_of_reference(&self, reference: &str) -> Option<u32> {
        let id = self.by_reference.get(reference)?;
        Some(self.payments[id].key)
    }
}
