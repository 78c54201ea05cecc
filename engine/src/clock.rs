//! Time as a trait: the wall clock, and a steady clock that measures the time that has passed.
//!
//! They are not the same. A wall clock can be set, jump and go back. A steady clock never does. Stamped and compared
//! times come from [`crate::timeline::Timeline`], which combines both. Waits use tokio's timer, which simulation can
//! pause.

use std::time::Duration;

use holdfast_core::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may jump, also backwards. Nothing relies on it for order.
    fn now(&self) -> Timestamp;

    /// The time that has passed since some fixed moment before this process started. It never goes back, and setting
    /// the wall clock does not affect it.
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
