//! The names that a piece of source takes: `use` trees, paths, paths within macros, paths in attributes.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItem, Item, ItemUse, Macro, Path, UseTree, Visibility};

use super::attributes::{is_for_tests, of_item};

/// A name that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    /// As it is written, `crate` and `super` included.
    pub(crate) path: Vec<String>,
    /// From 1 on.
    pub(crate) line: usize,
    /// How it is written.
    pub(crate) kind: Kind,
}

/// How a name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By a `use` that is private.
    Use,
    /// By a `use` of everything.
    Glob,
    /// Where it is needed.
    Inline,
    /// By a `pub use`: handed on, and like `mod` not taken.
    HandedOn,
}

/// A name that a `use` gives to a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// What it stands for.
    pub(crate) path: Vec<String>,
    /// Whether others may take it from here.
    pub(crate) is_handed_on: bool,
}

/// What a module's source takes. Modules within it, and what is compiled for unit tests only, are left out.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// The names that are taken, in the order of the source.
    pub(crate) references: Vec<Reference>,
    /// By the name that a `use` gives, also one inside a function.
    pub(crate) imports: BTreeMap<String, Import>,
    /// What is used as a whole.
    pub(crate) globs: Vec<Vec<String>>,
}

impl Names {
    /// The names in these items.
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut names = Self::default();
        for item in items {
            names.visit_item(item);
        }
        names
    }

    fn take(&mut self, path: Vec<String>, line: usize, kind: Kind) {
        self.references.push(Reference { path, line, kind });
    }

    fn take_tree(&mut self, tree: &UseTree, before: &[String], is_handed_on: bool) {
        let leaf = |ident: &proc_macro2::Ident| {
            let mut path = before.to_vec();
            // `use a::b::{self}` names `a::b`.
            if ident != "self" || path.is_empty() {
                path.push(ident.to_string());
            }
            path
        };
        match tree {
            UseTree::Path(tree) => {
                self.take_tree(&tree.tree, &leaf(&tree.ident), is_handed_on);
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.take_tree(tree, before, is_handed_on);
                }
            }
            UseTree::Name(name) => {
                let path = leaf(&name.ident);
                let alias = path.last().cloned().unwrap_or_default();
                self.import(alias, path, is_handed_on, &name.ident);
            }
            UseTree::Rename(rename) => {
                let alias = rename.rename.to_string();
                self.import(alias, leaf(&rename.ident), is_handed_on, &rename.ident);
            }
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                let kind = if is_handed_on {
                    Kind::HandedOn
                } else {
                    Kind::Glob
                };
                self.take(before.to_vec(), line, kind);
                self.globs.push(before.to_vec());
            }
        }
    }

    fn import(
        &mut self,
        alias: String,
        path: Vec<String>,
        is_handed_on: bool,
        at: &proc_macro2::Ident,
    ) {
        let kind = if is_handed_on {
            Kind::HandedOn
        } else {
            Kind::Use
        };
        self.take(path.clone(), at.span().start().line, kind);
        self.imports
            .entry(alias)
            .or_insert(Import { path, is_handed_on });
    }

    /// Paths in what a macro or an attribute is given.
    fn take_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        // What stands between two identifiers: `::` goes on, a dot makes the next one a field or a method.
        let mut between = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if between != "::" {
                        self.end_path(&mut path, line);
                        line = ident.span().start().line;
                    }
                    if between != "." {
                        path.push(ident.to_string());
                    }
                    between.clear();
                }
                TokenTree::Punct(punct) => between.push(punct.as_char()),
                TokenTree::Group(group) => {
                    self.end_path(&mut path, line);
                    between.clear();
                    self.take_tokens(group.stream());
                }
                TokenTree::Literal(literal) => {
                    self.end_path(&mut path, line);
                    between.clear();
                    self.take_literal(&literal);
                }
            }
        }
        self.end_path(&mut path, line);
    }

    fn end_path(&mut self, path: &mut Vec<String>, line: usize) {
        if !path.is_empty() {
            self.take(std::mem::take(path), line, Kind::Inline);
        }
    }

    /// `#[serde(with = "crate::hex")]` names a module in a string.
    fn take_literal(&mut self, literal: &proc_macro2::Literal) {
        let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string()) else {
            return;
        };
        let value = text.value();
        if value.contains("::")
            && let Ok(path) = syn::parse_str::<Path>(&value)
        {
            self.take(segments(&path), literal.span().start().line, Kind::Inline);
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !matches!(item, Item::Mod(_)) && !is_for_tests(of_item(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `use ::sled` is another crate.
        if item.leading_colon.is_none() {
            let is_handed_on = !matches!(item.vis, Visibility::Inherited);
            self.take_tree(&item.tree, &[], is_handed_on);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let line = first.ident.span().start().line;
            self.take(segments(path), line, Kind::Inline);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, makro: &'ast Macro) {
        self.visit_path(&makro.path);
        self.take_tokens(makro.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        self.visit_path(attribute.path());
        match &attribute.meta {
            syn::Meta::Path(_) => {}
            syn::Meta::List(list) => self.take_tokens(list.tokens.clone()),
            syn::Meta::NameValue(pair) => self.visit_expr(&pair.value),
        }
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(in crate::chaos)` says who may look in; it takes nothing.
    }
}

fn segments(path: &Path) -> Vec<String> {
    let idents = path.segments.iter();
    idents.map(|segment| segment.ident.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(source: &str) -> Vec<String> {
        let file: syn::File = syn::parse_str(source).unwrap();
        let references = Names::of(&file.items).references;
        references
            .iter()
            .map(|taken| taken.path.join("::"))
            .collect()
    }

    #[test]
    fn every_way_to_take_a_name_is_seen() {
        let cases = [
            ("use crate::a::{self, B, c::D as E};", "crate::a"),
            ("use crate::a::{self, B, c::D as E};", "crate::a::B"),
            ("use crate::a::{self, B, c::D as E};", "crate::a::c::D"),
            ("use super::a::*;", "super::a"),
            ("fn f() { crate::a::g(); }", "crate::a::g"),
            ("fn f(x: &super::A) {}", "super::A"),
            ("fn f() { use crate::a::g; g(); }", "crate::a::g"),
            (
                "fn f() -> Vec<crate::a::B> { vec![crate::c::D::new()] }",
                "crate::a::B",
            ),
            (
                "fn f() -> Vec<crate::a::B> { vec![crate::c::D::new()] }",
                "crate::c::D::new",
            ),
            (
                "fn f() { println!(\"{}\", [super::K; 2].len()); }",
                "super::K",
            ),
            ("impl crate::a::T for S {}", "crate::a::T"),
            ("#[derive(crate::m::D)] struct S;", "crate::m::D"),
            (
                "struct S { #[serde(with = \"crate::hex\")] x: u8 }",
                "crate::hex",
            ),
        ];
        for (source, name) in cases {
            assert!(
                taken(source).contains(&name.to_owned()),
                "{source}: {:?}",
                taken(source)
            );
        }
    }

    #[test]
    fn what_is_only_for_tests_or_not_taken_is_left_out() {
        for source in [
            "#[cfg(test)] mod tests { use crate::a::B; }",
            "#[cfg(test)] use crate::a::B;",
            "#[cfg(test)] fn f() { crate::a::B }",
            "impl S { #[cfg(all(test, unix))] fn f() { crate::a::B } }",
            "mod inner { use crate::a::B; }",
            "/// See crate::a::B and \"crate::a::B\".\nfn f() {}",
            "pub(in crate::a) fn f() {}",
            "use ::a::B;",
        ] {
            let names = taken(source);
            let wrong = names.iter().find(|name| name.contains("::"));
            assert_eq!(wrong, None, "{source}");
        }
    }

    #[test]
    fn a_name_has_the_line_that_it_stands_on() {
        let file: syn::File = syn::parse_str("\nuse crate::{\n    a::A,\n    b::B,\n};").unwrap();
        let lines: Vec<_> = Names::of(&file.items)
            .references
            .iter()
            .map(|taken| taken.line)
            .collect();
        assert_eq!(lines, [3, 4]);
    }
}
