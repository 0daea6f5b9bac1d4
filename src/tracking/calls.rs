//! The calls under way. Whoever has ended one makes the next, as long as there is one to make: in a stream of events
//! a task makes many calls, and wakes nobody between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::Delivery;
use super::lane::MOST_CALLS;
use super::lanes::{Call, Lanes};
use crate::clock;
use crate::overload::Grade;
use crate::raptor::Verdict;
use crate::store::Event;
use crate::store::outbox::Waiting;

pub(super) struct Calls {
    pub(super) delivery: Delivery,
    lanes: Mutex<Lanes>,
    /// Told when there is another thing to do beside calls than before.
    pub(super) chores: Notify,
    closed: AtomicBool,
}

impl Calls {
    pub(super) fn new(delivery: Delivery) -> Arc<Self> {
        let lanes = Mutex::new(Lanes::new(delivery.settings, delivery.counters.clone()));
        Arc::new(Self { delivery, lanes, chores: Notify::new(), closed: AtomicBool::new(false) })
    }

    pub(super) fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on no call begins.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// A call that may begin now.
    pub(super) fn next(&self) -> Option<Call> {
        self.next_of(&mut self.lanes())
    }

    /// Makes a call, and the next, until there is none.
    pub(super) async fn make(self: Arc<Self>, first: Call) {
        let mut next = Some(first);
        while let Some(call) = next {
            let verdict = self.ask(&call.row).await;
            next = self.ended(call, verdict);
        }
    }

    /// Notes what came of a call; returns the next one.
    fn ended(&self, call: Call, verdict: Option<Verdict>) -> Option<Call> {
        let mut lanes = self.lanes();
        let before = lanes.chores();
        lanes.called(call, verdict, clock::now(), fastrand::f64());
        let next = self.next_of(&mut lanes);
        let is_new = lanes.chores() != before;
        drop(lanes);
        if is_new {
            self.chores.notify_one();
        }
        next
    }

    fn next_of(&self, lanes: &mut Lanes) -> Option<Call> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let Delivery { load, withheld, .. } = &self.delivery;
        // Never none: what waits for a calm moment must not wait for ever.
        let most_calls = if load.is(Grade::Shedding) { 1 } else { MOST_CALLS };
        lanes.next(clock::now(), most_calls, |row| withheld.has(row.event.reaid.as_deref()))
    }

    /// `None` when it may not be asked, because of whom it would name.
    async fn ask(&self, row: &Waiting) -> Option<Verdict> {
        let Delivery { client, visitor_of, withheld, .. } = &self.delivery;
        let Event { account, campaign, reaid, page, .. } = &row.event;
        let _naming = withheld.name(reaid.as_deref())?;
        let (visitor, reaid) = (visitor_of(&row.event), reaid.as_deref());
        Some(match page {
            Some(page) => client.click(account, &visitor, reaid, page).await,
            None => client.open(account, &visitor, reaid, campaign).await,
        })
    }
}
