//! Which commit the binary is made of, for `holdfast --version`: what `HOLDFAST_COMMIT` says, or git.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=HOLDFAST_COMMIT");
    // Changes with every commit and every change of branch. Without it there is no repository.
    let log = Path::new("../.git/logs/HEAD");
    if log.exists() {
        println!("cargo:rerun-if-changed={}", log.display());
    }
    let given = std::env::var("HOLDFAST_COMMIT").ok();
    let commit = given.filter(|commit| !commit.is_empty()).or_else(git);
    let commit = commit.unwrap_or_else(|| "unknown commit".to_owned());
    println!("cargo:rustc-env=HOLDFAST_COMMIT={commit}");
}

fn git() -> Option<String> {
    let mut git = Command::new("git");
    let head = git
        .args(["rev-parse", "--short=12", "HEAD"])
        .output()
        .ok()?;
    let commit = String::from_utf8(head.stdout).ok()?.trim().to_owned();
    (head.status.success() && !commit.is_empty()).then_some(commit)
}
