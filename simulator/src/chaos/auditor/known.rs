//! A payment as the auditor knows it.

use bytes::Bytes;
use holdfast_core::BankName;

use super::standing::Standing;
use super::wanted::Wanted;

/// A payment as the auditor knows it.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Known {
    /// Under which key.
    pub(in crate::chaos) key: u32,
    /// What was asked for.
    pub(in crate::chaos) wanted: Wanted,
    /// Where it stood after each version, from 1.
    pub(in crate::chaos) standings: Vec<Standing>,
    /// Attempts that were made durable.
    pub(in crate::chaos) attempts: u32,
    /// Attempts that were held back, because their time was over.
    pub(super) held_back: u32,
    /// For which bank it was admitted.
    pub(in crate::chaos) bank: Option<BankName>,
    /// Whether an operator decided it.
    pub(in crate::chaos) resolved: bool,
    /// Whether the bank is asked about it after an operator's decision.
    pub(in crate::chaos) watched: bool,
    /// How many movements of each kind there were: hold, post, void.
    pub(in crate::chaos) moved: [u32; 3],
    /// The first final answer to a create: status and body.
    pub(super) frozen: Option<(u16, Bytes)>,
    /// The highest version that anyone was shown.
    pub(in crate::chaos) shown: u64,
    /// In which life it finished.
    pub(in crate::chaos) finished_in: Option<u32>,
}

impl Known {
    /// Where it stands.
    pub(in crate::chaos) fn standing(&self) -> Standing {
        self.standings[self.standings.len() - 1]
    }

    /// Its version.
    pub(in crate::chaos) fn version(&self) -> u64 {
        self.standings.len() as u64
    }

    /// Whether this bank is asked about it after an operator's decision.
    pub(in crate::chaos) fn is_watched_by(&self, bank: &BankName) -> bool {
        self.watched && self.bank.as_ref() == Some(bank)
    }
}
