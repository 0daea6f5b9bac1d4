//! The budget of a licence: how many calls a minute, and how many at once.
//!
//! Promise: in no window of 60 seconds do more than `calls_per_minute` calls start, and never are
//! more than `concurrency` under way. Every call counts: reads, writes, imports, polls and tokens.
//! Listing takes at most half of the calls, so that writes and webhooks always find room.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::MonotonicClock;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::pace::Pace;

/// One part in this many of the calls may list profiles.
const LIST_SHARE: u32 = 2;

/// A longer wait than this is not worth holding a run for: what Actito asks beyond it is cut.
const LONGEST_HOLD: Duration = Duration::from_secs(120);

/// The budget, shared by everything that calls Actito with one licence.
#[derive(Debug)]
pub struct Limits {
    calls: Pace<MonotonicClock>,
    lists: Pace<MonotonicClock>,
    slots: Semaphore,
    /// Nothing starts before this; written when Actito asks to wait, under its lock.
    held_until: Mutex<Option<Instant>>,
}

impl Limits {
    /// A budget of `calls_per_minute` with `concurrency` at once; zero counts as one.
    pub fn new(calls_per_minute: u32, concurrency: usize) -> Self {
        Self {
            calls: Pace::new(calls_per_minute, MonotonicClock),
            lists: Pace::new(calls_per_minute / LIST_SHARE, MonotonicClock),
            slots: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            held_until: Mutex::new(None),
        }
    }

    /// Calls that may start in a minute.
    pub const fn calls_per_minute(&self) -> u32 {
        self.calls.calls_per_minute()
    }

    /// Calls that started in the last minute: what [`Self::resume`] of the next process wants to know.
    pub fn spent(&self) -> u32 {
        self.calls.spent()
    }

    /// Takes over from a process that spent this much in its last minute. Without its word (a crash),
    /// give [`Self::calls_per_minute`]: the burst is then used up, and calls start evenly from now.
    pub fn resume(&self, spent_in_last_minute: u32) {
        self.calls.resume(spent_in_last_minute);
        self.lists.resume(spent_in_last_minute);
    }

    /// Waits for a place; the call must start right after and keep the permit until it is answered.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The slot comes first: calls that passed the pace and then queued would start in a burst.
        let permit = self.slots.acquire().await.ok();
        self.sit_out_hold().await;
        wait_for(&self.calls).await;
        permit
    }

    /// Waits for a place among the calls that list profiles, and then as [`Self::enter`] does.
    pub async fn enter_list(&self) -> Option<SemaphorePermit<'_>> {
        // Without a slot, which others could use meanwhile.
        wait_for(&self.lists).await;
        self.enter().await
    }

    /// Lets nothing start for `wait`, because Actito asked for it.
    pub fn hold(&self, wait: Duration) {
        let until = Instant::now() + wait.min(LONGEST_HOLD);
        let mut held = self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        *held = Some(held.map_or(until, |earlier| earlier.max(until)));
    }

    async fn sit_out_hold(&self) {
        let held = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = held {
            tokio::time::sleep_until(until).await;
        }
    }
}

async fn wait_for(pace: &Pace<MonotonicClock>) {
    while let Err(wait) = pace.start() {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn never_more_than_the_allowed_number_are_inside() {
        let limits = Limits::new(60_000, 4);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let visit = || async {
            let _permit = limits.enter().await;
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
        };
        futures_util::future::join_all((0..100).map(|_| visit())).await;
        assert_eq!(most.into_inner(), 4);
    }

    #[tokio::test]
    async fn nothing_starts_while_actito_asks_to_wait() {
        let limits = Limits::new(60_000, 4);
        let before = Instant::now();
        limits.hold(Duration::from_millis(40));
        limits.hold(Duration::from_millis(10));
        let _permit = limits.enter().await;
        assert!(before.elapsed() >= Duration::from_millis(40));
    }

    #[tokio::test]
    async fn when_listing_must_wait_others_still_find_room() {
        let limits = Limits::new(90, 1);
        let listed = (0..90).take_while(|_| limits.enter_list().now_or_never().is_some()).count();
        assert_eq!(listed, 4, "the burst of half of the calls");
        assert!(limits.enter().now_or_never().is_some());
    }

    #[tokio::test]
    async fn listing_counts_among_all_calls() {
        let limits = Limits::new(90, 4);
        drop(limits.enter_list().await);
        drop(limits.enter().await);
        assert_eq!(limits.spent(), 2);
    }
}
