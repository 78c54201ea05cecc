//! The name by which this program was started, for command lines that people copy.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// How this program was started.
#[derive(Debug)]
struct Started<'a> {
    /// Its file.
    program: Option<&'a Path>,
    /// Its name as it was typed.
    typed: Option<&'a str>,
    /// Where commands are looked for.
    path: Option<&'a OsStr>,
    /// In which directory.
    directory: Option<&'a Path>,
}

/// What a command line begins with that runs this program again.
pub(super) fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let program = std::env::current_exe().and_then(|path| path.canonicalize());
        let typed = std::env::args_os().next();
        let typed = typed.as_ref().and_then(|typed| typed.to_str());
        let path = std::env::var_os("PATH");
        let directory = std::env::current_dir();
        let started = Started {
            program: program.as_deref().ok(),
            typed,
            path: path.as_deref(),
            directory: directory.as_deref().ok(),
        };
        started.again()
    })
}

impl Started<'_> {
    fn again(&self) -> String {
        if let Some(cargo) = self.by_cargo() {
            return cargo.to_owned();
        }
        match self.typed {
            Some(typed) if !self.is_in_path() => quoted(typed),
            Some(_) | None => "holdfast".to_owned(),
        }
    }

    /// The command of cargo, where it runs what this is: `target` lies beside the manifest that cargo finds from here.
    fn by_cargo(&self) -> Option<&'static str> {
        let profile = self.program?.parent()?;
        let target = profile.parent()?;
        let workspace = target.parent()?;
        let manifest = self
            .directory?
            .ancestors()
            .map(|directory| directory.join("Cargo.toml"))
            .find(|manifest| manifest.is_file())?;
        if target.file_name()? != "target" || manifest != workspace.join("Cargo.toml") {
            return None;
        }
        match profile.file_name()?.to_str()? {
            "debug" => Some("cargo run --"),
            "release" => Some("cargo run --release --"),
            _ => None,
        }
    }

    /// Whether a shell that is told `holdfast` runs this program.
    fn is_in_path(&self) -> bool {
        let Some((program, path)) = self.program.zip(self.path) else {
            return false;
        };
        let found: Option<PathBuf> = std::env::split_paths(path)
            .map(|directory| directory.join("holdfast"))
            .find(|file| file.is_file());
        found.is_some_and(|file| {
            file.canonicalize()
                .is_ok_and(|file| file.as_path() == program)
        })
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || "/._-+,:@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        _directory: tempfile::TempDir,
        root: PathBuf,
    }

    impl Machine {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path().canonicalize().unwrap();
            for (file, below) in [("holdfast", "bin"), ("holdfast", "work/target/debug")] {
                std::fs::create_dir_all(root.join(below)).unwrap();
                std::fs::write(root.join(below).join(file), "").unwrap();
            }
            std::fs::create_dir_all(root.join("work/server")).unwrap();
            std::fs::write(root.join("work/Cargo.toml"), "").unwrap();
            std::fs::write(root.join("work/server/Cargo.toml"), "").unwrap();
            Self {
                _directory: directory,
                root,
            }
        }

        fn again(&self, program: &str, typed: &str, directory: &str) -> String {
            let (program, directory) = (self.root.join(program), self.root.join(directory));
            let path = self.root.join("bin").into_os_string();
            let started = Started {
                program: Some(&program),
                typed: Some(typed),
                path: Some(&path),
                directory: Some(&directory),
            };
            started.again()
        }
    }

    #[test]
    fn cargo_is_named_where_it_runs_the_same_program() {
        let machine = Machine::new();
        let again = |profile, directory| {
            machine.again(
                &format!("work/target/{profile}/holdfast"),
                "target/it",
                directory,
            )
        };
        assert_eq!(again("debug", "work"), "cargo run --");
        assert_eq!(again("release", "work"), "cargo run --release --");
        assert_eq!(again("debug", "work/docs"), "cargo run --");
        // A profile that the command would have to name, and places where cargo runs something else or nothing.
        assert_eq!(again("profiling", "work"), "target/it");
        assert_eq!(again("debug", "work/server"), "target/it");
        assert_eq!(again("debug", "bin"), "target/it");
    }

    #[test]
    fn the_name_alone_is_enough_where_the_shell_finds_it() {
        let machine = Machine::new();
        assert_eq!(machine.again("bin/holdfast", "holdfast", "bin"), "holdfast");
        let other = machine.again("elsewhere/holdfast", "./holdfast", "bin");
        assert_eq!(other, "./holdfast");
    }

    #[test]
    fn a_path_is_given_back_as_it_was_typed() {
        let machine = Machine::new();
        let again = |typed| machine.again("elsewhere/holdfast", typed, "bin");
        assert_eq!(again("/opt/hold-fast/holdfast"), "/opt/hold-fast/holdfast");
        assert_eq!(again("/opt/my tools/it's"), r"'/opt/my tools/it'\''s'");
    }
}
