//! One run of one activation, from taking its turn to saying how it went.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::AudienceError;
use super::counters::Counters;
use super::destination::{Destination, DestinationError};
use super::people::People;
use super::runner::Runner;
use super::saved::Known;
use super::source::{Source, SourceError};
use super::summary::{Action, Ended, Summary};
use crate::clock::{self, Timestamp};
use crate::config::Activation;
use crate::lease::Lease;
use crate::store::leases::Task;
use crate::store::{Store, audiences as rows};

/// What to run, and with what.
#[derive(Clone)]
pub struct Job {
    /// The activation.
    pub activation: Arc<Activation>,
    /// What the column of its files is called.
    pub header: String,
    /// Where its audiences come from.
    pub source: Source,
    /// Where what was sent is remembered.
    pub store: Store,
    /// Who people are.
    pub people: People,
    /// Whether to say only what would be done.
    pub dry_run: bool,
    /// Whether an audience may lose any number of members this time.
    pub accept_shrink: bool,
    /// Every activation, so that none takes the files of another.
    pub known: Arc<[Known]>,
    /// Who watches, if anybody.
    pub progress: Option<watch::Sender<Progress>>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// How far a run is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Audiences that are done.
    pub done: u64,
    /// Audiences in all.
    pub total: u64,
    /// The one under way.
    pub audience: String,
}

/// Brings every target of an activation up to date, or as many as until `stop`.
///
/// An audience that fails does not fail the run: it is said in the summary, and what was sent of it before stays.
///
/// # Errors
/// When somebody else runs this activation, the audiences cannot be listed, or the store fails.
pub async fn run(job: &Job, stop: &CancellationToken) -> Result<Summary, AudienceError> {
    run_to(job, Destination::of(&job.activation.destination, &job.store.folder()), stop).await
}

/// Whether the destination of an activation can be reached, and what is there. Writes nothing.
///
/// # Errors
/// What is wrong with it.
pub async fn reach(job: &Job) -> Result<String, DestinationError> {
    Destination::of(&job.activation.destination, &job.store.folder()).look().await
}

/// The same with a destination that is set up.
pub(super) async fn run_to(
    job: &Job,
    destination: Destination,
    stop: &CancellationToken,
) -> Result<Summary, AudienceError> {
    let name = &job.activation.name;
    let lease = Lease::take(&job.store, Task::Audiences, name, Arc::new(|_| Ok(()))).await;
    let lease = lease.map_err(|refused| AudienceError::refused(name, refused))?;
    let result = tokio::select! {
        result = recorded(job, destination, stop) => result,
        () = lease.lost.cancelled() => Err(AudienceError::LeaseLost { activation: name.clone() }),
    };
    lease.release(Arc::new(|_| Ok(()))).await;
    result
}

/// What a run would lack at the source: audiences that it does not list, or lists twice, and its kind of identifier.
///
/// # Errors
/// The source cannot be listed.
pub async fn missing(job: &Job) -> Result<Vec<String>, SourceError> {
    let (list, activation) = (job.source.list().await?, &job.activation);
    let mut missing: Vec<String> = Vec::new();
    for name in &activation.audiences {
        match list.iter().filter(|it| it.name == *name || it.id == *name).count() {
            1 => {}
            0 => missing.push(format!("the source has no audience `{name}`")),
            count => missing.push(format!("the source has {count} audiences `{name}`: name the one by its id")),
        }
    }
    missing.extend(job.source.lacks(activation.identifier).await?);
    Ok(missing)
}

/// Runs, and remembers when and how. A dry run leaves no trace.
async fn recorded(job: &Job, destination: Destination, stop: &CancellationToken) -> Result<Summary, AudienceError> {
    let (started, spent) = (clock::now(), job.source.spent());
    let (mut summary, error) = match Runner::begin(job, destination, stop).await {
        Ok(runner) => runner.all().await,
        Err(error) => (Summary::default(), Some(error)),
    };
    let (ended, now_spent) = (clock::now(), job.source.spent());
    (summary.activation, summary.dry_run) = (job.activation.name.clone(), job.dry_run);
    (summary.calls, summary.bytes_read) = (now_spent.0 - spent.0, now_spent.1 - spent.1);
    summary.took_ms = u64::try_from(ended.since(started).as_millis()).unwrap_or(u64::MAX);
    summary.ended = match &error {
        Some(_) => Ended::Early,
        None if summary.audiences.len() < job.activation.audiences.len() => Ended::Early,
        None if summary.audiences.iter().any(|audience| audience.action.is_trouble()) => Ended::Incomplete,
        None => Ended::Complete,
    };
    log(&summary, error.as_ref());
    if !job.dry_run {
        job.counters.ran(&summary, ended);
        save(job, &summary, error.as_ref(), started, ended).await?;
    }
    error.map_or(Ok(summary), Err)
}

async fn save(
    job: &Job,
    summary: &Summary,
    error: Option<&AudienceError>,
    started: Timestamp,
    ended: Timestamp,
) -> Result<(), AudienceError> {
    let run = rows::Run {
        activation: summary.activation.clone(),
        started_at: started.millis(),
        ended_at: ended.millis(),
        error: error.map(ToString::to_string),
        summary: serde_json::to_string(summary).unwrap_or_default(),
    };
    Ok(job.store.write(move |db| rows::save_run(db, &run)).await?)
}

fn log(summary: &Summary, error: Option<&AudienceError>) {
    let activation = &summary.activation;
    if let Some(error) = error {
        tracing::warn!(activation, kind = error.kind(), %error, "audiences were not run");
    }
    for audience in summary.audiences.iter().filter(|it| it.action.is_trouble() || it.action == Action::Deleted) {
        let (name, action) = (&audience.audience, audience.action.as_str());
        tracing::warn!(activation, audience = name, action, reason = audience.reason, "{}", audience.message);
    }
    tracing::info!(
        activation,
        dry_run = summary.dry_run,
        complete = summary.ended == Ended::Complete,
        sent = summary.count(Action::Sent),
        unchanged = summary.count(Action::Unchanged),
        bytes_read = summary.bytes_read,
        bytes_sent = summary.bytes_sent,
        took_ms = summary.took_ms,
        "audiences run"
    );
}
