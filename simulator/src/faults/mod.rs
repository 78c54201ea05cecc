//! The fault model: what goes wrong with a call, as data drawn from a seed.
//!
//! Architecture invariant: nothing here keeps state, reads a clock or waits. The same profile, seed
//! and call give the same plan, whatever else was drawn and in whatever order. What the plan means on
//! a socket, or to a caller in the same process, is the adapters' affair.

mod profile;
mod written;

use holdfast_core::{DeclineCode, DeclineMessage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use profile::{FaultProfile, PROFILES, Range, Rate, Timed};
pub use written::InvalidProfile;

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The request is lost before it is processed; no answer.
    LostBefore,
    /// The request is processed; the answer is lost.
    LostAfter,
    /// The request is processed; the connection breaks in the middle of the answer.
    ResetMidAnswer,
    /// The request is processed; the answer cannot be read.
    Unreadable,
    /// A 5xx; not processed.
    ErrorBefore,
    /// A 5xx; processed all the same.
    ErrorAfter,
    /// 429 or 503 with `Retry-After`; not processed.
    Throttled,
    /// Processed at once; the answer comes late.
    Slow,
    /// No answer; processed long after, when the caller has given up.
    Late,
    /// Declined.
    Declined,
    /// Nothing is taken in for a while: connections break before anything is processed.
    Outage,
    /// The request reaches the bank twice. A keyed bank absorbs the second one; a bank without any
    /// deduplication debits twice.
    Duplicate,
    /// The answer is one about another reference; processed or not.
    Stray,
    /// The request is processed, and a gateway in front of the bank answers in its place: `503` with `Retry-After` to a
    /// charge, `404` to an inquiry.
    Gateway,
    /// A keyed bank refuses a repeat of a reference as a duplicate, instead of giving its first answer.
    RepeatRefused,
    /// A reference that was debited is "not found" for a while when asked for.
    InquiryNotFound,
    /// A keyed bank has forgotten a reference, because its window has passed.
    Forgotten,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::LostBefore,
        Self::LostAfter,
        Self::ResetMidAnswer,
        Self::Unreadable,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::Throttled,
        Self::Slow,
        Self::Late,
        Self::Declined,
        Self::Outage,
        Self::Duplicate,
        Self::Stray,
        Self::Gateway,
        Self::RepeatRefused,
        Self::InquiryNotFound,
        Self::Forgotten,
    ];

    /// Its name in profiles and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostBefore => "lost_before",
            Self::LostAfter => "lost_after",
            Self::ResetMidAnswer => "reset_mid_answer",
            Self::Unreadable => "unreadable",
            Self::ErrorBefore => "error_before",
            Self::ErrorAfter => "error_after",
            Self::Throttled => "throttled",
            Self::Slow => "slow",
            Self::Late => "late",
            Self::Declined => "declined",
            Self::Outage => "outage",
            Self::Duplicate => "duplicate",
            Self::Stray => "stray",
            Self::Gateway => "gateway",
            Self::RepeatRefused => "repeat_refused",
            Self::InquiryNotFound => "inquiry_not_found",
            Self::Forgotten => "forgotten",
        }
    }
}

/// What kind of call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// A charge.
    Charge,
    /// An inquiry by reference.
    Inquire,
}

/// A call, as far as its faults depend on it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its kind.
    pub operation: Operation,
    /// The reference it is about.
    pub reference: &'a str,
    /// The how manieth call of this kind about this reference, from 1.
    pub number: u32,
}

/// Whether and when the bank processes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processing {
    /// Not at all.
    Never,
    /// Before it answers.
    Now,
    /// Before it answers, twice.
    Twice,
    /// So many milliseconds after the call.
    After(u64),
}

/// What becomes of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It arrives.
    Whole,
    /// Nothing arrives; the connection stays open.
    Silence,
    /// The connection breaks before a byte of it.
    Broken,
    /// The connection breaks in the middle of it.
    Cut,
    /// An answer about another reference arrives in its place.
    Stray,
    /// What arrives is a gateway's, which looks as if the request had not been processed.
    Gateway,
    /// Something arrives that cannot be read.
    Unreadable,
    /// This status arrives in its place.
    Error(u16),
    /// This status arrives in its place, with `Retry-After`.
    Throttled {
        /// 429 or 503.
        status: u16,
        /// How long to stay away, in milliseconds.
        retry_after_ms: u64,
    },
}

/// What is to happen with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What goes wrong, if anything does.
    pub fault: Option<Fault>,
    /// Whether the bank processes it.
    pub processing: Processing,
    /// How long the bank takes for it, in milliseconds.
    pub delay_ms: u64,
    /// What becomes of the answer.
    pub delivery: Delivery,
    /// How the bank decides, if it comes to that: `None` to confirm.
    pub decline: Option<(DeclineCode, DeclineMessage)>,
    /// Whether a repeat of a reference is refused as a duplicate.
    pub refuses_repeat: bool,
    /// How long an outage begins with this call, in milliseconds.
    pub outage_ms: Option<u64>,
    /// How long a debit made by this call is not found when asked for, in milliseconds.
    pub hidden_ms: Option<u64>,
}

/// Codes and words of declines, as real banks have them.
const DECLINES: [(&str, &str); 4] = [
    ("insufficient_funds", "The account has not enough funds."),
    ("account_closed", "The account is closed."),
    ("suspected_fraud", "The payment looks like fraud."),
    ("limit_exceeded", "The account's limit is exceeded."),
];

/// A decline with one of the known codes, by number.
pub(crate) fn decline(number: usize) -> (DeclineCode, DeclineMessage) {
    let (code, message) = DECLINES[number % DECLINES.len()];
    (
        DeclineCode::new(code).expect("a valid code"),
        DeclineMessage::new(message).expect("a valid message"),
    )
}

impl FaultProfile {
    /// Draws what is to happen with a call.
    pub fn plan(&self, seed: u64, call: Call<'_>) -> Plan {
        if self.is_healthy() {
            return Plan::good(self.latency_ms.min());
        }
        // Each question has its own draw in a fixed order, so that changing one rate moves no
        // other answer.
        let mut random = random_of(seed, call);
        let latency_ms = self.latency_ms.at(random.random());
        let fault = self.fault(call.operation, &mut random);
        let within: f64 = random.random();
        let declined = self.declined.holds(random.random());
        let hidden = self.inquiry_not_found.holds(random.random());
        let hidden_ms = self.inquiry_not_found.ms.at(random.random());
        let kind: f64 = random.random();
        let refuses_repeat = self.repeat_refused.holds(random.random());

        let mut plan = Plan::good(latency_ms);
        plan.fault = fault;
        plan.refuses_repeat = refuses_repeat;
        if declined {
            plan.decline = Some(decline(usize::from(random.random::<u8>())));
        }
        plan.hidden_ms = hidden.then_some(hidden_ms);
        if let Some(fault) = fault {
            plan.go_wrong(fault, self, within, kind);
        }
        plan
    }

    /// At most one of the faults happens to a call: the first whose own draw holds.
    fn fault(&self, operation: Operation, random: &mut StdRng) -> Option<Fault> {
        let mut happens = None;
        for (fault, rate) in self.exclusive() {
            // An inquiry changes nothing, so there is no processing to be late or doubled.
            let fits = match (operation, fault) {
                (Operation::Inquire, Fault::Late | Fault::Duplicate) => false,
                (Operation::Charge | Operation::Inquire, _) => true,
            };
            if rate.holds(random.random()) && fits {
                happens = happens.or(Some(fault));
            }
        }
        happens
    }
}

impl Plan {
    const fn good(latency_ms: u64) -> Self {
        Self {
            fault: None,
            processing: Processing::Now,
            delay_ms: latency_ms,
            delivery: Delivery::Whole,
            decline: None,
            refuses_repeat: false,
            outage_ms: None,
            hidden_ms: None,
        }
    }

    /// What an outage makes of any call.
    pub(crate) fn down() -> Self {
        Self {
            fault: Some(Fault::Outage),
            processing: Processing::Never,
            delivery: Delivery::Broken,
            ..Self::good(0)
        }
    }

    fn go_wrong(&mut self, fault: Fault, profile: &FaultProfile, within: f64, kind: f64) {
        let (processing, delivery) = match fault {
            Fault::LostBefore => (Processing::Never, Delivery::Silence),
            Fault::LostAfter => (Processing::Now, Delivery::Silence),
            Fault::ResetMidAnswer => (Processing::Now, Delivery::Cut),
            Fault::Unreadable => (Processing::Now, Delivery::Unreadable),
            Fault::ErrorBefore => (Processing::Never, Delivery::Error(error_status(kind))),
            Fault::ErrorAfter => (Processing::Now, Delivery::Error(error_status(kind))),
            Fault::Throttled => {
                let status = if kind < 0.5 { 429 } else { 503 };
                let retry_after_ms = profile.throttled.ms.at(within);
                let delivery = Delivery::Throttled {
                    status,
                    retry_after_ms,
                };
                (Processing::Never, delivery)
            }
            Fault::Slow => {
                self.delay_ms = profile.slow.ms.at(within);
                (Processing::Now, Delivery::Whole)
            }
            Fault::Late => {
                let after_ms = profile.late.ms.at(within);
                (Processing::After(after_ms), Delivery::Silence)
            }
            Fault::Outage => {
                self.outage_ms = Some(profile.outage.ms.at(within));
                (Processing::Never, Delivery::Broken)
            }
            Fault::Duplicate => (Processing::Twice, Delivery::Whole),
            Fault::Stray if within < 0.5 => (Processing::Never, Delivery::Stray),
            Fault::Stray => (Processing::Now, Delivery::Stray),
            Fault::Gateway => (Processing::Now, Delivery::Gateway),
            Fault::Declined | Fault::RepeatRefused | Fault::InquiryNotFound | Fault::Forgotten => {
                unreachable!("drawn apart, or a consequence of time")
            }
        };
        self.processing = processing;
        self.delivery = delivery;
    }
}

fn error_status(kind: f64) -> u16 {
    if kind < 0.4 {
        500
    } else if kind < 0.7 {
        502
    } else {
        504
    }
}

/// The random stream of one call.
fn random_of(seed: u64, call: Call<'_>) -> StdRng {
    let operation = match call.operation {
        Operation::Charge => b'c',
        Operation::Inquire => b'i',
    };
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update([operation]);
    hasher.update(call.number.to_le_bytes());
    hasher.update(call.reference.as_bytes());
    StdRng::from_seed(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn plans(profile: &FaultProfile, seed: u64) -> Vec<Plan> {
        let numbers = 0..4_000_u32;
        numbers
            .map(|n| {
                let reference = format!("hf_{}", n / 2);
                let call = Call {
                    operation: Operation::Charge,
                    reference: &reference,
                    number: n % 2 + 1,
                };
                profile.plan(seed, call)
            })
            .collect()
    }

    #[test]
    fn the_same_seed_and_calls_give_the_same_faults_and_another_seed_gives_others() {
        let chaos = FaultProfile::named("chaos").unwrap();
        assert_eq!(plans(&chaos, 7), plans(&chaos, 7));
        assert_ne!(plans(&chaos, 7), plans(&chaos, 8));
    }

    #[test]
    fn a_repeat_of_a_call_has_a_draw_of_its_own() {
        let chaos = FaultProfile::named("chaos").unwrap();
        let plans = plans(&chaos, 1);
        let (first, repeats): (Vec<_>, Vec<_>) =
            plans.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
        assert_ne!(first, repeats, "else what failed once would fail for ever");
    }

    #[test]
    fn each_fault_comes_about_as_often_as_its_rate_says() {
        let chaos = FaultProfile::named("chaos").unwrap();
        let mut seen: BTreeMap<Fault, u32> = BTreeMap::new();
        for plan in plans(&chaos, 1) {
            if let Some(fault) = plan.fault {
                *seen.entry(fault).or_default() += 1;
            }
        }
        let mut spared = 1.0;
        for (fault, Rate(rate)) in chaos.exclusive() {
            // Only calls that none of the earlier ones hit are left for it.
            let left = spared;
            spared *= 1.0 - rate;
            let rate = rate * left;
            let expected = 4_000.0 * rate;
            let count = f64::from(seen.get(&fault).copied().unwrap_or(0));
            // Five standard deviations of a binomial draw.
            let slack = 5.0 * (expected * (1.0 - rate)).sqrt();
            assert!(
                (count - expected).abs() <= slack,
                "{fault:?}: {count}, not {expected}"
            );
        }
    }

    #[test]
    fn masking_one_fault_moves_no_call_that_it_did_not_hit() {
        let chaos = FaultProfile::named("chaos").unwrap();
        let masked = FaultProfile {
            lost_before: Rate::new(0.0),
            ..chaos.clone()
        };
        let mut hit = 0;
        for (with, without) in plans(&chaos, 3).into_iter().zip(plans(&masked, 3)) {
            if with.fault == Some(Fault::LostBefore) {
                hit += 1;
            } else {
                assert_eq!(with, without);
            }
        }
        assert!(hit > 50, "{hit} calls were hit");
    }

    #[test]
    fn a_healthy_bank_does_nothing_wrong() {
        let healthy = FaultProfile::named("healthy").unwrap();
        let good = |plan: &Plan| *plan == Plan::good(0) && plan.processing == Processing::Now;
        assert!(plans(&healthy, 1).iter().all(good));
    }
}
