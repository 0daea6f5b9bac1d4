//! Writing what differs, one profile a call. (A mass import will stand beside this.)
//!
//! Promise: a row counts as done only after Actito confirmed it and the store remembers that. A failed
//! row is remembered with its reason. What is under way when the run is stopped gets a moment to end;
//! what is cut off counts as not done, and the next run writes it again, which changes nothing.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::SyncError;
use super::plan::Change;
use super::progress::{Phase, report};
use super::run::Job;
use super::summary::Summary;
use crate::actito::{Error, ProfileId};
use crate::clock;
use crate::store::profiles;

/// After this many rows in a row that failed as if Actito were down, it is. Each was tried several
/// times by then.
const GIVE_UP_AFTER: u32 = 10;

/// What is under way when the run is stopped gets this long: an answer takes well under a second.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How one row ended.
enum Outcome {
    Confirmed,
    Gone,
    Failed(Error),
}

/// Writes all changes; `Ok(false)` when it was stopped before the last. `witnesses` are those of the plan.
pub(super) async fn write_all(
    job: &Job,
    changes: Vec<Change>,
    witnesses: &[ProfileId],
    summary: &mut Summary,
    stop: &CancellationToken,
) -> Result<bool, SyncError> {
    let (sink, total) = (Sink { job, witnesses, right_place: OnceCell::new() }, changes.len());
    let outcomes = stream::iter(changes)
        .take_until(stop.cancelled())
        .map(|change| sink.write(change, stop))
        .buffer_unordered(job.client.concurrency());
    let mut outcomes = std::pin::pin!(outcomes);
    let (mut done, mut failed_in_a_row) = (0, 0);
    while let Some(outcome) = outcomes.next().await {
        let Some((change, outcome)) = outcome? else { continue };
        done += 1;
        report(job.progress.as_ref(), Phase::Writing, done, Some(total as u64));
        failed_in_a_row = match &outcome {
            Outcome::Failed(error) if is_down(error) => failed_in_a_row + 1,
            _ => 0,
        };
        count(summary, &change, &outcome);
        if let (Outcome::Failed(last), GIVE_UP_AFTER) = (outcome, failed_in_a_row) {
            return Err(SyncError::GaveUp { rows: GIVE_UP_AFTER, last });
        }
    }
    Ok(done == total as u64)
}

/// Whether an error may well be everybody's: Actito is down, or we ask in the wrong place.
const fn is_down(error: &Error) -> bool {
    error.is_transient() || matches!(error, Error::NotFound { .. })
}

fn count(summary: &mut Summary, change: &Change, outcome: &Outcome) {
    match outcome {
        Outcome::Confirmed => summary.done(change),
        Outcome::Gone => summary.gone += 1,
        Outcome::Failed(error) => summary.failed(change.id, error.kind()),
    }
}

struct Sink<'a> {
    job: &'a Job,
    witnesses: &'a [ProfileId],
    /// Whether profiles that are listed are found where we write; written by the first who knows.
    right_place: OnceCell<bool>,
}

impl Sink<'_> {
    /// Writes one row and remembers how it ended; `None` when it was cut off.
    async fn write(&self, change: Change, stop: &CancellationToken) -> Result<Option<(Change, Outcome)>, SyncError> {
        let cut_off = async {
            stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let outcome = tokio::select! {
            outcome = self.put(&change) => outcome,
            () = cut_off => return Ok(None),
        };
        // The commit point: after this line a crash forgets nothing about the row.
        self.remember(&change, &outcome).await?;
        match outcome {
            Outcome::Failed(error) if error.concerns_all() => Err(error.into()),
            outcome => Ok(Some((change, outcome))),
        }
    }

    async fn put(&self, change: &Change) -> Outcome {
        match self.job.client.put_reaid(change.id, &change.reaid).await {
            Ok(()) => {
                // Already known is fine.
                let _ = self.right_place.set(true);
                Outcome::Confirmed
            }
            Err(Error::NotFound { status: 404, call }) => match self.right_place().await {
                Ok(true) => Outcome::Gone,
                Ok(false) => Outcome::Failed(Error::NotFound { status: 404, call }),
                Err(error) => Outcome::Failed(error),
            },
            Err(error) => Outcome::Failed(error),
        }
    }

    /// Whether a 404 means that the profile is gone, and not that nothing can be found where we look.
    async fn right_place(&self) -> Result<bool, Error> {
        let ask = async || {
            for id in self.witnesses {
                match self.job.client.profile(*id).await {
                    Err(Error::NotFound { .. }) => {}
                    found => return found.map(|_| true),
                }
            }
            Ok(false)
        };
        self.right_place.get_or_try_init(ask).await.copied()
    }

    async fn remember(&self, change: &Change, outcome: &Outcome) -> Result<(), SyncError> {
        let (name, id, now) = (self.job.integration.name.clone(), change.id.to_i64(), clock::now().millis());
        let store = &self.job.store;
        match outcome {
            Outcome::Confirmed => {
                let key_id = change.key_id();
                store.write(move |db| profiles::confirm(db, &name, id, key_id, now)).await?;
            }
            Outcome::Gone => store.write(move |db| profiles::forget(db, &name, &[id])).await?,
            Outcome::Failed(error) => {
                let reason = error.kind();
                store.write(move |db| profiles::fail(db, &name, id, reason, now)).await?;
            }
        }
        Ok(())
    }
}
