//! What happened in a world, as a digest always and in words on demand.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde::Serialize;

/// Where something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Track {
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

/// How a picture sets something that happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// As usual.
    #[default]
    Plain,
    /// It is safe from a crash from here on.
    Durable,
    /// The process or its disk gave way.
    GaveWay,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// Where.
    #[serde(rename = "lane")]
    pub track: Track,
    /// To which key, if to one.
    pub key: Option<u32>,
    /// What, in words.
    pub text: String,
    /// How it is set.
    #[serde(skip)]
    pub look: Look,
}

/// What happened, in words.
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

    /// The process or its disk gave way, if `really`.
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

    /// Notes something. `facts` go into the digest; `words` are only asked for when they are kept.
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
