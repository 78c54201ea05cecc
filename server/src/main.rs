//! The `holdfast` binary; see [`holdfast_server::cli`].

use std::process::ExitCode;

/// Payments are many small, short-lived values that one thread makes and another drops.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    holdfast_server::cli::main()
}
