//! The budget of a licence: how many calls a minute, and how many at once.
//!
//! Promise: in no window of 60 seconds do more than `calls_per_minute` calls start, and never are
//! more than `concurrency` under way. Every call counts: reads, writes and tokens.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

/// One part in this many of a minute's calls may come at once; the rest is spread over the minute.
/// A tenth lets a short sync (structure, two pages, a few writes) run without waiting and leaves
/// other programs on the licence room.
const BURST_SHARE: u32 = 10;

/// A longer wait than this is not worth holding a run for: what Actito asks beyond it is cut.
pub(super) const LONGEST_HOLD: Duration = Duration::from_secs(120);

/// The budget, shared by everything that calls Actito with one key.
#[derive(Debug)]
pub struct Limits {
    pace: RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<std::time::Instant>>,
    slots: Semaphore,
    /// Nothing starts before this; written when Actito asks to wait, under its lock.
    held_until: Mutex<Option<Instant>>,
}

impl Limits {
    /// A budget of `calls_per_minute` with `concurrency` at once; zero counts as one.
    pub fn new(calls_per_minute: u32, concurrency: usize) -> Self {
        Self {
            pace: RateLimiter::direct_with_clock(quota(calls_per_minute), MonotonicClock),
            slots: Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            held_until: Mutex::new(None),
        }
    }

    /// Waits for a place; the call must start right after and keep the permit until it is answered.
    pub async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        // The slot comes first: calls that passed the pace and then queued would start in a burst.
        let permit = self.slots.acquire().await.ok();
        self.sit_out_hold().await;
        while let Err(not_until) = self.pace.check() {
            tokio::time::sleep(not_until.wait_time_from(MonotonicClock.now())).await;
        }
        permit
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

/// A small burst `b`, and the rest of the minute's calls spread evenly: `b + (n − b)` in any 60 s.
fn quota(calls_per_minute: u32) -> Quota {
    let calls = calls_per_minute.max(1);
    let burst = NonZeroU32::new(calls / BURST_SHARE).unwrap_or(NonZeroU32::MIN);
    let spread = (calls - burst.get()).max(1);
    // Rounded up to whole nanoseconds, so that rounding never lets one more call into the minute.
    let nanos = 60_000_000_000_u64.div_ceil(u64::from(spread)) + 1;
    let every = Duration::from_nanos(nanos);
    Quota::with_period(every).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    /// Milliseconds at which calls start when a caller asks every millisecond for two minutes and more.
    fn starts(calls_per_minute: u32) -> Vec<u64> {
        let clock = FakeRelativeClock::default();
        let limiter = RateLimiter::direct_with_clock(quota(calls_per_minute), clock.clone());
        let mut starts = Vec::new();
        for millis in 0..150_000 {
            while limiter.check().is_ok() {
                starts.push(millis);
            }
            clock.advance(Duration::from_millis(1));
        }
        starts
    }

    fn busiest_minute(starts: &[u64]) -> usize {
        let in_minute_from =
            |first: usize| starts[first..].iter().take_while(|at| **at < starts[first] + 60_000).count();
        (0..starts.len()).map(in_minute_from).max().unwrap_or(0)
    }

    #[test]
    fn the_default_budget_is_nearly_used_and_never_exceeded() {
        let busiest = busiest_minute(&starts(90));
        assert!((89..=90).contains(&busiest), "{busiest}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn no_minute_ever_exceeds_the_budget(calls_per_minute in 2_u32..3000) {
            prop_assert!(busiest_minute(&starts(calls_per_minute)) <= calls_per_minute as usize);
        }
    }

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
}
