//! Recovery: at a start, every unfinished operation and every watch resumes.

use std::sync::Arc;
use std::time::Duration;

use holdfast_core::{OperationId, OperationKey};
use tracing::Instrument;

use super::create::flight_span;
use super::errors::Unavailable;
use super::flight::Boarding;
use super::shared::{Service, Shared};
use super::task::{Errand, fly};

/// Keys read at once.
const PAGE: usize = 1_000;

/// How often an operation whose flight a client opened is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

impl Service {
    /// Resumes every unfinished payment, and every watch of the bank. The service answers while this runs; a request for a
    /// key under recovery joins its flight. Running it again, or crashing in it, changes nothing.
    ///
    /// Returns how many payments were resumed.
    ///
    /// # Errors
    /// When the store has failed.
    pub async fn recover(&self) -> Result<usize, Unavailable> {
        let shared = &self.shared;
        let mut after = None;
        let mut resumed = 0;
        loop {
            let page = shared.read(shared.log.unfinished(after, PAGE).await)?;
            for (id, key) in &page {
                if shared.parking.is_cancelled() {
                    return Err(Unavailable::Draining);
                }
                if open_flight(shared, *id, key) {
                    resumed += 1;
                } else {
                    // A client was faster. What that flight leaves, such as a watch, is taken up after it.
                    let (shared, id, key) = (shared.clone(), *id, key.clone());
                    shared.tasks.clone().spawn(async move {
                        while !shared.parking.is_cancelled() && !open_flight(&shared, id, &key) {
                            tokio::select! {
                                () = shared.parking.cancelled() => return,
                                () = tokio::time::sleep(TRY_AGAIN) => {}
                            }
                        }
                    });
                }
            }
            match page.last() {
                Some((last, _)) => after = Some(*last),
                None => return Ok(resumed),
            }
        }
    }
}

/// Opens a flight for an unfinished operation, unless there is one.
fn open_flight(shared: &Arc<Shared>, id: OperationId, key: &OperationKey) -> bool {
    // Never refused for want of room: these operations were accepted before.
    let boarding = shared.flights.join_or_open(key, usize::MAX);
    let Boarding::Opened(_, pilot) = boarding else {
        return false;
    };
    let fly = fly(shared.clone(), pilot, Errand::Recover(id));
    shared.tasks.spawn(fly.instrument(flight_span()));
    true
}
