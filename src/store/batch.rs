//! Events that share a commit, and those who wait for it.
//!
//! A commit wakes one of them, and that one wakes the others when it runs: from a thread of the runtime that costs a
//! tenth of what it costs from the writer's. One that goes away instead of running passes the word on as well.

use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Event, State};

/// Whether an event is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is fsynced.
    Committed,
    /// It could not be kept; counted by its reason.
    Lost,
}

/// The claim to know what became of one event. Dropping it changes nothing for the event.
#[derive(Debug)]
pub struct Ticket(Option<(Arc<Commit>, usize)>);

impl Ticket {
    /// For the event at `index` of those that share `commit`.
    pub(super) fn of(commit: &Arc<Commit>, index: usize) -> Self {
        Self(Some((commit.clone(), index)))
    }

    /// For an event that was not taken.
    pub(super) fn lost() -> Self {
        Self(None)
    }

    #[cfg(test)]
    pub(super) fn is_claim(&self) -> bool {
        self.0.is_some()
    }

    /// Completes when the event's batch was committed or dropped.
    pub async fn settled(self) -> Outcome {
        let Some((commit, index)) = self.0 else { return Outcome::Lost };
        let stored = Wait { commit, place: None }.await;
        if index < stored { Outcome::Committed } else { Outcome::Lost }
    }
}

/// Events that share one commit.
pub(super) struct Batch {
    pub(super) events: Vec<(Event, State)>,
    commit: Arc<Commit>,
}

impl Batch {
    pub(super) fn new(events: Vec<(Event, State)>, commit: Arc<Commit>) -> Self {
        Self { events, commit }
    }

    /// Tells everybody who waits, once: the first `stored` events are on disk, the rest is lost.
    pub(super) fn settle(self, stored: usize) {
        self.commit.settle(stored);
    }
}

impl Drop for Batch {
    /// Nobody waits for a writer that is gone.
    fn drop(&mut self) {
        self.commit.settle(0);
    }
}

/// One commit, as those see it who wait for it.
#[derive(Debug, Default)]
pub(super) struct Commit {
    /// How many of its events, counted from the first, are on disk. Set once, by the writer, under the lock.
    stored: OnceLock<usize>,
    /// Each waiter keeps its place; the writer takes one, and that one the others, all under the lock.
    waiting: Mutex<Vec<Option<Waker>>>,
    /// Set by the first waiter that knows.
    passed_on: AtomicBool,
}

impl Commit {
    fn settle(&self, stored: usize) {
        let mut waiting = self.lock();
        if self.stored.set(stored).is_err() {
            return;
        }
        let first = waiting.iter_mut().find_map(Option::take);
        drop(waiting);
        first.into_iter().for_each(Waker::wake);
    }

    /// Wakes all who wait, unless somebody did.
    fn pass_on(&self) {
        if !self.passed_on.swap(true, Ordering::AcqRel) {
            let waiting = mem::take(&mut *self.lock());
            waiting.into_iter().flatten().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Waker>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until it is known how many events are on disk.
struct Wait {
    commit: Arc<Commit>,
    place: Option<usize>,
}

impl Future for Wait {
    type Output = usize;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<usize> {
        let Self { commit, place } = &mut *self;
        let mut waiting = commit.lock();
        if let Some(stored) = commit.stored.get() {
            drop(waiting);
            commit.pass_on();
            return Poll::Ready(*stored);
        }
        match place.and_then(|place| waiting.get_mut(place)) {
            Some(Some(waker)) => waker.clone_from(context.waker()),
            _ => {
                *place = Some(waiting.len());
                waiting.push(Some(context.waker().clone()));
            }
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut waiting = self.commit.lock();
        if let Some(waker) = waiting.get_mut(place) {
            *waker = None;
        }
        drop(waiting);
        // It may have been the one that was woken.
        if self.commit.stored.get().is_some() {
            self.commit.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use futures_util::task::noop_waker_ref;
    use tokio::time::{Duration, timeout};

    use super::*;

    fn commit(events: usize) -> (Batch, Vec<Ticket>) {
        let commit = Arc::new(Commit::default());
        let tickets = (0..events).map(|index| Ticket::of(&commit, index)).collect();
        (Batch::new(vec![], commit), tickets)
    }

    #[tokio::test]
    async fn all_who_wait_learn_what_became_of_their_event() {
        let (batch, tickets) = commit(3);
        let waiting: Vec<_> = tickets.into_iter().map(|ticket| tokio::spawn(ticket.settled())).collect();
        tokio::task::yield_now().await;
        batch.settle(2);
        let mut outcomes = vec![];
        for task in waiting {
            outcomes.push(task.await.unwrap());
        }
        assert_eq!(outcomes, [Outcome::Committed, Outcome::Committed, Outcome::Lost]);
    }

    #[tokio::test]
    async fn one_that_goes_away_when_it_is_woken_leaves_nobody_waiting() {
        let (batch, mut tickets) = commit(2);
        let second = tokio::spawn(tickets.pop().unwrap().settled());
        let mut first = Box::pin(tickets.pop().unwrap().settled());
        assert!(first.as_mut().poll(&mut Context::from_waker(noop_waker_ref())).is_pending());
        tokio::task::yield_now().await;
        batch.settle(2);
        drop(first);
        assert_eq!(timeout(Duration::from_secs(30), second).await.unwrap().unwrap(), Outcome::Committed);
    }

    #[tokio::test]
    async fn one_that_went_away_before_is_not_the_one_that_is_woken() {
        let (batch, mut tickets) = commit(2);
        let mut first = Box::pin(tickets.remove(0).settled());
        assert!(first.as_mut().now_or_never().is_none());
        let second = tokio::spawn(tickets.remove(0).settled());
        tokio::task::yield_now().await;
        drop(first);
        batch.settle(2);
        assert_eq!(timeout(Duration::from_secs(30), second).await.unwrap().unwrap(), Outcome::Committed);
    }

    #[tokio::test]
    async fn a_batch_that_is_dropped_is_lost() {
        let (batch, mut tickets) = commit(1);
        drop(batch);
        assert_eq!(tickets.remove(0).settled().await, Outcome::Lost);
    }
}
