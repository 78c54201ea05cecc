//! The table of the options in the documentation, made from their declarations.

use std::fmt::Write;
use std::path::Path;

use super::options::declared;

/// The document with the table.
const DOCUMENT: &str = "docs/configuration.md";

/// The lines before and after the table.
const BEGIN: &str = "<!-- options: begin. `just options-table` writes this part. -->\n";
const END: &str = "<!-- options: end -->\n";

/// Writes the table into the document when this variable is set, instead of comparing.
const WRITE: &str = "HOLDFAST_TEST_WRITE_DOCS";

fn table() -> String {
    let mut text = String::new();
    let mut section = None;
    for option in declared() {
        if section.replace(option.section) != Some(option.section) {
            let heading = match option.section {
                "" => "Service",
                heading => heading,
            };
            let _ = write!(
                text,
                "\n## {heading}\n\n| key | variable | value | default | bounds | what it does |\n\
                 |---|---|---|---|---|---|\n"
            );
        }
        let bounds = option
            .bounds
            .map_or_else(String::new, |bounds| bounds.to_string());
        let cells = [
            format!("`{}`", option.key),
            format!("`{}`", option.variable),
            option.value_name.to_owned(),
            option.default.clone(),
            bounds,
            option.help.clone(),
        ];
        let cells = cells.map(|cell| cell.replace('|', "\\|"));
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
    text
}

#[test]
fn the_document_has_every_option_as_it_is_declared() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(DOCUMENT);
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    let table = table();
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, [before, BEGIN, &table, END, after].concat()).unwrap();
        return;
    }
    assert!(
        written == table,
        "the options in {DOCUMENT} are not those of the program: run `just options-table`, and commit the result"
    );
}
