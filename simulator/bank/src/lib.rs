//! The simulated bank: what it does with each call, without a socket and without waiting.
//!
//! [`Bank`] plans each call by the fault model, processes it against its ledger, and says how to deliver the answer. Two
//! adapters carry that out: [`SimulatedBank`] for callers in the same process, and the HTTP server of `holdfast bank`.

pub mod faults;
mod in_process;
mod ledger;
mod messages;
mod options;
pub mod phrases;
mod processing;

pub use in_process::{Gullible, Later, SIMULATED, SimulatedBank, simulated_address};
pub use ledger::{BankLedgerError, ChargeTerms, Debit};
pub use messages::{
    AuditLine, BankAnswer, Charge, DUPLICATE, Deferred, NamedAnswer, Reaction, ReferenceReused,
};
pub use options::{Mode, SimulatedBankOptions};
pub use processing::Bank;
