//! The test kit: a real `holdfast` process, an HTTP client, and what tests say over and over.

pub mod bank_books;
mod client;
mod lives;
mod process;
pub mod sample;
pub mod scripted;

pub use client::{Answer, Client, NoAnswer};
pub use lives::Lives;
pub use process::{Server, holdfast, need_tool};
