//! What every command starts from: configuration, keyring, and the keys derived from both.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::keyring::{self, KeyringError};
use super::policy::Trust;
use super::scopes::{self, ScopeError};
use super::suppressions::{self, SuppressionsError, Words};
use crate::authoring::Author;
use crate::config::{Config, ConfigError, Integration, Place};
use crate::identity::{Identities, Keyring};
use crate::links::Sites;
use crate::store::{Limits, Store, StoreError};

/// Why there is nothing to start from.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The configuration is wrong, or a secret it names is.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no usable keyring.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// An integration's scope changed.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The store does not open.
    #[error("{path}: {source}")]
    Store {
        /// The database file.
        path: String,
        /// Why.
        source: StoreError,
    },
    /// Another process serves from the store, which an older version made.
    #[error("{0} is served by an older version of `reaid`, which the new schema would be changed under: stop it first")]
    ServedByOlder(String),
    /// Another process serves from this store.
    #[error("{0} is held by another `reaid serve`: two would deliver every event twice")]
    Serving(String),
    /// Nobody knows who asked to be forgotten.
    #[error(transparent)]
    Suppressions(#[from] SuppressionsError),
    /// A name that the configuration does not have.
    #[error("{0}")]
    Unknown(String),
}

impl SetupError {
    /// Whether the person at the keyboard can mend it in a file: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config(_) | Self::Unknown(_) | Self::Scope(ScopeError::Changed { .. }) => true,
            Self::Keyring(error) => error.is_usage(),
            Self::Suppressions(error) => error.is_usage(),
            Self::Store { .. } | Self::ServedByOlder(_) | Self::Serving(_) | Self::Scope(ScopeError::Store(_)) => false,
        }
    }
}

/// Configuration, keyring and derived keys, consistent with one another.
#[derive(Clone)]
pub struct Setup {
    /// `proxy.toml`.
    pub config: Config,
    /// The keyring.
    pub keyring: Keyring,
    /// The scope of each integration, by its name; settled for as long as the process runs.
    pub scopes: BTreeMap<String, String>,
    /// Who asked to be forgotten.
    pub words: Words,
    /// What is derived from keyring, scopes and words.
    pub trust: Trust,
    /// The judges of destinations.
    pub sites: Sites,
}

impl Setup {
    /// For commands that only make and check links and ids: uses what the store remembers, where there
    /// is one, and makes none.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn load(file: &Path) -> Result<Self, SetupError> {
        let config = Config::load(file)?;
        let store = config.store.path.exists().then(|| open_store(&config)).transpose()?;
        Self::with_store(config, store.as_ref())
    }

    /// For commands that work with the store.
    ///
    /// # Errors
    /// Says what is missing or wrong.
    pub fn load_with_store(file: &Path) -> Result<(Self, Store), SetupError> {
        let config = Config::load(file)?;
        let keyring = keyring::read(&config.keyring)?;
        let store = open_store(&config)?;
        Ok((Self::derive(config, keyring, Some(&store))?, store))
    }

    /// For the process that serves: with the claim to do so, unless it succeeds one that still has it.
    ///
    /// # Errors
    /// Says what is missing or wrong, or that another process serves.
    pub fn load_to_serve(file: &Path, succeeds: bool) -> Result<(Self, Store, Option<ServeLock>), SetupError> {
        let config = Config::load(file)?;
        let keyring = keyring::read(&config.keyring)?;
        let claim = if succeeds { None } else { Some(ServeLock::take(&config)?) };
        let store = if claim.is_some() { open_claimed(&config)? } else { open_store(&config)? };
        Ok((Self::derive(config, keyring, Some(&store))?, store, claim))
    }

    fn with_store(config: Config, store: Option<&Store>) -> Result<Self, SetupError> {
        let keyring = keyring::read(&config.keyring)?;
        Self::derive(config, keyring, store)
    }

    /// Derives everything from one configuration and one keyring.
    ///
    /// # Errors
    /// A scope changed, or the configuration's hosts or fallbacks are none.
    pub fn derive(config: Config, keyring: Keyring, store: Option<&Store>) -> Result<Self, SetupError> {
        let sites = super::policy::sites(&config)?;
        super::policy::check_fallbacks(&config)?;
        // Last, because it remembers what it is told.
        let scopes = scopes::settle(&config, store)?;
        let words = suppressions::settle(&keyring, &config.keyring, store)?;
        let trust = Trust::derive(&keyring, &scopes, Arc::new(words.suppressed()));
        Ok(Self { config, keyring, scopes, words, trust, sites })
    }

    /// What newsletters are made with.
    ///
    /// # Errors
    /// A URL, host or account in the configuration is none.
    pub fn author(&self) -> Result<Author, SetupError> {
        let policy = Arc::new(super::policy::policy(&self.config, &self.trust)?);
        Author::new(self.config.clone(), policy).map_err(|error| SetupError::Unknown(error.to_string()))
    }

    /// The integration of this name, or the only one.
    ///
    /// # Errors
    /// There is none of this name, or several and no name.
    pub fn integration(&self, name: Option<&str>) -> Result<&Integration, SetupError> {
        match (name, self.config.integrations.as_slice()) {
            (Some(name), _) => self.config.integration(name).ok_or_else(|| {
                SetupError::Unknown(format!("there is no integration named `{name}`; {}", self.names()))
            }),
            (None, [only]) => Ok(only),
            (None, []) => Err(SetupError::Unknown("the configuration has no [[integration]]".to_owned())),
            (None, _) => {
                Err(SetupError::Unknown(format!("say which integration with --integration; {}", self.names())))
            }
        }
    }

    /// The identities of an integration of this configuration.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn identities(&self, integration: &str) -> Result<&Identities, SetupError> {
        let identities = self.trust.identities.get(integration).map(AsRef::as_ref);
        identities.ok_or_else(|| SetupError::Unknown(format!("there is no integration named `{integration}`")))
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.config.integrations.iter().map(|it| format!("`{}`", it.name)).collect();
        format!("there are {}", names.join(", "))
    }
}

/// Opens the store, and makes its folder first. The schema of an older version is changed only while nobody serves:
/// clicks would wait for it, and whoever serves could not start again.
///
/// # Errors
/// It is of a newer version, of an older one and served, somebody else's, or the file system says no.
pub fn open_store(config: &Config) -> Result<Store, SetupError> {
    let path = &config.store.path;
    if !Store::is_older(path).map_err(|source| store_error(path, source))? {
        return open_claimed(config);
    }
    match ServeLock::take(config) {
        Ok(_claim) => open_claimed(config),
        Err(SetupError::Serving(_)) => Err(SetupError::ServedByOlder(path.display().to_string())),
        Err(error) => Err(error),
    }
}

/// [`open_store`] for who has the claim, or needs none.
fn open_claimed(config: &Config) -> Result<Store, SetupError> {
    let path = &config.store.path;
    make_folder(config)?;
    Store::open(path, Limits::of_size(config.store.max_size)).map_err(|source| store_error(path, source))
}

fn store_error(path: &Path, source: StoreError) -> SetupError {
    SetupError::Store { path: path.display().to_string(), source }
}

fn make_folder(config: &Config) -> Result<(), SetupError> {
    let Some(folder) = config.store.path.parent() else { return Ok(()) };
    let made = std::fs::create_dir_all(folder);
    made.map_err(|e| Place::of_file(folder).complain(format!("cannot make this folder: {e}")).into())
}

/// The claim to serve from a store, until it is dropped or the process ends.
pub struct ServeLock(#[expect(dead_code, reason = "holds the lock")] std::fs::File);

impl ServeLock {
    /// Takes the lock beside the database.
    ///
    /// # Errors
    /// Another process has it, or the file system says no.
    pub fn take(config: &Config) -> Result<Self, SetupError> {
        let (path, file) = Self::open(config)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(std::fs::TryLockError::WouldBlock) => Err(SetupError::Serving(path.display().to_string())),
            Err(std::fs::TryLockError::Error(error)) => Err(Self::cannot(&path, &error)),
        }
    }

    /// Takes it as soon as whoever has it ends. Blocks.
    ///
    /// # Errors
    /// The file system says no.
    pub fn wait(config: &Config) -> Result<Self, SetupError> {
        let (path, file) = Self::open(config)?;
        file.lock().map_err(|error| Self::cannot(&path, &error))?;
        Ok(Self(file))
    }

    fn open(config: &Config) -> Result<(PathBuf, std::fs::File), SetupError> {
        make_folder(config)?;
        let mut path = config.store.path.clone().into_os_string();
        path.push(".serve-lock");
        let path = PathBuf::from(path);
        let file = std::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        file.map_err(|error| Self::cannot(&path, &error)).map(|file| (path, file))
    }

    fn cannot(path: &Path, error: &std::io::Error) -> SetupError {
        Place::of_file(path).complain(format!("cannot lock: {error}")).into()
    }
}
