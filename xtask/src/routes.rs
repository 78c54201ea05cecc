//! The routes of the API are those of the reviewed OpenAPI document.
//!
//! It reads the attributes of `poem-openapi`, and the snapshot that a test holds the generated document to.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprLit, ImplItemFn, ItemImpl, Lit, LitStr};

use crate::finding::{Check, Finding};
use crate::problem::Problem;
use crate::rust::parse;
use crate::tree::{Tree, has_end, line_where};

/// Where the routes are declared.
const API: &str = "server/src/api";
/// Below which folder the snapshot of the document is.
const SNAPSHOTS: &str = "tests/";

/// A method in upper case, and a path with `{name}` for what varies.
type Route = (String, String);

/// Every route that only one of the two has.
pub(crate) fn check(tree: &Tree) -> Result<Vec<Finding>, Problem> {
    let mut declared = Declared::default();
    let is_api = |file: &&str| {
        file.strip_prefix(API)
            .is_some_and(|rest| rest.starts_with(['/', '.']))
    };
    for file in tree.rust_files().filter(is_api) {
        file.clone_into(&mut declared.file);
        declared.visit_file(&parse(tree, file)?);
    }
    let documents = documents(tree)?;
    let mut findings = Vec::new();
    if documents.is_empty() && !declared.routes.is_empty() {
        let message = "there is no snapshot of the OpenAPI document to compare the routes with";
        findings.push(Finding::new(Check::Route, SNAPSHOTS, 1, message));
    }
    for document in &documents {
        for ((method, path), (file, line)) in &declared.routes {
            let route = (method.clone(), path.clone());
            if !document.routes.contains_key(&route) {
                let message = format!("{method} {path} is not in {}", document.file);
                findings.push(Finding::new(Check::Route, file, *line, message));
            }
        }
        for ((method, path), line) in &document.routes {
            let route = (method.clone(), path.clone());
            if !declared.routes.contains_key(&route) {
                let message = format!("no handler in {API} declares {method} {path}");
                findings.push(Finding::new(Check::Route, &document.file, *line, message));
            }
        }
    }
    Ok(findings)
}

struct Document {
    file: String,
    routes: BTreeMap<Route, usize>,
}

/// The snapshots that hold the API's document: known by what is in them, not by their names.
fn documents(tree: &Tree) -> Result<Vec<Document>, Problem> {
    let mut documents = Vec::new();
    let is_snapshot = |file: &&str| file.starts_with(SNAPSHOTS) && has_end(file, "snap");
    for file in tree.files().filter(is_snapshot) {
        let text = tree.text(file)?;
        // Between two lines of dashes stands what made it.
        let body = text.splitn(3, "---\n").nth(2).unwrap_or(&text);
        let is_document = body.starts_with('{') && body.contains("\"openapi\":");
        if !is_document {
            continue;
        }
        let json: serde_json::Value =
            serde_json::from_str(body).map_err(|source| Problem::Snapshot {
                file: file.to_owned(),
                source,
            })?;
        let mut routes = BTreeMap::new();
        let paths = json["paths"].as_object().into_iter().flatten();
        for (path, operations) in paths {
            let quoted = format!("\"{path}\":");
            let line = line_where(&text, |line| line.trim_start().starts_with(&quoted));
            for method in operations
                .as_object()
                .into_iter()
                .flat_map(|map| map.keys())
            {
                routes.insert((method.to_uppercase(), path.clone()), line);
            }
        }
        documents.push(Document {
            file: file.to_owned(),
            routes,
        });
    }
    Ok(documents)
}

/// The routes that attributes declare, with their places.
#[derive(Default)]
struct Declared {
    file: String,
    prefix: String,
    routes: BTreeMap<Route, (String, usize)>,
}

impl<'ast> Visit<'ast> for Declared {
    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let prefix = item.attrs.iter().find_map(|attribute| {
            let is_ours = attribute.path().is_ident("OpenApi");
            is_ours.then(|| text_of(attribute, "prefix_path"))?
        });
        self.prefix = prefix.map(|prefix| prefix.value()).unwrap_or_default();
        visit::visit_item_impl(self, item);
        self.prefix.clear();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        for attribute in &item.attrs {
            if !attribute.path().is_ident("oai") {
                continue;
            }
            if let (Some(path), Some(method)) =
                (text_of(attribute, "path"), text_of(attribute, "method"))
            {
                let route = (
                    method.value().to_uppercase(),
                    documented(&format!("{}{}", self.prefix, path.value())),
                );
                let line = path.span().start().line;
                self.routes.insert(route, (self.file.clone(), line));
            }
        }
    }
}

/// The text that an attribute gives a name.
fn text_of(attribute: &Attribute, name: &str) -> Option<LitStr> {
    let mut found = None;
    // What has another form than `name = value` or `name` ends the reading; both stand before it in our code.
    let _ = attribute.parse_nested_meta(|meta| {
        if meta.input.peek(syn::Token![=]) {
            let value: Expr = meta.value()?.parse()?;
            if let Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) = value
                && meta.path.is_ident(name)
            {
                found = Some(text);
            }
        } else if meta.input.peek(syn::token::Paren) {
            let content;
            syn::parenthesized!(content in meta.input);
            content.parse::<proc_macro2::TokenStream>()?;
        }
        Ok(())
    });
    found
}

/// A path as the document has it: `:id` and `{id}` are the same.
fn documented(path: &str) -> String {
    let parts = path.split('/').map(|part| match part.strip_prefix(':') {
        Some(name) => format!("{{{name}}}"),
        None => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use crate::fixture::Fixture;

    #[test]
    fn a_route_without_a_place_in_the_document_is_found() {
        let found = Fixture::clean()
            .with(
                "server/src/api/probes.rs",
                "struct Probes;

#[OpenApi(prefix_path = \"/v1\", tag = \"Tag::Probes\")]
impl Probes {
    #[oai(
        path = \"/health/:name\",
        method = \"get\",
        tag = \"Tag::Probes\",
    )]
    fn health(&self) {}
}
",
            )
            .routes();
        assert_eq!(
            found,
            [
                "server/src/api/probes.rs:6: [route] GET /v1/health/{name} is not in tests/tests/snapshots/openapi.snap"
            ]
        );
    }

    #[test]
    fn a_documented_route_without_a_handler_is_found() {
        let fixture = Fixture::clean();
        let snapshot = fixture
            .tree()
            .text("tests/tests/snapshots/openapi.snap")
            .unwrap();
        let more = snapshot.replace("\"post\": {}", "\"post\": {},\n      \"get\": {}");
        let found = fixture
            .with("tests/tests/snapshots/openapi.snap", &more)
            .routes();
        assert_eq!(
            found,
            [
                "tests/tests/snapshots/openapi.snap:7: [route] no handler in server/src/api declares GET /v1/payments"
            ]
        );
    }

    #[test]
    fn routes_without_any_document_are_found() {
        let found = Fixture::clean()
            .without("tests/tests/snapshots/openapi.snap")
            .routes();
        assert_eq!(
            found,
            [
                "tests/:1: [route] there is no snapshot of the OpenAPI document to compare the routes with"
            ]
        );
    }
}
