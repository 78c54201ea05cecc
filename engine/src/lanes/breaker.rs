//! The circuit breaker: stops calling a bank that is down, and finds out when it is back.
//!
//! Source: M. Nygard, "Release It!", 2nd edition, 2018, "Circuit Breaker". It runs on tokio's clock,
//! so simulation can pause it; the crates at hand read the system's clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Notify;
use tokio::time::Instant;

/// When the breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOptions {
    /// It opens after this many calls in a row without an answer. At least 1.
    pub failures_max: u32,
    /// How long it stays open the first time, in milliseconds; doubles each time the probe fails.
    pub open_ms: u64,
    /// Longest time that it stays open, in milliseconds. A bank that works again may go unnoticed for this long.
    pub open_ms_max: u64,
}

/// Guards every call to the bank; clones share it.
#[derive(Debug, Clone)]
pub struct Breaker {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: BreakerOptions,
    circuit: Mutex<Circuit>,
    /// How often it has closed again. A call from before a close does not count after it.
    generation: AtomicU64,
    /// Wakes those who wait when the circuit changes.
    changed: Notify,
    /// Counts the banks from which calls are held back.
    open: Gauge,
}

#[derive(Debug, Clone, Copy)]
enum Circuit {
    /// Calls pass.
    Closed {
        /// Calls in a row without an answer.
        failures: u32,
    },
    /// No call passes before `until`.
    Open {
        until: Instant,
        /// How often it has opened without a call getting through.
        openings: u32,
    },
    /// One call, the probe, is under way.
    Probing { openings: u32 },
}

/// The right to make one call. The caller reports the result. A pass that is dropped reports nothing.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    breaker: Breaker,
    probe: bool,
    generation: u64,
}

impl Breaker {
    /// A closed breaker that counts itself in `open` while it holds calls back.
    pub fn new(options: BreakerOptions, open: Gauge) -> Self {
        let shared = Shared {
            options,
            circuit: Mutex::new(Circuit::Closed { failures: 0 }),
            generation: AtomicU64::new(0),
            changed: Notify::new(),
            open,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// A pass if a call may be made at once.
    pub fn try_pass(&self) -> Option<Pass> {
        let mut circuit = self.lock();
        let probe = match *circuit {
            Circuit::Closed { .. } => false,
            Circuit::Open { until, openings } if Instant::now() >= until => {
                *circuit = Circuit::Probing { openings };
                true
            }
            Circuit::Open { .. } | Circuit::Probing { .. } => return None,
        };
        Some(Pass {
            breaker: self.clone(),
            probe,
            generation: self.shared.generation.load(Ordering::Relaxed),
        })
    }

    /// Waits until a call may be made.
    pub async fn pass(&self) -> Pass {
        loop {
            let changed = self.shared.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(pass) = self.try_pass() {
                return pass;
            }
            let until = match *self.lock() {
                Circuit::Open { until, .. } => Some(until),
                Circuit::Closed { .. } | Circuit::Probing { .. } => None,
            };
            match until {
                Some(until) => tokio::select! {
                    biased;
                    () = &mut changed => {}
                    () = tokio::time::sleep_until(until) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Whether calls are held back.
    pub fn is_open(&self) -> bool {
        !matches!(*self.lock(), Circuit::Closed { .. })
    }

    fn lock(&self) -> MutexGuard<'_, Circuit> {
        // A plain value that is replaced whole: a panic elsewhere cannot leave it half changed.
        self.shared
            .circuit
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mut circuit: MutexGuard<'_, Circuit>, next: Circuit) {
        let was_open = !matches!(*circuit, Circuit::Closed { .. });
        let is_open = !matches!(next, Circuit::Closed { .. });
        *circuit = next;
        match (was_open, is_open) {
            (false, true) => {
                self.shared.open.inc();
                tracing::warn!("the bank does not answer; holding calls back");
            }
            (true, false) => {
                self.shared.open.dec();
                // Changed under the circuit's lock only.
                self.shared.generation.fetch_add(1, Ordering::Relaxed);
                tracing::info!("the bank answers again");
            }
            (false, false) | (true, true) => {}
        }
        drop(circuit);
        self.shared.changed.notify_waiters();
    }

    fn open_for(&self, openings: u32) -> Circuit {
        let BreakerOptions {
            open_ms,
            open_ms_max,
            ..
        } = self.shared.options;
        let open_ms = open_ms
            .saturating_mul(1 << openings.min(32))
            .min(open_ms_max);
        Circuit::Open {
            until: Instant::now() + Duration::from_millis(open_ms),
            openings: openings.saturating_add(1),
        }
    }
}

impl Pass {
    /// The bank answered.
    pub fn answered(mut self) {
        let circuit = self.breaker.lock();
        match *circuit {
            Circuit::Closed { failures: 0 } => {}
            Circuit::Closed { .. } => self.breaker.set(circuit, Circuit::Closed { failures: 0 }),
            // A call from before it opened says little about now; the probe says all.
            Circuit::Open { .. } | Circuit::Probing { .. } if !self.probe => {}
            Circuit::Open { .. } | Circuit::Probing { .. } => {
                self.breaker.set(circuit, Circuit::Closed { failures: 0 });
            }
        }
        self.probe = false;
    }

    /// The bank did not answer, or refused to work.
    pub fn failed(mut self) {
        let circuit = self.breaker.lock();
        let now = self.breaker.shared.generation.load(Ordering::Relaxed);
        match *circuit {
            Circuit::Closed { .. } if self.generation != now => {}
            Circuit::Closed { failures } => {
                let failures = failures.saturating_add(1);
                let next = if failures >= self.breaker.shared.options.failures_max {
                    self.breaker.open_for(0)
                } else {
                    Circuit::Closed { failures }
                };
                self.breaker.set(circuit, next);
            }
            Circuit::Probing { openings } if self.probe => {
                let next = self.breaker.open_for(openings);
                self.breaker.set(circuit, next);
            }
            Circuit::Open { .. } | Circuit::Probing { .. } => {}
        }
        self.probe = false;
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if !self.probe {
            return;
        }
        // The probe was never made: let another one be.
        let circuit = self.breaker.lock();
        if let Circuit::Probing { openings } = *circuit {
            let until = Instant::now();
            self.breaker.set(circuit, Circuit::Open { until, openings });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        let options = BreakerOptions {
            failures_max: 3,
            open_ms: 1_000,
            open_ms_max: 3_000,
        };
        Breaker::new(options, Gauge::default())
    }

    async fn open(breaker: &Breaker) {
        for _ in 0..3 {
            breaker.pass().await.failed();
        }
        assert!(breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_failures_in_a_row_and_an_answer_between_starts_anew() {
        let breaker = breaker();
        for _ in 0..5 {
            breaker.pass().await.failed();
            breaker.pass().await.failed();
            breaker.pass().await.answered();
        }
        assert!(!breaker.is_open());
        open(&breaker).await;
        assert!(breaker.try_pass().is_none());
        assert_eq!(breaker.shared.open.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_at_a_time_and_its_answer_lets_everyone_pass() {
        let breaker = breaker();
        let opened = Instant::now();
        open(&breaker).await;
        let probe = breaker.pass().await;
        assert_eq!(opened.elapsed().as_millis(), 1_000);
        assert!(breaker.try_pass().is_none(), "only one");
        let waiting = tokio::spawn({
            let breaker = breaker.clone();
            async move { breaker.pass().await.answered() }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        probe.answered();
        waiting.await.unwrap();
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn each_failed_probe_doubles_the_pause_up_to_the_limit() {
        let breaker = breaker();
        open(&breaker).await;
        let mut pauses = Vec::new();
        for _ in 0..4 {
            let since = Instant::now();
            breaker.pass().await.failed();
            pauses.push(since.elapsed().as_millis());
        }
        assert_eq!(pauses, [1_000, 2_000, 3_000, 3_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_lets_another_one_be_made() {
        let breaker = breaker();
        open(&breaker).await;
        drop(breaker.pass().await);
        assert!(breaker.is_open());
        breaker.try_pass().unwrap().answered();
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_from_before_it_opened_change_nothing() {
        let breaker = breaker();
        let (early, late) = (breaker.pass().await, breaker.pass().await);
        open(&breaker).await;
        early.answered();
        assert!(breaker.is_open());
        late.failed();
        assert!(breaker.try_pass().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn calls_at_once_count_as_well_as_calls_in_a_row() {
        let breaker = breaker();
        let mut at_once = Vec::new();
        for _ in 0..3 {
            at_once.push(breaker.pass().await);
        }
        for pass in at_once {
            assert!(!breaker.is_open());
            pass.failed();
        }
        assert!(breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn while_a_probe_is_under_way_a_call_from_before_changes_nothing() {
        let breaker = breaker();
        let left_over = breaker.pass().await;
        open(&breaker).await;
        let probe = breaker.pass().await;
        left_over.failed();
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert!(breaker.try_pass().is_none(), "the probe is under way still");
        probe.answered();
        assert!(!breaker.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn time_outs_left_over_from_before_do_not_open_it_again() {
        let breaker = breaker();
        let mut left_over = Vec::new();
        for _ in 0..9 {
            left_over.push(breaker.pass().await);
        }
        open(&breaker).await;
        breaker.pass().await.answered();
        for pass in left_over {
            pass.failed();
        }
        assert!(!breaker.is_open());
    }
}
