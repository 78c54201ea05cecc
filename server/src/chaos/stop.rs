//! The end that somebody asks for: the first SIGINT or SIGTERM lets the run say what it has, the second ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::process::{Signals, status_of};

/// Whether the run is to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Catches both signals from here on.
    pub(super) fn on_signals() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let mut signals = {
            let _runtime = runtime.enter();
            Signals::new()?
        };
        let stop = Self::default();
        let told = stop.clone();
        // It waits for as long as the process lives.
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    loop {
                        told.signalled(status_of(signals.next().await));
                    }
                });
            })?;
        Ok(stop)
    }

    fn signalled(&self, status: u8) {
        if self.0.swap(status, Ordering::Relaxed) != 0 {
            std::process::exit(status.into());
        }
    }

    /// Ends the run as SIGINT does.
    #[cfg(test)]
    pub(super) fn interrupt(&self) {
        self.0.store(status_of("SIGINT"), Ordering::Relaxed);
    }

    /// Whether somebody asked for the end.
    pub(super) fn is_asked_for(&self) -> bool {
        self.status().is_some()
    }

    /// The status that the process ends with.
    pub(super) fn status(&self) -> Option<u8> {
        Some(self.0.load(Ordering::Relaxed)).filter(|status| *status != 0)
    }
}
