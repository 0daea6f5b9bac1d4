//! Actito's documented limits: 100 calls a minute, slower beyond that; 5 calls at once, 429 beyond.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::locked;
use crate::clock::Timestamp;

/// Calls a minute at full speed.
pub(super) const CALLS_PER_MINUTE: usize = 100;
/// Calls at once.
pub(super) const CONCURRENT: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// Longest that one call is slowed (assumed): below any sensible client's timeout.
const MAX_SLOWED: Duration = Duration::from_secs(20);
/// Calls remembered for the busiest minute; beyond it that number stands still.
const MAX_REMEMBERED: usize = 100_000;

/// The meter of one licence. Shared by all calls.
#[derive(Default)]
pub(super) struct Limits {
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
}

/// A call's place; given back when dropped, also when the client goes away.
pub(super) struct UnderWay<'a> {
    limits: &'a Limits,
    /// Whether the call is one of the [`CONCURRENT`] that are let in.
    pub(super) admitted: bool,
}

impl Limits {
    /// Counts a call in.
    pub(super) fn enter(&self) -> UnderWay<'_> {
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak_under_way.fetch_max(now, Ordering::Relaxed);
        UnderWay { limits: self, admitted: now <= CONCURRENT }
    }

    /// How long an admitted call that comes `now` has to wait, in sandbox time: until a minute has
    /// passed since the hundredth call before it.
    pub(super) fn pace(&self, now: Timestamp) -> Duration {
        let mut minute = locked(&self.minute);
        minute.arrive(now);
        let free_at = match minute.served.front() {
            Some(first) if minute.served.len() >= CALLS_PER_MINUTE => first.after(MINUTE),
            _ => now,
        };
        let wait = free_at.since(now).min(MAX_SLOWED);
        if minute.served.len() >= CALLS_PER_MINUTE {
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
        let (limits, start) = (Limits::default(), Timestamp::from_secs(1000));
        for _ in 0..CALLS_PER_MINUTE {
            assert_eq!(limits.pace(start), Duration::ZERO);
        }
        assert_eq!(limits.pace(start.after(Duration::from_secs(50))), Duration::from_secs(10));
        assert_eq!(limits.pace(start), MAX_SLOWED);
        assert_eq!(limits.busiest_minute(), (CALLS_PER_MINUTE + 2, 2));
        assert_eq!(limits.pace(start.after(Duration::from_secs(120))), Duration::ZERO);
    }

    #[test]
    fn the_sixth_call_at_once_is_not_admitted_until_one_ends() {
        let limits = Limits::default();
        let mut calls: Vec<_> = (0..CONCURRENT).map(|_| limits.enter()).collect();
        assert!(calls.iter().all(|call| call.admitted));
        assert!(!limits.enter().admitted);
        calls.pop();
        assert!(limits.enter().admitted);
        assert_eq!(limits.peak_under_way(), CONCURRENT + 1);
    }
}
