//! One run of one integration, from taking its turn to saying how it went.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lease::Lease;
use super::plan::{Known, Plan, Planner, WantedFn};
use super::progress::{Phase, Progress, report};
use super::summary::{Ended, Summary};
use super::{SyncError, list, sink};
use crate::actito::{Client, ProfileId};
use crate::clock::{self, Timestamp};
use crate::config::Integration;
use crate::store::{Store, profiles};

/// Rows that are forgotten or settled in one transaction: small, because clicks wait for the same writer.
const ROWS_A_WRITE: usize = 500;

/// What to sync, and with what.
#[derive(Clone)]
pub struct Job {
    /// The integration.
    pub integration: Arc<Integration>,
    /// Its Actito.
    pub client: Arc<Client>,
    /// Where confirmed and failed rows are remembered.
    pub store: Store,
    /// Which REAID an address must have.
    pub wanted: WantedFn,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Who watches, if anybody.
    pub progress: Option<watch::Sender<Progress>>,
}

/// Brings every profile of an integration up to date, or as many as until `stop`.
///
/// Rows that fail do not fail the run: they are counted in the summary, kept with their reason and tried
/// on the next run. An integration with `enable_email_synchronization = false` ends at once, as
/// [`Ended::Disabled`].
///
/// # Errors
/// When somebody else syncs this integration, the profile table cannot hold REAIDs, Actito fails for all
/// profiles alike, or the store fails. What was confirmed until then is remembered.
pub async fn run(job: &Job, stop: &CancellationToken) -> Result<Summary, SyncError> {
    if !job.integration.enable_email_synchronization {
        return Ok(Summary::disabled(&job.integration.name));
    }
    let lease = Lease::take(&job.store, &job.integration.name).await?;
    let result = tokio::select! {
        result = recorded(job, stop) => result,
        () = lease.lost.cancelled() => Err(SyncError::LeaseLost { integration: job.integration.name.clone() }),
    };
    lease.release().await;
    result
}

/// Runs, and remembers when and how. A dry run leaves no trace.
async fn recorded(job: &Job, stop: &CancellationToken) -> Result<Summary, SyncError> {
    let (started, calls_before) = (clock::now(), job.client.calls());
    let mut summary = Summary::begin(&job.integration.name, job.dry_run);
    let result = steps(job, &mut summary, stop).await;
    let ended = clock::now();
    summary.calls = job.client.calls() - calls_before;
    summary.took_ms = u64::try_from(ended.since(started).as_millis()).unwrap_or(u64::MAX);
    let saved = match job.dry_run {
        true => Ok(()),
        false => save(job, &summary, result.as_ref().err(), started, ended).await,
    };
    // What went wrong first is what there is to say.
    result.and(saved).map(|()| summary)
}

async fn steps(job: &Job, summary: &mut Summary, stop: &CancellationToken) -> Result<(), SyncError> {
    report(job.progress.as_ref(), Phase::Checking, 0, None);
    // Reading may be cut off anywhere.
    let Some(plan) = stop.run_until_cancelled(prepare(job, summary)).await else { return Ok(()) };
    let plan = plan?;
    summary.planned(&plan);
    let complete = if job.dry_run {
        plan.changes.iter().for_each(|change| summary.would_do(change));
        true
    } else {
        forget_what_is_over(job, &plan).await?;
        report(job.progress.as_ref(), Phase::Writing, 0, Some(plan.changes.len() as u64));
        sink::write_all(job, plan.changes, &plan.witnesses, summary, stop).await?
    };
    if complete {
        summary.ended = Ended::Complete;
    }
    Ok(())
}

/// Checks the table, reads the list, and plans the difference.
async fn prepare(job: &Job, summary: &mut Summary) -> Result<Plan, SyncError> {
    job.client.check_structure().await?;
    let known = known(job).await?;
    let mut planner = Planner::new(&known);
    let listing = list::read(job, &mut planner).await?;
    summary.unreadable = listing.unreadable;
    summary.list_shifted = !listing.complete;
    Ok(planner.finish(listing.complete))
}

async fn known(job: &Job) -> Result<HashMap<ProfileId, Known>, SyncError> {
    let name = job.integration.name.clone();
    let rows = job.store.read(move |db| profiles::known(db, &name)).await?;
    let known = |(id, failures)| Some((ProfileId::from_i64(id)?, Known { failures }));
    Ok(rows.into_iter().filter_map(known).collect())
}

/// Profiles that no longer exist, and failures of rows that need no write any more.
async fn forget_what_is_over(job: &Job, plan: &Plan) -> Result<(), SyncError> {
    for ids in plan.gone.chunks(ROWS_A_WRITE) {
        let (name, ids) = (job.integration.name.clone(), to_i64(ids));
        job.store.write(move |db| profiles::forget(db, &name, &ids)).await?;
    }
    for ids in plan.settled.chunks(ROWS_A_WRITE) {
        let (name, ids) = (job.integration.name.clone(), to_i64(ids));
        job.store.write(move |db| profiles::settle(db, &name, &ids)).await?;
    }
    Ok(())
}

fn to_i64(ids: &[ProfileId]) -> Vec<i64> {
    ids.iter().map(|id| id.to_i64()).collect()
}

async fn save(
    job: &Job,
    summary: &Summary,
    error: Option<&SyncError>,
    started: Timestamp,
    ended: Timestamp,
) -> Result<(), SyncError> {
    let run = profiles::LastRun {
        integration: job.integration.name.clone(),
        started_at: started.millis(),
        ended_at: ended.millis(),
        error: error.map(ToString::to_string),
        summary: serde_json::to_string(summary).unwrap_or_default(),
    };
    Ok(job.store.write(move |db| profiles::save_run(db, &run)).await?)
}
