//! Commands on a data directory that no service runs on: `verify`, `export`, `import`.

mod export;
mod format;
mod import;
mod index;
mod interrupt;
mod progress;
mod remote;
mod source;
mod target;
mod verify;

pub(crate) use export::{ExportArgs, export};
pub(crate) use import::{ImportArgs, import};
pub(crate) use index::{IndexCommand, rebuild};
pub(crate) use verify::{VerifyArgs, VerifyError, verify};
