//! The faults of a swarm world: which families are in, and how strong each fault is.

use std::collections::BTreeSet;

use super::Plan;
use super::family::Family;
use super::rates::{Crashes, MediumRates, Mistakes, NetworkRates};
use crate::chaos::random::Draw;
use holdfast_bank_simulator::Mode;
use holdfast_bank_simulator::faults::{FaultProfile, Range, Rate, Timed};

/// Longest time of a normal commit, in milliseconds.
const SYNC_MS_USUAL: u64 = 50;

/// Largest single change of the wall clock, in milliseconds: two hours.
const JUMP_MS_MAX: u64 = 2 * 60 * 60 * 1000;

impl Plan {
    /// Draws the faults of the included families.
    pub(super) fn draw_faults(&mut self, draw: Draw) {
        self.medium.sync_ms = draw.stream("sync").pick(&[0, 1, 2, 5]);
        for family in self.families.clone() {
            let draw = draw.stream("intensity").with(family as u64);
            self.draw_family(family, draw);
        }
        if self.families.contains(&Family::Clock) {
            self.let_time_matter(draw.stream("time-matters"));
        }
        self.settle_grace();
    }

    /// If the wall clock is changed, time should often matter: the bank soon forgets a reference, or "not found" is
    /// used as proof, and the bank fails for long enough.
    fn let_time_matter(&mut self, draw: Draw) {
        match draw.with(1).between(0, 3) {
            0 | 1 => {
                self.mode = Mode::Keyed;
                self.bank = FaultProfile {
                    lost_after: Rate::new(0.3),
                    error_after: Rate::new(0.2),
                    outage: Timed::new(0.1, 1_000, 4_000),
                    key_window_ms: Some(3_500),
                    ..FaultProfile::default()
                };
                self.options.budgets.attempts_max = 20;
            }
            2 => {
                self.mode = Mode::InquiryOnly;
                self.bank = FaultProfile {
                    late: Timed::new(0.3, 500, 2_500),
                    lost_after: Rate::new(0.2),
                    inquiry_not_found: Timed::new(0.5, 500, 1_500),
                    ..FaultProfile::default()
                };
            }
            _ => return,
        }
        self.families.insert(Family::Bank);
    }

    fn draw_family(&mut self, family: Family, draw: Draw) {
        let rate = |n: u64, max: f64| {
            let draw = draw.with(n);
            // Each fault of a family is in or out as well.
            if draw.with(1).happens(0.6) {
                draw.with(2).share() * max
            } else {
                0.0
            }
        };
        let end = self.heal_ms;
        let times = |n: u64, most: u64| -> Vec<u64> {
            let count = draw.with(n).between(1, most);
            (0..count)
                .map(|i| draw.with(n).with(i).between(50, end))
                .collect()
        };
        match family {
            Family::Network => {
                self.network = NetworkRates {
                    lost: rate(1, 0.2),
                    answer_lost: rate(2, 0.3),
                    repeated: rate(3, 0.3),
                    reset: rate(4, 0.2),
                    slow: rate(5, 0.3),
                    slow_ms: draw.with(6).between(10, 3_000),
                };
            }
            Family::Bank => self.bank = bank_faults(draw, self.mode),
            Family::Medium => {
                let full_from = draw.with(14).between(100, end);
                self.medium = MediumRates {
                    sync_ms: self.medium.sync_ms,
                    slow: rate(10, 0.3),
                    slow_ms: draw.with(11).between(5, 500),
                    fails: rate(12, 0.02),
                    flips: rate(13, 0.01),
                    full: draw
                        .with(15)
                        .happens(0.3)
                        .then(|| (full_from, full_from + draw.with(16).between(100, 1_500))),
                };
            }
            Family::Crash => {
                self.crashes = Crashes {
                    at_ms: times(20, 3),
                    in_commit: rate(21, 0.03),
                    down_ms: draw.with(22).between(1, 800),
                };
            }
            Family::Clock => {
                for (n, at_ms) in (0..).zip(times(30, 4)) {
                    let draw = draw.with(31).with(n);
                    // From less than any grace to more than any window.
                    let most = draw.with(2).pick(&[500, 10_000, JUMP_MS_MAX]);
                    let by = i64::try_from(draw.with(3).between(1, most)).expect("some hours");
                    let by = if draw.with(1).happens(0.5) { -by } else { by };
                    self.jumps.push((at_ms, by));
                }
            }
            Family::People => {}
            Family::Stop => self.stops = times(40, 2),
            Family::Configuration => {
                self.mistakes = Mistakes {
                    other_bank: rate(50, 0.8),
                    renamed: rate(51, 0.4),
                };
            }
        }
    }

    /// Sets the grace: "not found" proves nothing while a request can still be in transit or hidden.
    pub(super) fn settle_grace(&mut self) {
        let FaultProfile {
            late,
            inquiry_not_found,
            ..
        } = &self.bank;
        let longest_ms = |timed: &Timed| if timed.happens() { timed.ms.max() } else { 0 };
        let under_way_ms = longest_ms(late) + longest_ms(inquiry_not_found);
        // Half of the grace is for the mark to become durable.
        self.grace_ms = 2 * (under_way_ms + 1).max(SYNC_MS_USUAL);
    }
}

pub(super) fn families(draw: Draw) -> BTreeSet<Family> {
    Family::ALL
        .into_iter()
        .filter(|family| draw.with(*family as u64).happens(0.6))
        .collect()
}

fn bank_faults(draw: Draw, mode: Mode) -> FaultProfile {
    let rate = |n: u64, max: f64| {
        let draw = draw.with(n);
        let rate = if draw.with(1).happens(0.5) {
            draw.with(2).share() * max
        } else {
            0.0
        };
        Rate::new(rate)
    };
    let timed = |n: u64, max: f64, low: u64, high: u64| Timed {
        rate: rate(n, max),
        ms: Range::new(low, draw.with(n).with(3).between(low, high)),
    };
    FaultProfile {
        latency_ms: Range::new(0, draw.with(1).between(0, 60)),
        lost_before: rate(2, 0.2),
        lost_after: rate(3, 0.2),
        reset_mid_answer: rate(4, 0.15),
        unreadable: rate(5, 0.1),
        error_before: rate(6, 0.2),
        error_after: rate(7, 0.2),
        throttled: timed(8, 0.2, 0, 1_000),
        slow: timed(9, 0.1, 100, 2_000),
        late: timed(10, 0.2, 100, 2_500),
        declined: rate(11, 0.3),
        outage: timed(12, 0.02, 100, 2_000),
        // A bank that neither deduplicates nor answers would debit twice by itself.
        duplicate: if mode == Mode::Neither {
            Rate::new(0.0)
        } else {
            rate(13, 0.2)
        },
        stray: rate(17, 0.15),
        gateway: rate(18, 0.2),
        repeat_refused: rate(19, 0.5),
        inquiry_not_found: timed(14, 0.5, 100, 1_500),
        key_window_ms: draw
            .with(15)
            .happens(0.5)
            .then(|| draw.with(16).pick(&[3_500, 3_500, 4_000, 6_000, 20_000])),
    }
}
