//! Those who listen to the journal as it grows.
//!
//! Payments go first: listeners that are behind take turns, a page at a time between all of them, and
//! each holds one page at most, however slowly it is read.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{self, Stream};
use holdfast_core::{JournalEntry, Merchant};
use holdfast_engine::service::Service;
use poem::web::sse::Event;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::api::problem::{Kind, Problem};
use crate::api::views::event::EventView;
use crate::api_keys::Keys;

/// How many events are read ahead for one listener.
const READ_AHEAD: usize = 100;

/// After a page nobody reads for so many times as long as it took: all listeners together take a
/// quarter of a core at most, however far behind they are.
const PAUSE_FACTOR: u32 = 3;

/// Most listeners at once: each holds a connection, of which payments must have the most.
const LISTENERS_MAX: usize = 1_000;

/// All listeners of a service; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Listeners {
    places: Arc<Semaphore>,
    /// Whose turn it is to read.
    turn: Arc<Semaphore>,
}

impl Default for Listeners {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(LISTENERS_MAX)),
            turn: Arc::new(Semaphore::new(1)),
        }
    }
}

/// What a listener has heard, and what was read ahead for it.
struct Listener {
    service: Service,
    merchant: Merchant,
    read_to: u64,
    ahead: VecDeque<Event>,
    turn: Arc<Semaphore>,
    /// Its own key may be gone with the next change of the keys: it must come again.
    keys: watch::Receiver<Keys>,
    _place: OwnedSemaphorePermit,
}

impl Listeners {
    /// The entries after a sequence, then those that come. Ends when the service shuts down, its store fails or
    /// its API keys change; the listener resumes where it was.
    pub(super) fn listen(
        &self,
        service: Service,
        merchant: Merchant,
        keys: watch::Receiver<Keys>,
        after: u64,
    ) -> Result<impl Stream<Item = Event> + Send + use<>, Problem> {
        let place = self.places.clone().try_acquire_owned();
        let place = place.map_err(|_| {
            let detail = "Too many event stream connections. Read pages instead, or retry later.";
            Problem::new(Kind::Unavailable, detail)
        })?;
        let listener = Listener {
            service,
            merchant,
            read_to: after,
            ahead: VecDeque::new(),
            turn: self.turn.clone(),
            keys,
            _place: place,
        };
        Ok(stream::unfold(listener, |mut listener| async move {
            let event = listener.next().await?;
            Some((event, listener))
        }))
    }
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        // What was read ahead is not for a holder whose key may be gone; the listener resumes where it was.
        if self.keys.has_changed().unwrap_or(true) {
            return None;
        }
        while self.ahead.is_empty() {
            let (service, mut keys) = (self.service.clone(), self.keys.clone());
            tokio::select! {
                biased;
                () = service.draining() => return None,
                _ = keys.changed() => return None,
                read = self.read() => read?,
            }
        }
        self.ahead.pop_front()
    }

    /// Reads the next page, or waits until there may be one.
    async fn read(&mut self) -> Option<()> {
        let mut appended = self.service.appended();
        let turn = self.turn.acquire().await.ok()?;
        let began = Instant::now();
        let feed = self.service.feed(&self.merchant, self.read_to, READ_AHEAD);
        let page = feed.await.ok()?;
        self.read_to = page.read_to;
        let events = page.entries.iter();
        self.ahead
            .extend(events.map(|(sequence, entry)| event(*sequence, entry)));
        // Everyone else goes before the next listener, and has most of the time.
        tokio::time::sleep(began.elapsed() * PAUSE_FACTOR).await;
        drop(turn);
        if self.ahead.is_empty() && !page.more {
            let read_to = self.read_to;
            let more = appended.wait_for(|sequence| *sequence > read_to).await;
            more.ok()?;
        }
        Some(())
    }
}

fn event(sequence: u64, entry: &JournalEntry) -> Event {
    let data = serde_json::to_string(&EventView::of(sequence, entry));
    Event::message(data.expect("a view is plain data"))
        .id(sequence.to_string())
        .event_type("transition")
}
