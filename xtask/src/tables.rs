//! The tables of `xtask/`: what may be, with its reason. They are data, so that a change of a rule is read as one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::tree::{Tree, line_where};

/// Which crate and which room may name which crate.
pub(crate) const ARROWS: &str = "xtask/arrows.toml";
/// What is too long, or named and not there, and may stay for now.
pub(crate) const ALLOW: &str = "xtask/allow.toml";

/// `xtask/arrows.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrows {
    /// Each crate of the workspace.
    pub(crate) crates: BTreeMap<String, Arrow>,
    /// Crates with no input and no output.
    pub(crate) pure: Pure,
    /// Rooms that may name an adapter's crate.
    #[serde(default)]
    pub(crate) rooms: Vec<Room>,
}

/// What one crate may name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arrow {
    /// The crates one floor below; what these may name, it may name too.
    pub(crate) to: Vec<String>,
    /// Further crates, for its tests alone.
    #[serde(default)]
    pub(crate) dev: Vec<String>,
}

/// Crates whose normal dependencies do no input and output.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pure {
    /// The crates.
    pub(crate) crates: Vec<String>,
    /// What they must not depend on, however far down; a `*` at the end stands for any end.
    pub(crate) without: Vec<String>,
}

/// A room that may name adapters.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Room {
    /// A file, or a folder with a `/` at its end.
    pub(crate) at: String,
    /// The adapters' crates.
    pub(crate) names: Vec<String>,
    /// Why it must.
    pub(crate) reason: String,
}

/// `xtask/allow.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allow {
    /// Files that are too long.
    #[serde(default)]
    pub(crate) files: Vec<Allowed>,
    /// Functions that are too long, as `file name`.
    #[serde(default)]
    pub(crate) functions: Vec<Allowed>,
    /// Names in documents that look like files and are none, as `page name`.
    #[serde(default)]
    pub(crate) names: Vec<Allowed>,
}

/// Entries with one reason.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Allowed {
    /// Why they may be.
    pub(crate) reason: String,
    /// Where they are.
    pub(crate) at: Vec<String>,
}

/// The table of arrows.
pub(crate) fn arrows(tree: &Tree) -> Result<Arrows, Problem> {
    table(tree, ARROWS)
}

/// The table of what may be; empty where there is none.
pub(crate) fn allow(tree: &Tree) -> Result<Allow, Problem> {
    if tree.has_file(ALLOW) {
        table(tree, ALLOW)
    } else {
        Ok(Allow::default())
    }
}

/// The line of a table that has an entry.
pub(crate) fn line_of(tree: &Tree, file: &str, entry: &str) -> Result<usize, Problem> {
    let quoted = format!("\"{entry}\"");
    Ok(line_where(&tree.text(file)?, |line| line.contains(&quoted)))
}

fn table<T: DeserializeOwned>(tree: &Tree, file: &str) -> Result<T, Problem> {
    toml::from_str(&tree.text(file)?).map_err(|source| Problem::Table {
        file: file.to_owned(),
        source,
    })
}
