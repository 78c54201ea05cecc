//! The drawing of crates, rooms and arrows in `docs/ARCHITECTURE.md`, made from manifests and source so that it cannot
//! go out of date unseen.
//!
//! An arrow that a longer way stands for is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use petgraph::algo::tarjan_scc;
use petgraph::graphmap::DiGraphMap;

use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::rust::Graph;
use crate::tree::{Tree, line_where};
use crate::workspace::Member;

/// The page with the drawing.
const PAGE: &str = "docs/ARCHITECTURE.md";
/// The line before it.
const BEGIN: &str = "<!-- drawing: begin; written by `cargo run -p xtask -- draw` -->";
/// The line after it.
const END: &str = "<!-- drawing: end -->";
/// What stands above the crates.
const HEAD: &str = "
## Crates and rooms

An arrow points from a crate or room to one that it uses. Arrows that follow from others are left out; a dotted arrow is for tests only.

```mermaid
flowchart TD
";
/// With more arrows than this nobody follows them any more.
const ROOM_ARROWS_MAX: usize = 60;
/// Most characters of a line of rooms in a crate's box.
const LABEL_CHARS_MAX: usize = 48;

/// Arrows from name to name.
type Ends = BTreeSet<(String, String)>;

/// Writes the drawing between its markers, at the end of the page where it has none yet.
pub(crate) fn write(tree: &Tree, members: &[Member]) -> Result<(), Problem> {
    let text = tree.text(PAGE)?;
    let drawn = replaced(&text, &drawing(tree, members)?);
    if drawn == text {
        return Ok(());
    }
    tree.replace(PAGE, &drawn)
}

/// Whether the page shows the tree as it is.
pub(crate) fn check(tree: &Tree, members: &[Member]) -> Result<Vec<Finding>, Problem> {
    let text = if tree.has_file(PAGE) {
        tree.text(PAGE)?
    } else {
        String::new()
    };
    if replaced(&text, &drawing(tree, members)?) == text {
        return Ok(Vec::new());
    }
    let line = line_where(&text, |line| line == BEGIN);
    let message = "the drawing is out of date: run `cargo run -p xtask -- draw`";
    Ok(vec![Finding::new(Check::Drawing, PAGE, line, message)])
}

fn replaced(text: &str, drawing: &str) -> String {
    let block = format!("{BEGIN}\n{drawing}{END}\n");
    let parts = text
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    match parts {
        Some((before, after)) => {
            let after = after.strip_prefix('\n').unwrap_or(after);
            format!("{before}{block}{after}")
        }
        None => format!("{text}\n{block}"),
    }
}

fn drawing(tree: &Tree, members: &[Member]) -> Result<String, Problem> {
    let mut rooms = BTreeMap::new();
    for member in members {
        rooms.insert(member.name.as_str(), graph(tree, member)?);
    }
    let mut drawing = String::new();
    crates(&mut drawing, members, &rooms);
    for (name, graph) in &rooms {
        inside(&mut drawing, name, graph);
    }
    Ok(drawing)
}

/// The rooms of a member's library, or of its binary where it has no library.
fn graph(tree: &Tree, member: &Member) -> Result<Graph, Problem> {
    match member.roots.first() {
        Some(root) => Graph::read(tree, root),
        None => Ok(Graph::default()),
    }
}

/// The crates as boxes with their rooms.
fn crates(drawing: &mut String, members: &[Member], rooms: &BTreeMap<&str, Graph>) {
    let names: BTreeSet<_> = members.iter().map(|member| member.name.as_str()).collect();
    let arrows_of = |member: &Member, packages: &BTreeSet<String>| {
        let ours = packages.iter().filter(|name| names.contains(name.as_str()));
        ours.map(|name| (member.name.clone(), name.clone()))
            .collect::<Ends>()
    };
    let normal: Ends = members
        .iter()
        .flat_map(|member| arrows_of(member, &member.normal))
        .collect();
    let dev: Ends = members
        .iter()
        .flat_map(|member| arrows_of(member, &member.dev))
        .collect();
    drawing.push_str(HEAD);
    for member in members {
        let rooms = rooms.get(member.name.as_str());
        let rooms = rooms.map(|graph| label(&graph.rooms)).unwrap_or_default();
        line(
            drawing,
            &format!(
                "{}[\"<b>{}</b> ({}/){rooms}\"]",
                id(&member.name),
                member.name,
                member.folder(),
            ),
        );
    }
    for (from, to) in reduced(&normal) {
        line(drawing, &format!("{} --> {}", id(&from), id(&to)));
    }
    for (from, to) in dev.difference(&normal) {
        line(drawing, &format!("{} -.-> {}", id(from), id(to)));
    }
    drawing.push_str("```\n");
}

/// The rooms of one crate and their arrows, if there are any and they can be followed.
fn inside(drawing: &mut String, name: &str, graph: &Graph) {
    let arrows = reduced(&graph.room_arrows);
    if arrows.is_empty() {
        return;
    }
    // Writing to a string does not fail.
    let _ = write!(drawing, "\n### Rooms of {name}\n\n");
    if arrows.len() > ROOM_ARROWS_MAX {
        let count = arrows.len();
        let _ = writeln!(
            drawing,
            "{count} arrows between its rooms: too many for a drawing."
        );
        return;
    }
    drawing.push_str("```mermaid\nflowchart TD\n");
    let tied: BTreeSet<_> = arrows.iter().flat_map(|(from, to)| [from, to]).collect();
    for room in &graph.rooms {
        if tied.contains(room) {
            line(drawing, &format!("{}[{room}]", id(room)));
        }
    }
    for (from, to) in &arrows {
        line(drawing, &format!("{} --> {}", id(from), id(to)));
    }
    drawing.push_str("```\n");
    let apart: Vec<_> = graph
        .rooms
        .iter()
        .filter(|room| !tied.contains(room))
        .collect();
    if !apart.is_empty() {
        let names: Vec<_> = apart.iter().map(|room| format!("`{room}`")).collect();
        let _ = write!(drawing, "\nWithout an arrow: {}.\n", names.join(", "));
    }
}

fn line(drawing: &mut String, text: &str) {
    drawing.push_str("  ");
    drawing.push_str(text);
    drawing.push('\n');
}

/// A name that Mermaid takes for a node: `end` and the like mean something to it.
fn id(name: &str) -> String {
    format!("n_{}", name.replace('-', "_"))
}

/// The rooms in lines below a crate's name.
fn label(rooms: &BTreeSet<String>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for room in rooms {
        match lines.last_mut() {
            Some(last) if last.len() + room.len() < LABEL_CHARS_MAX => {
                last.push_str(", ");
                last.push_str(room);
            }
            _ => lines.push(room.clone()),
        }
    }
    let lines = lines.iter().map(|line| format!("<br/>{line}"));
    lines.collect()
}

/// The arrows without those that a longer way stands for. In a circle every arrow is kept.
fn reduced(arrows: &Ends) -> Ends {
    let ends = arrows.iter().map(|(from, to)| (from.as_str(), to.as_str()));
    let graph = DiGraphMap::<&str, ()>::from_edges(ends);
    // Which group of files that need each other a name is in. Groups come in an order: what is named, before what names it.
    let groups = tarjan_scc(&graph);
    let group_of: BTreeMap<&str, usize> = groups
        .iter()
        .enumerate()
        .flat_map(|(group, names)| names.iter().map(move |name| (*name, group)))
        .collect();
    let mut reach: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); groups.len()];
    let mut direct: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); groups.len()];
    for (group, names) in groups.iter().enumerate() {
        for to in names.iter().flat_map(|name| graph.neighbors(name)) {
            let to = group_of[to];
            if to != group {
                direct[group].insert(to);
                let further = reach[to].clone();
                reach[group].extend(further);
                reach[group].insert(to);
            }
        }
    }
    let is_implied = |from: usize, to: usize| {
        let mut between = direct[from].iter().filter(|next| **next != to);
        between.any(|next| reach[*next].contains(&to))
    };
    arrows
        .iter()
        .filter(|(from, to)| {
            let (from, to) = (group_of[from.as_str()], group_of[to.as_str()]);
            from == to || !is_implied(from, to)
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn ends(arrows: &[(&str, &str)]) -> Ends {
        let arrows = arrows.iter();
        arrows
            .map(|(from, to)| ((*from).to_owned(), (*to).to_owned()))
            .collect()
    }

    #[test]
    fn a_drawing_is_out_of_date_once_an_arrow_is_new() {
        let fixture = Fixture::clean();
        let undrawn = fixture.undrawn();
        assert_eq!(undrawn.len(), 1);
        fixture.draw();
        assert_eq!(fixture.undrawn(), []);
        let fixture = fixture
            .with_more("core/src/lib.rs", "mod new;\n")
            .with("core/src/new.rs", "use crate::payment::Payment;\n");
        let found = fixture.undrawn();
        assert_eq!(
            found[0].to_string(),
            "docs/ARCHITECTURE.md:5: [drawing] the drawing is out of date: run `cargo run -p xtask -- draw`"
        );
    }

    #[test]
    fn a_drawing_shows_crates_rooms_and_arrows_and_leaves_the_page_alone() {
        let fixture = Fixture::clean();
        fixture.draw();
        let fixture = fixture
            .with_more(PAGE, "\n## After\n")
            .with_more("core/src/lib.rs", "mod last;\n");
        let fixture = fixture.with("core/src/last.rs", "");
        fixture.draw();
        let page = fixture.tree().text(PAGE).unwrap();
        assert!(
            page.starts_with("# Architecture\n\n`core/` is pure."),
            "{page}"
        );
        assert!(
            page.ends_with("<!-- drawing: end -->\n\n## After\n"),
            "{page}"
        );
        for line in [
            "  n_core[\"<b>core</b> (core/)<br/>last, payment, state\"]",
            "  n_server --> n_simulator",
            "  n_payment --> n_state",
            "Without an arrow: `last`.",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}: {page}");
        }
    }

    #[test]
    fn an_arrow_that_a_longer_way_stands_for_is_left_out() {
        let all = ends(&[("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")]);
        assert_eq!(reduced(&all), ends(&[("a", "b"), ("b", "c"), ("c", "d")]));
        let circle = ends(&[("a", "b"), ("b", "a"), ("a", "c"), ("b", "c")]);
        assert_eq!(reduced(&circle), circle);
    }
}
