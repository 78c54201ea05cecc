//! The plan for a call, drawn from a profile and a seed.

use holdfast_core::{DeclineCode, DeclineMessage};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sha2::{Digest, Sha256};

use super::call::{Call, CallKind, CallPlan, Delivery, Processing};
use super::fault::Fault;
use super::profile::FaultProfile;

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
    /// Draws the plan for a call.
    pub fn plan(&self, seed: u64, call: Call<'_>) -> CallPlan {
        if self.is_healthy() {
            return CallPlan::good(self.latency_ms.min());
        }
        // Each question has its own draw in a fixed order, so that changing one rate moves no
        // other answer.
        let mut random = random_of(seed, call);
        let latency_ms = self.latency_ms.at(random.random());
        let fault = self.fault(call.kind, &mut random);
        let within: f64 = random.random();
        let declined = self.declined.holds(random.random());
        let hidden = self.inquiry_not_found.holds(random.random());
        let hidden_ms = self.inquiry_not_found.ms.at(random.random());
        let variant: f64 = random.random();
        let refuses_repeat = self.repeat_refused.holds(random.random());

        let mut plan = CallPlan::good(latency_ms);
        plan.fault = fault;
        plan.refuses_repeat = refuses_repeat;
        if declined {
            plan.decline = Some(decline(usize::from(random.random::<u8>())));
        }
        plan.hidden_ms = hidden.then_some(hidden_ms);
        if let Some(fault) = fault {
            plan.go_wrong(fault, self, within, variant);
        }
        plan
    }

    /// At most one of the faults happens to a call: the first whose own draw holds.
    fn fault(&self, kind: CallKind, random: &mut StdRng) -> Option<Fault> {
        let mut happens = None;
        for (fault, rate) in self.exclusive() {
            // An inquiry changes nothing, so there is no processing to be late or doubled.
            let fits = match (kind, fault) {
                (CallKind::Inquire, Fault::Late | Fault::Duplicate) => false,
                (CallKind::Charge | CallKind::Inquire, _) => true,
            };
            if rate.holds(random.random()) && fits {
                happens = happens.or(Some(fault));
            }
        }
        happens
    }
}

impl CallPlan {
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

    /// The plan for any call during an outage.
    pub(crate) fn down() -> Self {
        Self {
            fault: Some(Fault::Outage),
            processing: Processing::Never,
            delivery: Delivery::Broken,
            ..Self::good(0)
        }
    }

    fn go_wrong(&mut self, fault: Fault, profile: &FaultProfile, within: f64, variant: f64) {
        let (processing, delivery) = match fault {
            Fault::LostBefore => (Processing::Never, Delivery::Silence),
            Fault::LostAfter => (Processing::Now, Delivery::Silence),
            Fault::ResetMidAnswer => (Processing::Now, Delivery::Cut),
            Fault::Unreadable => (Processing::Now, Delivery::Unreadable),
            Fault::ErrorBefore => (Processing::Never, Delivery::Error(error_status(variant))),
            Fault::ErrorAfter => (Processing::Now, Delivery::Error(error_status(variant))),
            Fault::Throttled => {
                let status = if variant < 0.5 { 429 } else { 503 };
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

fn error_status(variant: f64) -> u16 {
    if variant < 0.4 {
        500
    } else if variant < 0.7 {
        502
    } else {
        504
    }
}

/// The random stream of one call.
fn random_of(seed: u64, call: Call<'_>) -> StdRng {
    let kind = match call.kind {
        CallKind::Charge => b'c',
        CallKind::Inquire => b'i',
    };
    let mut hasher = Sha256::new();
    hasher.update(seed.to_le_bytes());
    hasher.update([kind]);
    hasher.update(call.number.to_le_bytes());
    hasher.update(call.reference.as_bytes());
    StdRng::from_seed(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::faults::Rate;

    fn plans(profile: &FaultProfile, seed: u64) -> Vec<CallPlan> {
        let numbers = 0..4_000_u32;
        numbers
            .map(|n| {
                let reference = format!("hf_{}", n / 2);
                let call = Call {
                    kind: CallKind::Charge,
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
        let good =
            |plan: &CallPlan| *plan == CallPlan::good(0) && plan.processing == Processing::Now;
        assert!(plans(&healthy, 1).iter().all(good));
    }
}
