//! The two banks of a world: the usual one, and another that a wrong configuration may name.
//!
//! They have separate ledgers, as real banks do. The debits of a key are those of both banks together.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_core::{BankAddress, BankName};

use super::ground::Ground;
use super::plan::Plan;
use super::sabotage::Sabotage;
use super::which_bank::WhichBank;
use holdfast_bank_simulator::faults::{Fault, FaultProfile};
use holdfast_bank_simulator::{
    AuditLine, Deferred, Gullible, Later, SimulatedBank, SimulatedBankOptions,
};

/// Their names.
const NAMES: [&str; 2] = ["usual", "other"];

/// Both.
#[derive(Debug, Clone)]
pub(super) struct Banks([SimulatedBank; 2]);

/// Schedules delayed charges at the bank that took them.
#[derive(Debug)]
struct LateAt {
    ground: Arc<Ground>,
    which: WhichBank,
}

impl Later for LateAt {
    fn schedule(&self, after_ms: u64, deferred: Deferred) {
        self.ground.schedule(after_ms, self.which, deferred);
    }
}

impl Banks {
    pub(super) fn new(ground: &Arc<Ground>) -> Self {
        Self([WhichBank::Usual, WhichBank::Other].map(|which| open(ground, which)))
    }

    /// One of them.
    pub(super) const fn get(&self, which: WhichBank) -> &SimulatedBank {
        &self.0[which as usize]
    }

    /// How often a reference was debited, at both banks together.
    pub(super) fn debits_of(&self, reference: &str) -> u32 {
        let debits = self.0.iter().map(|bank| bank.bank().debits_of(reference));
        debits.sum()
    }

    /// All debits.
    pub(super) fn audit(&self) -> Vec<AuditLine> {
        let lines = self.0.iter().map(|bank| bank.bank().audit(0, usize::MAX).0);
        lines.flatten().collect()
    }

    /// The faults that they injected.
    pub(super) fn injected(&self) -> BTreeMap<Fault, u64> {
        let mut sums = BTreeMap::new();
        for bank in &self.0 {
            for (fault, times) in bank.bank().injected() {
                *sums.entry(fault).or_default() += times;
            }
        }
        sums
    }

    /// Ends all their faults, except that they still forget references.
    pub(super) fn heal(&self) {
        for bank in &self.0 {
            let key_window_ms = bank.bank().faults().key_window_ms;
            bank.bank().set_faults(FaultProfile {
                key_window_ms,
                ..FaultProfile::default()
            });
        }
    }
}

fn open(ground: &Arc<Ground>, which: WhichBank) -> SimulatedBank {
    let plan: &Plan = &ground.plan;
    let name = NAMES[which as usize];
    let bank = SimulatedBank::open(&SimulatedBankOptions {
        mode: plan.mode,
        faults: plan.bank.clone(),
        seed: ground.draw("bank").with(which as u64).value(),
        grace_ms: plan.grace_ms,
        ledger: None,
        time: Some(ground.time.clone()),
    });
    let gullible = match ground.sabotage {
        Some(Sabotage::StrayBelieved) => Some(Gullible::Strays),
        Some(Sabotage::GatewayBelieved) => Some(Gullible::Gateways),
        Some(Sabotage::DuplicateIsDecline) => Some(Gullible::Duplicates),
        _ => None,
    };
    let ground = ground.clone();
    bank.expect("a bank without a file opens")
        .named(
            BankName::new(name).expect("a name"),
            BankAddress::new(&format!("bank://{name}")).expect("an address"),
        )
        .gullible(gullible)
        .with_later(Arc::new(LateAt { ground, which }))
}
