//! The codes of the errors that come from the engine and the simulator, which know no codes.

use holdfast_bank_simulator::BankLedgerError;
use holdfast_engine::fatal::FatalError;
use holdfast_engine::pipeline::{RecordMissing, RefusedUnasked};
use holdfast_engine::startup::Misfit;
use holdfast_engine::store::StoreError;
use holdfast_local::offline::{ImportError, SnapshotError};
use holdfast_local::{LocalError, OpenError, OpenProblem};

use super::{Code, Coded};

impl Coded for OpenError {
    fn code(&self) -> Code {
        self.problem().code()
    }
}

impl Coded for OpenProblem {
    fn code(&self) -> Code {
        match self {
            Self::InUse => Code::DirectoryInUse,
            Self::Foreign { .. } | Self::NoJournal => Code::NotAStore,
            Self::UnfinishedImport => Code::UnfinishedImport,
            Self::NotPermitted { .. } => Code::NotPermitted,
            Self::NewerFormat { .. } | Self::NewerSegment { .. } => Code::NewerFormat,
            Self::NoFormatMark
            | Self::Journal(_)
            | Self::Index(_)
            | Self::NoSettings
            | Self::Database(_)
            | Self::NoDatabase
            | Self::NoTenure
            | Self::Content(_) => Code::Damaged,
            Self::NoNote { .. } | Self::OldNote { .. } => Code::HeadFileMismatch,
            Self::Gone { .. } | Self::Lost { .. } => Code::Lost,
            Self::Clock => Code::ClockBefore1970,
            Self::Io { .. } => Code::DirectoryIo,
        }
    }
}

impl Coded for Misfit {
    fn code(&self) -> Code {
        match self {
            Self::OtherBank { .. } => Code::OtherBank,
            Self::Moved { .. } => Code::BankMoved,
            Self::NotAskedFor { .. } => Code::NoBank,
            Self::Unnamed { .. } => Code::MerchantWithoutKey,
            Self::CaseOnly { .. } => Code::MerchantCase,
            Self::Store(error) => error.code(),
        }
    }
}

impl Coded for FatalError {
    fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Panicked => Code::Bug,
        }
    }
}

impl Coded for StoreError {
    fn code(&self) -> Code {
        let (Self::Ambiguous(source) | Self::Transient(source) | Self::Fatal(source)) = self;
        if let Some(local) = source.downcast_ref::<LocalError>() {
            return local.code();
        }
        // The index lacks it: an unfinished payment is in the journal.
        if source.is::<RecordMissing>() {
            return Code::IndexDamaged;
        }
        if source.is::<RefusedUnasked>() {
            return Code::Damaged;
        }
        Code::StoreFailed
    }
}

impl Coded for LocalError {
    fn code(&self) -> Code {
        match self {
            Self::Moved(_) => Code::DirectoryMoved,
            of_index if of_index.is_of_index() => Code::IndexDamaged,
            Self::Damaged { .. } | Self::Missing { .. } | Self::Ledger(_) | Self::History(_) => {
                Code::Damaged
            }
            Self::Poisoned
            | Self::Closed
            | Self::Apply(_)
            | Self::Sync(_)
            | Self::Read { .. }
            | Self::Encode(_) => Code::StoreFailed,
        }
    }
}

impl Coded for SnapshotError {
    fn code(&self) -> Code {
        match self {
            Self::NoStore(_) => Code::NotAStore,
            Self::InUse(_) => Code::DirectoryInUse,
            Self::UnfinishedImport(_) => Code::UnfinishedImport,
            Self::NotPermitted { .. } => Code::NotPermitted,
            Self::Read { .. } => Code::DirectoryIo,
            Self::Copy { .. } => Code::Copy,
            Self::Open(problem) => problem.code(),
            Self::OldFormat { .. } => Code::OlderFormat,
        }
    }
}

impl Coded for ImportError {
    fn code(&self) -> Code {
        match self {
            Self::NotEmpty(_) => Code::ImportDirectory,
            Self::Make(problem) => problem.code(),
            Self::Write(_) | Self::Content(_) => Code::ImportStore,
            Self::Encode(_)
            | Self::Replay { .. }
            | Self::Head { .. }
            | Self::Tenure(_)
            | Self::Verify(_) => Code::NotAnExport,
        }
    }
}

impl Coded for BankLedgerError {
    fn code(&self) -> Code {
        Code::SimulatedLedger
    }
}
