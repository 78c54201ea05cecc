//! The trace of a world: a digest of all events, and their description if someone wants to read it.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

/// The track of the picture on which an event is drawn: the part of the world where it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
    /// Clients.
    Client,
    /// The network between clients and the service.
    Network,
    /// The service.
    Service,
    /// The medium of the store.
    Store,
    /// The bank.
    Bank,
    /// The world as a whole.
    World,
}

impl Track {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Network => "network",
            Self::Service => "service",
            Self::Store => "store",
            Self::Bank => "bank",
            Self::World => "world",
        }
    }
}

/// How a picture shows an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// As usual.
    #[default]
    Plain,
    /// From here on a crash cannot undo it.
    Durable,
    /// The process or its disk failed.
    GaveWay,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// On which track. JSON calls it a lane.
    #[serde(rename = "lane")]
    pub track: Track,
    /// The key it concerns, if it concerns one.
    pub key: Option<u32>,
    /// Its description.
    pub text: String,
    /// How a picture shows it.
    #[serde(skip)]
    pub look: Look,
}

/// The description of an event.
#[derive(Debug)]
pub(super) struct Words {
    text: String,
    look: Look,
}

impl Words {
    /// Something became durable.
    pub(super) fn durable(text: String) -> Self {
        let look = Look::Durable;
        Self { text, look }
    }

    /// The process or its disk failed, if `really`.
    pub(super) fn gave_way(text: String, really: bool) -> Self {
        let look = if really { Look::GaveWay } else { Look::Plain };
        Self { text, look }
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        let look = Look::Plain;
        Self { text, look }
    }
}

/// The trace of a world.
#[derive(Debug)]
pub(super) struct Trace {
    digest: DefaultHasher,
    /// `None` when nobody reads the words.
    lines: Option<Vec<Line>>,
}

impl Trace {
    /// A trace that keeps the words when `in_words`.
    pub(super) fn new(in_words: bool) -> Self {
        Self {
            digest: DefaultHasher::new(),
            lines: in_words.then(Vec::new),
        }
    }

    /// Records an event. `facts` go into the digest. `words` are computed only if they are kept.
    pub(super) fn note<W: Into<Words>>(
        &mut self,
        at_ms: u64,
        track: Track,
        key: Option<u32>,
        facts: impl Hash,
        words: impl FnOnce() -> W,
    ) {
        (at_ms, track, key).hash(&mut self.digest);
        facts.hash(&mut self.digest);
        if let Some(lines) = &mut self.lines {
            let Words { text, look } = words().into();
            lines.push(Line {
                at_ms,
                track,
                key,
                text,
                look,
            });
        }
    }

    /// The digest of all that was noted.
    pub(super) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// The words.
    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines.unwrap_or_default()
    }
}
