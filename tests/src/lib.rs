//! The test kit: a real `holdfast` process, an HTTP client, and what tests say over and over.

mod client;
mod process;
pub mod sample;
pub mod scripted;

pub use client::{Answer, Client, NoAnswer};
pub use process::{Server, holdfast, need_tool};
