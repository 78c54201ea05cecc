//! The arrows between the files of a crate, with the names that each stands for.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{ModuleId, Modules};
use super::names::{Kind, Reference};
use super::resolve::Resolved;
use crate::problem::Problem;
use crate::tree::Tree;

/// What one file takes from another: each name, and the first line on which it is taken.
pub(crate) type Arrows = BTreeMap<(String, String), BTreeMap<String, usize>>;

/// The files of one target, and their arrows.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// From file to file.
    pub(crate) arrows: Arrows,
    /// From room to room: the modules below the root. The root is none.
    pub(crate) room_arrows: BTreeSet<(String, String)>,
    /// The rooms.
    pub(crate) rooms: BTreeSet<String>,
}

impl Graph {
    /// Reads a target from its root file on.
    pub(crate) fn read(tree: &Tree, root: &str) -> Result<Self, Problem> {
        let modules = Modules::read(tree, root)?;
        let mut graph = Self::default();
        for (id, module) in modules.0.iter().enumerate() {
            graph.rooms.extend(module.room.clone());
            for reference in &module.names.references {
                if let Some((to, name)) = taken(&modules, id, reference) {
                    graph.draw(&modules, (id, to), name, reference.line);
                }
            }
        }
        Ok(graph)
    }

    fn draw(
        &mut self,
        modules: &Modules,
        (from, to): (ModuleId, ModuleId),
        name: String,
        line: usize,
    ) {
        let (from, to) = (&modules.0[from], &modules.0[to]);
        if from.file == to.file {
            return;
        }
        let names = self
            .arrows
            .entry((from.file.clone(), to.file.clone()))
            .or_default();
        let first = names.entry(name).or_insert(line);
        *first = line.min(*first);
        if let (Some(from), Some(to)) = (&from.room, &to.room)
            && from != to
        {
            self.room_arrows.insert((from.clone(), to.clone()));
        }
    }
}

/// The module that a name is taken from, and the name.
fn taken(modules: &Modules, id: ModuleId, reference: &Reference) -> Option<(ModuleId, String)> {
    let Reference { path, kind, .. } = reference;
    match kind {
        Kind::HandedOn => None,
        Kind::Glob => match modules.resolve(id, path) {
            Resolved::Module(from) => Some((from, "*".to_owned())),
            Resolved::Item(from, name) => Some((from, name)),
            Resolved::Elsewhere => None,
        },
        // A module by itself is the way to a name, and none.
        Kind::Use | Kind::Inline => match modules.resolve(id, path) {
            Resolved::Item(from, name) => Some((from, name)),
            Resolved::Module(_) | Resolved::Elsewhere => None,
        },
    }
}
