//! A payment as the auditor knows it.

use bytes::Bytes;
use holdfast_core::BankName;

use super::standing::Standing;
use super::wanted::Wanted;

/// A payment as the auditor knows it.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Known {
    /// Its key.
    pub(in crate::chaos) key: u32,
    /// The request.
    pub(in crate::chaos) wanted: Wanted,
    /// Its state after each version, from version 1 on.
    pub(in crate::chaos) standings: Vec<Standing>,
    /// Attempts that were made durable.
    pub(in crate::chaos) attempts: u32,
    /// Attempts that were held back, because their time was over.
    pub(super) held_back: u32,
    /// The bank that it was admitted for.
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
    /// The life in which it finished.
    pub(in crate::chaos) finished_in: Option<u32>,
}

impl Known {
    /// Its current state.
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
