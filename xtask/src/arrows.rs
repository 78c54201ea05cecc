//! Which crate names which, and that a pure one has neither input nor output. The table is `xtask/arrows.toml`.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapters;
use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::tables::{self, ARROWS, Arrow, Pure};
use crate::tree::{Tree, line_where};
use crate::workspace::{Member, cargo};

/// What was found, and what could not be looked at yet.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// What was left out, with its reason.
    pub(crate) notes: Vec<String>,
}

/// Arrows between crates, crates without input and output, and rooms that name adapters.
pub(crate) fn check(tree: &Tree, members: &[Member]) -> Result<Outcome, Problem> {
    let table = tables::arrows(tree)?;
    let mut outcome = Outcome::default();
    let names: BTreeSet<_> = members.iter().map(|member| member.name.as_str()).collect();
    for member in members {
        outcome
            .findings
            .extend(crate_arrows(tree, member, &names, &table.crates)?);
    }
    for (name, arrow) in &table.crates {
        for to in arrow.to.iter().chain(&arrow.dev) {
            if !table.crates.contains_key(to) {
                let line = tables::line_of(tree, ARROWS, to)?;
                let message = format!("{name} may name {to}, and the table has no crate {to}");
                outcome
                    .findings
                    .push(Finding::new(Check::Arrow, ARROWS, line, message));
            }
        }
    }
    for name in &table.pure.crates {
        if let Some(member) = members.iter().find(|member| member.name == *name) {
            outcome.findings.extend(purity(tree, member, &table.pure)?);
        } else {
            let note = format!("there is no crate {name} yet: its dependencies were not checked");
            outcome.notes.push(note);
        }
    }
    outcome
        .findings
        .extend(adapters::check(tree, members, &table)?);
    Ok(outcome)
}

fn crate_arrows(
    tree: &Tree,
    member: &Member,
    members: &BTreeSet<&str>,
    table: &BTreeMap<String, Arrow>,
) -> Result<Vec<Finding>, Problem> {
    let Some(arrow) = table.get(&member.name) else {
        let message = format!("the crate {} is not in {ARROWS}", member.name);
        return Ok(vec![Finding::new(
            Check::Arrow,
            &member.manifest,
            1,
            message,
        )]);
    };
    let normal = reach(table, arrow.to.iter());
    let dev = reach(table, arrow.to.iter().chain(&arrow.dev));
    let text = tree.text(&member.manifest)?;
    let mut findings = Vec::new();
    for (kind, named, allowed) in [
        ("dependencies", &member.normal, &normal),
        ("dev-dependencies", &member.dev, &dev),
    ] {
        for name in named.iter().filter(|name| members.contains(name.as_str())) {
            if !allowed.contains(name.as_str()) {
                let line = line_of_dependency(&text, kind, name);
                let message = format!("{} must not name {name} in its {kind}", member.name);
                findings.push(Finding::new(Check::Arrow, &member.manifest, line, message));
            }
        }
    }
    Ok(findings)
}

/// These crates, and all that they may name.
fn reach<'a>(
    table: &'a BTreeMap<String, Arrow>,
    from: impl Iterator<Item = &'a String>,
) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = from.collect();
    while let Some(name) = next.pop() {
        if reached.insert(name.as_str()) {
            next.extend(table.get(name).into_iter().flat_map(|arrow| &arrow.to));
        }
    }
    reached
}

/// The line of a manifest that names a package below a heading of that kind.
fn line_of_dependency(text: &str, kind: &str, name: &str) -> usize {
    let mut section = String::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            line.trim_matches(['[', ']']).clone_into(&mut section);
        }
        let is_section = section.split('.').any(|part| part == kind);
        if is_section && line.contains(name) {
            return index + 1;
        }
    }
    line_where(text, |line| line.contains(name))
}

/// Packages with input or output that a crate depends on, with the way to each.
fn purity(tree: &Tree, member: &Member, pure: &Pure) -> Result<Vec<Finding>, Problem> {
    let output = cargo(
        tree.root(),
        &[
            "tree",
            "--package",
            &member.name,
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "depth",
            "--no-dedupe",
        ],
    )?;
    let text = tree.text(&member.manifest)?;
    let mut way: Vec<&str> = Vec::new();
    let mut found = BTreeSet::new();
    let mut findings = Vec::new();
    for line in output.lines() {
        let digits = line.bytes().take_while(u8::is_ascii_digit).count();
        let (depth, package) = line.split_at(digits);
        let Ok(depth) = depth.parse::<usize>() else {
            continue;
        };
        let name = package.split(' ').next().unwrap_or_default();
        way.truncate(depth);
        way.push(name);
        if depth > 0 && pure.without.iter().any(|not| is_like(name, not)) && found.insert(name) {
            let first = way.get(1).copied().unwrap_or_default();
            let line = line_of_dependency(&text, "dependencies", first);
            let message = format!(
                "{} is pure, and depends on {name}: {}",
                member.name,
                way.join(" -> ")
            );
            findings.push(Finding::new(Check::Arrow, &member.manifest, line, message));
        }
    }
    Ok(findings)
}

fn is_like(name: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    /// A package that lies beside the members, as one of a registry would.
    fn package(name: &str, dependencies: &str) -> String {
        format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n{dependencies}\n"
        )
    }

    #[test]
    fn a_crate_that_names_one_above_it_is_found_with_its_line() {
        let found = Fixture::clean()
            .with_more(
                "core/Cargo.toml",
                "\n[dev-dependencies]\nserver = { path = \"../server\" }\n",
            )
            .with("server/Cargo.toml", &package("server", ""))
            .with("server/src/serve.rs", "")
            .with(
                "simulator/Cargo.toml",
                &package(
                    "simulator",
                    "[dependencies]\nserver = { path = \"../server\" }",
                ),
            )
            .found();
        assert_eq!(
            found,
            [
                "core/Cargo.toml:7: [arrow] core must not name server in its dev-dependencies",
                "simulator/Cargo.toml:7: [arrow] simulator must not name server in its dependencies",
                "xtask/arrows.toml:11: [arrow] server/src/serve.rs does not name simulator any more: remove the entry",
            ]
        );
    }

    #[test]
    fn what_is_allowed_for_tests_is_allowed_for_nothing_else() {
        let fixture = Fixture::clean();
        let table = fixture.tree().text("xtask/arrows.toml").unwrap();
        let table = table.replace(
            "core = { to = [] }",
            "core = { to = [], dev = [\"server\"] }",
        );
        let fixture = fixture
            .with("xtask/arrows.toml", &table)
            .with("server/Cargo.toml", &package("server", ""))
            .with("server/src/serve.rs", "use simulator::Bank;")
            .with_more(
                "core/Cargo.toml",
                "\n[dev-dependencies]\nserver = { path = \"../server\" }\n",
            );
        assert_eq!(fixture.found(), [] as [&str; 0]);
        let fixture = fixture.with(
            "core/Cargo.toml",
            &package("core", "[dependencies]\nserver = { path = \"../server\" }"),
        );
        let found = fixture.found();
        assert_eq!(
            found,
            ["core/Cargo.toml:7: [arrow] core must not name server in its dependencies"]
        );
    }

    #[test]
    fn a_crate_without_a_line_in_the_table_is_found() {
        let found = Fixture::clean()
            .with("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"core\", \"simulator\", \"server\", \"new\"]\n")
            .with("new/Cargo.toml", &package("new", ""))
            .with("new/src/lib.rs", "")
            .found();
        assert_eq!(
            found,
            ["new/Cargo.toml:1: [arrow] the crate new is not in xtask/arrows.toml"]
        );
    }

    #[test]
    fn input_and_output_below_a_pure_crate_are_found_with_the_way_to_them() {
        let found = Fixture::clean()
            .with_more(
                "core/Cargo.toml",
                "\n[dependencies]\nhelper = { path = \"../vendor/helper\" }\n",
            )
            .with(
                "vendor/helper/Cargo.toml",
                &package(
                    "helper",
                    "[dependencies]\ntokio-util = { path = \"../tokio-util\" }",
                ),
            )
            .with("vendor/helper/src/lib.rs", "")
            .with("vendor/tokio-util/Cargo.toml", &package("tokio-util", ""))
            .with("vendor/tokio-util/src/lib.rs", "")
            .found();
        assert_eq!(
            found,
            [
                "core/Cargo.toml:7: [arrow] core is pure, and depends on tokio-util: core -> helper -> tokio-util"
            ]
        );
    }

    #[test]
    fn what_only_the_tests_of_a_pure_crate_need_is_no_input_and_output() {
        let found = Fixture::clean()
            .with_more(
                "core/Cargo.toml",
                "\n[dev-dependencies]\ntokio = { path = \"../vendor/tokio\" }\n",
            )
            .with("vendor/tokio/Cargo.toml", &package("tokio", ""))
            .with("vendor/tokio/src/lib.rs", "")
            .found();
        assert_eq!(found, [] as [&str; 0]);
    }

    #[test]
    fn a_pure_crate_that_is_not_there_is_said() {
        let fixture = Fixture::clean();
        let table = fixture.tree().text("xtask/arrows.toml").unwrap();
        let fixture = fixture.with(
            "xtask/arrows.toml",
            &table.replace("crates = [\"core\"]", "crates = [\"later\"]"),
        );
        let notes = fixture.tidy().unwrap().notes;
        assert_eq!(
            notes,
            ["there is no crate later yet: its dependencies were not checked"]
        );
    }
}
