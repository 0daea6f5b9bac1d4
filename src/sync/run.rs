//! One run of one integration, from taking its turn to saying how it went.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::counters::Counters;
use super::engine::{Failure, Scope, Settings};
use super::export::ExportFile;
use super::lease::Lease;
use super::ledger::{licence, spent_before};
use super::plan::{IsSuppressed, WantedFn};
use super::progress::Progress;
use super::summary::Summary;
use super::{SyncError, driver};
use crate::actito::Client;
use crate::clock::{self, Timestamp};
use crate::config::{self, Integration};
use crate::store::{Store, meta, sync as rows};

/// Pages between two checkpoints of a list: two minutes of listing at the default budget.
const CHECKPOINT_PAGES: u32 = 100;

/// What to sync, and with what.
#[derive(Clone)]
pub struct Job {
    /// The integration.
    pub integration: Arc<Integration>,
    /// How its Actito is reached.
    pub settings: Arc<config::Actito>,
    /// Its Actito.
    pub client: Arc<Client>,
    /// Where confirmed and failed rows are remembered.
    pub store: Store,
    /// Which REAID an address must have.
    pub wanted: WantedFn,
    /// Whether a REAID is that of somebody who was suppressed since it was wanted.
    pub is_suppressed: IsSuppressed,
    /// Where the profiles come from.
    pub source: Source,
    /// How much is looked at.
    pub scope: Scope,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Who watches, if anybody.
    pub progress: Option<watch::Sender<Progress>>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Where the profiles come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// Actito's list.
    List,
    /// A file that Actito exported; it is read once.
    Export(Arc<Mutex<ExportFile>>),
}

/// Brings every profile of an integration up to date, or as many as until `stop` or as the quotas allow.
///
/// Rows that fail do not fail the run: they are counted in the summary, kept with their reason and tried
/// on the next run. An integration with `enable_email_synchronization = false` ends at once, as
/// [`Ended::Disabled`](super::Ended::Disabled).
///
/// # Errors
/// When somebody else syncs this integration, the profile table cannot hold REAIDs, Actito fails for all
/// profiles alike, or the store fails. What was confirmed until then is remembered.
pub async fn run(job: &Job, stop: &CancellationToken) -> Result<Summary, SyncError> {
    if !job.integration.enable_email_synchronization {
        return Ok(Summary::disabled(&job.integration.name));
    }
    let licence = licence(&job.settings);
    let lease = Lease::take(&job.store, &job.integration.name, &licence).await?;
    take_over_calls(job, &licence).await?;
    recall_generations(job).await?;
    let result = tokio::select! {
        result = recorded(job, stop) => result,
        () = lease.lost.cancelled() => Err(SyncError::LeaseLost { integration: job.integration.name.clone() }),
    };
    remember_generations(job).await;
    lease.release(job.client.limits().spent()).await;
    result
}

/// Which generations of Actito's API answered an earlier process: asked first.
async fn recall_generations(job: &Job) -> Result<(), SyncError> {
    let key = generations_key(job);
    let kept = job.store.read(move |db| meta::get(db, &key)).await?;
    // What cannot be read is found out again.
    if let Some(settled) = kept.and_then(|kept| serde_json::from_str(&kept).ok()) {
        job.client.settle(settled);
    }
    Ok(())
}

async fn remember_generations(job: &Job) {
    let (key, settled) = (generations_key(job), serde_json::to_string(&job.client.settled()).unwrap_or_default());
    let write = job.store.write(move |db| match meta::get(db, &key)? {
        Some(kept) if kept == settled => Ok(()),
        _ => meta::set(db, &key, &settled),
    });
    if let Err(error) = write.await {
        tracing::debug!(%error, "which generation of Actito's API answered is not kept");
    }
}

fn generations_key(job: &Job) -> String {
    format!("actito.generations.{}", job.integration.name)
}

/// The quota of calls survives a restart: what another process called in the last minute counts.
async fn take_over_calls(job: &Job, licence: &str) -> Result<(), SyncError> {
    let limits = job.client.limits();
    let name = licence.to_owned();
    let noted = job.store.read(move |db| rows::calls(db, &name)).await?;
    // What this process called itself it knows.
    if limits.spent() == 0 {
        limits.resume(spent_before(noted, clock::now(), limits.calls_per_minute()));
    }
    // Until the run ends, nobody can say how many: whoever comes after a crash counts all.
    let (name, calling) = (licence.to_owned(), rows::Calls { at: clock::now().millis(), spent: None });
    Ok(job.store.write(move |db| rows::put_calls(db, &name, calling)).await?)
}

/// Runs, and remembers when and how. A dry run leaves no trace.
async fn recorded(job: &Job, stop: &CancellationToken) -> Result<Summary, SyncError> {
    let (started, calls_before) = (clock::now(), job.client.calls());
    let settings = Settings {
        integration: job.integration.name.clone(),
        scope: job.scope,
        from_file: matches!(job.source, Source::Export(_)),
        dry_run: job.dry_run,
        concurrency: job.client.concurrency(),
        rows_per_import: job.integration.sync.import_rows,
        checkpoint_pages: CHECKPOINT_PAGES,
    };
    let (mut summary, error) = match driver::drive(job, settings, stop).await {
        Ok((summary, failure)) => (summary, failure.map(SyncError::from)),
        Err((summary, error)) => (summary, Some(error)),
    };
    let ended = clock::now();
    summary.calls = job.client.calls() - calls_before;
    summary.took_ms = u64::try_from(ended.since(started).as_millis()).unwrap_or(u64::MAX);
    let full = job.scope == Scope::Full;
    job.counters.ran(&summary, error.as_ref(), full, ended);
    let saved = match full && !job.dry_run {
        true => save(job, &summary, error.as_ref(), started, ended).await,
        false => Ok(()),
    };
    // What went wrong first is what there is to say.
    match error {
        Some(error) => Err(error),
        None => saved.map(|()| summary),
    }
}

async fn save(
    job: &Job,
    summary: &Summary,
    error: Option<&SyncError>,
    started: Timestamp,
    ended: Timestamp,
) -> Result<(), SyncError> {
    let run = rows::LastRun {
        integration: job.integration.name.clone(),
        started_at: started.millis(),
        ended_at: ended.millis(),
        error: error.map(ToString::to_string),
        summary: serde_json::to_string(summary).unwrap_or_default(),
    };
    Ok(job.store.write(move |db| rows::save_run(db, &run)).await?)
}

impl From<Failure> for SyncError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Actito(error) => Self::Actito(error),
            Failure::GaveUp { rows, last } => Self::GaveUp { rows, last },
        }
    }
}
