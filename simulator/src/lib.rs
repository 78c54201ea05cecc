//! The simulated side of Holdfast's seams: a bank that misbehaves and a store that fails, both on demand.
//!
//! - [`faults`]: the fault model, as data drawn from a seed.
//! - [`bank`]: a bank with its own ledger that carries the fault plans out.
//! - [`SimulatedStore`]: a store in memory.
//! - [`chaos`]: a whole world around the real service, from one seed.
//!
//! Architecture invariant: nothing here knows the server. Its front door comes in as a function from HTTP requests to
//! answers. The engine does not know this crate: simulated parts come in through the same traits as the real ones.

pub mod bank;
pub mod chaos;
pub mod faults;
mod phrases;
pub mod store;

pub use bank::{BankLedgerError, ChargeTerms, Debit, SimulatedBank, SimulatedBankOptions};
pub use store::SimulatedStore;
