//! The simulated side of Holdfast's seams: a bank that can be made to wait, and a store that can be
//! made to fail.
//!
//! Architecture invariant: nothing here knows HTTP or the server. The engine does not know this
//! crate either: simulated parts come in through the same traits as the real ones.

mod bank;
mod ledger;
mod store;

pub use bank::{SimulatedBank, SimulatedBankOptions};
pub use ledger::{Debit, LedgerError};
pub use store::SimulatedStore;
