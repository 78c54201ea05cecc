//! Standard output and standard error. The reader of a pipe may be gone, and the device may be full.
//!
//! Nothing here panics, unlike `println!`. A reader that has gone, as `head` goes, ends a command quietly with the status
//! that a shell shows for a program that SIGPIPE ended.

use std::fmt::Display;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

/// What a shell shows for a program that wrote to a closed pipe: 128 and the number of SIGPIPE.
const CLOSED_PIPE: u8 = 141;

/// What a command had to say could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub(crate) struct OutputError(#[from] io::Error);

impl OutputError {
    /// Ends the command: quietly when nobody reads any more.
    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.0.kind() == io::ErrorKind::BrokenPipe {
            return ExitCode::from(CLOSED_PIPE);
        }
        complain(format_args!("holdfast: {self}."));
        ExitCode::FAILURE
    }
}

/// Prints what a command came to, and a line's end.
pub(crate) fn print(text: impl Display) -> Result<(), OutputError> {
    print_with(|out| writeln!(out, "{text}"))
}

/// Prints what `write` writes. It is out when this returns.
pub(crate) fn print_with(
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), OutputError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = write(&mut out).and_then(|()| out.flush());
    // Dropped with what could not be written, it would try once more.
    let _ = out.into_parts();
    Ok(written?)
}

/// Says something on standard error, as far as anybody listens.
pub(crate) fn complain(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
