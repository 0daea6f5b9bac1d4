//! What goes wrong with a file server. No text holds a secret, a user's name or what a server says of one.

use std::sync::Arc;
use std::time::Duration;

use crate::config::ConfigError;

/// Longest text of a server that is repeated.
const LONGEST_SAYING: usize = 200;

/// Why a file server does not do what it is asked.
#[derive(Clone, Debug, thiserror::Error)]
pub(in crate::audience) enum RemoteError {
    #[error(transparent)]
    Secret(Box<ConfigError>),
    #[error("{0}")]
    Setup(String),
    #[error("cannot connect: {0}")]
    Unreachable(String),
    #[error("expected its host key to be {expected}, found {found}: nothing was sent")]
    HostKey { expected: String, found: String },
    #[error("its certificate is refused: {why}; its fingerprint is {found}: nothing was sent")]
    Certificate { why: String, found: String },
    #[error("it refuses this user with this {0}")]
    Login(&'static str),
    #[error("it did nothing for {} s ({doing})", limit.as_secs())]
    Silent { doing: &'static str, limit: Duration },
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("its disk is full: {0}")]
    Full(String),
    #[error("it refuses: {0}")]
    Refused(String),
    #[error("expected {expected} bytes to have arrived, found {found}")]
    Size { expected: u64, found: u64 },
    #[error("there is no folder {0}")]
    NoFolder(String),
    #[error("on this machine: {0}")]
    File(Arc<std::io::Error>),
}

impl From<ConfigError> for RemoteError {
    fn from(error: ConfigError) -> Self {
        Self::Secret(Box::new(error))
    }
}

impl RemoteError {
    /// A stable word for it.
    pub(in crate::audience) fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) | Self::Setup(_) => "destination_setup",
            Self::Unreachable(_) => "destination_unreachable",
            Self::HostKey { .. } => "destination_host_key",
            Self::Certificate { .. } => "destination_certificate",
            Self::Login(_) => "destination_login",
            Self::Silent { .. } => "destination_silent",
            Self::Lost(_) => "destination_lost",
            Self::Full(_) => "destination_full",
            Self::Refused(_) | Self::NoFolder(_) => "destination_refused",
            Self::Size { .. } => "destination_size",
            Self::File(_) => "file",
        }
    }

    /// Whether the server has nothing against it: another attempt may go on where this one ended.
    pub(super) fn is_cut(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// Whether the connection is still what it was.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Refused(_) | Self::Size { .. } | Self::NoFolder(_))
    }
}

impl From<std::io::Error> for RemoteError {
    fn from(error: std::io::Error) -> Self {
        Self::File(Arc::new(error))
    }
}

/// What a server says, fit for a log: one line of it, short, and no word that could be an address.
pub(super) fn saying(text: &str) -> String {
    let words = text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.map(|word| if word.contains('@') { "…" } else { word }).collect();
    words.join(" ").chars().take(LONGEST_SAYING).collect()
}

/// Waits for something that must not take longer.
pub(super) async fn within<T>(
    limit: Duration,
    doing: &'static str,
    what: impl Future<Output = T>,
) -> Result<T, RemoteError> {
    tokio::time::timeout(limit, what).await.map_err(|_| RemoteError::Silent { doing, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_short_and_names_nobody() {
        assert_eq!(saying("530 Login\r\nof jane@shop.example incorrect\x1b[0m"), "530 Login of … incorrect [0m");
        assert_eq!(saying(&"x".repeat(1000)).len(), LONGEST_SAYING);
    }
}
