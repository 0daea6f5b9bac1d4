//! What there is to know about counting in this process. The app registers these as metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts since the process started, and gauges of the last look.
#[derive(Debug, Default)]
pub struct Counters {
    /// Counter: events that were counted for their campaign.
    pub counted: AtomicU64,
    /// Counter: steps that failed.
    pub failed: AtomicU64,
    /// Gauge: events that are not counted yet.
    pub waiting: AtomicU64,
    /// Gauge: when the oldest of those happened, in milliseconds since the epoch; 0 when there is none.
    pub oldest: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: u64) {
        counter.fetch_add(count, Ordering::Relaxed);
    }
}
