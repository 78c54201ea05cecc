//! The name and the version of the export format.

/// The `format` of every export.
pub(super) const FORMAT: &str = "holdfast-journal";

/// The `version` of every export that is written. Version 2 added the marks of attempts; version 1 can still be read.
pub(super) const VERSION: u32 = 2;
