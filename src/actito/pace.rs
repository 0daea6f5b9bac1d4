//! How many calls may start: a small burst, and the rest of the minute's calls spread evenly.
//!
//! Promise: in no window of 60 seconds do more than `calls_per_minute` calls start, also over a restart
//! when the last minute's number is handed on. The clock is an argument.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// One part in this many of a minute's calls may come at once; the rest is spread over the minute.
/// A tenth lets a short sync (structure, two pages, a few writes) run without waiting and leaves
/// other programs on the licence room.
const BURST_SHARE: u32 = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// The pace of one kind of calls.
#[derive(Debug)]
pub(super) struct Pace<C: Clock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    calls_per_minute: u32,
    /// When the calls of the last minute started: never more than `calls_per_minute`. Written by every
    /// call that starts, under its lock.
    starts: Mutex<VecDeque<C::Instant>>,
}

impl<C: Clock> Pace<C> {
    /// A pace of `calls_per_minute`; zero counts as one.
    pub(super) fn new(calls_per_minute: u32, clock: C) -> Self {
        let calls_per_minute = calls_per_minute.max(1);
        let limiter = RateLimiter::direct_with_clock(quota(calls_per_minute), clock);
        Self { limiter, calls_per_minute, starts: Mutex::default() }
    }

    pub(super) const fn calls_per_minute(&self) -> u32 {
        self.calls_per_minute
    }

    /// Starts a call now.
    ///
    /// # Errors
    /// How long to wait before asking again.
    pub(super) fn start(&self) -> Result<(), Duration> {
        match self.limiter.check() {
            Ok(()) => {
                self.note(1);
                Ok(())
            }
            Err(not_until) => Err(not_until.wait_time_from(self.limiter.clock().now())),
        }
    }

    /// Calls that started in the last 60 seconds.
    pub(super) fn spent(&self) -> u32 {
        self.note(0)
    }

    /// Takes over from a process that kept to the same pace and started `spent` calls in its last
    /// minute. What it had left of its burst is not known; a used burst on our side makes up for that:
    /// in any window its calls and ours stay inside one burst and one minute's spread.
    pub(super) fn resume(&self, spent: u32) {
        let spent = spent.min(self.calls_per_minute);
        if let Some(used) = NonZeroU32::new(spent.min(burst(self.calls_per_minute).get())) {
            // Taken from a full burst, it fits; from a used one, nothing is left to take.
            drop(self.limiter.check_n(used));
        }
        self.note(spent);
    }

    /// Notes calls that start now, and says how many started within a minute.
    fn note(&self, calls: u32) -> u32 {
        let now = self.limiter.clock().now();
        let mut starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        while starts.front().is_some_and(|start| Duration::from(now.duration_since(*start)) >= MINUTE) {
            starts.pop_front();
        }
        let room = (self.calls_per_minute as usize).saturating_sub(starts.len());
        starts.extend(std::iter::repeat_n(now, room.min(calls as usize)));
        u32::try_from(starts.len()).unwrap_or(u32::MAX)
    }
}

fn burst(calls_per_minute: u32) -> NonZeroU32 {
    NonZeroU32::new(calls_per_minute / BURST_SHARE).unwrap_or(NonZeroU32::MIN)
}

/// A small burst `b`, and the rest of the minute's calls spread evenly: `b + (n − b)` in any 60 s.
fn quota(calls_per_minute: u32) -> Quota {
    let burst = burst(calls_per_minute);
    let spread = (calls_per_minute - burst.get()).max(1);
    // Rounded up to whole nanoseconds, so that rounding never lets one more call into the minute.
    let nanos = 60_000_000_000_u64.div_ceil(u64::from(spread)) + 1;
    let every = Duration::from_nanos(nanos);
    Quota::with_period(every).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN)).allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    /// Milliseconds at which calls start when a caller asks every millisecond from `from` to `to`.
    fn starts(pace: &Pace<FakeRelativeClock>, from: u64, to: u64) -> Vec<u64> {
        let mut starts = Vec::new();
        for millis in from..to {
            while pace.start().is_ok() {
                starts.push(millis);
            }
            pace.limiter.clock().advance(Duration::from_millis(1));
        }
        starts
    }

    fn pace(calls_per_minute: u32) -> Pace<FakeRelativeClock> {
        Pace::new(calls_per_minute, FakeRelativeClock::default())
    }

    fn busiest_minute(starts: &[u64]) -> usize {
        let in_minute_from =
            |first: usize| starts[first..].iter().take_while(|at| **at < starts[first] + 60_000).count();
        (0..starts.len()).map(in_minute_from).max().unwrap_or(0)
    }

    #[test]
    fn the_default_budget_is_nearly_used_and_never_exceeded() {
        let busiest = busiest_minute(&starts(&pace(90), 0, 150_000));
        assert!((89..=90).contains(&busiest), "{busiest}");
    }

    #[test]
    fn what_was_spent_is_what_started_in_the_last_minute() {
        let pace = pace(90);
        assert_eq!(pace.spent(), 0);
        let started = starts(&pace, 0, 30_000).len();
        assert_eq!(pace.spent() as usize, started);
        pace.limiter.clock().advance(Duration::from_secs(60));
        assert_eq!(pace.spent(), 0);
    }

    #[test]
    fn after_a_restart_the_first_call_waits_only_when_the_burst_was_used() {
        let fresh = pace(90);
        fresh.resume(3);
        assert_eq!((fresh.spent(), starts(&fresh, 0, 1).len()), (3, 6));
        let busy = pace(90);
        busy.resume(90);
        assert!(busy.start().is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn no_minute_ever_exceeds_the_budget(calls_per_minute in 2_u32..3000) {
            prop_assert!(busiest_minute(&starts(&pace(calls_per_minute), 0, 150_000)) <= calls_per_minute as usize);
        }

        #[test]
        fn no_minute_exceeds_the_budget_over_a_restart(calls_per_minute in 2_u32..300, quiet in 0_u64..80, busy in 0_u64..80) {
            let (before, after) = (pace(calls_per_minute), pace(calls_per_minute));
            before.limiter.clock().advance(Duration::from_secs(quiet));
            let stop = busy * 1000;
            let mut all = starts(&before, 0, stop);
            after.resume(before.spent());
            all.extend(starts(&after, stop, stop + 130_000));
            prop_assert!(busiest_minute(&all) <= calls_per_minute as usize);
        }
    }
}
