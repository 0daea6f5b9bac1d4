//! Actito's limits on calls: so many a minute, slower beyond that; so many at once, 429 beyond.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::sandbox::locked;
use crate::sandbox::options::Limits as Numbers;

const MINUTE: Duration = Duration::from_secs(60);
/// Longest that one call is slowed (assumed): below any sensible client's timeout.
const MAX_SLOWED: Duration = Duration::from_secs(20);
/// Calls remembered for the busiest minute; beyond it that number stands still.
const MAX_REMEMBERED: usize = 100_000;
/// Minutes of the clock whose calls are remembered: more than a day.
const MAX_MINUTES: usize = 2_000;

/// The meter of one licence. Shared by all calls.
pub(super) struct Limits {
    numbers: Numbers,
    under_way: AtomicUsize,
    peak_under_way: AtomicUsize,
    minute: Mutex<Minute>,
}

#[derive(Default)]
struct Minute {
    /// When the last calls at full speed were, or will be, served.
    served: VecDeque<Timestamp>,
    /// When the calls of the last minute came.
    arrived: VecDeque<Timestamp>,
    busiest: usize,
    slowed: u64,
    /// Calls by minute of the clock, in seconds since 1970.
    by_minute: BTreeMap<u64, u64>,
}

/// A call's place; given back when dropped, also when the client goes away.
pub(super) struct UnderWay<'a> {
    limits: &'a Limits,
    /// Whether the call is one of those that are let in.
    pub(super) admitted: bool,
}

impl Limits {
    pub(super) fn new(numbers: Numbers) -> Self {
        Self { numbers, under_way: AtomicUsize::new(0), peak_under_way: AtomicUsize::new(0), minute: Mutex::default() }
    }

    /// Counts a call in.
    pub(super) fn enter(&self) -> UnderWay<'_> {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_under_way.fetch_max(now, Ordering::Relaxed);
        UnderWay { limits: self, admitted: now <= self.numbers.concurrent }
    }

    /// How long an admitted call that comes `now` has to wait, in sandbox time: until a minute has
    /// passed since the hundredth call before it.
    pub(super) fn pace(&self, now: Timestamp) -> Duration {
        let mut minute = locked(&self.minute);
        minute.arrive(now);
        let free_at = match minute.served.front() {
            Some(first) if minute.served.len() >= self.numbers.calls_per_minute => first.after(MINUTE),
            _ => now,
        };
        let wait = free_at.since(now).min(MAX_SLOWED);
        if minute.served.len() >= self.numbers.calls_per_minute {
            minute.served.pop_front();
        }
        minute.served.push_back(now.after(wait));
        minute.slowed += u64::from(!wait.is_zero());
        wait
    }

    /// Most calls at once so far, with those that were refused.
    pub(super) fn peak_under_way(&self) -> usize {
        self.peak_under_way.load(Ordering::Relaxed)
    }

    /// Most calls in any minute of sandbox time so far, and how many calls were slowed.
    pub(super) fn busiest_minute(&self) -> (usize, u64) {
        let minute = locked(&self.minute);
        (minute.busiest, minute.slowed)
    }

    /// Calls by minute of the clock, as its beginning in seconds since 1970.
    pub(super) fn by_minute(&self) -> BTreeMap<u64, u64> {
        locked(&self.minute).by_minute.clone()
    }
}

impl Minute {
    fn arrive(&mut self, now: Timestamp) {
        while self.arrived.front().is_some_and(|first| now.since(*first) >= MINUTE) {
            self.arrived.pop_front();
        }
        if self.arrived.len() < MAX_REMEMBERED {
            self.arrived.push_back(now);
        }
        self.busiest = self.busiest.max(self.arrived.len());
        *self.by_minute.entry(now.secs() - now.secs() % 60).or_default() += 1;
        if self.by_minute.len() > MAX_MINUTES {
            self.by_minute.pop_first();
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.limits.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_calls_are_fast_and_the_next_one_waits_for_the_first_to_age() {
        let (limits, start) = (Limits::new(Numbers::default()), Timestamp::from_secs(960));
        for _ in 0..100 {
            assert_eq!(limits.pace(start), Duration::ZERO);
        }
        assert_eq!(limits.pace(start.after(Duration::from_secs(50))), Duration::from_secs(10));
        assert_eq!(limits.pace(start), MAX_SLOWED);
        assert_eq!(limits.busiest_minute(), (102, 2));
        assert_eq!(limits.pace(start.after(Duration::from_secs(120))), Duration::ZERO);
        assert_eq!(limits.by_minute(), BTreeMap::from([(960, 102), (1080, 1)]));
    }

    #[test]
    fn the_sixth_call_at_once_is_not_admitted_until_one_ends() {
        let limits = Limits::new(Numbers::default());
        let mut calls: Vec<_> = (0..5).map(|_| limits.enter()).collect();
        assert!(calls.iter().all(|call| call.admitted));
        assert!(!limits.enter().admitted);
        calls.pop();
        assert!(limits.enter().admitted);
        assert_eq!(limits.peak_under_way(), 6);
    }
}
