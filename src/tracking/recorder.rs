//! Recording: puts an event into the queue of the store's writer and lets the click wait for the
//! commit for as long as it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Counters, Delivers, Withheld};
use crate::store::{self, Event, EventId, Store, Ticket};

/// Records events. Clones share everything.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    counters: Arc<Counters>,
    /// Tells this process's events from those of every other.
    process: [u8; 8],
    next: AtomicU64,
}

/// What became of an event by the time its click is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk: a crash loses nothing.
    Committed,
    /// It is not on disk yet.
    Late,
    /// It could not be kept; counted by its reason.
    Lost,
}

/// An event on its way to the disk. Dropping it does not stop it.
#[derive(Debug)]
pub struct Recorded {
    ticket: Ticket,
    counters: Arc<Counters>,
}

impl Recorder {
    /// A recorder into `store`, which from now on cleans each event, takes out who is `withheld` and marks those
    /// that `delivers` does not want.
    pub fn new(store: Store, delivers: Delivers, withheld: Arc<Withheld>, counters: Arc<Counters>) -> Self {
        store.set_door(move |event| delivers.admit(event, &withheld));
        // Ids must differ, not be secret.
        let process = fastrand::u64(..).to_be_bytes();
        Self { inner: Arc::new(Inner { store, counters, process, next: AtomicU64::new(0) }) }
    }

    /// An id that no event has yet.
    pub fn next_id(&self) -> EventId {
        EventId::new(self.inner.process, self.inner.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Queues `event` for the next commit. Never waits for the disk.
    pub fn record(&self, event: Event) -> Recorded {
        Counters::count(&self.inner.counters.recorded);
        Recorded { ticket: self.inner.store.append(event), counters: self.inner.counters.clone() }
    }

    /// Waits until everything recorded before is on disk or lost.
    pub async fn flush(&self) {
        self.inner.store.flush().await;
    }
}

impl Recorded {
    /// Waits until the event is on disk, but no longer than `wait`; later ones are counted as late.
    pub async fn on_disk(self, wait: Duration) -> Outcome {
        match tokio::time::timeout(wait, self.ticket.settled()).await {
            Ok(store::Outcome::Committed) => Outcome::Committed,
            Ok(store::Outcome::Lost) => Outcome::Lost,
            Err(_) => {
                Counters::count(&self.counters.late);
                Outcome::Late
            }
        }
    }
}
