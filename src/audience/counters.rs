//! What runs of activations did since the process started: read by the metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::summary::{Action, Ended, Summary};
use crate::clock::Timestamp;

/// Counts of all activations. Written by runs, read by whoever asks.
#[derive(Debug, Default)]
pub struct Counters {
    /// Runs after which everything was as it must be.
    pub complete: AtomicU64,
    /// Runs that left something.
    pub incomplete: AtomicU64,
    /// Runs that ended early.
    pub early: AtomicU64,
    /// Audiences that were sent.
    pub sent: AtomicU64,
    /// Audiences that were as they must be.
    pub unchanged: AtomicU64,
    /// Audiences that were held back.
    pub held: AtomicU64,
    /// Audiences that failed, or were not found.
    pub failed: AtomicU64,
    /// Audiences that are deleted.
    pub deleted: AtomicU64,
    /// Bytes that went to destinations.
    pub bytes: AtomicU64,
    /// When a run was complete last, in seconds since the Unix epoch; 0 before.
    pub complete_at: AtomicU64,
}

impl Counters {
    pub(super) fn ran(&self, summary: &Summary, now: Timestamp) {
        let add = |counter: &AtomicU64, count: usize| {
            counter.fetch_add(count as u64, Ordering::Relaxed);
        };
        let ended = match summary.ended {
            Ended::Complete => &self.complete,
            Ended::Incomplete => &self.incomplete,
            Ended::Early => &self.early,
        };
        add(ended, 1);
        add(&self.sent, summary.count(Action::Sent));
        add(&self.unchanged, summary.count(Action::Unchanged));
        add(&self.held, summary.count(Action::Held));
        add(&self.failed, summary.count(Action::Failed) + summary.count(Action::NotFound));
        add(&self.deleted, summary.count(Action::Deleted));
        self.bytes.fetch_add(summary.bytes_sent, Ordering::Relaxed);
        if summary.ended == Ended::Complete {
            self.complete_at.store(now.secs(), Ordering::Relaxed);
        }
    }
}
