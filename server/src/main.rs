//! The `holdfast` binary; see [`holdfast_server::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    holdfast_server::cli::main()
}
