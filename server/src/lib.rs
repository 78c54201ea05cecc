//! Holdfast's HTTP API and its one binary, `holdfast`: configuration, wiring, commands.
//!
//! - [`api`]: the front door. `http::Request` in, `http::Response` out; it owns no socket.
//! - [`site`]: the API and the console together, as `holdfast serve` serves them.
//! - [`bank_client`]: the bank behind a URL.
//! - [`cli`]: the commands.
//!
//! Architecture invariant: what a payment may do is the engine's to decide; this crate translates.

mod accept;
pub mod api;
pub(crate) mod api_keys;
pub mod bank_client;
mod bank_server;
mod bank_wire;
mod bench;
mod capability;
mod causes;
mod chaos;
pub mod cli;
mod codes;
mod config;
mod console;
mod manual;
mod offline;
mod output;
mod process;
mod reach;
mod refusal;
mod reload;
mod serve;
pub mod site;
mod telemetry;
mod tls;
mod web;
