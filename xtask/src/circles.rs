//! No circle between the files of a crate: whoever reads one file need not have read those that use it.
//!
//! An arrow is a name that a file takes from another. `mod child;` and `pub use child::Name;` take nothing; a child that
//! names what its parent defines does. Code that is compiled for unit tests only does not count.

use std::collections::BTreeSet;
use std::fmt::Write;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::rust::{Arrows, Graph};
use crate::tree::Tree;
use crate::workspace::Member;

/// Every circle of every member.
pub(crate) fn check(tree: &Tree, members: &[Member]) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    for member in members {
        let mut arrows = Arrows::new();
        for root in &member.roots {
            for (ends, names) in Graph::read(tree, root)?.arrows {
                // Test programs share files: their arrows are one and the same.
                arrows.entry(ends).or_default().extend(names);
            }
        }
        let mut found: Vec<_> = circles(&arrows)
            .iter()
            .map(|files| finding(&member.name, files, &arrows))
            .collect();
        found.sort();
        findings.extend(found);
    }
    Ok(findings)
}

/// The files that need each other, in groups.
fn circles(arrows: &Arrows) -> Vec<BTreeSet<&str>> {
    let ends = arrows.keys().map(|(from, to)| (from.as_str(), to.as_str()));
    let graph = DiGraphMap::<&str, ()>::from_edges(ends);
    tarjan_scc(&graph)
        .into_iter()
        .filter(|files| files.len() > 1)
        .map(BTreeSet::from_iter)
        .collect()
}

fn finding(member: &str, files: &BTreeSet<&str>, arrows: &Arrows) -> Finding {
    let mut message = format!("{member}: {} files need each other", files.len());
    let mut place = None;
    for ((from, to), names) in arrows {
        if !files.contains(from.as_str()) || !files.contains(to.as_str()) {
            continue;
        }
        let line = names.values().min().copied().unwrap_or(1);
        place.get_or_insert((from.clone(), line));
        let names: Vec<_> = names.keys().map(String::as_str).collect();
        // Writing to a string does not fail.
        let _ = write!(message, "\n  {from}:{line} -> {to}: {}", names.join(", "));
    }
    let (file, line) = place.unwrap_or_default();
    Finding::new(Check::Circle, file, line, message)
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    /// What is found in the crate `core` of these files.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let fixture = Fixture::clean();
        let fixture = files.iter().fold(fixture, |fixture, (file, text)| {
            fixture.with(&format!("core/src/{file}"), text)
        });
        fixture.circles()
    }

    #[test]
    fn a_circle_is_found_with_its_arrows_and_the_names_that_tie_it() {
        let found = found(&[(
            "state.rs",
            "pub struct State;\n\nuse crate::payment::Payment;\n\nfn f(_: Payment) {}\n",
        )]);
        assert_eq!(
            found,
            [
                "core/src/payment.rs:1: [circle] core: 2 files need each other
  core/src/payment.rs:1 -> core/src/state.rs: State
  core/src/state.rs:3 -> core/src/payment.rs: Payment"
            ]
        );
    }

    /// Each of these lines in `state.rs` needs `payment.rs`, which needs `state.rs`.
    #[test]
    fn every_way_to_name_the_other_file_ties_a_circle() {
        for line in [
            "use crate::payment::Payment;",
            "use super::payment::{Payment as P};",
            "use crate::payment; fn f(_: payment::Payment) {}",
            "use crate::payment::*;",
            "fn f() { crate::payment::made_by_a_macro(); }",
            "fn f() { use super::payment; payment::f(); }",
            "fn f() { println!(\"{}\", crate::payment::COUNT); }",
            "mod inner { fn f(_: super::super::payment::Payment) {} }",
            "impl crate::payment::Payment {}",
        ] {
            let found = found(&[("state.rs", &format!("pub struct State;\n{line}\n"))]);
            assert_eq!(found.len(), 1, "{line}: {found:#?}");
            assert!(
                found[0].contains("core/src/state.rs:2 -> core/src/payment.rs"),
                "{line}: {found:#?}"
            );
        }
    }

    #[test]
    fn what_takes_nothing_ties_no_circle() {
        for line in [
            "#[cfg(test)] mod tests { use crate::payment::Payment; }",
            "#[cfg(test)] use crate::payment::Payment;",
            "/// See [`crate::payment::Payment`].\nfn f() {}",
            "use other::payment::Payment;",
            "use crate::payment;",
            "pub(in crate::payment) fn f() {}",
            "pub use crate::payment::Payment;",
        ] {
            let found = found(&[("state.rs", &format!("pub struct State;\n{line}\n"))]);
            assert_eq!(found, [] as [&str; 0], "{line}");
        }
    }

    #[test]
    fn a_child_that_names_its_parents_items_ties_a_circle_with_a_parent_that_uses_it() {
        let child = (
            "payment/child.rs",
            "use super::Payment;\npub struct Child(Payment);\n",
        );
        let parent = |line: &str| format!("pub mod child;\npub struct Payment;\n{line}\n");
        let loose = found(&[child, ("payment.rs", &parent("pub use child::Child;"))]);
        assert_eq!(loose, [] as [&str; 0]);
        for line in [
            "use child::Child;",
            "pub use child::Child; fn f(_: Child) {}",
            "fn f() { child::new(); }",
        ] {
            let tied = found(&[child, ("payment.rs", &parent(line))]);
            assert_eq!(tied.len(), 1, "{line}");
            assert!(
                tied[0].contains("core/src/payment.rs:3 -> core/src/payment/child.rs"),
                "{line}: {tied:#?}"
            );
        }
    }

    #[test]
    fn a_name_that_is_handed_on_is_taken_from_the_file_that_defines_it() {
        // `a` takes `B` by way of `payment`, which only hands it on: the circle is between `a` and `b`.
        let found = found(&[
            (
                "payment.rs",
                "mod a;\nmod b;\npub use a::A;\npub use b::{B as Bee};\n",
            ),
            (
                "payment/a.rs",
                "use crate::payment::Bee;\npub struct A(Bee);\n",
            ),
            ("payment/b.rs", "use super::A;\npub struct B(A);\n"),
        ]);
        assert_eq!(
            found,
            [
                "core/src/payment/a.rs:1: [circle] core: 2 files need each other
  core/src/payment/a.rs:1 -> core/src/payment/b.rs: B
  core/src/payment/b.rs:1 -> core/src/payment/a.rs: A"
            ]
        );
    }

    #[test]
    fn what_everything_is_handed_on_from_is_looked_through() {
        let found = found(&[
            (
                "payment.rs",
                "mod a;\nmod b;\npub use a::*;\npub use b::*;\n",
            ),
            ("payment/a.rs", "use crate::payment::B;\npub struct A(B);\n"),
            ("payment/b.rs", "use super::A;\npub struct B(A);\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains("core/src/payment/b.rs:1 -> core/src/payment/a.rs: A"),
            "{found:#?}"
        );
    }

    #[test]
    fn a_module_at_a_path_is_read_where_it_lies() {
        let found = found(&[
            ("lib.rs", "#[path = \"elsewhere/a.rs\"]\nmod a;\nmod b;\n"),
            ("elsewhere/a.rs", "use crate::b::B;\npub struct A(B);\n"),
            ("b.rs", "use crate::a::A;\npub struct B(A);\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains("core/src/b.rs:1 -> core/src/elsewhere/a.rs: A"),
            "{found:#?}"
        );
    }

    #[test]
    fn a_circle_in_a_test_program_is_found_too() {
        let found = Fixture::clean()
            .with("core/tests/model/main.rs", "mod a;\nmod b;\n")
            .with(
                "core/tests/model/a.rs",
                "use crate::b::B;\npub struct A(B);\n",
            )
            .with(
                "core/tests/model/b.rs",
                "use crate::a::A;\npub struct B(A);\n",
            )
            .circles();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(
            found[0].contains("core: 2 files need each other"),
            "{found:#?}"
        );
    }
}
