//! Worlds in words: what a page or a trace shows to people. No digest is made of any of it.

use std::collections::BTreeMap;
use std::fmt::{self, Display};

use holdfast_core::ledger::Balance;
use holdfast_core::{Cause, Decision, Movement, MovementKind, Phase};
use holdfast_engine::bank::{ChargeOutcome, InquiryOutcome};
use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;

use super::auditor::{Failed, Standing, Wanted};
use super::plan::{Crashes, MediumRates, Mistakes, NetworkRates, Plan, Policy};
use super::trace::Lane;
use crate::bank::Mode;
use crate::faults::Rate;
use crate::store::{CommitFate, CrashPoint, Leftover};
use crate::words::list;

/// What an empty part of a plan says.
const NOTHING: &str = "nothing goes wrong";

impl Lane {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Network => "network",
            Self::Service => "service",
            Self::Store => "store",
            Self::Bank => "bank",
            Self::World => "world",
        }
    }
}

fn rates(rates: &[(f64, &str)]) -> Vec<String> {
    let happens = rates.iter().filter(|(rate, _)| *rate > 0.0);
    happens
        .map(|(rate, text)| format!("{} {text}", Rate::new(*rate)))
        .collect()
}

fn times(times_ms: &[u64]) -> String {
    let times: Vec<String> = times_ms.iter().map(|at_ms| format!("{at_ms} ms")).collect();
    times.join(", ")
}

impl Display for NetworkRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = rates(&[
            (self.lost, "of requests are lost"),
            (self.answer_lost, "of answers are lost"),
            (self.repeated, "of requests arrive twice"),
            (
                self.reset,
                "of connections break while the service works on the request",
            ),
        ]);
        if self.slow > 0.0 {
            let rate = Rate::new(self.slow);
            facts.push(format!("{rate} of messages take up to {} ms", self.slow_ms));
        }
        f.write_str(&list(&facts, NOTHING))
    }
}

impl Display for MediumRates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = vec![format!("a sync takes up to {} ms", self.sync_ms)];
        if self.slow > 0.0 {
            let rate = Rate::new(self.slow);
            facts.push(format!("{rate} of syncs take up to {} ms", self.slow_ms));
        }
        facts.extend(rates(&[
            (self.fails, "of syncs fail"),
            (self.flips, "of reads show a flipped bit"),
        ]));
        if let Some((from_ms, to_ms)) = self.full {
            facts.push(format!("the disk is full from {from_ms} ms to {to_ms} ms"));
        }
        f.write_str(&facts.join("; "))
    }
}

impl Display for Crashes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut facts = Vec::new();
        if !self.at_ms.is_empty() {
            facts.push(format!("at {}", times(&self.at_ms)));
        }
        facts.extend(rates(&[(self.in_commit, "of the steps of a commit")]));
        if !facts.is_empty() {
            facts.push(format!("down for up to {} ms each time", self.down_ms));
        }
        f.write_str(&list(&facts, "none"))
    }
}

impl Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = rates(&[
            (self.other_bank, "of restarts name another bank"),
            (self.renamed, "of restarts give the merchant another name"),
        ]);
        f.write_str(&list(&facts, "none"))
    }
}

/// A number of things, with the noun as it then is.
pub(super) fn counted(count: impl Into<u64>, one: &str) -> String {
    let count = count.into();
    let end = match (count, one.ends_with('y')) {
        (1, _) => return format!("1 {one}"),
        (_, true) => return format!("{count} {}ies", &one[..one.len() - 1]),
        (_, false) => "s",
    };
    format!("{count} {one}{end}")
}

impl Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            copies,
            copy_gap_ms,
            timeout_ms,
            retries,
            backoff_ms,
        } = *self;
        if copies > 1 {
            write!(f, "sends {copies} copies, {copy_gap_ms} ms apart; ")?;
        }
        write!(f, "waits {timeout_ms} ms for an answer; ")?;
        if retries == 0 {
            return f.write_str("does not try again");
        }
        let times = counted(retries, "time");
        write!(
            f,
            "tries again up to {times}, first after {backoff_ms} ms, then after twice as long each time"
        )
    }
}

impl Plan {
    /// What it is made of, as pairs of a name and words.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        let families: Vec<&str> = self.families.iter().map(|family| family.name()).collect();
        let jumps: Vec<String> = self
            .jumps
            .iter()
            .map(|(at_ms, by_ms)| {
                let way = if *by_ms < 0 { "back" } else { "forward" };
                format!("at {at_ms} ms {way} by {} ms", by_ms.unsigned_abs())
            })
            .collect();
        let stops = if self.stops.is_empty() {
            "none".to_owned()
        } else {
            format!("at {}", times(&self.stops))
        };
        let promise = match self.mode {
            Mode::Keyed => "answers a repeat of a reference as the first time",
            Mode::InquiryOnly => "processes every charge, and can be asked by reference",
            Mode::Neither => "processes every charge, and knows nothing when asked",
        };
        vec![
            (
                "families of faults",
                if families.is_empty() {
                    "none".to_owned()
                } else {
                    families.join(", ")
                },
            ),
            ("network", self.network.to_string()),
            ("bank", format!("{promise}; {}", self.bank)),
            (
                "grace",
                format!(
                    "for {} ms after an attempt, \"not found\" proves nothing",
                    self.grace_ms
                ),
            ),
            ("disk", self.medium.to_string()),
            ("crashes", self.crashes.to_string()),
            ("clock jumps", list(&jumps, "none")),
            ("orderly stops", stops),
            ("mistakes at restarts", self.mistakes.to_string()),
            ("the service's bounds", bounds(&self.options, &self.lane)),
            ("all faults end", format!("at {} ms", self.heal_ms)),
        ]
    }
}

fn bounds(options: &ServiceOptions, lane: &LaneOptions) -> String {
    // Taken apart, so that a new bound is not left out here.
    let ServiceOptions {
        cache_bytes,
        flights_max,
        backoff,
        budgets,
        batch_max,
        expire_after_ms,
    } = options;
    let LaneOptions {
        calls_max,
        timeout_ms,
        breaker,
    } = lane;
    [
        format!("a cache of {cache_bytes} bytes"),
        format!("up to {flights_max} payments in flight"),
        format!(
            "up to {} to the bank at once, each for up to {timeout_ms} ms",
            counted(*calls_max as u64, "call")
        ),
        format!(
            "up to {} and {}, first {} ms apart, later up to {} ms",
            counted(budgets.attempts_max, "attempt"),
            counted(budgets.inquiries_max, "inquiry"),
            backoff.base_ms,
            backoff.cap_ms
        ),
        format!(
            "after {} in a row no call to the bank for {} ms, later for up to {} ms",
            counted(breaker.failures_max, "failure"),
            breaker.open_ms,
            breaker.open_ms_max
        ),
        format!("up to {} in a commit", counted(*batch_max as u64, "write")),
        format!("a payment not sent within {expire_after_ms} ms expires"),
    ]
    .join("; ")
}

impl Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Persisted => "persisted",
            Self::Called(Phase::Awaiting) => "sent to the bank",
            Self::Called(Phase::Unknown) => "outcome unknown",
            Self::Called(Phase::Review) => "in review",
            Self::Settled => "settled",
            Self::Failed(Failed::Uncharged) => "failed without a debit",
            Self::Failed(Failed::Resolved) => "failed by an operator's decision",
        })
    }
}

impl Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            amount,
            currency,
            debtor,
            creditor,
        } = self;
        write!(f, "{amount} {currency} from {debtor} to {creditor}")
    }
}

pub(super) fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Request => "a request was admitted".to_owned(),
        Cause::Dispatch => "an attempt is about to be sent".to_owned(),
        Cause::BankAnswer => "the bank answered".to_owned(),
        Cause::NotSent => "the attempt was not processed".to_owned(),
        Cause::NoAnswer => "there was no usable answer".to_owned(),
        Cause::Known => "the bank has the reference already".to_owned(),
        Cause::Inquiry => "the bank was asked".to_owned(),
        Cause::Recovery => "an attempt was found interrupted at start".to_owned(),
        Cause::BudgetSpent => "attempts or inquiries are used up".to_owned(),
        Cause::Cancel => "the client cancelled".to_owned(),
        Cause::Timer => "a time limit passed".to_owned(),
        Cause::Resolution {
            operator, evidence, ..
        } => format!("{operator} decided: {evidence}"),
        Cause::Contradiction(said) => format!("the bank says otherwise: {}", decision(said)),
        Cause::WatchEnded => "the watch of the bank ended".to_owned(),
    }
}

fn decision(said: &Decision) -> String {
    match said {
        Decision::Confirmed {
            bank_transaction_id,
        } => format!("confirmed as {bank_transaction_id}"),
        Decision::Declined { code, message } => format!("declined as {code}: {message}"),
    }
}

pub(super) fn charged(outcome: &ChargeOutcome) -> String {
    match outcome {
        ChargeOutcome::Decided(said) => format!("answers: {}", decision(said)),
        ChargeOutcome::NotSent => "was not reached".to_owned(),
        ChargeOutcome::Throttled { retry_after_ms } => {
            format!("did not process it: come back in {retry_after_ms} ms")
        }
        ChargeOutcome::Known => "refuses it as a duplicate".to_owned(),
        ChargeOutcome::Unknown => "gives no usable answer".to_owned(),
    }
}

pub(super) fn inquired(outcome: &InquiryOutcome) -> String {
    match outcome {
        InquiryOutcome::Decided(said) => format!("says: {}", decision(said)),
        InquiryOutcome::NotFound => "says: not found".to_owned(),
        InquiryOutcome::Unknown => "gives no usable answer".to_owned(),
    }
}

pub(super) const fn fate(fate: CommitFate) -> &'static str {
    match fate {
        CommitFate::Synced => "it succeeds",
        CommitFate::NoRoom => "the disk is full, nothing is written",
        CommitFate::SyncFails => "it fails",
    }
}

pub(super) const fn crash(point: Option<CrashPoint>) -> &'static str {
    match point {
        None => "CRASH",
        Some(CrashPoint::BeforeWrite) => "CRASH before a commit is written",
        Some(CrashPoint::BeforeSync) => "CRASH after a commit is written, before it is synced",
        Some(CrashPoint::AfterSync) => "CRASH after a commit is synced, before anybody hears of it",
    }
}

pub(super) const fn leftover(left: Leftover) -> &'static str {
    match left {
        Leftover::Clean => "everything was synced",
        Leftover::Lost => "what was not synced is lost",
        Leftover::Torn => "a part of what was not synced is left",
        Leftover::Whole => "what was not synced is there all the same",
    }
}

const fn kind(kind: MovementKind) -> &'static str {
    match kind {
        MovementKind::Hold => "hold",
        MovementKind::Post => "post",
        MovementKind::Void => "void",
    }
}

/// The kind of a movement, where there is one.
pub(super) fn moves(moved: Option<MovementKind>) -> &'static str {
    moved.map_or("nothing", kind)
}

pub(super) fn movement(movement: &Movement) -> String {
    let Movement {
        kind: moved,
        debit,
        credit,
        amount,
        currency,
    } = movement;
    format!(
        "{}: {} {} from {debit} to {credit}",
        kind(*moved),
        amount.minor_units(),
        currency.code()
    )
}

/// An account's four sums.
pub(super) fn sums(sums: &[u64; 4]) -> String {
    let &[
        debits_pending,
        debits_posted,
        credits_pending,
        credits_posted,
    ] = sums;
    let balance = Balance {
        debits_pending,
        debits_posted,
        credits_pending,
        credits_posted,
    };
    balance.to_string()
}

/// An account's sums in each currency.
pub(super) fn balances(balances: &BTreeMap<String, [u64; 4]>) -> String {
    let each: Vec<String> = balances
        .iter()
        .map(|(currency, each)| format!("{currency}: {}", sums(each)))
        .collect();
    list(&each, "empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::{Family, Mask, Scenario};

    /// Whatever is drawn, no name of a type or a field gets into the words.
    #[test]
    fn a_plan_is_told_in_plain_words() {
        for seed in 0..200 {
            let plan = Plan::draw(seed, Scenario::Swarm);
            let policies = plan.operations.iter().map(|one| one.policy.to_string());
            let facts = plan.facts().into_iter().map(|(_, words)| words);
            for words in facts.chain(policies) {
                let is_prose = !words.contains(['{', '}', '(', ')', '[', ']', '_']);
                assert!(is_prose && !words.contains("None"), "{seed}: {words}");
                assert!(!words.is_empty(), "{seed}");
                assert!(!words.chars().any(char::is_uppercase), "{seed}: {words}");
            }
        }
    }

    #[test]
    fn a_plan_without_faults_says_so() {
        let plan = Plan::draw(1, Scenario::Swarm);
        let mask = Mask {
            families: Family::ALL.into(),
            ..Mask::default()
        };
        let plan = plan.masked(&mask);
        let facts: BTreeMap<_, _> = plan.facts().into_iter().collect();
        assert_eq!(facts["network"], NOTHING);
        for name in [
            "families of faults",
            "crashes",
            "clock jumps",
            "orderly stops",
        ] {
            assert_eq!(facts[name], "none", "{name}");
        }
    }

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(counted(1_u64, "inquiry"), "1 inquiry");
        assert_eq!(counted(3_u64, "inquiry"), "3 inquiries");
        assert_eq!(counted(2_u64, "call"), "2 calls");
    }
}
