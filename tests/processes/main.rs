//! The real binary, as a user runs it: over real sockets and files, behind real gateways, in a real browser.
//!
//! What loads the machine or measures it belongs to `torture`: the tests here run side by side.

mod api_keys;
mod bank_server;
mod bank_url;
mod black_box;
mod cli;
mod contract;
mod damaged_store;
mod duplicates;
mod in_browser;
mod isolation;
mod limits;
mod observability;
mod offline;
mod openapi;
mod operators;
mod refused_directory;
mod telemetry;
mod tls;
mod wall_clock;
