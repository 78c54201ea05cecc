//! A function fits a screen or two, a file is one idea. Longer ones are listed in `xtask/allow.toml` with a reason, and
//! leaves it when it is short enough: the list can only shrink.
//!
//! Lines of code and of comments count, empty ones do not. Functions within macros are not seen.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, ItemFn, ItemImpl, Signature, TraitItemFn, Type};

use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::rust::parse;
use crate::tables::{self, ALLOW, Allow, Allowed};
use crate::tree::Tree;

/// Most lines of a function, from `fn` to its last brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Most lines of a file.
const FILE_LINES_MAX: usize = 400;

/// What is too long and not allowed, and what is allowed without need.
pub(crate) fn check(tree: &Tree, allow: &Allow) -> Result<Vec<Finding>, Problem> {
    let mut files = BTreeMap::new();
    let mut functions = BTreeMap::new();
    for file in tree.rust_files() {
        let text = tree.text(file)?;
        let lines = text.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > FILE_LINES_MAX {
            files.insert(
                file.to_owned(),
                Long {
                    file,
                    line: 1,
                    lines,
                },
            );
        }
        let parsed = parse(tree, file)?;
        let mut found = Functions::of(&text);
        found.visit_file(&parsed);
        for (name, line, lines) in found.long {
            functions.insert(format!("{file} {name}"), Long { file, line, lines });
        }
    }
    let mut findings = compare(tree, &files, &allow.files, "file", FILE_LINES_MAX)?;
    let more = compare(
        tree,
        &functions,
        &allow.functions,
        "function",
        FUNCTION_LINES_MAX,
    )?;
    findings.extend(more);
    Ok(findings)
}

struct Long<'a> {
    file: &'a str,
    line: usize,
    lines: usize,
}

fn compare(
    tree: &Tree,
    long: &BTreeMap<String, Long<'_>>,
    allowed: &[Allowed],
    kind: &str,
    max: usize,
) -> Result<Vec<Finding>, Problem> {
    let mut findings = Vec::new();
    for (name, Long { file, line, lines }) in long {
        if !allowed.iter().any(|group| group.at.contains(name)) {
            let message = format!("{name}: a {kind} of {lines} lines; the limit is {max}");
            findings.push(Finding::new(Check::Length, *file, *line, message));
        }
    }
    for group in allowed {
        if group.reason.trim().is_empty() {
            let message = format!("entries for a {kind} without a reason");
            findings.push(Finding::new(Check::Length, ALLOW, 1, message));
        }
        for entry in group.at.iter().filter(|entry| !long.contains_key(*entry)) {
            let line = tables::line_of(tree, ALLOW, entry)?;
            let message =
                format!("{entry} is not a {kind} of more than {max} lines: remove the entry");
            findings.push(Finding::new(Check::Length, ALLOW, line, message));
        }
    }
    Ok(findings)
}

/// The long functions of a file: name, line, lines.
struct Functions<'a> {
    lines: Vec<&'a str>,
    /// The type whose `impl` is being read.
    of: Option<String>,
    long: Vec<(String, usize, usize)>,
}

impl<'a> Functions<'a> {
    fn of(text: &'a str) -> Self {
        Self {
            lines: text.lines().collect(),
            of: None,
            long: Vec::new(),
        }
    }

    fn measure(&mut self, signature: &Signature, block: &Block) {
        let first = signature.fn_token.span.start().line;
        let last = block.brace_token.span.close().end().line;
        let inside = self.lines.iter().take(last).skip(first - 1);
        let lines = inside.filter(|line| !line.trim().is_empty()).count();
        if lines > FUNCTION_LINES_MAX {
            let name = match &self.of {
                Some(of) => format!("{of}::{}", signature.ident),
                None => signature.ident.to_string(),
            };
            self.long.push((name, first, lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let before = self.of.take();
        self.of = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        visit::visit_item_impl(self, item);
        self.of = before;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use crate::fixture::{Fixture, lines};

    fn function(inside: usize) -> String {
        format!("fn long() {{\n{}}}\n", lines(inside))
    }

    #[test]
    fn a_long_function_is_found_and_one_of_just_the_most_lines_is_not() {
        let found = |inside| {
            let source = format!("struct S;\nimpl S {{\n{}}}\n", function(inside));
            Fixture::clean()
                .with("simulator/src/lib.rs", &source)
                .long()
        };
        assert_eq!(found(68), [] as [&str; 0]);
        assert_eq!(
            found(69),
            [
                "simulator/src/lib.rs:3: [length] simulator/src/lib.rs S::long: a function of 71 lines; the limit is 70"
            ]
        );
    }

    #[test]
    fn a_long_file_is_found_and_empty_lines_do_not_count() {
        let found = |lines: usize| {
            let source = "// A comment counts.\n\n".repeat(lines);
            Fixture::clean()
                .with("server/tests/long.rs", &source)
                .long()
        };
        assert_eq!(found(400), [] as [&str; 0]);
        assert_eq!(
            found(401),
            [
                "server/tests/long.rs:1: [length] server/tests/long.rs: a file of 401 lines; the limit is 400"
            ]
        );
    }

    #[test]
    fn what_is_long_may_be_allowed_while_it_is() {
        let allow = "[[functions]]\nreason = \"A table.\"\nat = [\"simulator/src/lib.rs long\"]\n";
        let fixture = Fixture::clean()
            .with("xtask/allow.toml", allow)
            .with("simulator/src/lib.rs", &function(100));
        assert_eq!(fixture.long(), [] as [&str; 0]);
        let fixture = fixture.with("simulator/src/lib.rs", &function(10));
        assert_eq!(
            fixture.long(),
            [
                "xtask/allow.toml:3: [length] simulator/src/lib.rs long is not a function of more than 70 lines: remove the entry"
            ]
        );
    }

    #[test]
    fn an_entry_without_a_reason_is_found() {
        let allow = "[[functions]]\nreason = \"\"\nat = [\"simulator/src/lib.rs long\"]\n";
        let found = Fixture::clean()
            .with("xtask/allow.toml", allow)
            .with("simulator/src/lib.rs", &function(100))
            .long();
        assert_eq!(
            found,
            ["xtask/allow.toml:1: [length] entries for a function without a reason"]
        );
    }
}
