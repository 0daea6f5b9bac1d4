//! What the syncs of one integration did since the process started: read by the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::SyncError;
use super::planner::Quotas;
use super::summary::{Ended, Summary};
use crate::clock::Timestamp;

/// Counts of one integration. Written by its runs, read by whoever asks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Runs that tried everything.
    pub complete: AtomicU64,
    /// Runs that left rows for another day.
    pub waiting: AtomicU64,
    /// Runs that were stopped.
    pub stopped: AtomicU64,
    /// Runs that failed.
    pub failed: AtomicU64,
    /// Profiles that got a REAID.
    pub written: AtomicU64,
    /// Profiles whose attribute was emptied.
    pub cleared: AtomicU64,
    /// Writes of profiles that failed.
    pub rows_failed: AtomicU64,
    /// Profiles that were found gone.
    pub gone: AtomicU64,
    /// Calls to Actito.
    pub calls: AtomicU64,
    /// Mass imports that were sent.
    pub imports: AtomicU64,
    /// When everything was right last, in seconds since the Unix epoch; 0 before.
    pub complete_at: AtomicU64,
    /// Profiles that waited for another day after the last run.
    pub left: AtomicU64,
    /// Profiles without a valid address, by the last whole run.
    pub skipped: AtomicU64,
    /// Imports that today had left when a run last looked.
    pub imports_left: AtomicU64,
    /// Profiles that somebody wants looked at.
    pub hints: AtomicU64,
    /// Imports that are not settled yet.
    pub under_way: AtomicU64,
}

impl Counters {
    pub(super) fn looked(&self, quotas: &Quotas) {
        self.imports_left.store(u64::from(quotas.imports_left), Ordering::Relaxed);
    }

    pub(super) fn ran(&self, summary: &Summary, error: Option<&SyncError>, full: bool, now: Timestamp) {
        let add = |counter: &AtomicU64, count: u64| {
            counter.fetch_add(count, Ordering::Relaxed);
        };
        let ended = match (error, summary.ended) {
            (Some(_), _) => &self.failed,
            (None, Ended::Complete) => &self.complete,
            (None, Ended::Waiting) => &self.waiting,
            (None, Ended::Early | Ended::Disabled) => &self.stopped,
        };
        add(ended, 1);
        add(&self.written, summary.written);
        add(&self.cleared, summary.cleared);
        add(&self.rows_failed, summary.failed_in_all());
        add(&self.gone, summary.gone);
        add(&self.calls, summary.calls);
        add(&self.imports, u64::from(summary.imports));
        if !full {
            return;
        }
        self.left.store(summary.left, Ordering::Relaxed);
        if summary.ended == Ended::Complete && error.is_none() {
            self.skipped.store(summary.skipped_in_all(), Ordering::Relaxed);
            if summary.failed_in_all() == 0 {
                self.complete_at.store(now.secs(), Ordering::Relaxed);
            }
        }
    }
}
