//! The sync under `serve`: on its schedule, by itself, and never in anybody's way.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run::{Job, run};
use super::{Ended, Summary, SyncError};
use crate::backoff::Backoff;

/// The first retry after a run that failed; later ones wait longer, up to the schedule itself.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// Syncs at once and then `every` so often until `stop`. A run that fails is logged and tried again
/// sooner; nothing that happens here ends the process.
pub async fn side_task(job: Job, every: Duration, stop: CancellationToken) {
    let retry = Backoff { first: FIRST_RETRY.min(every), max: every, jitter: 0.5 };
    let mut failures = 0;
    loop {
        let result = run(&job, &stop).await;
        log(&job.integration.name, &result);
        failures = if result.is_ok() { 0 } else { failures + 1 };
        let wait = if failures == 0 { every } else { retry.delay(failures, fastrand::f64()) };
        let over = matches!(&result, Ok(summary) if summary.ended == Ended::Disabled);
        if over || stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
            return;
        }
    }
}

fn log(integration: &str, result: &Result<Summary, SyncError>) {
    match result {
        Ok(summary) if summary.ended == Ended::Disabled => {
            tracing::info!(integration, "not synced: enable_email_synchronization = false");
        }
        Ok(summary) => tracing::info!(
            integration,
            complete = summary.ended == Ended::Complete,
            listed = summary.listed,
            right = summary.right,
            written = summary.written,
            cleared = summary.cleared,
            skipped = summary.skipped_in_all(),
            failed = summary.failed_in_all(),
            gone = summary.gone,
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
