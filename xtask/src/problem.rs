//! Why the tree could not be looked at. What is wrong *in* a tree is a [`crate::finding::Finding`].

use std::path::PathBuf;

/// A failed look at the tree.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The tree could not be listed.
    #[error("could not list the files of the work tree")]
    List(#[source] walkdir::Error),
    /// A file could not be read.
    #[error("could not read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("could not write {path}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A source file is not Rust as `syn` knows it.
    #[error("could not parse {file} (line {line})")]
    Parse {
        /// Which file.
        file: String,
        /// Where.
        line: usize,
        /// Why.
        source: syn::Error,
    },
    /// A `mod name;` whose file is nowhere.
    #[error("{file} declares `mod {module};`, but the file of that module is missing")]
    ModuleFile {
        /// The file that declares it.
        file: String,
        /// The module's name.
        module: String,
    },
    /// A table of `xtask/` could not be read.
    #[error("could not read the table {file}")]
    Table {
        /// Which table.
        file: String,
        /// Why.
        source: toml::de::Error,
    },
    /// Cargo could not be started.
    #[error("could not start `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// Cargo failed.
    #[error("`{command}` failed:\n{output}")]
    Cargo {
        /// The command line.
        command: String,
        /// What it wrote to its standard error.
        output: String,
    },
    /// The answer of `cargo metadata` could not be read.
    #[error("could not parse the output of `cargo metadata`")]
    Metadata(#[source] serde_json::Error),
    /// A snapshot looked like the OpenAPI document, and is no JSON.
    #[error("{file} holds an OpenAPI document that is not JSON")]
    Snapshot {
        /// Which file.
        file: String,
        /// Why.
        source: serde_json::Error,
    },
}
