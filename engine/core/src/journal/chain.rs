//! The hash chain over the journal: each entry is bound to the one before it, so a rewritten past no longer leads to
//! the present.
//!
//! Anyone who knows a later digest can detect tampering and damage. Someone who can rewrite the whole store can also
//! compute a new chain. To detect even that, keep a digest elsewhere (`holdfast verify` prints it).

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::entry::JournalEntry;
use crate::codec::{self, EncodeError};

/// The digest of a journal up to and including an entry: SHA-256 over the digest of the entry
/// before, the sequence (big-endian), and the entry's body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest before the first entry.
    pub const GENESIS: Self = Self([0; 32]);

    /// A digest from its bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The digest after the entry with this sequence.
    ///
    /// # Errors
    /// Never in practice: an entry that cannot be encoded is not stored.
    pub fn after(self, sequence: u64, entry: &JournalEntry) -> Result<Self, EncodeError> {
        Ok(self.after_body(sequence, &codec::body(entry)?))
    }

    /// Like [`Self::after`], for an entry whose body is already encoded.
    pub fn after_body(self, sequence: u64, body: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(self.0);
        hasher.update(sequence.to_be_bytes());
        hasher.update(body);
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The end of the chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Sequence of the last entry; 0 when there is none.
    pub sequence: u64,
    /// Its digest.
    pub digest: Digest,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed from the definition with another program: everyone who keeps digests must be able to do that.
    #[test]
    fn a_digest_is_sha256_over_the_one_before_the_sequence_and_the_body() {
        let second = Digest::GENESIS
            .after_body(1, b"first")
            .after_body(2, b"second");
        let expected = "be9a26ea4b5b3d907cf845a3a29e29fdb768712faacfea29852689031bd138c7";
        assert_eq!(second.to_string(), expected);
    }
}
