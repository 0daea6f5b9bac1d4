//! Delivery: takes what waits in the outbox to Raptor, at least once. How it is set up; what it does is
//! in [`super::driver`].

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::driver::Driver;
use super::{Counters, Withheld, breaker};
use crate::backoff::Backoff;
use crate::overload::Load;
use crate::raptor::{Client, Visitor};
use crate::store::{Event, Store};

/// Computes the pseudonyms of the visitor behind an event.
pub type VisitorOf = Arc<dyn Fn(&Event) -> Visitor + Send + Sync>;

/// How events are delivered.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// An event older than this is given up.
    pub max_age: Duration,
    /// The waits between tries.
    pub retry: Backoff,
    /// When an account is held back.
    pub breaker: breaker::Limits,
    /// How often to look for what other processes changed.
    pub poll: Duration,
    /// How long calls under way get to end at a stop.
    pub drain: Duration,
}

impl Settings {
    /// The schedule of the design: 1 s ± 50 % doubling to 10 min until `max_age`, a look a second.
    pub fn new(max_age: Duration, drain: Duration) -> Self {
        let retry = Backoff { first: Duration::from_secs(1), max: Duration::from_secs(600), jitter: 0.5 };
        Self { max_age, retry, breaker: breaker::Limits::default(), poll: Duration::from_secs(1), drain }
    }
}

/// Delivers what waits in one store. Only one at a time may run on a store.
pub struct Delivery {
    pub(super) store: Store,
    pub(super) client: Arc<Client>,
    pub(super) visitor_of: VisitorOf,
    pub(super) withheld: Arc<Withheld>,
    pub(super) settings: Settings,
    pub(super) counters: Arc<Counters>,
    pub(super) load: Arc<Load>,
}

impl Delivery {
    /// Delivers from `store` through `client` what is not `withheld`.
    pub fn new(
        store: Store,
        client: Client,
        visitor_of: VisitorOf,
        withheld: Arc<Withheld>,
        settings: Settings,
        counters: Arc<Counters>,
    ) -> Self {
        Self { store, client: Arc::new(client), visitor_of, withheld, settings, counters, load: Arc::default() }
    }

    /// Delivers one event at a time while there is too much to do.
    pub fn giving_way_to(self, load: Arc<Load>) -> Self {
        Self { load, ..self }
    }

    /// Delivers until `stop`; then calls under way get `drain` to end, and what came of them is
    /// written before this returns. Says whether they all ended: one that was cut off is made again by
    /// the next process, though Raptor may have taken it.
    pub async fn run(self, stop: CancellationToken) -> bool {
        Driver::new(self).run(stop).await
    }
}
