//! The program as people and `.ci/run` call it: what it writes, and how it ends.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn xtask(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("--root").arg(root).args(arguments);
    command.output().expect("the program starts")
}

fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap_or(root)).expect("a folder is made");
    fs::write(path, text).expect("a file is written");
}

/// A tree of one crate, drawn, in which nothing is wrong.
fn clean() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder is made");
    let root = folder.path();
    write(
        root,
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"only\"]\n",
    );
    write(
        root,
        "only/Cargo.toml",
        "[package]\nname = \"only\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    write(root, "only/src/lib.rs", "mod a;\n");
    write(root, "only/src/a.rs", "struct A;\n");
    write(
        root,
        "xtask/arrows.toml",
        "crates = { only = { to = [] } }\npure = { crates = [\"only\"], without = [\"tokio\"] }\n",
    );
    write(root, "docs/ARCHITECTURE.md", "# Architecture\n");
    assert!(xtask(root, &["draw"]).status.success());
    folder
}

#[test]
fn a_clean_tree_ends_with_0_and_without_a_word() {
    let tree = clean();
    let output = xtask(tree.path(), &["tidy"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn findings_end_with_1_and_each_has_its_line() {
    let tree = clean();
    write(tree.path(), "only/src/a.rs", &"// A line.\n".repeat(401));
    write(tree.path(), "README.md", "`gone.rs`\n\n[gone](gone.md)\n");
    let output = xtask(tree.path(), &["tidy"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "README.md:1: [document] there is no `gone.rs`
README.md:3: [document] the link to gone.md leads to gone.md, which is not there
only/src/a.rs:1: [length] only/src/a.rs: a file of 401 lines; the limit is 400
"
    );
}

#[test]
fn a_drawing_out_of_date_fails_both_its_own_check_and_tidy() {
    let tree = clean();
    assert_eq!(
        xtask(tree.path(), &["draw", "--check"]).status.code(),
        Some(0)
    );
    write(tree.path(), "only/src/lib.rs", "mod a;\nmod b;\n");
    write(tree.path(), "only/src/b.rs", "");
    for arguments in [&["draw", "--check"][..], &["tidy"]] {
        let output = xtask(tree.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("the drawing is out of date"), "{said}");
    }
}

#[test]
fn a_tree_that_cannot_be_read_ends_with_1_and_the_reason() {
    let tree = clean();
    write(tree.path(), "xtask/arrows.toml", "crates = 1\n");
    let output = xtask(tree.path(), &["tidy"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("xtask: could not read the table xtask/arrows.toml\n  because: "),
        "{said}"
    );
}
