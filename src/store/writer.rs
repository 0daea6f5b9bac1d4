//! The one thread that writes. It takes everything that waits, puts it into one transaction, commits,
//! and wakes all who wait: the more there is to do, the more events share an fsync. After a commit that
//! several shared has begun it rests for [`REST`], unless many events or a job come: a commit costs much, one event
//! more in it little.
//!
//! A batch whose commit fails is tried again until the trouble has lasted [`RETRY_FOR`]; from then on
//! batches are tried once and dropped, counted by reason, until a commit succeeds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::batch::Batch;
use super::checkpoint::Bell;
use super::inbox::{Answer, Inbox, Job, Work};
use super::{Counters, Limits, Loss, StoreError, append};
use crate::clock::{self, Timestamp};

/// A disk that is full or failing for longer than this will not recover while a click waits; keeping
/// more than two seconds of clicks in memory only delays the same loss.
const RETRY_FOR: Duration = Duration::from_secs(2);

/// From the beginning of a commit that several events shared to that of the next, when few events come: short against
/// the time that a click may wait for its commit, and long against what a commit costs. Who comes alone waits for nothing.
const REST: Duration = Duration::from_millis(2);

/// Between two tries of a batch: short against [`RETRY_FOR`], long against a failing write.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Losses are logged at most this often; the counters have every one.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Pages that the writer keeps in memory, in KiB: the right edges of the indexes and more.
const CACHE_KIB: i64 = 16 << 10;

struct Writer {
    connection: Connection,
    inbox: Arc<Inbox>,
    limits: Limits,
    counters: Arc<Counters>,
    checkpoints: Bell,
    /// The batch whose commit failed, until it succeeds or is dropped.
    held: Option<Batch>,
    trouble_since: Option<Timestamp>,
    logged: LossLog,
}

#[derive(Default)]
struct LossLog {
    at: Option<Timestamp>,
    lost: u64,
}

pub(super) fn start(
    mut connection: Connection,
    inbox: Arc<Inbox>,
    limits: Limits,
    counters: Arc<Counters>,
    checkpoints: Bell,
) -> Result<JoinHandle<()>, StoreError> {
    checkpoints.listen(&mut connection)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let logged = LossLog::default();
    let writer = Writer { connection, inbox, limits, counters, checkpoints, held: None, trouble_since: None, logged };
    let thread = thread::Builder::new().name("store-writer".into());
    thread.spawn(move || writer.run()).map_err(|source| StoreError::File { path: "store-writer".into(), source })
}

/// How long the writer rests after it has begun a commit of so many events.
fn rest_after(events: usize) -> Duration {
    if events > 1 { REST } else { Duration::ZERO }
}

/// Runs `work` so that its failure undoes only its own changes.
pub(super) fn in_savepoint<T>(
    transaction: &Transaction<'_>,
    work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    transaction.execute_batch("SAVEPOINT job")?;
    let result = work(transaction);
    let end = if result.is_ok() { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    // After a full disk SQLite may have undone the whole transaction; the commit will tell.
    let ended = transaction.execute_batch(end);
    result.and_then(|value| ended.map(|()| value))
}

impl Writer {
    fn run(mut self) {
        let mut rested = Instant::now();
        while let Some(work) = self.next(rested) {
            if let Some(batch) = &work.batch {
                rested = Instant::now() + rest_after(batch.events.len());
            }
            self.turn(work);
            self.log_losses();
        }
    }

    fn next(&self, rested: Instant) -> Option<Work> {
        match self.held {
            Some(_) => Some(self.inbox.take_jobs(RETRY_PAUSE)),
            None => self.inbox.take(rested),
        }
    }

    fn turn(&mut self, work: Work) {
        let (batch, mut jobs) = (work.batch, VecDeque::from(work.jobs));
        if let Some(batch) = self.held.take().or(batch) {
            let began = Instant::now();
            match self.commit(Some(&batch), &mut jobs) {
                Ok(stored) => self.settle(batch, stored, began.elapsed()),
                Err(loss) => self.hold_or_drop(batch, loss),
            }
        }
        // Those that ran have been answered; what is left waited behind events that failed. It must
        // not wait for them: it may be what makes room.
        while !jobs.is_empty() {
            // Each job is told how its commit went.
            let _ = self.commit(None, &mut jobs);
        }
    }

    /// One transaction with the events and the jobs; after `commit` returned, a crash loses nothing of
    /// it. Returns how many events it holds. Jobs that ran are answered, whatever happened.
    fn commit(&mut self, batch: Option<&Batch>, jobs: &mut VecDeque<Job>) -> Result<usize, Loss> {
        let mut answers = Vec::with_capacity(jobs.len());
        let result = self.transact(batch, jobs, &mut answers).map_err(|error| Loss::of(&error));
        for answer in answers {
            answer(result.map(drop).map_err(StoreError::Commit));
        }
        result
    }

    fn transact(
        &self,
        batch: Option<&Batch>,
        jobs: &mut VecDeque<Job>,
        answers: &mut Vec<Answer>,
    ) -> rusqlite::Result<usize> {
        let _turn = self.checkpoints.turn();
        let begun = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate);
        let transaction = match begun {
            Ok(transaction) => transaction,
            Err(error) => {
                if batch.is_none() {
                    answers.extend(jobs.drain(..).map(|job| job(None)));
                }
                return Err(error);
            }
        };
        let stored = match batch {
            Some(batch) => append::append(&transaction, &batch.events, self.limits.max_size)?,
            None => 0,
        };
        // A disk that fills up inside a job makes SQLite undo the whole transaction: `commit` then
        // fails, and what has not run waits for the next one.
        while !jobs.is_empty() && !transaction.is_autocommit() {
            answers.extend(jobs.pop_front().map(|job| job(Some(&transaction))));
        }
        transaction.commit()?;
        Ok(stored)
    }

    fn settle(&mut self, batch: Batch, stored: usize, took: Duration) {
        self.trouble_since = None;
        self.counters.committed(stored, took);
        self.counters.lose(Loss::MaxSize, batch.events.len() - stored);
        batch.settle(stored);
        self.inbox.appended().notify_one();
    }

    fn hold_or_drop(&mut self, batch: Batch, loss: Loss) {
        let now = clock::now();
        let since = *self.trouble_since.get_or_insert(now);
        if now.since(since) < RETRY_FOR {
            self.held = Some(batch);
            return;
        }
        self.counters.lose(loss, batch.events.len());
        batch.settle(0);
    }

    fn log_losses(&mut self) {
        let (lost, now) = (self.counters.lost_in_all(), clock::now());
        let quiet = self.logged.at.is_some_and(|at| now.since(at) < LOG_EVERY);
        if lost == self.logged.lost || quiet {
            return;
        }
        for reason in Loss::ALL {
            let total = self.counters.lost(reason);
            if total > 0 {
                tracing::error!(reason = reason.as_str(), total, "events could not be stored");
            }
        }
        self.logged = LossLog { at: Some(now), lost };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_alone_waits_for_nothing() {
        assert_eq!([1, 2, 500].map(rest_after), [Duration::ZERO, REST, REST]);
    }
}
