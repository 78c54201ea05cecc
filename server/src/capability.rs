//! What a bank promises about repeats, as a word of the command line and of files.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What a bank promises about repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CapabilityName {
    /// A repeat with the same reference gets the first answer
    Keyed,
    /// Every charge is processed, but the bank answers inquiries by reference
    InquiryOnly,
    /// The bank processes every charge and answers no inquiries
    Neither,
}
