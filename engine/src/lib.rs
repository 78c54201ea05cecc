//! Holdfast's engine: payments that survive retries, crashes and an ambiguous bank.
//!
//! The pure core (the machine, the ledger, the journal) is the crate `holdfast-core`. This crate carries out what the core
//! decides:
//!
//! - [`store`], [`bank`], [`clock`]: the seams. Adapters are crates of their own.
//! - [`pipeline`]: the only way to write: group commit, and the permits that follow from it.
//! - [`lanes`]: one lane per bank: slots, a circuit breaker, a time limit.
//! - [`service`]: one flight per key, the cache of finished operations, recovery.
//! - [`timeline`]: the only source of times that are stamped and compared.
//! - [`startup`]: the checks of banks and merchants before a service may start on a store.
//!
//! Architecture invariant: the engine knows no HTTP and no adapter. Time, randomness and ids come in from outside
//! through [`clock::Clock`] and [`source::SeededSource`].

pub mod bank;
pub mod clock;
pub mod fatal;
pub mod lanes;
pub mod metrics;
pub mod pipeline;
pub mod service;
pub mod source;
pub mod startup;
pub mod store;
pub mod timeline;
pub mod trace;
