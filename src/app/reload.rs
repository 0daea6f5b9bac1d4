//! Everything that a reload takes up, made ready before anything is changed: all of it or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keyring::{self, KeyringError};
use super::policy::{check_fallbacks, sites};
use super::watch::Stamps;
use crate::config::{Config, ConfigError};
use crate::identity::Keyring;
use crate::links::AccountError;
use crate::tls::{self, Certificate};

/// Keys of `proxy.toml` that a running server takes up, and whatever stands below them. A key that is not here binds
/// sockets, the store or a side task that is under way: it needs a restart.
const RELOADABLE: [&str; 9] = [
    "edge.base_url",
    "edge.fallback_url",
    "edge.domain",
    "edge.tls",
    "links",
    "site.hosts",
    "site.fallback_url",
    "raptor.consent",
    "integration.merge_field",
];

/// What was read, each of it usable.
pub(super) struct Fresh {
    pub(super) config: Config,
    pub(super) keyring: Keyring,
    pub(super) certificates: BTreeMap<String, Arc<Certificate>>,
}

/// Why nothing is reloaded.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    #[error("cannot change without a restart: {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl ReloadError {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NeedsRestart(_) => "needs_restart",
            Self::Config(_) | Self::Account(_) => "config",
            Self::Keyring(_) => "keyring",
        }
    }
}

/// Reads configuration, keys and certificates anew; with the certificate files as they were then.
///
/// # Errors
/// One of them cannot be used, or something changed that a running server cannot take up.
pub(super) fn read(current: &Config) -> Result<(Fresh, Stamps), ReloadError> {
    let config = Config::load(&current.file)?;
    let fixed = fixed(current, &config);
    if !fixed.is_empty() {
        return Err(ReloadError::NeedsRestart(fixed));
    }
    config.check_secret_files()?;
    let keyring = keyring::read(&config.keyring)?;
    sites(&config)?;
    check_fallbacks(&config)?;
    let stamps = Stamps::of(&config);
    let certificates = tls::load(&config.edge)?;
    Ok((Fresh { config, keyring, certificates }, stamps))
}

/// What changed and cannot be taken up.
fn fixed(old: &Config, new: &Config) -> Vec<String> {
    let may = |key: &String| {
        RELOADABLE.iter().any(|may| key.strip_prefix(may).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    };
    let mut fixed: Vec<String> = old.changes(new).into_iter().filter(|key| !may(key)).collect();
    if old.edge.speaks_tls() != new.edge.speaks_tls() {
        fixed.push("edge.tls (to speak TLS, or no longer)".to_owned());
    }
    fixed
}
