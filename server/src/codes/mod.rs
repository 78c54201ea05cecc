//! Stable codes of the errors that operators meet. Each has a section with cause and remedy in `docs/errors.md`.
//!
//! A code keeps its meaning for ever: people search for it, and alerts match it.

mod engine;

use std::fmt;

/// The document with a section for each code.
const DOCUMENT: &str = "docs/errors.md";

/// An error that has a code.
pub(crate) trait Coded: fmt::Display {
    fn code(&self) -> Code;
}

macro_rules! codes {
    ($($(#[doc = $title:literal])+ $name:ident = $code:literal,)*) => {
        /// The code of an error.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $title])+ $name,)*
        }

        impl Code {
            /// As it is printed.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }

            /// Every code with the title of its section.
            #[cfg(test)]
            fn all() -> Vec<(Self, String)> {
                vec![$((Self::$name, [$($title),+].map(str::trim).join(" "))),*]
            }
        }
    };
}

codes! {
    /// Another process uses the data directory
    DirectoryInUse = "HF0101",
    /// The directory is not a Holdfast data directory
    NotAStore = "HF0102",
    /// An import into the directory was interrupted
    UnfinishedImport = "HF0103",
    /// The data directory belongs to another user
    NotPermitted = "HF0104",
    /// A newer Holdfast wrote the store
    NewerFormat = "HF0105",
    /// The store is damaged
    Damaged = "HF0106",
    /// The store and its journal.head do not match
    HeadFileMismatch = "HF0107",
    /// The store has lost acknowledged payments
    Lost = "HF0108",
    /// The clock shows a time before 1970
    ClockBefore1970 = "HF0109",
    /// The operating system refuses access to the data directory
    DirectoryIo = "HF0110",
    /// An older Holdfast wrote the store
    OlderFormat = "HF0111",
    /// Unfinished payments belong to a bank that is not configured
    OtherBank = "HF0201",
    /// The bank has a new address
    BankMoved = "HF0202",
    /// No bank is configured for a store with real payments
    NoBank = "HF0203",
    /// A merchant with payments has no API key
    MerchantWithoutKey = "HF0204",
    /// Two merchants differ only in upper and lower case
    MerchantCase = "HF0205",
    /// The configuration cannot be used
    Configuration = "HF0301",
    /// The TLS certificate or its key cannot be used
    Tls = "HF0302",
    /// A file for the connection to the bank cannot be used
    BankFiles = "HF0303",
    /// The address cannot be listened on
    Listen = "HF0304",
    /// The operating system refuses something else
    System = "HF0305",
    /// The ledger of the simulated bank cannot be used
    SimulatedLedger = "HF0306",
    /// Traces cannot be sent
    Traces = "HF0307",
    /// The store has failed
    StoreFailed = "HF0401",
    /// The data directory was moved while the service ran
    DirectoryMoved = "HF0402",
    /// Holdfast has a bug
    Bug = "HF0403",
    /// The index is damaged
    IndexDamaged = "HF0404",
    /// The export file cannot be written
    ExportFile = "HF0501",
    /// The journal cannot be exported completely
    Journal = "HF0502",
    /// The running service does not provide its journal
    Remote = "HF0503",
    /// The export shows only one of several merchants
    SeveralMerchants = "HF0504",
    /// The file is not a complete export
    NotAnExport = "HF0505",
    /// The directory for the import is not empty
    ImportDirectory = "HF0506",
    /// The store cannot be created from the export
    ImportStore = "HF0507",
    /// The temporary copy of the store cannot be made
    Copy = "HF0508",
    /// The store differs from its journal
    Differences = "HF0509",
    /// The bank refuses a charge
    BankRefuses = "HF0601",
    /// A response of the bank names another reference
    BankNamesOther = "HF0602",
    /// A response of the bank names no reference
    BankNamesNone = "HF0603",
}

impl Code {
    /// Where to read about it.
    pub(crate) fn link(self) -> String {
        format!("{DOCUMENT}#{}", self.name().to_lowercase())
    }
}

/// The code and where to read about it: the last line of an error message.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.link())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Each code has a section of its own, and each section a code; the titles are the same. A section says the cause and the
    /// remedy.
    #[test]
    fn every_code_has_its_section_and_every_section_its_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(DOCUMENT);
        let document = std::fs::read_to_string(path).unwrap();
        let mut sections = document.split("\n### ").skip(1);
        for (code, title) in Code::all() {
            let section = sections.next().unwrap_or_default();
            // The anchor of a section with one word for a title is that word.
            assert_eq!(section.lines().next(), Some(code.name()), "{code:?}");
            assert!(
                section.contains(&format!("\n**{title}.**\n")),
                "{title}:\n{section}"
            );
            for part in ["\nCause: ", "\nRemedy: "] {
                assert!(section.contains(part), "{part:?} is missing:\n{section}");
            }
        }
        assert_eq!(sections.next(), None, "a section without a code");
    }

    #[test]
    fn a_code_is_used_once() {
        let all = Code::all();
        for (index, (code, _)) in all.iter().enumerate() {
            let name = code.name();
            assert!(name.len() == 6 && name.starts_with("HF"), "{name}");
            assert!(
                all[..index].iter().all(|(other, _)| other.name() < name),
                "{name}"
            );
        }
    }

    #[test]
    fn a_message_ends_with_the_code_and_where_to_read_about_it() {
        assert_eq!(
            Code::DirectoryInUse.to_string(),
            "HF0101: docs/errors.md#hf0101"
        );
    }
}
