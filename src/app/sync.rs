//! Syncs, set up from configuration, keys and store.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::policy::Trust;
use super::setup::{Setup, SetupError, open_store};
use crate::actito::{self, ApiKey};
use crate::config::{Config, Integration};
use crate::identity::EmailAddress;
use crate::store::Store;
use crate::sync::{self, Job, Wanted, WantedFn};

pub use crate::sync::{Ended, IntegrationStatus, Phase, Progress, Row, Summary, SyncError};

/// Why a sync did not begin or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum SyncFailure {
    /// There is nothing to start from.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The integration has no `actito`.
    #[error("integration `{0}` has no actito = {{ … }} to sync with")]
    NoActito(String),
    /// The client cannot be set up.
    #[error(transparent)]
    Actito(#[from] actito::Error),
    /// The run failed.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

impl SyncFailure {
    /// Whether the person at the keyboard can mend it in a file: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_usage(),
            Self::NoActito(_) => true,
            Self::Actito(_) | Self::Sync(_) => false,
        }
    }
}

/// Runs one sync of one integration.
///
/// # Errors
/// Why it did not begin, or what ended it.
pub async fn run(
    setup: &Setup,
    store: &Store,
    integration: &Integration,
    dry_run: bool,
    progress: Option<watch::Sender<Progress>>,
    stop: &CancellationToken,
) -> Result<Summary, SyncFailure> {
    if !integration.enable_email_synchronization {
        return Ok(Summary::disabled(&integration.name));
    }
    let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
    let job = Job { dry_run, progress, ..job(integration, store, trust)? };
    Ok(sync::run(&job, stop).await?)
}

/// How the sync of every integration stands.
///
/// # Errors
/// The configuration or the store says why not.
pub async fn status(file: &Path) -> anyhow::Result<Vec<IntegrationStatus>> {
    let store = open_store(&Config::load(file)?)?;
    Ok(sync::status(&store).await?)
}

/// How many profiles have a REAID that Actito confirmed, in all integrations; 0 without a store.
///
/// # Errors
/// The configuration or the store says why not.
pub async fn known_profiles(file: &Path) -> anyhow::Result<u64> {
    if !Config::load(file)?.store.path.exists() {
        return Ok(0);
    }
    Ok(status(file).await?.iter().map(|status| status.confirmed).sum())
}

/// The sync of one integration, minting with the keys of the moment.
pub(super) fn job(integration: &Integration, store: &Store, trust: Arc<ArcSwap<Trust>>) -> Result<Job, SyncFailure> {
    let Some(settings) = &integration.actito else {
        return Err(SyncFailure::NoActito(integration.name.clone()));
    };
    let key = ApiKey::new(&settings.api_key.read().map_err(SetupError::from)?);
    Ok(Job {
        client: Arc::new(actito::Client::new(settings, key)?),
        integration: Arc::new(integration.clone()),
        store: store.clone(),
        wanted: wanted(integration.name.clone(), trust),
        dry_run: false,
        progress: None,
    })
}

fn wanted(integration: String, trust: Arc<ArcSwap<Trust>>) -> WantedFn {
    Arc::new(move |address| {
        let trust = trust.load();
        let Some(identities) = trust.identities.get(&integration) else {
            return Wanted::Invalid("its integration is gone from the configuration".to_owned());
        };
        match EmailAddress::parse(address) {
            Ok(address) => Wanted::Reaid(identities.mint(&address.digest()).as_str().to_owned()),
            Err(error) => Wanted::Invalid(error.to_string()),
        }
    })
}
