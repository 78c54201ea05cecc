//! What happened in a world, as a digest always and in words on demand.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// At a client.
    Client,
    /// On the way between clients and the service.
    Network,
    /// In the service.
    Service,
    /// At the medium.
    Store,
    /// At the bank.
    Bank,
    /// To the world as a whole.
    World,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// Where.
    pub lane: Lane,
    /// To which key, if to one.
    pub key: Option<u32>,
    /// What, in words.
    pub text: String,
}

/// Follows a world.
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

    /// Notes something. `facts` go into the digest; `text` is only asked for when it is kept.
    pub(super) fn note(
        &mut self,
        at_ms: u64,
        lane: Lane,
        key: Option<u32>,
        facts: impl Hash,
        text: impl FnOnce() -> String,
    ) {
        (at_ms, lane, key).hash(&mut self.digest);
        facts.hash(&mut self.digest);
        if let Some(lines) = &mut self.lines {
            lines.push(Line {
                at_ms,
                lane,
                key,
                text: text(),
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
