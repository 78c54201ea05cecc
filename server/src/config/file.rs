//! The configuration file: every mistake in it is told, not only the first.

use std::path::Path;

use clap::Args;
use toml::de::DeTable;

use super::environment::similar;
use super::{ConfigError, Mistakes, Options, ServeArgs};

/// Reads a configuration file; what is wrong is left out and noted.
pub(super) fn read(path: &Path, mistakes: &mut Mistakes) -> Options {
    let read = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    });
    let Some(mut text) = mistakes.take(read) else {
        mistakes.lose_file();
        return Options::default();
    };
    let known = keys();
    loop {
        let (blamed, mistake) = match toml::from_str::<Options>(&text) {
            Ok(options) => return options,
            Err(source) => (entry_of(&text, &source, &known), source),
        };
        let unknown = blamed.as_ref().filter(|entry| !known.contains(&entry.key));
        mistakes.note(match unknown {
            Some(entry) => ConfigError::UnknownKey {
                path: path.to_owned(),
                key: entry.key.clone(),
                similar: similar(&entry.key, known.iter().map(String::as_str)),
            },
            None => ConfigError::Parse {
                path: path.to_owned(),
                source: Box::new(mistake),
            },
        });
        // Without the entry the others can be looked at. A file that is no TOML is not looked at further.
        let Some(entry) = blamed else {
            mistakes.lose_file();
            return Options::default();
        };
        mistakes.leave_out(&entry.key);
        blank(&mut text, entry.from, entry.to);
    }
}

/// A key and its value in the text.
struct Entry {
    key: String,
    from: usize,
    to: usize,
}

/// The entry that the error is about: the first with a key that is not known, else the one where it was found.
fn entry_of(text: &str, error: &toml::de::Error, known: &[String]) -> Option<Entry> {
    let table = DeTable::parse(text).ok()?;
    let mut entries: Vec<Entry> = table
        .get_ref()
        .iter()
        .map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            from: key.span().start,
            to: value.span().end,
        })
        .collect();
    entries.sort_by_key(|entry| entry.from);
    if let Some(unknown) = entries.iter().position(|entry| !known.contains(&entry.key)) {
        return Some(entries.swap_remove(unknown));
    }
    let at = error.span()?.start;
    // Tables stand in brackets before their key and go on after it: those are not taken out.
    let found = entries
        .into_iter()
        .find(|entry| (entry.from..entry.to).contains(&at))?;
    let stands_alone = text[..found.from].ends_with(['\n', '\r', ' ', '\t']) || found.from == 0;
    stands_alone.then_some(found)
}

/// Takes a part of the text out, and leaves every line where it was.
fn blank(text: &mut String, from: usize, to: usize) {
    let gap: String = text[from..to]
        .bytes()
        .map(|byte| if byte == b'\n' { '\n' } else { ' ' })
        .collect();
    text.replace_range(from..to, &gap);
}

/// Every key that a configuration file may have.
fn keys() -> Vec<String> {
    let command = ServeArgs::augment_args(clap::Command::new("serve"));
    let flags = command
        .get_arguments()
        .map(|flag| flag.get_id().to_string());
    let flags = flags.filter(|flag| flag != "config");
    flags.chain(["api_keys".to_owned()]).collect()
}
