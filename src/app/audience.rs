//! Activations, set up from configuration, keys and store.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::parts::Parts;
use super::policy::Trust;
use super::setup::{Setup, SetupError, open_store};
use crate::actito::target;
use crate::audience::{self, AudienceError, Counters, Job, Known, People, Person, Source, Work, saved};
use crate::config::{Activation, Config};
use crate::identity::EmailAddress;
use crate::store::{Store, StoreError};
use crate::sync::plan::Stamp;

pub use crate::audience::{Action, ActivationStatus, AudienceRun, Ended, Progress, Summary};

/// Why a run of an activation did not begin or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum AudienceFailure {
    /// There is nothing to start from.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The source cannot be asked.
    #[error(transparent)]
    Source(#[from] audience::SetupError),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run failed.
    #[error(transparent)]
    Run(#[from] AudienceError),
}

impl AudienceFailure {
    /// Whether the person at the keyboard can mend it in a file: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Setup(error) => error.is_usage(),
            Self::Source(error) => matches!(error, audience::SetupError::Config(_)),
            Self::Store(_) | Self::Run(_) => false,
        }
    }
}

/// How one run is to be.
#[derive(Default)]
pub struct Run {
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Whether audiences may lose any number of members this time.
    pub accept_shrink: bool,
    /// Who watches, if anybody.
    pub progress: Option<watch::Sender<Progress>>,
}

/// The activation of this name, or all of them.
///
/// # Errors
/// There is none, or the store says no.
pub async fn chosen(setup: &Setup, store: &Store, name: Option<&str>) -> Result<Vec<Activation>, AudienceFailure> {
    let known = saved::all(&setup.config, store).await?;
    let all = known.into_iter().map(|known| known.activation);
    let chosen: Vec<Activation> = all.filter(|it| name.is_none_or(|name| it.name == name)).collect();
    match (chosen.is_empty(), name) {
        (false, _) => Ok(chosen),
        (true, Some(name)) => Err(SetupError::Unknown(format!("there is no activation named `{name}`")).into()),
        (true, None) => Err(SetupError::Unknown("the configuration has no [[activation]]".to_owned()).into()),
    }
}

/// Runs one activation.
///
/// # Errors
/// Why it did not begin, or what ended it.
pub async fn run(
    setup: &Setup,
    store: &Store,
    activation: &Activation,
    run: Run,
    stop: &CancellationToken,
) -> Result<Summary, AudienceFailure> {
    let trust = Arc::new(ArcSwap::from_pointee(setup.trust.clone()));
    let mut job = job(&setup.config, activation, store, trust)?;
    (job.dry_run, job.accept_shrink, job.progress) = (run.dry_run, run.accept_shrink, run.progress);
    job.known = saved::all(&setup.config, store).await?.into();
    Ok(audience::run(&job, stop).await?)
}

/// How every activation stands.
///
/// # Errors
/// The configuration or the store says why not.
pub async fn status(file: &Path) -> anyhow::Result<Vec<ActivationStatus>> {
    let config = Config::load(file)?;
    let store = open_store(&config)?;
    Ok(status_of(&config, &store).await?)
}

/// The same with a store that is open.
///
/// # Errors
/// Those of the store.
pub async fn status_of(config: &Config, store: &Store) -> Result<Vec<ActivationStatus>, StoreError> {
    let known: Vec<Known> = saved::all(config, store).await?;
    audience::status(store, &known).await
}

/// What runs beside the edge.
pub(super) fn work(parts: &Parts) -> Work {
    let (config, store) = (Arc::new(parts.setup.config.clone()), parts.store.clone());
    let (its, db, trust, counters) = (config.clone(), store.clone(), parts.trust.clone(), parts.audiences.clone());
    let revision = revision(parts.trust.clone());
    let set_up = move |activation: &Activation| {
        let job = job(&its, activation, &db, trust.clone());
        match job {
            Ok(job) => Some(Job { counters: counters.clone(), ..job }),
            Err(error) => {
                tracing::warn!(activation = activation.name, %error, "this activation cannot be run");
                None
            }
        }
    };
    Work { store, config, job: Arc::new(set_up), revision }
}

/// The run of one activation, with the keys and suppressions of the moment.
pub(super) fn job(
    config: &Config,
    activation: &Activation,
    store: &Store,
    trust: Arc<ArcSwap<Trust>>,
) -> Result<Job, AudienceFailure> {
    let settings = config.integration(&activation.integration).and_then(|integration| integration.actito.as_ref());
    let usual = target::header(activation.identifier, settings);
    Ok(Job {
        header: activation.file.header.clone().unwrap_or_else(|| usual.to_owned()),
        source: Source::of(&activation.source)?,
        people: people(activation.integration.clone(), trust),
        activation: Arc::new(activation.clone()),
        store: store.clone(),
        dry_run: false,
        accept_shrink: false,
        known: Arc::new([]),
        progress: None,
        counters: Arc::new(Counters::default()),
    })
}

/// Who is suppressed changed when this did. It is that of the very set that is asked for each member: the number of
/// a newer one would say of a file that people were taken out who were not.
fn revision(trust: Arc<ArcSwap<Trust>>) -> Arc<dyn Fn() -> u64 + Send + Sync> {
    Arc::new(move || trust.load().suppressed.revision())
}

/// An address is known by the REAID that a sync writes for it.
fn people(integration: String, trust: Arc<ArcSwap<Trust>>) -> People {
    let revision = revision(trust.clone());
    let of_address = move |text: &str| {
        let Ok(address) = EmailAddress::parse(text) else { return Person::Invalid };
        let (digest, trust) = (address.digest(), trust.load());
        if trust.is_suppressed(&digest) {
            return Person::Erased;
        }
        let reaid = trust.identities.get(&integration).map(|identities| identities.mint(&digest));
        Person::Known(reaid.map(|reaid| Stamp::of(reaid.as_str()).fingerprint).unwrap_or_default())
    };
    People { of_address: Arc::new(of_address), revision }
}
