//! What there is to know about events in this process. The app registers these as metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::lane::EXPIRED;
use crate::store;
use crate::store::outbox::Fate;

/// Counts since the process started, and gauges of the last look into the outbox.
#[derive(Debug, Default)]
pub struct Counters {
    /// Counter: events given to the recorder.
    pub recorded: AtomicU64,
    /// Counter: events whose click was answered before they were on disk.
    pub late: AtomicU64,
    /// Counter: events that Raptor took.
    pub delivered: AtomicU64,
    /// Counter: tries that failed and will be repeated.
    pub retried: AtomicU64,
    /// Counter: events given up because Raptor refused them.
    pub dead_rejected: AtomicU64,
    /// Counter: events given up because they were too old.
    pub dead_expired: AtomicU64,
    /// Gauge: calls to Raptor under way.
    pub in_flight: AtomicU64,
    /// Counters: stored events, commits, and events lost by reason.
    pub store: Arc<store::Counters>,
    /// Written by delivery, under the lock.
    lanes: Mutex<Vec<LaneStatus>>,
}

/// The state of deliveries to one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneStatus {
    /// The Raptor customer id.
    pub account: String,
    /// Events that wait, at the last look.
    pub waiting: u64,
    /// Whether deliveries are held back because Raptor refuses or fails.
    pub held: bool,
}

impl Counters {
    /// Counters beside those of `store`.
    pub fn beside(store: &store::Store) -> Arc<Self> {
        Arc::new(Self { store: store.counters().clone(), ..Self::default() })
    }

    /// Gauges: every account with its events that wait and whether it is held back.
    pub fn lanes(&self) -> Vec<LaneStatus> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_lanes(&self, lanes: Vec<LaneStatus>) {
        *self.lanes.lock().unwrap_or_else(PoisonError::into_inner) = lanes;
    }

    pub(super) fn count_fate(&self, fate: Fate) {
        Self::count(match fate {
            Fate::Delivered => &self.delivered,
            Fate::Retry { .. } => &self.retried,
            Fate::Dead(EXPIRED) => &self.dead_expired,
            Fate::Dead(_) => &self.dead_rejected,
        });
    }

    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
