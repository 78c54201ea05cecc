//! The configuration file. Every mistake in it is reported, not only the first.

use std::path::Path;

use toml::de::DeTable;

use super::environment::similar;
use super::options::{Options, declared};
use super::{ConfigError, Mistakes};

/// Reads a configuration file. Entries with mistakes are left out, and the mistakes are noted.
pub(super) fn read(path: &Path, mistakes: &mut Mistakes) -> Options {
    let read = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    });
    let Some(mut text) = mistakes.take(read) else {
        mistakes.lose_file();
        return Options::default();
    };
    let known: Vec<_> = declared()
        .iter()
        .map(|option| option.key)
        .chain(["api_keys"])
        .collect();
    loop {
        let (blamed, mistake) = match toml::from_str::<Options>(&text) {
            Ok(options) => return options,
            Err(source) => (entry_of(&text, &source, &known), source),
        };
        let unknown = blamed
            .as_ref()
            .filter(|entry| !known.contains(&entry.key.as_str()));
        mistakes.note(match unknown {
            Some(entry) => ConfigError::UnknownKey {
                path: path.to_owned(),
                key: entry.key.clone(),
                similar: similar(&entry.key, known.iter().copied()),
            },
            None => ConfigError::Parse {
                path: path.to_owned(),
                source: Box::new(mistake),
            },
        });
        // Without the entry, the others can be checked. A file that is not TOML is not checked further.
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
fn entry_of(text: &str, error: &toml::de::Error, known: &[&str]) -> Option<Entry> {
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
    if let Some(unknown) = entries
        .iter()
        .position(|entry| !known.contains(&entry.key.as_str()))
    {
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
