//! Syncs, set up from configuration, keys and store.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::policy::Trust;
use super::setup::{Setup, SetupError, open_store};
use crate::actito::{self, ApiKey, Licences};
use crate::clock::Timestamp;
use crate::config::{self, Config, Integration};
use crate::identity::EmailAddress;
use crate::store::Store;
use crate::sync::{self, Counters, ExportError, ExportFile, Job, Scope, Source, Wanted, WantedFn};

pub use crate::sync::{Ended, IntegrationStatus, Phase, Progress, Quotas, Row, Summary, SyncError};

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
    /// The export file cannot be read.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The run failed.
    #[error(transparent)]
    Sync(#[from] SyncError),
}

/// How one run is to be.
#[derive(Default)]
pub struct Run {
    /// Where the profiles come from: an export, or else Actito's list.
    pub from: Option<PathBuf>,
    /// When the export was made; by default when the file was last changed.
    pub exported_at: Option<Timestamp>,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Who watches, if anybody.
    pub progress: Option<watch::Sender<Progress>>,
}

impl SyncFailure {
    /// Whether the person at the keyboard can mend it in a file: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_usage(),
            Self::NoActito(_) => true,
            Self::Actito(_) | Self::Export(_) | Self::Sync(_) => false,
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
    run: Run,
    stop: &CancellationToken,
) -> Result<Summary, SyncFailure> {
    if !integration.enable_email_synchronization {
        return Ok(Summary::disabled(&integration.name));
    }
    let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
    let licences = licences(&setup.config);
    let mut job = job(integration, store, trust, &licences)?;
    if let Some(path) = &run.from {
        let export = ExportFile::open(path, &integration.sync.export, &job.settings, run.exported_at)?;
        job.source = Source::Export(Arc::new(Mutex::new(export)));
    }
    (job.dry_run, job.progress) = (run.dry_run, run.progress);
    Ok(sync::run(&job, stop).await?)
}

/// How the sync of every integration stands.
///
/// # Errors
/// The configuration or the store says why not.
pub async fn status(file: &Path) -> anyhow::Result<Vec<IntegrationStatus>> {
    let config = Config::load(file)?;
    let store = open_store(&config)?;
    Ok(sync::status(&store, &config.integrations).await?)
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

/// The budgets that the integrations of a configuration share.
pub(super) fn licences(config: &Config) -> Licences {
    Licences::new(config.integrations.iter().filter_map(|integration| integration.actito.as_ref()))
}

/// The sync of one integration, minting with the keys of the moment.
pub(super) fn job(
    integration: &Integration,
    store: &Store,
    trust: Arc<ArcSwap<Trust>>,
    licences: &Licences,
) -> Result<Job, SyncFailure> {
    let settings = actito_of(integration)?;
    Ok(Job {
        client: Arc::new(client(integration, licences)?),
        settings: Arc::new(settings.clone()),
        integration: Arc::new(integration.clone()),
        store: store.clone(),
        wanted: wanted(integration.name.clone(), trust.clone()),
        is_suppressed: Arc::new(move |reaid| trust.load().suppressed.has_text(reaid)),
        source: Source::List,
        scope: Scope::Full,
        dry_run: false,
        progress: None,
        counters: Arc::new(Counters::default()),
    })
}

/// Speaks to the Actito of an integration.
pub(super) fn client(integration: &Integration, licences: &Licences) -> Result<actito::Client, SyncFailure> {
    let settings = actito_of(integration)?;
    let key = ApiKey::new(&settings.api_key.read().map_err(SetupError::from)?);
    Ok(actito::Client::with_limits(settings, key, licences.limits(settings))?)
}

fn actito_of(integration: &Integration) -> Result<&config::Actito, SyncFailure> {
    integration.actito.as_ref().ok_or_else(|| SyncFailure::NoActito(integration.name.clone()))
}

/// Which REAID an address must have by the keys of the moment: asked by whoever gives out one.
pub(super) fn wanted(integration: String, trust: Arc<ArcSwap<Trust>>) -> WantedFn {
    Arc::new(move |address| {
        let trust = trust.load();
        let Some(identities) = trust.identities.get(&integration) else {
            return Wanted::Invalid("its integration is gone from the configuration".to_owned());
        };
        match EmailAddress::parse(address) {
            Ok(address) if trust.is_suppressed(&address.digest()) => Wanted::None,
            Ok(address) => Wanted::Reaid(identities.mint(&address.digest()).as_str().to_owned()),
            Err(error) => Wanted::Invalid(error.to_string()),
        }
    })
}
