//! Which room names an adapter's crate: the few that wire the parts, and no other. The table is `xtask/arrows.toml`.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::rust::{Names, is_for_tests, parse};
use crate::tables::{self, ARROWS, Arrows};
use crate::tree::Tree;
use crate::workspace::Member;

/// Rooms that name an adapter and are not in the table, and entries of the table that no room needs.
pub(crate) fn check(
    tree: &Tree,
    members: &[Member],
    table: &Arrows,
) -> Result<Vec<Finding>, Problem> {
    let adapters: BTreeSet<_> = table.rooms.iter().flat_map(|room| &room.names).collect();
    let adapters: Vec<_> = members
        .iter()
        .filter(|member| adapters.contains(&member.name))
        .collect();
    let mut findings = Vec::new();
    let mut needed = BTreeSet::new();
    for folder in folders(table) {
        for file in tree.rust_files().filter(|file| file.starts_with(&folder)) {
            for (adapter, line) in adapters_in(tree, file, &adapters)? {
                let mut allowing = table
                    .rooms
                    .iter()
                    .enumerate()
                    .filter(|(_, room)| room.names.contains(adapter) && is_in(file, &room.at));
                if let Some((index, _)) = allowing.next() {
                    needed.insert((index, adapter));
                } else {
                    let message =
                        format!("names the adapter {adapter}; only the rooms of {ARROWS} may");
                    findings.push(Finding::new(Check::Arrow, file, line, message));
                }
            }
        }
    }
    for (index, room) in table.rooms.iter().enumerate() {
        let line = tables::line_of(tree, ARROWS, &room.at)?;
        if room.reason.trim().is_empty() {
            let message = format!("{} may name adapters without a reason", room.at);
            findings.push(Finding::new(Check::Arrow, ARROWS, line, message));
        }
        for name in &room.names {
            let exists = adapters.iter().any(|adapter| adapter.name == *name);
            if exists && !needed.contains(&(index, name)) {
                let message = format!(
                    "{} does not name {name} any more: remove the entry",
                    room.at
                );
                findings.push(Finding::new(Check::Arrow, ARROWS, line, message));
            }
        }
    }
    Ok(findings)
}

/// The source folders of the crates that the rooms belong to.
fn folders(table: &Arrows) -> BTreeSet<String> {
    let sources = table.rooms.iter().filter_map(|room| {
        let at = room.at.find("src/")?;
        Some(room.at[..at + "src/".len()].to_owned())
    });
    sources.collect()
}

fn is_in(file: &str, room: &str) -> bool {
    file == room || (room.ends_with('/') && file.starts_with(room))
}

/// The adapters that a file names, each with the first line.
fn adapters_in<'a>(
    tree: &Tree,
    file: &str,
    adapters: &[&'a Member],
) -> Result<BTreeMap<&'a String, usize>, Problem> {
    let items = parse(tree, file)?.items;
    let mut found = BTreeMap::new();
    let mut pending = vec![items];
    while let Some(items) = pending.pop() {
        for reference in Names::of(&items).references {
            let first = reference.path.first();
            for adapter in adapters {
                if first.is_some_and(|first| *first == adapter.ident()) {
                    let line = found.entry(&adapter.name).or_insert(reference.line);
                    *line = reference.line.min(*line);
                }
            }
        }
        for item in items {
            if let syn::Item::Mod(module) = item
                && !is_for_tests(&module.attrs)
                && let Some((_, items)) = module.content
            {
                pending.push(items);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn a_room_that_names_an_adapter_and_is_not_in_the_table_is_found() {
        for line in [
            "use simulator::Bank;",
            "fn f() { simulator::run(); }",
            "fn f() { assert_eq!(1, simulator::COUNT); }",
            "mod inner { use simulator::Bank; }",
        ] {
            let found = Fixture::clean()
                .with_more("server/src/api/mod.rs", &format!("{line}\n"))
                .found();
            assert_eq!(
                found,
                [
                    "server/src/api/mod.rs:8: [arrow] names the adapter simulator; only the rooms of xtask/arrows.toml may"
                ],
                "{line}"
            );
        }
    }

    #[test]
    fn a_unit_test_may_name_an_adapter() {
        let found = Fixture::clean()
            .with_more(
                "server/src/api/mod.rs",
                "#[cfg(test)]\nmod tests {\n    use simulator::Bank;\n}\n",
            )
            .found();
        assert_eq!(found, [] as [&str; 0]);
    }

    #[test]
    fn an_entry_is_needed_and_has_a_reason() {
        let found = Fixture::clean()
            .with_more(
                "xtask/arrows.toml",
                "\n[[rooms]]\nat = \"server/src/api/\"\nnames = [\"simulator\"]\nreason = \" \"\n",
            )
            .found();
        assert_eq!(
            found,
            [
                "xtask/arrows.toml:16: [arrow] server/src/api/ does not name simulator any more: remove the entry",
                "xtask/arrows.toml:16: [arrow] server/src/api/ may name adapters without a reason",
            ]
        );
    }
}
