//! Tasks for people who change Holdfast: `cargo run -p xtask -- tidy` checks the work tree for what no compiler
//! checks, `cargo run -p xtask -- draw` writes the drawing of its crates and rooms.
//!
//! It reads the tree and knows nothing of payments.

mod adapters;
mod arrows;
mod circles;
mod documents;
mod drawing;
mod finding;
mod lengths;
mod markdown;
mod problem;
mod routes;
mod rust;
mod tables;
mod tidy;
mod tree;
mod workspace;

#[cfg(test)]
mod fixture;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use problem::Problem;
use tree::Tree;

/// Checks and drawings of the work tree.
#[derive(Parser)]
#[command(name = "xtask")]
struct Arguments {
    /// The root of the work tree; by default the one that this program was compiled in
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check arrows, circles, names in documents, routes and lengths; exit 1 with every finding
    Tidy,
    /// Write the drawing of crates and rooms into docs/ARCHITECTURE.md
    Draw {
        /// Write nothing, and fail when the drawing is out of date
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            let mut cause = std::error::Error::source(&problem);
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<ExitCode, Problem> {
    let root = arguments.root.unwrap_or_else(compiled_root);
    let tree = Tree::read(&root)?;
    let members = workspace::members(&tree)?;
    let findings = match arguments.task {
        Task::Tidy => {
            let outcome = tidy::tidy(&tree, &members)?;
            for note in &outcome.notes {
                eprintln!("note: {note}");
            }
            outcome.findings
        }
        Task::Draw { check: true } => drawing::check(&tree, &members)?,
        Task::Draw { check: false } => {
            drawing::write(&tree, &members)?;
            Vec::new()
        }
    };
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{} findings", findings.len());
    Ok(ExitCode::FAILURE)
}

/// The workspace of this crate's own manifest.
fn compiled_root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("a member lies below the workspace's root")
        .to_path_buf()
}
