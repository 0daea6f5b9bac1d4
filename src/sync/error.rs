//! Why a sync did not run, or ended early. Messages hold no address, no REAID and no URL.

use thiserror::Error;

use super::export::ExportError;
use crate::actito;
use crate::store::StoreError;

/// Why a sync did not run, or ended early.
#[derive(Debug, Error)]
pub enum SyncError {
    /// Somebody else syncs this integration.
    #[error(
        "integration {integration:?} is being synced by process {pid} on {host} since {since}: wait until it is done"
    )]
    Running {
        /// The integration.
        integration: String,
        /// The machine that runs it.
        host: String,
        /// The process there.
        pid: u32,
        /// When it began, in RFC 3339.
        since: String,
    },
    /// This process stood still so long that somebody else took over.
    #[error(
        "another process took the sync of integration {integration:?} over, because this one showed no life for a minute"
    )]
    LeaseLost {
        /// The integration.
        integration: String,
    },
    /// Actito does not do what it should, for all profiles alike.
    #[error(transparent)]
    Actito(#[from] actito::Error),
    /// Too many rows failed one after the other.
    #[error("gave up after {rows} profiles failed in a row, the last one because: {last}")]
    GaveUp {
        /// How many.
        rows: u32,
        /// What the last one failed with.
        last: actito::Error,
    },
    /// The store does not do what it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The export file cannot be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// What was put aside on disk cannot be written or read back.
    #[error("cannot put rows aside beside the store ({0}): check the folder of the store, its rights and its space")]
    Spool(std::io::ErrorKind),
}

impl SyncError {
    /// The metric label and log field.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::LeaseLost { .. } => "lease_lost",
            Self::Actito(error) => error.kind(),
            Self::GaveUp { .. } => "gave_up",
            Self::Store(_) => "store",
            Self::Export(_) => "export",
            Self::Spool(_) => "spool",
        }
    }
}
