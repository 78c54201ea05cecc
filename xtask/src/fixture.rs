//! Small work trees for tests: a clean one, and what a test changes in it.

use std::fs;

use tempfile::TempDir;

use crate::finding::Finding;
use crate::problem::Problem;
use crate::tidy::{self, Outcome};
use crate::tree::Tree;
use crate::{circles, documents, drawing, lengths, routes, tables, workspace};

/// The tables, manifests, sources and documents of a tree in which nothing is wrong.
const CLEAN: [(&str, &str); 17] = [
    (
        "Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"core\", \"simulator\", \"server\"]\nexclude = [\"vendor\"]\n",
    ),
    (
        "xtask/arrows.toml",
        "[crates]
core = { to = [] }
simulator = { to = [\"core\"] }
server = { to = [\"simulator\"] }

[pure]
crates = [\"core\"]
without = [\"tokio*\"]

[[rooms]]
at = \"server/src/serve.rs\"
names = [\"simulator\"]
reason = \"It wires the parts.\"
",
    ),
    (
        "core/Cargo.toml",
        "[package]\nname = \"core\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("core/src/lib.rs", "pub mod payment;\npub mod state;\n"),
    (
        "core/src/payment.rs",
        "use crate::state::State;\n\npub struct Payment {\n    pub state: State,\n}\n",
    ),
    ("core/src/state.rs", "pub struct State;\n"),
    (
        "simulator/Cargo.toml",
        "[package]\nname = \"simulator\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\ncore = { path = \"../core\" }\n",
    ),
    ("simulator/src/lib.rs", "pub struct Bank;\n"),
    (
        "server/Cargo.toml",
        "[package]\nname = \"server\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nsimulator = { path = \"../simulator\" }\n",
    ),
    ("server/src/lib.rs", "mod api;\nmod serve;\n"),
    (
        "server/src/serve.rs",
        "use simulator::Bank;\n\nfn serve(_: Bank) {}\n",
    ),
    (
        "server/src/api/mod.rs",
        "struct Api;

impl Api {
    /// Creates.
    #[oai(path = \"/v1/payments\", method = \"post\", operation_id = \"create\")]
    fn create(&self) {}
}
",
    ),
    (
        "server/tests/cli.rs",
        "#[test]\nfn a_late_retry_gets_the_first_answer() {}\n",
    ),
    (
        "tests/tests/snapshots/openapi.snap",
        "---\nsource: x\n---\n{\n  \"openapi\": \"3.1.0\",\n  \"paths\": {\n    \"/v1/payments\": {\n      \"post\": {}\n    }\n  }\n}\n",
    ),
    (
        "docs/SAFETY.md",
        "# Safety\n\n| hazard | guarded by |\n|---|---|\n| late | `server/tests/cli.rs` `a_late_retry_gets_the_first_answer` |\n",
    ),
    (
        "docs/ARCHITECTURE.md",
        "# Architecture\n\n`core/` is pure. See [Safety](SAFETY.md#safety).\n",
    ),
    (
        "README.md",
        "# Holdfast\n\nRead [this](docs/ARCHITECTURE.md), `cli.rs` and `server/src/serve.rs`.\n",
    ),
];

/// A work tree in a folder of its own.
pub(crate) struct Fixture(TempDir);

impl Fixture {
    /// A tree in which nothing is wrong.
    pub(crate) fn clean() -> Self {
        let fixture = Self(TempDir::new().unwrap());
        CLEAN
            .iter()
            .fold(fixture, |fixture, (file, text)| fixture.with(file, text))
    }

    /// With a file, instead of the one that was there.
    pub(crate) fn with(self, file: &str, text: &str) -> Self {
        let path = self.0.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// With something more at the end of a file.
    pub(crate) fn with_more(self, file: &str, more: &str) -> Self {
        let text = self.tree().text(file).unwrap();
        self.with(file, &format!("{text}{more}"))
    }

    /// Without a file.
    pub(crate) fn without(self, file: &str) -> Self {
        fs::remove_file(self.0.path().join(file)).unwrap();
        self
    }

    /// The tree as it is now.
    pub(crate) fn tree(&self) -> Tree {
        Tree::read(self.0.path()).unwrap()
    }

    /// Draws it.
    pub(crate) fn draw(&self) {
        let tree = self.tree();
        drawing::write(&tree, &workspace::members(&tree).unwrap()).unwrap();
    }

    /// Whether its drawing is out of date.
    pub(crate) fn undrawn(&self) -> Vec<Finding> {
        let tree = self.tree();
        drawing::check(&tree, &workspace::members(&tree).unwrap()).unwrap()
    }

    /// What tidy says of it.
    pub(crate) fn tidy(&self) -> Result<Outcome, Problem> {
        let tree = self.tree();
        tidy::tidy(&tree, &workspace::members(&tree)?)
    }

    /// All that is wrong in it, once it is drawn.
    pub(crate) fn found(&self) -> Vec<String> {
        let tree = self.tree();
        let members = workspace::members(&tree).unwrap();
        drawing::write(&tree, &members).unwrap();
        shown(&tidy::tidy(&tree, &members).unwrap().findings)
    }

    /// The circles in it.
    pub(crate) fn circles(&self) -> Vec<String> {
        let tree = self.tree();
        shown(&circles::check(&tree, &workspace::members(&tree).unwrap()).unwrap())
    }

    /// What its documents name and is not there.
    pub(crate) fn gone(&self) -> Vec<String> {
        let tree = self.tree();
        shown(&documents::check(&tree, &tables::allow(&tree).unwrap()).unwrap())
    }

    /// The routes on which source and document differ.
    pub(crate) fn routes(&self) -> Vec<String> {
        shown(&routes::check(&self.tree()).unwrap())
    }

    /// What is too long in it.
    pub(crate) fn long(&self) -> Vec<String> {
        let tree = self.tree();
        shown(&lengths::check(&tree, &tables::allow(&tree).unwrap()).unwrap())
    }
}

/// Findings as they are shown.
pub(crate) fn shown(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

/// Lines of code, for files and functions that are too long.
pub(crate) fn lines(count: usize) -> String {
    "    let _ = 1;\n".repeat(count)
}
