//! Holdfast's engine: payments that survive retries, crashes and an ambiguous bank.
//!
//! The rooms, from the inside out:
//!
//! - [`payment`]: the pure core. States, events, one `transition` function.
//! - [`ledger`]: double entry, two phases; pure as well.
//! - [`retry`]: when to try again; pure as well.
//! - [`chain`]: binds each journal entry to the one before.
//! - [`replay`]: payments and balances out of the journal alone.
//! - [`store`]: the source of truth, as a trait, and its embedded adapter.
//! - [`pipeline`]: the one way to write: group commit, and the permits that follow from it.
//! - [`bank`]: the port to the bank, which takes a permit by value.
//! - [`breaker`]: keeps off a bank that is down.
//! - [`service`]: one flight per key, the cache of finished payments, recovery.
//! - [`timeline`]: the one source of times that are stamped and compared.
//! - [`startup`]: what must fit before a service may start on a store.
//!
//! Architecture invariant: the engine knows no HTTP. Time, randomness and ids come in from outside
//! through [`clock::Clock`] and [`source::SeededSource`].

pub mod bank;
pub mod breaker;
pub mod chain;
pub mod clock;
pub mod codec;
pub mod fatal;
pub mod ledger;
pub mod metrics;
pub mod payment;
pub mod pipeline;
pub mod replay;
pub mod retry;
pub mod service;
pub mod source;
pub mod startup;
pub mod store;
pub mod timeline;
pub mod trace;
