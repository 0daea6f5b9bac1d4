//! Why a run of an activation did not begin, or did nothing. Messages hold no address, no id of a person, no URL.

use thiserror::Error;

use super::content::ContentError;
use super::destination::DestinationError;
use super::source::SourceError;
use crate::lease::Refused;
use crate::store::StoreError;

/// Why a run did not begin, or did nothing.
#[derive(Debug, Error)]
pub enum AudienceError {
    /// Somebody else runs this activation.
    #[error("activation {activation:?} is run by process {pid} on {host} since {since}: wait until it is done")]
    Running {
        /// The activation.
        activation: String,
        /// The machine.
        host: String,
        /// The process.
        pid: u32,
        /// Since when.
        since: String,
    },
    /// Somebody else took over.
    #[error("activation {activation:?} was taken over by somebody else, because this process showed no life")]
    LeaseLost {
        /// The activation.
        activation: String,
    },
    /// The audiences cannot be listed. What was sent stays.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AudienceError {
    /// A stable word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::LeaseLost { .. } => "lease_lost",
            Self::Source(error) => error.kind(),
            Self::Store(_) => "store",
        }
    }

    pub(super) fn refused(activation: &str, refused: Refused) -> Self {
        match refused {
            Refused::Store(error) => Self::Store(error),
            Refused::Held(holder) => Self::Running {
                activation: activation.to_owned(),
                host: holder.host,
                pid: holder.pid,
                since: holder.since,
            },
        }
    }
}

/// Why one audience was not sent; the others are.
#[derive(Debug, Error)]
pub(super) enum OneError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Content(#[from] ContentError),
    #[error(transparent)]
    Destination(#[from] DestinationError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("several audiences have this name: name the one that is meant by its id")]
    Ambiguous,
    #[error("the run is to stop")]
    Stopped,
    #[error("its file {0} is that of another audience or activation: rename one of them")]
    FileTaken(String),
    #[error(
        "no file can be named {0:?}: expected a name that is not empty, of at most 200 bytes where /, ? and their like take three each"
    )]
    Name(String),
}

impl OneError {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Source(error) => error.kind(),
            Self::Content(ContentError::TooLarge { .. }) => "too_large",
            Self::Content(ContentError::File(_)) => "file",
            Self::Destination(error) => error.kind(),
            Self::Store(_) => "store",
            Self::Ambiguous => "ambiguous",
            Self::Stopped => "stopped",
            Self::FileTaken(_) => "file_taken",
            Self::Name(_) => "name",
        }
    }
}

impl From<std::io::Error> for OneError {
    fn from(error: std::io::Error) -> Self {
        Self::Content(ContentError::File(error))
    }
}
