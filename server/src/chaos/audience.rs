//! Where the result of a run is written: text for people, JSON for programs.

use std::path::Path;

use super::error::ChaosError;
use super::files::{self, Content};
use crate::output::{self, OutputError, complain};

/// Who is told of a run: people, and whoever reads the JSON. Where both read standard output, the JSON has it alone.
pub(super) struct Audience<'a> {
    json: Option<&'a Path>,
    /// Why people hear nothing more. Files are written all the same.
    unsaid: Option<OutputError>,
}

impl<'a> Audience<'a> {
    /// People, and the file that the JSON goes to, if it is asked for.
    pub(super) const fn new(json: Option<&'a Path>) -> Self {
        Self { json, unsaid: None }
    }

    fn json_has_standard_output(&self) -> bool {
        self.json == Some(Path::new("-"))
    }

    pub(super) fn tell_people(&mut self, text: &str) {
        if self.json_has_standard_output() {
            complain(text.trim_end_matches('\n'));
        } else if self.unsaid.is_none() {
            let said = output::print_with(|out| out.write_all(text.as_bytes()));
            self.unsaid = said.err();
        }
    }

    /// Fails when people were not told everything.
    pub(super) fn heard(&mut self) -> Result<(), OutputError> {
        self.unsaid.take().map_or(Ok(()), Err)
    }

    pub(super) fn tell_machines(&self, value: &serde_json::Value) -> Result<(), ChaosError> {
        match self.json {
            None => Ok(()),
            Some(_) if self.json_has_standard_output() => Ok(output::print(format!("{value:#}"))?),
            Some(path) => files::write(Content::Json, path, &format!("{value:#}\n")),
        }
    }
}
