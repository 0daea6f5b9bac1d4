//! What can go wrong with the store.

use std::path::PathBuf;

use super::Loss;

/// Why the store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database was written by a newer version of the program.
    #[error("{path}: schema version {found}, this program knows versions up to {known}; install the newer program")]
    Newer {
        /// The database.
        path: PathBuf,
        /// The version found in it.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
    /// The file is something else.
    #[error("{path}: not a reaid database")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The commit failed, so nothing was changed.
    #[error("the commit failed: {}", .0.as_str())]
    Commit(Loss),
    /// The store is closing, or its thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The label for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Newer { .. } => "newer_version",
            Self::Foreign { .. } => "foreign_file",
            Self::File { .. } => "file",
            Self::Sqlite(error) => Loss::of(error).as_str(),
            Self::Commit(loss) => loss.as_str(),
            Self::Closed => "closed",
        }
    }
}
