//! The sync under `serve`: on its schedule, by itself, and never in anybody's way. Between two whole runs
//! it looks for what cannot wait: hints, and imports whose result is due.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::engine::Scope;
use super::run::{Job, run};
use super::{Ended, Summary, SyncError};
use crate::backoff::Backoff;
use crate::clock;
use crate::store::sync as rows;

/// The first retry after a run that failed; later ones wait longer, up to the schedule itself.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// How often the store is asked for what cannot wait: another process may have put it there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// With more hints than this a whole run is cheaper.
const HINTS_AT_ONCE: u64 = 200;

/// What cannot wait and could not be done is tried again after this, later ones after longer.
const URGENT_RETRY: Backoff = Backoff { first: Duration::from_secs(10), max: Duration::from_secs(600), jitter: 0.5 };

/// A run that waits for a day to begin starts a little after it: clocks differ.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(30);

/// Syncs at once and then `every` so often until `stop`; without `every` it only follows what cannot wait.
/// A run that fails is logged and tried again sooner; nothing that happens here ends the process.
pub async fn side_task(job: Job, every: Option<Duration>, stop: CancellationToken) {
    let now = Instant::now();
    let mut timing = Timing { every, next_full: every.map(|_| now), failures: 0, next_urgent: now, misses: 0 };
    while !stop.is_cancelled() {
        let Some(scope) = stop.run_until_cancelled(next_scope(&job, &timing)).await else { return };
        let last = last_hint(&job).await;
        let result = run(&Job { scope, ..job.clone() }, &stop).await;
        log(&job.integration.name, scope, &result);
        if matches!(&result, Ok(summary) if summary.ended == Ended::Disabled) {
            return;
        }
        match scope {
            Scope::Full => timing.after_full(&result),
            Scope::Urgent => timing.after_urgent(&result, has_left(&job, last).await),
        }
    }
}

/// When to do what next.
struct Timing {
    every: Option<Duration>,
    next_full: Option<Instant>,
    failures: u32,
    next_urgent: Instant,
    /// Urgent runs in a row that left something.
    misses: u32,
}

impl Timing {
    fn after_full(&mut self, result: &Result<Summary, SyncError>) {
        let Some(every) = self.every else { return };
        let (failures, wait) = match result {
            Ok(Summary { wait: Some(until), .. }) => {
                (0, until.since(clock::now()).saturating_add(AFTER_MIDNIGHT).min(every))
            }
            // What Actito refuses now it refuses in a minute.
            Ok(summary) if !summary.failed.keys().any(|reason| may_pass(reason)) => (0, every),
            Ok(_) | Err(_) => {
                let retry = Backoff { first: FIRST_RETRY.min(every), max: every, jitter: 0.5 };
                (self.failures + 1, retry.delay(self.failures + 1, fastrand::f64()))
            }
        };
        (self.failures, self.next_full) = (failures, Some(Instant::now() + wait));
    }

    fn after_urgent(&mut self, result: &Result<Summary, SyncError>, has_left: bool) {
        self.misses = if result.is_ok() && !has_left { 0 } else { self.misses + 1 };
        let wait = if self.misses == 0 { Duration::ZERO } else { URGENT_RETRY.delay(self.misses, fastrand::f64()) };
        self.next_urgent = Instant::now() + wait;
    }
}

fn may_pass(reason: &str) -> bool {
    !matches!(reason, "rejected" | "refused")
}

/// Waits until something is to be done, and says how much.
async fn next_scope(job: &Job, timing: &Timing) -> Scope {
    loop {
        let now = Instant::now();
        if timing.next_full.is_some_and(|at| now >= at) {
            return Scope::Full;
        }
        if now >= timing.next_urgent {
            match waiting(job).await {
                (0, false) => {}
                (hints, _) if hints > HINTS_AT_ONCE && timing.failures == 0 && timing.every.is_some() => {
                    return Scope::Full;
                }
                _ => return Scope::Urgent,
            }
        }
        let look = now + LOOK_EVERY;
        tokio::time::sleep_until(timing.next_full.map_or(look, |at| at.min(look))).await;
    }
}

/// How many hints wait, and whether an import does.
async fn waiting(job: &Job) -> (u64, bool) {
    let name = job.integration.name.clone();
    let read = job.store.read(move |db| Ok((rows::count_hints(db, &name)?.0, rows::imports(db, &name)?.len() as u64)));
    // A store that cannot be read is the next run's to complain about.
    let (hints, imports) = read.await.unwrap_or_default();
    job.counters.hints.store(hints, Ordering::Relaxed);
    job.counters.under_way.store(imports, Ordering::Relaxed);
    (hints, imports > 0)
}

/// The number of the last hint so far.
async fn last_hint(job: &Job) -> u64 {
    let name = job.integration.name.clone();
    job.store.read(move |db| Ok(rows::count_hints(db, &name)?.1)).await.unwrap_or_default()
}

/// Whether a run left one of the hints up to this number; those that came meanwhile were not its to follow.
async fn has_left(job: &Job, last: u64) -> bool {
    let name = job.integration.name.clone();
    let first = job.store.read(move |db| rows::hints(db, &name, 0, 1)).await.unwrap_or_default();
    first.first().is_some_and(|hint| hint.seq <= last)
}

fn log(integration: &str, scope: Scope, result: &Result<Summary, SyncError>) {
    match result {
        Ok(summary) if summary.ended == Ended::Disabled => {
            tracing::info!(integration, "not synced: enable_email_synchronization = false");
        }
        Ok(summary) => tracing::info!(
            integration,
            whole = scope == Scope::Full,
            complete = summary.ended == Ended::Complete,
            listed = summary.listed,
            right = summary.right,
            written = summary.written,
            cleared = summary.cleared,
            skipped = summary.skipped_in_all(),
            failed = summary.failed_in_all(),
            gone = summary.gone,
            left = summary.left,
            waiting_until = summary.waiting_until,
            imports = summary.imports,
            calls = summary.calls,
            took_ms = summary.took_ms,
            "synced"
        ),
        Err(error @ SyncError::Running { .. }) => {
            tracing::info!(integration, kind = error.kind(), %error, "not synced")
        }
        Err(error) => tracing::warn!(integration, kind = error.kind(), %error, "sync failed"),
    }
}
