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
