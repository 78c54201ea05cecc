//! Plans in words for people. No digest covers any of it.

use std::fmt::{self, Display};

use holdfast_engine::lanes::LaneOptions;
use holdfast_engine::service::ServiceOptions;

use super::Plan;
use super::operation::Policy;
use super::rates::{Crashes, MediumRates, Mistakes, NetworkRates};
use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::Rate;
use holdfast_bank_simulator::phrases::{counted, list};

/// The text of a part of a plan without faults.
const NOTHING: &str = "nothing goes wrong";

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
            facts.push(format!("each time down for up to {} ms", self.down_ms));
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
    /// The parts of the plan, as pairs of a name and a description.
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
            Mode::Keyed => "repeats its first answer for a repeated reference",
            Mode::InquiryOnly => "processes every charge, and can look a reference up",
            Mode::Neither => "processes every charge, and cannot look a reference up",
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
            ("limits of the service", bounds(&self.options, &self.lane)),
            ("all faults end", format!("at {} ms", self.heal_ms)),
        ]
    }
}

fn bounds(options: &ServiceOptions, lane: &LaneOptions) -> String {
    // Destructured, so that a new limit cannot be forgotten here.
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
            "after {} in a row, no calls to the bank for {} ms, later for up to {} ms",
            counted(breaker.failures_max, "failure"),
            breaker.open_ms,
            breaker.open_ms_max
        ),
        format!("up to {} in a commit", counted(*batch_max as u64, "write")),
        format!("a payment not sent within {expire_after_ms} ms expires"),
    ]
    .join("; ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::{Family, Mask, Scenario};
    use super::*;

    /// No description contains the name of a type or a field, whatever the seed.
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
}
