//! Many worlds, on as many threads as asked for. Each world lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use holdfast_simulator::chaos::{self, FrontDoor, Moments, Outcome, Setup, Violation};

thread_local! {
    /// The first panic of the world that runs on this thread, also one that a task's runtime caught.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };

    /// Whether a world runs on this thread.
    static IN_WORLD: Cell<bool> = const { Cell::new(false) };
}

/// How a world went wrong.
#[derive(Debug, Clone)]
pub(super) enum Wrong {
    /// Something that must hold did not.
    Violation(Violation),
    /// Something panicked.
    Panic(String),
}

/// A seed that failed.
#[derive(Debug, Clone)]
pub(super) struct FailedSeed {
    pub(super) seed: u64,
    pub(super) wrong: Wrong,
}

/// What many worlds came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) seeds: u64,
    pub(super) virtual_ms: u64,
    pub(super) payments: u64,
    /// Fewest payments of a world.
    pub(super) payments_least: Option<u64>,
    pub(super) checks: u64,
    pub(super) faults: BTreeMap<&'static str, u64>,
    pub(super) moments: Moments,
    pub(super) failures: Vec<FailedSeed>,
    pub(super) trace_hash: u64,
    /// Worlds that were run a second time, and how many of them went another way.
    pub(super) repeated: u64,
    pub(super) diverged: Vec<u64>,
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.seeds += 1;
        self.virtual_ms += outcome.virtual_ms;
        self.payments += outcome.payments;
        let least = self.payments_least.unwrap_or(u64::MAX);
        self.payments_least = Some(least.min(outcome.payments));
        self.checks += outcome.checks;
        for (fault, times) in &outcome.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        for (moment, times) in &outcome.moments {
            *self.moments.entry(*moment).or_default() += times;
        }
        self.trace_hash = self
            .trace_hash
            .wrapping_add(outcome.trace_hash.wrapping_mul(seed * 2 + 1));
    }

    fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.virtual_ms += other.virtual_ms;
        self.payments += other.payments;
        self.payments_least = match (self.payments_least, other.payments_least) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        self.checks += other.checks;
        for (fault, times) in other.faults {
            *self.faults.entry(fault).or_default() += times;
        }
        for (moment, times) in other.moments {
            *self.moments.entry(moment).or_default() += times;
        }
        self.failures.extend(other.failures);
        self.trace_hash = self.trace_hash.wrapping_add(other.trace_hash);
        self.repeated += other.repeated;
        self.diverged.extend(other.diverged);
    }
}

/// After so many failed seeds the run ends: more say nothing new. A planted bug is found once.
const fn failures_max(setup: &Setup) -> usize {
    if setup.sabotage.is_some() { 1 } else { 10 }
}

/// Keeps the panics of worlds for the worlds to find, instead of printing them; all others go where they went before.
pub(super) fn keep_panics() {
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IN_WORLD.get() {
                return others(info);
            }
            let text = format!("{info}\n{}", std::backtrace::Backtrace::capture());
            PANIC.with_borrow_mut(|first| {
                first.get_or_insert(text);
            });
        }));
    });
}

/// Runs one world.
pub(super) fn run_one(
    setup: &Setup,
    front_door: &dyn FrontDoor,
    in_words: bool,
) -> (Option<Outcome>, Option<Wrong>) {
    PANIC.with_borrow_mut(Option::take);
    IN_WORLD.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| chaos::run(setup, front_door, in_words)));
    IN_WORLD.set(false);
    let panicked = PANIC.with_borrow_mut(Option::take);
    match (outcome, panicked) {
        (outcome, Some(text)) => (outcome.ok(), Some(Wrong::Panic(text))),
        (Ok(outcome), None) => {
            let wrong = outcome.violation.clone().map(Wrong::Violation);
            (Some(outcome), wrong)
        }
        (Err(_), None) => (None, Some(Wrong::Panic("no message".to_owned()))),
    }
}

/// Runs the worlds of these seeds, one in `repeat_every` a second time. `progress` hears of each that has
/// ended.
pub(super) fn run_many(
    setup: &Setup,
    seeds: Range<u64>,
    repeat_every: u64,
    jobs: usize,
    front_door: &dyn FrontDoor,
    progress: &(dyn Fn() + Sync),
) -> Tally {
    let next = AtomicU64::new(seeds.start);
    let enough = AtomicBool::new(false);
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            scope.spawn(|| {
                let mut tally = Tally::default();
                while !enough.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let setup = Setup {
                        seed,
                        ..setup.clone()
                    };
                    let (outcome, wrong) = run_one(&setup, front_door, false);
                    if let Some(outcome) = &outcome {
                        tally.add(seed, outcome);
                        if seed.is_multiple_of(repeat_every) {
                            repeat(&mut tally, &setup, outcome.trace_hash, front_door);
                        }
                    }
                    if let Some(wrong) = wrong {
                        tally.failures.push(FailedSeed { seed, wrong });
                        if tally.failures.len() >= failures_max(&setup) {
                            enough.store(true, Ordering::Relaxed);
                        }
                    }
                    progress();
                }
                let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
                total.merge(tally);
            });
        }
    });
    let mut total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    total.failures.sort_by_key(|failed| failed.seed);
    total
}

/// The smallest world that fails in the same way.
pub(super) fn smallest(failed: &FailedSeed, setup: &Setup, front_door: &dyn FrontDoor) -> Setup {
    let setup = Setup {
        seed: failed.seed,
        ..setup.clone()
    };
    let same = |wrong: Option<Wrong>| match (wrong, &failed.wrong) {
        (Some(Wrong::Violation(seen)), Wrong::Violation(first)) => {
            seen.invariant == first.invariant
        }
        (Some(Wrong::Panic(_)), Wrong::Panic(_)) => true,
        _ => false,
    };
    chaos::shrink(&setup, &|smaller| {
        same(run_one(smaller, front_door, false).1)
    })
}

fn repeat(tally: &mut Tally, setup: &Setup, trace_hash: u64, front_door: &dyn FrontDoor) {
    let (again, _) = run_one(setup, front_door, false);
    tally.repeated += 1;
    if again.is_none_or(|again| again.trace_hash != trace_hash) {
        tally.diverged.push(setup.seed);
    }
}
