//! Many worlds, on as many threads as asked for. Each world lives on one thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use holdfast_simulator::chaos::{self, FrontDoor, Moments, Outcome, Setup, Violation};

use super::stop::Stop;

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

impl Wrong {
    /// Which key it happened to, if to one.
    pub(super) const fn key(&self) -> Option<u32> {
        match self {
            Self::Violation(violation) => violation.key,
            Self::Panic(_) => None,
        }
    }

    /// Whether two worlds went wrong in the same way.
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Violation(one), Self::Violation(other)) => one.invariant == other.invariant,
            (Self::Panic(_), Self::Panic(_)) => true,
            (Self::Violation(_), Self::Panic(_)) | (Self::Panic(_), Self::Violation(_)) => false,
        }
    }
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
        // Odd, so that no world's digest is lost in the sum.
        let factor = seed.wrapping_mul(2).wrapping_add(1);
        self.trace_hash = self
            .trace_hash
            .wrapping_add(outcome.trace_hash.wrapping_mul(factor));
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

/// Which worlds to run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seeds {
    /// How many, from the one of the setup on. The last is not above the largest seed.
    pub(super) count: u64,
    /// One in so many is run a second time.
    pub(super) repeat_every: u64,
    /// So many at once.
    pub(super) jobs: usize,
}

/// Runs these worlds, until there is enough to say or somebody asks for the end. `progress` hears of each that has
/// ended.
pub(super) fn run_many(
    setup: &Setup,
    seeds: Seeds,
    stop: &Stop,
    front_door: &dyn FrontDoor,
    progress: &(dyn Fn() + Sync),
) -> Tally {
    // Counted and not the seed itself: after the largest seed there is none to stop at.
    let next = AtomicU64::new(0);
    let enough = AtomicBool::new(false);
    let total = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for _ in 0..seeds.jobs {
            scope.spawn(|| {
                let mut tally = Tally::default();
                while !enough.load(Ordering::Relaxed) && !stop.is_asked_for() {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= seeds.count {
                        break;
                    }
                    let seed = setup.seed + place;
                    let setup = Setup {
                        seed,
                        ..setup.clone()
                    };
                    let (outcome, wrong) = run_one(&setup, front_door, false);
                    if let Some(outcome) = &outcome {
                        tally.add(seed, outcome);
                        if seed.is_multiple_of(seeds.repeat_every) {
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

/// The smallest world that was found to fail in the same way.
#[derive(Debug)]
pub(super) struct Smallest {
    pub(super) setup: Setup,
    pub(super) wrong: Wrong,
}

/// Looks for the smallest world that fails in the same way, until somebody asks for the end.
pub(super) fn smallest(
    failed: &FailedSeed,
    setup: &Setup,
    stop: &Stop,
    front_door: &dyn FrontDoor,
) -> Smallest {
    let setup = Setup {
        seed: failed.seed,
        ..setup.clone()
    };
    let last = RefCell::new(failed.wrong.clone());
    let setup = chaos::shrink(&setup, &|smaller| {
        if stop.is_asked_for() {
            return false;
        }
        let (_, wrong) = run_one(smaller, front_door, false);
        let like = wrong.filter(|wrong| wrong.is_like(&failed.wrong));
        let fails = like.is_some();
        if let Some(wrong) = like {
            last.replace(wrong);
        }
        fails
    });
    Smallest {
        setup,
        wrong: last.into_inner(),
    }
}

fn repeat(tally: &mut Tally, setup: &Setup, trace_hash: u64, front_door: &dyn FrontDoor) {
    let (again, _) = run_one(setup, front_door, false);
    tally.repeated += 1;
    if again.is_none_or(|again| again.trace_hash != trace_hash) {
        tally.diverged.push(setup.seed);
    }
}

#[cfg(test)]
mod tests {
    use holdfast_simulator::chaos::Sabotage;

    use super::super::door::RealFrontDoor;
    use super::*;

    fn run(setup: &Setup, count: u64, stop: &Stop, progress: &(dyn Fn() + Sync)) -> Tally {
        let seeds = Seeds {
            count,
            repeat_every: 50,
            jobs: 1,
        };
        run_many(setup, seeds, stop, &RealFrontDoor::new(), progress)
    }

    #[test]
    fn the_largest_seed_is_the_last_one() {
        let setup = Setup {
            seed: u64::MAX - 1,
            ..Setup::default()
        };
        let tally = run(&setup, 2, &Stop::default(), &|| {});
        assert_eq!(tally.seeds, 2);
        assert!(tally.failures.is_empty(), "{:?}", tally.failures);
    }

    #[test]
    fn what_was_found_before_somebody_asked_for_the_end_is_kept() {
        let stop = Stop::default();
        let done = AtomicU64::new(0);
        let tally = run(&Setup::default(), 1_000, &stop, &|| {
            if done.fetch_add(1, Ordering::Relaxed) == 2 {
                stop.interrupt();
            }
        });
        assert_eq!((tally.seeds, tally.payments), (3, 150));
    }

    #[test]
    fn a_search_for_the_smallest_world_ends_with_the_smallest_so_far() {
        keep_panics();
        let setup = Setup {
            sabotage: Some(Sabotage::TimeoutIsFailure),
            ..Setup::default()
        };
        let tally = run(&setup, 500, &Stop::default(), &|| {});
        let failed = &tally.failures[0];
        let stop = Stop::default();
        stop.interrupt();
        let found = smallest(failed, &setup, &stop, &RealFrontDoor::new());
        assert_eq!(found.setup.seed, failed.seed);
        assert_eq!(found.setup.mask, setup.mask);
        assert!(found.wrong.is_like(&failed.wrong));
    }
}
