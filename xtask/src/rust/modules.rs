//! The modules of a target: which file each lies in, and which names it defines.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Attribute, Expr, ExprLit, Item, ItemMod, Lit, Meta};

use super::attributes::{is_for_tests, of_item};
use super::names::Names;
use crate::problem::Problem;
use crate::tree::{Tree, normal};

/// A module's place in [`Modules`].
pub(super) type ModuleId = usize;

/// The modules of one target; the first is its root.
#[derive(Debug, Default)]
pub(super) struct Modules(pub(super) Vec<Module>);

/// One module.
#[derive(Debug)]
pub(super) struct Module {
    /// The file that its source lies in, relative to the root of the tree.
    pub(super) file: String,
    /// The module that declares it.
    pub(super) parent: Option<ModuleId>,
    /// The module below the root that it belongs to; itself if it is one, none for the root.
    pub(super) room: Option<String>,
    /// The modules that it declares.
    pub(super) children: BTreeMap<String, ModuleId>,
    /// The names that it defines.
    pub(super) items: BTreeSet<String>,
    /// The names that it takes.
    pub(super) names: Names,
}

/// Parses a file of the tree.
pub(crate) fn parse(tree: &Tree, file: &str) -> Result<syn::File, Problem> {
    syn::parse_file(&tree.text(file)?).map_err(|source| Problem::Parse {
        file: file.to_owned(),
        line: source.span().start().line,
        source,
    })
}

impl Modules {
    /// Reads a target from its root file on.
    pub(super) fn read(tree: &Tree, root: &str) -> Result<Self, Problem> {
        let mut modules = Self::default();
        let place = Place {
            file: root.to_owned(),
            folder: folder_of(root).to_owned(),
        };
        let file = parse(tree, root)?;
        modules.add(tree, &place, &file.items, None, None)?;
        Ok(modules)
    }

    fn add(
        &mut self,
        tree: &Tree,
        place: &Place,
        items: &[Item],
        parent: Option<ModuleId>,
        room: Option<&str>,
    ) -> Result<ModuleId, Problem> {
        let id = self.0.len();
        self.0.push(Module {
            file: place.file.clone(),
            parent,
            room: room.map(str::to_owned),
            children: BTreeMap::new(),
            items: items.iter().filter_map(defined).collect(),
            names: Names::of(items),
        });
        for item in items {
            if let Item::Mod(module) = item
                && !is_for_tests(&module.attrs)
            {
                let name = module.ident.to_string();
                let room = room.unwrap_or(&name).to_owned();
                let child = self.add_child(tree, place, module, id, &room)?;
                self.0[id].children.insert(name, child);
            }
        }
        Ok(id)
    }

    fn add_child(
        &mut self,
        tree: &Tree,
        place: &Place,
        module: &ItemMod,
        parent: ModuleId,
        room: &str,
    ) -> Result<ModuleId, Problem> {
        let name = module.ident.to_string();
        if let Some((_, items)) = &module.content {
            let place = Place {
                file: place.file.clone(),
                folder: format!("{}/{name}", place.folder),
            };
            return self.add(tree, &place, items, Some(parent), Some(room));
        }
        let place = place
            .child(tree, module)
            .ok_or_else(|| Problem::ModuleFile {
                file: place.file.clone(),
                module: name,
            })?;
        let file = parse(tree, &place.file)?;
        self.add(tree, &place, &file.items, Some(parent), Some(room))
    }
}

/// Where a module's source lies, and where the files of its children do.
#[derive(Debug)]
struct Place {
    file: String,
    folder: String,
}

impl Place {
    /// The place of a child whose source is a file of its own.
    fn child(&self, tree: &Tree, module: &ItemMod) -> Option<Self> {
        let name = module.ident.to_string();
        if let Some(path) = path_attribute(&module.attrs) {
            let file = normal(&format!("{}/{path}", folder_of(&self.file)));
            let folder = folder_of(&file).to_owned();
            return tree.has_file(&file).then_some(Self { file, folder });
        }
        let folder = format!("{}/{name}", self.folder);
        [format!("{folder}.rs"), format!("{folder}/mod.rs")]
            .into_iter()
            .find(|file| tree.has_file(file))
            .map(|file| Self { file, folder })
    }
}

fn folder_of(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let pair = attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => Some(&pair.value),
            Meta::NameValue(_) | Meta::Path(_) | Meta::List(_) => None,
        })?;
    match pair {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.value()),
        _ => None,
    }
}

/// The name that an item defines in its module; modules have theirs in [`Module::children`].
fn defined(item: &Item) -> Option<String> {
    if is_for_tests(of_item(item)) {
        return None;
    }
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}
