//! The one source of times that are stamped and compared.
//!
//! Within a life it never goes back and never jumps: it is the wall clock at the start plus the time that has passed
//! since. A later life never begins before the newest durable time. So the age of an attempt of this life is exact,
//! even if someone changes the wall clock.
//!
//! The age of an attempt of an *earlier* life depends on the wall clock at the start, which may be wrong. Two
//! questions use such an age, and each gets the cautious answer: whether the bank may have forgotten the reference
//! ([`Timeline::latest`], which is too late rather than too early), and whether a request must have arrived (its
//! caller counts only the time of this life).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast_core::Timestamp;

use crate::clock::Clock;
use crate::store::NotedTime;

/// If the wall clock is behind the newest durable time by no more than this, it was not set back: it is rounding, or a
/// clock that is adjusted in small steps.
const TOLERANCE_MS: u64 = 1_000;

/// Times within one life.
#[derive(Clone)]
pub struct Timeline {
    clock: Arc<dyn Clock>,
    /// The time at the start, and what the steady clock showed then.
    base: (Timestamp, Duration),
    /// How far the wall clock was ahead of the time at the start, in milliseconds; negative where it was behind.
    ahead_at_start_ms: i64,
    /// Whether the wall clock was behind the newest durable time, or was set back in an earlier life: then nobody
    /// knows how long ago that was.
    earlier_in_doubt: bool,
    /// The same for the next life: it is also true if the wall clock was set back in this life.
    in_doubt: Arc<AtomicBool>,
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Timeline(from {:?})", self.base.0)
    }
}

/// The moment from which an age is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// How far the wall clock was ahead then, in milliseconds.
    ahead_ms: i64,
    /// Whether it is of this life.
    this_life: bool,
}

impl Timeline {
    /// Begins a life, from the durable times of the earlier ones.
    pub fn begin(clock: Arc<dyn Clock>, noted: NotedTime) -> Self {
        let NotedTime { newest, in_doubt } = noted;
        let (wall, steady) = (clock.now(), clock.steady());
        let set_back = wall.plus_ms(TOLERANCE_MS) < newest;
        if set_back {
            tracing::warn!(
                behind_ms = newest.ms_since(wall),
                "the wall clock is behind the newest time in the store: it was set back, or is wrong. Payments that an \
                 earlier process sent are asked about and not sent again; time continues from the newest time in the store"
            );
        }
        let start = wall.max(newest);
        Self {
            ahead_at_start_ms: difference_ms(wall, start),
            base: (start, steady),
            in_doubt: Arc::new(AtomicBool::new(set_back || in_doubt)),
            earlier_in_doubt: set_back || in_doubt,
            clock,
        }
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        let (start, steady) = self.base;
        let passed = self.clock.steady().saturating_sub(steady);
        start.plus_ms(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
    }

    /// From now on.
    pub fn since_now(&self) -> Since {
        Since {
            ahead_ms: self.ahead_ms(),
            this_life: true,
        }
    }

    /// From before this life began.
    pub fn since_earlier(&self) -> Since {
        Since {
            ahead_ms: self.ahead_at_start_ms,
            this_life: false,
        }
    }

    /// The latest time that it may be now, for ages counted from `since`.
    ///
    /// If the wall clock has run ahead of the time that passed, this machine may have been paused (a virtual machine):
    /// then more time has passed than it noticed. If the wall clock was behind the newest durable time at the start,
    /// any amount of time may have passed since an earlier life.
    pub fn latest(&self, since: Since) -> Timestamp {
        if self.earlier_in_doubt && !since.this_life {
            return Timestamp::from_unix_ms(u64::MAX);
        }
        let gained_ms = self.ahead_ms().saturating_sub(since.ahead_ms).max(0);
        let gained_ms = gained_ms.unsigned_abs();
        // Clocks that are kept in step gain and lose a little.
        let gained_ms = if gained_ms > TOLERANCE_MS {
            gained_ms
        } else {
            0
        };
        self.now().plus_ms(gained_ms)
    }

    /// The time to record for the next life. Once the times are in doubt, they stay in doubt for this life: times
    /// stamped while the wall clock was ahead look too young when it is right again.
    pub fn to_note(&self) -> NotedTime {
        let now = self.now();
        if self.clock.now().plus_ms(TOLERANCE_MS) < now {
            self.in_doubt.store(true, Ordering::SeqCst);
        }
        NotedTime {
            newest: now,
            in_doubt: self.in_doubt.load(Ordering::SeqCst),
        }
    }

    fn ahead_ms(&self) -> i64 {
        difference_ms(self.clock.now(), self.now())
    }
}

/// How much later `a` is than `b`, in milliseconds.
fn difference_ms(a: Timestamp, b: Timestamp) -> i64 {
    let (later, earlier) = (a.ms_since(b), b.ms_since(a));
    i64::try_from(later).unwrap_or(i64::MAX) - i64::try_from(earlier).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct SetClock(Mutex<(u64, u64)>);

    impl SetClock {
        fn set(&self, wall_ms: u64, steady_ms: u64) {
            *self.0.lock().unwrap() = (wall_ms, steady_ms);
        }
    }

    impl Clock for SetClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_ms(self.0.lock().unwrap().0)
        }

        fn steady(&self) -> Duration {
            Duration::from_millis(self.0.lock().unwrap().1)
        }
    }

    const START: u64 = 10_000_000;

    fn begun(newest_ms: u64) -> (Arc<SetClock>, Timeline) {
        let clock = Arc::new(SetClock::default());
        clock.set(START, 500);
        let noted = NotedTime {
            newest: Timestamp::from_unix_ms(newest_ms),
            in_doubt: false,
        };
        (clock.clone(), Timeline::begin(clock, noted))
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    #[test]
    fn within_a_life_only_the_time_that_passed_counts() {
        let (clock, timeline) = begun(0);
        for wall_ms in [0, START - 7_200_000, START + 7_200_000, u64::MAX] {
            clock.set(wall_ms, 500 + 1_500);
            assert_eq!(timeline.now(), at(START + 1_500), "{wall_ms}");
        }
    }

    #[test]
    fn it_never_begins_before_what_is_durable() {
        let (clock, timeline) = begun(START + 60_000);
        assert_eq!(timeline.now(), at(START + 60_000));
        clock.set(START + 10, 510);
        assert_eq!(timeline.now(), at(START + 60_010));
    }

    #[test]
    fn a_wall_clock_behind_what_is_durable_makes_earlier_lives_as_old_as_can_be() {
        let (_, timeline) = begun(START + TOLERANCE_MS + 1);
        assert_eq!(timeline.latest(timeline.since_earlier()), at(u64::MAX));
        assert_eq!(timeline.latest(timeline.since_now()), timeline.now());
        // A little is no jump.
        let (_, timeline) = begun(START + TOLERANCE_MS);
        assert_eq!(timeline.latest(timeline.since_earlier()), timeline.now());
    }

    /// A clock that was ahead and was set right: what was stamped before looks too young to the next life, whenever it
    /// begins.
    #[test]
    fn a_clock_that_was_set_back_leaves_its_doubt_to_the_next_life() {
        let (clock, timeline) = begun(0);
        assert!(!timeline.to_note().in_doubt);
        clock.set(START - TOLERANCE_MS, 500);
        assert!(!timeline.to_note().in_doubt, "a little is no jump");
        clock.set(START - 3_000_000, 500);
        let noted = timeline.to_note();
        assert!(noted.in_doubt);
        clock.set(START + 100, 600);
        assert!(
            timeline.to_note().in_doubt,
            "what it stamped meanwhile stays"
        );
        // The wall clock is past everything again, and says nothing of how long ago that was.
        clock.set(START + 1_200_000, 700);
        let next = Timeline::begin(clock.clone(), noted);
        assert_eq!(next.latest(next.since_earlier()), at(u64::MAX));
        assert_eq!(next.latest(next.since_now()), next.now());
        // And so on, until nothing is unfinished.
        let third = Timeline::begin(clock, next.to_note());
        assert_eq!(third.latest(third.since_earlier()), at(u64::MAX));
    }

    #[test]
    fn time_that_only_the_wall_clock_noticed_may_have_passed() {
        let (clock, timeline) = begun(0);
        let before = timeline.since_now();
        clock.set(START + 3_600_000, 500);
        assert_eq!(timeline.now(), at(START));
        assert_eq!(timeline.latest(before), at(START + 3_600_000));
        let earlier = timeline.since_earlier();
        assert_eq!(timeline.latest(earlier), at(START + 3_600_000));
        assert_eq!(timeline.latest(timeline.since_now()), at(START));
        // Set back again, and nothing is suspected any more.
        clock.set(START + 100, 600);
        assert_eq!(timeline.latest(before), at(START + 100));
    }
}
