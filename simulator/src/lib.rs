//! The simulated side of Holdfast's seams: a bank that can be made to misbehave, and a store that can
//! be made to fail.
//!
//! - [`faults`]: what goes wrong, as data drawn from a seed.
//! - [`bank`]: a bank with books of its own that carries the plans out.
//! - [`SimulatedStore`]: a store in memory.
//!
//! - [`chaos`]: a whole world around the real service, from one number.
//!
//! Architecture invariant: nothing here knows the server; its front door is injected into the world as
//! a function from HTTP requests to answers. The engine does not know this
//! crate either: simulated parts come in through the same traits as the real ones.

pub mod bank;
pub mod chaos;
pub mod faults;
mod phrases;
pub mod store;

pub use bank::{BankLedgerError, ChargeTerms, Debit, SimulatedBank, SimulatedBankOptions};
pub use store::SimulatedStore;
