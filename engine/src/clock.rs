//! Time, brought in from outside: what the wall clock shows, and how much time has passed.
//!
//! The two are not the same. A wall clock is set, jumps and goes back; how much time has passed never does. What is
//! stamped and compared goes through [`crate::timeline::Timeline`], which puts both together. Waits use tokio's timer,
//! which simulation can pause.

use std::time::Duration;

use holdfast_core::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// What the wall clock shows. It may jump, also backwards; nothing relies on it for order.
    fn now(&self) -> Timestamp;

    /// How much time has passed since some moment before this process began to look. It never goes back, and setting
    /// the wall clock does not touch it.
    fn steady(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one adapter to the system's clock"
    )]
    fn now(&self) -> Timestamp {
        // Before 1970 there are no timestamps here: such a clock shows 1970.
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    /// On Linux the clock that also counts while the machine sleeps.
    fn steady(&self) -> Duration {
        #[cfg(target_os = "linux")]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    }
}
