//! From a name as it is written to the module that defines it, through every `use` that hands it on.

use std::collections::BTreeSet;

use super::modules::{ModuleId, Modules};

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Resolved {
    /// A module of the target.
    Module(ModuleId),
    /// Something that a module defines.
    Item(ModuleId, String),
    /// Nothing of this target.
    Elsewhere,
}

/// The lookups under way: a `use` that leads back to itself ends there.
type Seen = BTreeSet<(ModuleId, String)>;

impl Modules {
    /// What a path in a module stands for.
    pub(super) fn resolve(&self, module: ModuleId, path: &[String]) -> Resolved {
        self.walk(module, path, &mut Seen::new())
    }

    fn walk(&self, module: ModuleId, path: &[String], seen: &mut Seen) -> Resolved {
        let Some((mut at, mut rest)) = self.start(module, path, seen) else {
            return Resolved::Elsewhere;
        };
        while let Resolved::Module(module) = at
            && let Some((name, after)) = rest.split_first()
        {
            rest = after;
            at = if name == "super" {
                match self.0[module].parent {
                    Some(parent) => Resolved::Module(parent),
                    None => Resolved::Elsewhere,
                }
            } else {
                // What a macro makes has no name that could be read: it is taken for the module's own.
                self.lookup(module, name, seen)
                    .unwrap_or_else(|| Resolved::Item(module, name.clone()))
            };
        }
        at
    }

    /// Where a path begins, and what is left of it.
    fn start<'a>(
        &self,
        module: ModuleId,
        path: &'a [String],
        seen: &mut Seen,
    ) -> Option<(Resolved, &'a [String])> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some((Resolved::Module(0), rest)),
            "self" => Some((Resolved::Module(module), rest)),
            "super" => Some((Resolved::Module(module), path)),
            name => Some((self.lookup(module, name, seen)?, rest)),
        }
    }

    /// A name in the scope of a module.
    fn lookup(&self, id: ModuleId, name: &str, seen: &mut Seen) -> Option<Resolved> {
        let module = &self.0[id];
        if let Some(child) = module.children.get(name) {
            return Some(Resolved::Module(*child));
        }
        if module.items.contains(name) {
            return Some(Resolved::Item(id, name.to_owned()));
        }
        if !seen.insert((id, name.to_owned())) {
            return None;
        }
        let found = if let Some(import) = module.names.imports.get(name) {
            Some(self.walk(id, &import.path, seen))
        } else {
            module
                .names
                .globs
                .iter()
                .find_map(|glob| match self.walk(id, glob, seen) {
                    Resolved::Module(from) => self.lookup(from, name, seen),
                    Resolved::Item(..) | Resolved::Elsewhere => None,
                })
        };
        seen.remove(&(id, name.to_owned()));
        found
    }
}
