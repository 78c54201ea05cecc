//! What the documents name exists: files, folders and tests in backticks, and where links lead.
//!
//! It knows nothing of what the documents say; it reads `README.md`, `CONTRIBUTING.md` and what is below `docs/`.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Check, Finding};
use crate::markdown::{Block, Page, Span};
use crate::problem::Problem;
use crate::tables::{self, ALLOW, Allow};
use crate::tree::{Tree, ends_with, has_end, normal};

/// The ends of files that the tree is made of: a name with one of them is that of a file of ours.
const ENDS: [&str; 15] = [
    "rs",
    "py",
    "sh",
    "mjs",
    "js",
    "ts",
    "css",
    "html",
    "toml",
    "md",
    "json",
    "yml",
    "snap",
    "service",
    "proptest-regressions",
];
/// Headings of columns in which a name of several words is that of a test.
const TEST_COLUMNS: [&str; 3] = ["guarded by", "test", "tests"];
/// The name of a test is a sentence: it has this many words at least.
const TEST_WORDS_MIN: usize = 4;

/// Every name and link that leads nowhere.
pub(crate) fn check(tree: &Tree, allow: &Allow) -> Result<Vec<Finding>, Problem> {
    let mut pages = BTreeMap::new();
    for file in tree.files().filter(|file| is_document(file)) {
        pages.insert(file, Page::parse(&tree.text(file)?));
    }
    let mut names = Names {
        tree,
        functions: functions(tree)?,
        allowed: allow
            .names
            .iter()
            .flat_map(|group| &group.at)
            .map(String::as_str)
            .collect(),
        needed: BTreeSet::new(),
        findings: Vec::new(),
    };
    for (file, page) in &pages {
        for block in &page.blocks {
            names.check(file, block);
        }
    }
    let Names {
        allowed,
        needed,
        mut findings,
        ..
    } = names;
    for entry in &allowed - &needed {
        let line = tables::line_of(tree, ALLOW, entry)?;
        let message = format!("no document names `{entry}` any more: remove the entry");
        findings.push(Finding::new(Check::Document, ALLOW, line, message));
    }
    for (file, page) in &pages {
        for (to, line) in &page.links {
            if let Some(message) = broken(tree, &pages, file, to) {
                findings.push(Finding::new(Check::Document, *file, *line, message));
            }
        }
    }
    Ok(findings)
}

fn is_document(file: &str) -> bool {
    has_end(file, "md")
        && (file.starts_with("docs/") || ["README.md", "CONTRIBUTING.md"].contains(&file))
}

/// The functions of each file of Rust, those within macros too.
fn functions(tree: &Tree) -> Result<BTreeMap<&str, BTreeSet<String>>, Problem> {
    let mut functions = BTreeMap::new();
    for file in tree.rust_files() {
        let text = tree.text(file)?;
        let names = text.split("fn ").skip(1).filter_map(|after| {
            let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
            let is_function = matches!(after.as_bytes()[end], b'(' | b'<');
            is_function.then(|| after[..end].to_owned())
        });
        functions.insert(file, names.collect());
    }
    Ok(functions)
}

struct Names<'a> {
    tree: &'a Tree,
    functions: BTreeMap<&'a str, BTreeSet<String>>,
    allowed: BTreeSet<&'a str>,
    needed: BTreeSet<&'a str>,
    findings: Vec<Finding>,
}

impl Names<'_> {
    fn check(&mut self, page: &str, block: &Block) {
        let is_of_tests = block
            .column
            .as_ref()
            .is_some_and(|column| TEST_COLUMNS.contains(&column.as_str()));
        // The file of Rust that was named last, and whether this span still speaks of it.
        let mut of: Option<&str> = None;
        let mut goes_on = false;
        for span in &block.spans {
            if is_test_name(&span.code) && (is_of_tests || (goes_on && is_joint(&span.before))) {
                if let Some(message) = self.missing_test(of, &span.code) {
                    self.find(page, span, message);
                }
                continue;
            }
            goes_on = false;
            // `file.rs::test`.
            if let Some((file, name)) = span.code.split_once("::")
                && has_end(file, "rs")
                && let Some(message) = self.missing_test(Some(file), name)
            {
                self.find(page, span, message);
            }
            match named(self.tree, &span.code) {
                Named::NoFile => {}
                Named::Exists => {
                    if has_end(&span.code, "rs") {
                        of = Some(&span.code);
                        goes_on = true;
                    }
                }
                Named::Missing => {
                    let message = format!("there is no `{}`", span.code);
                    self.find(page, span, message);
                }
            }
        }
    }

    fn find(&mut self, page: &str, span: &Span, message: String) {
        let entry = format!("{page} {}", span.code);
        if let Some(allowed) = self.allowed.get(entry.as_str()) {
            self.needed.insert(allowed);
        } else {
            let finding = Finding::new(Check::Document, page, span.line, message);
            self.findings.push(finding);
        }
    }

    fn missing_test(&self, of: Option<&str>, name: &str) -> Option<String> {
        let has = |file: &str| {
            let functions = self.functions.get(file);
            functions.is_some_and(|names| names.contains(name))
        };
        if self.files(of).any(has) {
            return None;
        }
        let elsewhere = self.files(None).find(|file| has(file));
        Some(match (of, elsewhere) {
            (Some(of), Some(file)) => format!("`{of}` has no test `{name}`; `{file}` has"),
            (Some(of), None) => format!("`{of}` has no test `{name}`, nor has any other file"),
            (None, _) => format!("there is no test `{name}`"),
        })
    }

    /// The files that a name stands for, or all of them.
    fn files<'a>(&'a self, end: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let files = self.functions.keys().copied();
        files.filter(move |file| end.is_none_or(|end| ends_with(file, end)))
    }
}

/// Whether a span has the form of a test's name.
fn is_test_name(code: &str) -> bool {
    let words: Vec<_> = code.split('_').collect();
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    words.len() >= TEST_WORDS_MIN && words.iter().all(is_word)
}

/// Whether what stands between two spans makes one list of them.
fn is_joint(between: &str) -> bool {
    matches!(between.trim(), "" | "," | "and" | ", and" | ":")
}

/// What a span names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    NoFile,
    Exists,
    Missing,
}

fn named(tree: &Tree, code: &str) -> Named {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if !code.chars().all(is_plain) || code.starts_with(['/', '-']) || code.contains("..") {
        return Named::NoFile;
    }
    let path = code.trim_end_matches('/');
    let is_file = ENDS.iter().any(|end| has_end(path, end));
    let exists = match path.split_once('/') {
        // From the root on.
        Some((first, _)) if tree.has_folder(first) => tree.has_file(path) || tree.has_folder(path),
        Some((first, _)) if is_file || code.ends_with('/') || tree.has_folder_ending(first) => {
            has_ending(tree, path)
        }
        None if is_file || code.ends_with('/') => has_ending(tree, path),
        Some(_) | None => return Named::NoFile,
    };
    if exists {
        Named::Exists
    } else {
        Named::Missing
    }
}

/// Whether a file, a folder or a room has a path with this end.
fn has_ending(tree: &Tree, path: &str) -> bool {
    tree.has_folder_ending(path)
        || tree.files_ending(path).next().is_some()
        || tree.files_ending(&format!("{path}.rs")).next().is_some()
}

/// Why a link leads nowhere.
fn broken(tree: &Tree, pages: &BTreeMap<&str, Page>, from: &str, to: &str) -> Option<String> {
    let is_elsewhere = ["http:", "https:", "mailto:"]
        .iter()
        .any(|scheme| to.starts_with(scheme));
    if is_elsewhere {
        return None;
    }
    let (path, anchor) = match to.split_once('#') {
        Some((path, anchor)) => (path, Some(anchor)),
        None => (to, None),
    };
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    let file = match path.strip_prefix('/') {
        _ if path.is_empty() => from.to_owned(),
        Some(path) => normal(path),
        None => normal(&format!("{folder}/{path}")),
    };
    if !tree.has_file(&file) && !tree.has_folder(&file) {
        return Some(format!(
            "the link to {to} leads to {file}, which is not there"
        ));
    }
    let anchor = anchor?;
    match pages.get(file.as_str()) {
        Some(page) if page.anchors.iter().any(|known| known == anchor) => None,
        Some(_) => Some(format!("{file} has no heading with the anchor #{anchor}")),
        // A line of a source file, for one.
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    /// What is found once a line is added to a page.
    fn found(page: &str, line: &str) -> Vec<String> {
        Fixture::clean()
            .with_more(page, &format!("\n{line}\n"))
            .gone()
    }

    #[test]
    fn files_and_folders_that_are_not_there_are_found() {
        for name in [
            "gone.rs",
            "server/src/gone.rs",
            "server/src/gone",
            "gone/",
            "server/gone/",
            "src/api/gone",
            "core/tests.md",
        ] {
            let found = found("README.md", &format!("Look at `{name}`."));
            assert_eq!(
                found,
                [format!("README.md:5: [document] there is no `{name}`")]
            );
        }
    }

    #[test]
    fn what_is_there_or_no_file_at_all_is_not_found() {
        for name in [
            "serve.rs",
            "api/mod.rs",
            "server/src/api/",
            "src/serve",
            "server",
            "Cargo.toml",
            "application/json",
            "/livez",
            "GET /v1/payments",
            "--data",
            "3.1.0",
            "state.version",
        ] {
            assert_eq!(
                found("README.md", &format!("Look at `{name}`.")),
                [] as [&str; 0],
                "{name}"
            );
        }
        let in_a_block = "```\n`gone.rs`\n```";
        assert_eq!(found("README.md", in_a_block), [] as [&str; 0]);
    }

    #[test]
    fn a_test_that_is_not_in_its_file_is_found() {
        let row = "| other | `server/src/serve.rs` `a_late_retry_gets_the_first_answer`, `a_test_that_is_nowhere` |";
        let fixture = Fixture::clean().with_more("docs/SAFETY.md", &format!("{row}\n"));
        assert_eq!(
            fixture.gone(),
            [
                "docs/SAFETY.md:6: [document] `server/src/serve.rs` has no test `a_late_retry_gets_the_first_answer`; `server/tests/cli.rs` has",
                "docs/SAFETY.md:6: [document] `server/src/serve.rs` has no test `a_test_that_is_nowhere`, nor has any other file",
            ]
        );
    }

    #[test]
    fn a_test_is_looked_for_wherever_one_is_named() {
        let wrong = [
            "`cli.rs` `a_test_that_is_nowhere`",
            "`server/tests/cli.rs::a_test_that_is_nowhere`",
            "`cli.rs`, `a_late_retry_gets_the_first_answer` and `a_test_that_is_nowhere`",
            "| what | test |\n|---|---|\n| x | `a_test_that_is_nowhere` |",
        ];
        for text in wrong {
            let found = found("README.md", text);
            assert_eq!(found.len(), 1, "{text}: {found:#?}");
            assert!(
                found[0].contains("no test `a_test_that_is_nowhere`"),
                "{found:#?}"
            );
        }
        let right = [
            "`cli.rs` `a_late_retry_gets_the_first_answer`",
            "`server/tests/cli.rs::a_late_retry_gets_the_first_answer`",
            "`cli.rs` has the option `bank_answer_timeout_ms`",
            "| what | test |\n|---|---|\n| x | `a_late_retry_gets_the_first_answer` |",
        ];
        for text in right {
            assert_eq!(found("README.md", text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn links_and_anchors_that_lead_nowhere_are_found() {
        let cases = [
            (
                "[a](gone.md)",
                "the link to gone.md leads to docs/gone.md, which is not there",
            ),
            (
                "![a](gone.png)",
                "the link to gone.png leads to docs/gone.png, which is not there",
            ),
            (
                "[a](/openapi.json)",
                "the link to /openapi.json leads to openapi.json, which is not there",
            ),
            (
                "[a](SAFETY.md#gone)",
                "docs/SAFETY.md has no heading with the anchor #gone",
            ),
            (
                "[a](#gone)",
                "docs/ARCHITECTURE.md has no heading with the anchor #gone",
            ),
        ];
        for (link, message) in cases {
            let found = found("docs/ARCHITECTURE.md", link);
            assert_eq!(
                found,
                [format!("docs/ARCHITECTURE.md:5: [document] {message}")]
            );
        }
        for link in [
            "[a](../README.md#holdfast)",
            "[a](#architecture)",
            "[a](../server)",
            "[a](https://x.y/z.md)",
        ] {
            assert_eq!(
                found("docs/ARCHITECTURE.md", link),
                [] as [&str; 0],
                "{link}"
            );
        }
    }

    #[test]
    fn a_name_may_be_allowed_while_a_document_has_it() {
        let allow = "[[names]]\nreason = \"In a data directory.\"\nat = [\"README.md gone.rs\"]\n";
        let fixture = Fixture::clean().with("xtask/allow.toml", allow);
        assert_eq!(
            fixture.gone(),
            [
                "xtask/allow.toml:3: [document] no document names `README.md gone.rs` any more: remove the entry"
            ]
        );
        let fixture = fixture.with_more("README.md", "`gone.rs`\n");
        assert_eq!(fixture.gone(), [] as [&str; 0]);
    }
}
