//! The members of the workspace, as cargo tells them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::problem::Problem;
use crate::tree::{Tree, normal};

/// One crate of the workspace.
#[derive(Debug)]
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// Its manifest, relative to the root.
    pub(crate) manifest: String,
    /// Packages that it names for its normal build, or its build script.
    pub(crate) normal: BTreeSet<String>,
    /// Packages that it names for its tests only.
    pub(crate) dev: BTreeSet<String>,
    /// The root files of its targets, relative to the root, the library first.
    pub(crate) roots: Vec<String>,
}

impl Member {
    /// The folder that it lies in, relative to the root.
    pub(crate) fn folder(&self) -> &str {
        let folder = Path::new(&self.manifest).parent();
        folder.and_then(Path::to_str).unwrap_or_default()
    }

    /// The name under which Rust knows the crate.
    pub(crate) fn ident(&self) -> String {
        self.name.replace('-', "_")
    }
}

/// The members, ordered by name.
pub(crate) fn members(tree: &Tree) -> Result<Vec<Member>, Problem> {
    // Without dependencies: cargo downloads nothing for it.
    let output = cargo(
        tree.root(),
        &["metadata", "--format-version", "1", "--no-deps"],
    )?;
    let metadata: Metadata = serde_json::from_str(&output).map_err(Problem::Metadata)?;
    let mut members: Vec<_> = metadata
        .packages
        .into_iter()
        .map(|package| package.member(tree))
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

/// What cargo writes, run at a root.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Result<String, Problem> {
    // Cargo tells the programs that it runs which cargo it is.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = format!("cargo {}", arguments.join(" "));
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|source| Problem::Start {
            command: command.clone(),
            source,
        })?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Problem::Cargo {
            command,
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    src_path: PathBuf,
}

impl Package {
    fn member(self, tree: &Tree) -> Member {
        let is_dev = |dependency: &&Dependency| dependency.kind.as_deref() == Some("dev");
        let name = |dependency: &Dependency| dependency.name.clone();
        let mut targets: Vec<_> = self.targets.iter().collect();
        // Stable: the library first, then the binary, then the rest in cargo's order.
        targets.sort_by_key(|target| match target.kind.first().map(String::as_str) {
            Some("lib") => 0,
            Some("bin") => 1,
            _ => 2,
        });
        Member {
            manifest: tree.relative(&self.manifest_path),
            normal: self
                .dependencies
                .iter()
                .filter(|dependency| !is_dev(dependency))
                .map(name)
                .collect(),
            dev: self.dependencies.iter().filter(is_dev).map(name).collect(),
            roots: targets
                .into_iter()
                .map(|target| normal(&tree.relative(&target.src_path)))
                .collect(),
            name: self.name,
        }
    }
}
