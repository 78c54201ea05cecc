//! The errors of `holdfast bench`.

use std::path::{Path, PathBuf};

use super::workload::STORM;
use crate::causes::causes;
use crate::output::OutputError;
use crate::reach::ReachError;

/// Why a measurement could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error(
        "the URL of the service must not have a path: use the address that `holdfast serve` prints, such as http://127.0.0.1:8080"
    )]
    Path,
    #[error("{0} is not a valid host name for a certificate")]
    Name(String),
    #[error("with the workload storm, --connections must be a multiple of {STORM}")]
    StormConnections,
    #[error("--rate cannot be used with the workload storm, which sends {STORM} requests at once")]
    StormRate,
    #[error("cannot reach the service at {address}: {source}")]
    Connect {
        address: String,
        source: std::io::Error,
    },
    #[error("the service responded {status} to a payment that should settle: {body}")]
    Answer { status: u16, body: String },
    #[error("the service closed the connection before the measurement: {}", causes(.0))]
    Broken(hyper::Error),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot write {}: {source}", path.display())]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the operating system provides no randomness: {0}")]
    Randomness(#[from] rand::rngs::SysError),
}

impl BenchError {
    /// Whether the command line was wrong.
    pub(crate) const fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Reach(_) | Self::Path | Self::Name(_) | Self::StormConnections | Self::StormRate
        )
    }
}

pub(super) fn unwritten(path: &Path) -> impl FnOnce(std::io::Error) -> BenchError {
    move |source| BenchError::Write {
        path: path.to_owned(),
        source,
    }
}
