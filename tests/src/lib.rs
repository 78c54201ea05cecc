//! The test kit: a real `holdfast` process, an HTTP client, and what tests say over and over.

mod any_store;
mod api_key;
pub mod bank_books;
mod browser;
mod client;
#[cfg(target_os = "linux")]
mod disk;
mod figures;
pub mod fuzz;
mod gateway;
mod hammer;
mod lives;
mod local;
mod lock;
mod naive;
mod process;
mod raw;
pub mod sample;
pub mod scripted;
mod small_disk;
mod sources;
mod stub;
mod tcp_proxy;
mod told;
mod turn;

pub use any_store::AnyStore;
pub use api_key::ApiKey;
pub use browser::{browse, can_browse};
pub use client::{Answer, Client, NoAnswer};
#[cfg(target_os = "linux")]
pub use disk::{Disk, PowerLoss};
pub use figures::{bytes_below, copy_directory, memory_kib};
pub use gateway::Gateway;
pub use hammer::{ask_again, hammer, is_large, scatter};
pub use lives::Lives;
pub use local::open_store;
pub use lock::until_unlocked;
pub use naive::NaiveService;
pub use process::{Server, holdfast, need_module, need_tool};
pub use raw::{
    RawChunk, raw_database, raw_journal, raw_old_database, to_old_layout, write_raw_journal,
};
pub use small_disk::SmallDisk;
pub use sources::sources_of;
pub use stub::{Stub, StubAnswer};
pub use tcp_proxy::{Loss, TcpProxy};
pub use told::Told;
pub use turn::{Turn, alone, beside_others};
