//! How the simulated bank behaves: what it promises, and which faults it has.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::{Deserialize, Serialize};

use crate::faults::FaultProfile;

/// What the bank promises about repeats.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// A repeat of a reference gets the first answer, while the bank remembers it.
    #[default]
    Keyed,
    /// Every charge is processed, but the bank can be asked by reference.
    InquiryOnly,
    /// Every charge is processed, and the bank knows nothing when asked.
    Neither,
}

/// How the simulated bank behaves.
#[derive(Debug, Clone, Default)]
pub struct SimulatedBankOptions {
    /// Its promise about repeats.
    pub mode: Mode,
    /// Its faults.
    pub faults: FaultProfile,
    /// The seed that the faults are drawn from.
    pub seed: u64,
    /// Longest time that a request may be in transit, in milliseconds, for callers in the same process.
    pub grace_ms: u64,
    /// The ledger file; the bank keeps its debits in memory only when `None`.
    pub ledger: Option<PathBuf>,
    /// A clock in milliseconds that someone else advances; the bank's own clock when `None`.
    pub time: Option<Arc<AtomicU64>>,
}
