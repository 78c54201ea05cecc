//! One thing that is wrong in the tree, with its place.

use std::fmt;

/// Which check found something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Check {
    /// A crate, or a room of it, names what it must not name.
    Arrow,
    /// Files of one crate need each other.
    Circle,
    /// A document names what does not exist.
    Document,
    /// Routes and their document differ.
    Route,
    /// A function or a file is too long.
    Length,
    /// The drawing is out of date.
    Drawing,
}

/// A finding, shown as `file:line: [check] message`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root.
    pub(crate) file: String,
    /// From 1 on.
    pub(crate) line: usize,
    /// Which check found it.
    pub(crate) check: Check,
    /// What is wrong, and where it helps how to mend it.
    pub(crate) message: String,
}

impl Finding {
    /// A finding at a place.
    pub(crate) fn new(
        check: Check,
        file: impl Into<String>,
        line: usize,
        message: impl Into<String>,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            check,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            check,
            message,
        } = self;
        let check = match check {
            Check::Arrow => "arrow",
            Check::Circle => "circle",
            Check::Document => "document",
            Check::Route => "route",
            Check::Length => "length",
            Check::Drawing => "drawing",
        };
        write!(out, "{file}:{line}: [{check}] {message}")
    }
}
