//! The test kit: a real `holdfast` process, an HTTP client, and what tests say over and over.

pub mod bank_books;
mod client;
mod gateway;
mod lives;
mod naive;
mod process;
pub mod sample;
pub mod scripted;
mod tcp_proxy;

pub use client::{Answer, Client, NoAnswer};
pub use gateway::Gateway;
pub use lives::Lives;
pub use naive::NaiveService;
pub use process::{Server, holdfast, need_tool};
pub use tcp_proxy::{Loss, TcpProxy};
