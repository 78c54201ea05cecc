//! The answers of each operation: one table per operation, to be read beside the contract.

mod accounts_and_feed;
mod operators;
mod payments;
mod probes;
mod shared;

pub(crate) use accounts_and_feed::{Account, Feed};
pub(crate) use operators::{Contradictions, Journal, Resolve};
pub(crate) use payments::{Cancel, Create, Events, Get, List};
pub(crate) use probes::{AlwaysText, Probe};
