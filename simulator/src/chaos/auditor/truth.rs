//! Checks against the bank: the attempts it receives, its ledger, and the state of all payments at the end.

use std::collections::BTreeMap;

use holdfast_core::{BankName, Phase};

use super::super::describe;
use super::super::plan::Plan;
use super::{Auditor, Balances, Failed, Invariant, Standing, Wanted};
use holdfast_bank_simulator::phrases::counted;
use holdfast_bank_simulator::{AuditLine, Mode};

impl Auditor {
    /// Called when the bank receives an attempt.
    pub(in crate::chaos) fn heard(&mut self, reference: &str, amount: u64, attempt: u32) {
        let known = self
            .by_reference
            .get(reference)
            .map(|id| &self.payments[id]);
        let Some(known) = known else {
            let detail = format!("the bank receives {reference}, but nothing about it is durable");
            let key = Wanted::key_of(amount);
            return self.violated(Invariant::IntentBeforeBank, key, detail);
        };
        let (key, standing, attempts) = (known.key, known.standing(), known.attempts);
        self.check(
            attempts == attempt && standing == Standing::Called(Phase::Awaiting),
            Invariant::IntentBeforeBank,
            Some(key),
            || {
                format!(
                    "the bank receives attempt {attempt}, but attempt {attempts} is durable, {standing}"
                )
            },
        );
    }

    /// Called after the bank has processed a charge, with the number of debits.
    pub(in crate::chaos) fn processed(&mut self, amount: u64, debits: u32) {
        let key = Wanted::key_of(amount);
        self.check(debits <= 1, Invariant::OneDebit, key, || {
            format!("debited {}", counted(debits, "time"))
        });
    }

    /// Checks that every payment has ended, or is in review with no option left. Called when the faults have ended some
    /// time ago.
    pub(in crate::chaos) fn all_ended(&mut self, plan: &Plan, bank: &BankName) {
        let waiting: Vec<(u32, Standing)> = self
            .payments
            .values()
            .filter(|known| match known.standing() {
                Standing::Settled | Standing::Failed(_) | Standing::Called(Phase::Review) => false,
                Standing::Persisted | Standing::Called(_) => true,
            })
            .map(|known| (known.key, known.standing()))
            .collect();
        let watched = self
            .payments
            .values()
            .find(|known| known.is_watched_by(bank));
        let watched = watched.map(|known| known.key);
        self.check(
            watched.is_none(),
            Invariant::EveryPaymentEnds,
            watched,
            || "the watch of the bank after an operator's decision has not ended".to_owned(),
        );
        self.checks += 1;
        if let Some((key, standing)) = waiting.first() {
            let detail = format!(
                "{} payments have not ended; the first is {standing}",
                waiting.len()
            );
            self.violated(Invariant::EveryPaymentEnds, Some(*key), detail);
        }
        if plan.mode == Mode::Keyed && plan.families.is_empty() {
            let reviewed = self
                .payments
                .values()
                .find(|known| known.standing() == Standing::Called(Phase::Review));
            if let Some(key) = reviewed.map(|known| known.key) {
                let detail = "in review, although there were no faults";
                self.violated(Invariant::EveryPaymentEnds, Some(key), detail);
            }
        }
    }

    /// Checks every outcome against the bank's ledger.
    pub(in crate::chaos) fn books(&mut self, lines: &[AuditLine]) {
        let mut debits: BTreeMap<u32, u32> = BTreeMap::new();
        for line in lines {
            match Wanted::key_of(line.terms.amount) {
                Some(key) => *debits.entry(key).or_default() += line.debits,
                None => self.violated(
                    Invariant::OneDebit,
                    None,
                    "a debit that belongs to no payment",
                ),
            }
        }
        let keys: Vec<(u32, u32)> = debits.iter().map(|(key, times)| (*key, *times)).collect();
        for (key, times) in keys {
            self.check(times <= 1, Invariant::OneDebit, Some(key), || {
                format!("debited {}", counted(times, "time"))
            });
            let known = self.of_key(key).is_some();
            self.check(known, Invariant::IntentBeforeBank, Some(key), || {
                "debited, but nothing is durable".to_owned()
            });
        }
        let outcomes: Vec<(u32, Standing, bool)> = self
            .payments
            .values()
            .map(|known| (known.key, known.standing(), known.resolved))
            .collect();
        for (key, standing, resolved) in outcomes {
            let times = debits.get(&key).copied().unwrap_or(0);
            match standing {
                // An operator decided against the bank: the contradiction is recorded, and nothing changes.
                Standing::Settled if !resolved => {
                    self.check(times == 1, Invariant::SettledIsCharged, Some(key), || {
                        format!("settled, but debited {}", counted(times, "time"))
                    });
                }
                Standing::Failed(Failed::Uncharged) => {
                    self.check(times == 0, Invariant::FailedIsUncharged, Some(key), || {
                        format!("failed, but debited {}", counted(times, "time"))
                    });
                }
                Standing::Settled
                | Standing::Failed(Failed::Resolved)
                | Standing::Persisted
                | Standing::Called(_) => {}
            }
        }
    }

    /// The expected balances of all accounts.
    pub(in crate::chaos) const fn balances(&self) -> &Balances {
        &self.balances
    }

    /// Checks an account, as the service shows it, against the sums of all movements.
    pub(in crate::chaos) fn account(&mut self, account: &str, shown: &BTreeMap<String, [u64; 4]>) {
        let expected: BTreeMap<String, [u64; 4]> = self
            .balances
            .iter()
            .filter(|((name, _), _)| name == account)
            .map(|((_, currency), sums)| (currency.clone(), *sums))
            .collect();
        self.check(*shown == expected, Invariant::Ledger, None, || {
            format!(
                "{account} shows {}, but its movements add up to {}",
                describe::balances(shown),
                describe::balances(&expected)
            )
        });
    }

    /// Checks that debits equal credits over all accounts.
    pub(in crate::chaos) fn sums(&mut self) {
        let mut sums: BTreeMap<&str, [u64; 4]> = BTreeMap::new();
        for ((_, currency), balance) in &self.balances {
            let sum = sums.entry(currency).or_default();
            for (total, part) in sum.iter_mut().zip(balance) {
                *total += part;
            }
        }
        let wrong = sums
            .iter()
            .find(|(_, sum)| sum[0] != sum[2] || sum[1] != sum[3]);
        let detail = wrong.map(|(currency, sum)| format!("{currency}: {}", describe::sums(sum)));
        let holds = detail.is_none();
        self.check(holds, Invariant::Ledger, None, || {
            detail.unwrap_or_default()
        });
    }

    /// Checks the feed against the journal.
    pub(in crate::chaos) fn feed(&mut self, sequences: &[u64]) {
        let expected = self.sequence;
        let dense = sequences.iter().copied().eq(1..=expected);
        self.check(dense, Invariant::Journal, None, || {
            format!("the feed has {} entries of {expected}", sequences.len())
        });
    }
}
