//! Cursors: the position of each consumer of the journal, kept across restarts.

use std::fmt;

use async_trait::async_trait;

use super::error::StoreError;

/// The name of a consumer's cursor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CursorName(String);

/// The text cannot name a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cursor's name must be 1 to {} visible ASCII characters",
    CursorName::CHARS_MAX
)]
pub struct InvalidCursorName;

impl CursorName {
    /// Most characters of a name.
    pub const CHARS_MAX: usize = 128;

    /// Checks a name.
    ///
    /// # Errors
    /// When it is empty, too long, or has other characters than visible ASCII.
    pub fn new(name: &str) -> Result<Self, InvalidCursorName> {
        let fits = (1..=Self::CHARS_MAX).contains(&name.len());
        if fits && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidCursorName)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CursorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stores the positions of consumers of the journal. A consumer sees each entry at least once, because it saves its
/// position after its work.
#[async_trait]
pub trait Cursors: Send + Sync + 'static {
    /// The sequence that was saved last; 0 when none was.
    async fn load(&self, name: &CursorName) -> Result<u64, StoreError>;

    /// Makes a sequence durable, and returns only then. It may be lower than the last: a consumer may start over.
    async fn save(&self, name: &CursorName, sequence: u64) -> Result<(), StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_of_a_name_are_exact() {
        for name in ["w", "webhook:endpoint/1", &"~".repeat(128)] {
            assert_eq!(CursorName::new(name).unwrap().as_str(), name);
        }
        for name in ["", "a b", "é", "a\u{7f}", &"~".repeat(129)] {
            assert_eq!(CursorName::new(name), Err(InvalidCursorName));
        }
    }
}
