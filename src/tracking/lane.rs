//! The way to one account: its events in memory, its calls under way, its breaker. Pure.

use std::collections::VecDeque;

use super::breaker::{Breaker, Limits, Permit};
use crate::clock::Timestamp;
use crate::store::outbox::{Fate, Waiting};

/// Calls under way to one account when little waits: enough to keep up with a trickle.
const FEWEST_CALLS: u64 = 8;
/// Calls under way at most: 512 at 50 ms each are 10,000 events a second.
pub(super) const MOST_CALLS: u64 = 512;
/// One call more for this many events that wait.
const EVENTS_A_CALL: u64 = 4;

pub(super) struct Lane {
    pub(super) breaker: Breaker,
    /// Leased and not yet sent, those due first first.
    pub(super) ready: VecDeque<Waiting>,
    /// Events that waited in the store at the last look.
    pub(super) backlog: u64,
    /// The last look found as much as there was room for: there may be more.
    pub(super) more: bool,
    /// Calls under way.
    pub(super) calls: u64,
}

/// What to do next for an account.
pub(super) enum Next {
    Send {
        row: Waiting,
        probe: bool,
    },
    /// It is too old to be sent.
    Expire(Waiting),
}

impl Lane {
    pub(super) fn new(limits: Limits) -> Self {
        Self { breaker: Breaker::new(limits), ready: VecDeque::new(), backlog: 0, more: false, calls: 0 }
    }

    /// How many calls may be under way: more with a longer backlog.
    pub(super) fn window(&self) -> u64 {
        (self.backlog / EVENTS_A_CALL).clamp(FEWEST_CALLS, MOST_CALLS)
    }

    /// How many more events to take from the store: two windows full are kept at hand, and none is looked for among
    /// those that are leased before one window is used up.
    pub(super) fn room(&self) -> usize {
        if self.more && !self.is_low() {
            return 0;
        }
        (self.window() as usize * 2).saturating_sub(self.ready.len())
    }

    /// Whether a look would find something to do at once.
    pub(super) fn is_hungry(&self) -> bool {
        self.more && self.breaker.open_since().is_none() && self.is_low()
    }

    fn is_low(&self) -> bool {
        (self.ready.len() as u64) < self.window()
    }

    /// Whether there is something to do that may be done now.
    pub(super) fn is_free(&self, now: Timestamp) -> bool {
        let may_call = match self.breaker.open_since() {
            None => self.calls < self.window(),
            Some(_) => self.breaker.next_probe().is_some_and(|probe| probe <= now),
        };
        may_call && !self.ready.is_empty()
    }

    /// The next thing to do, if anything may be done now. `oldest` is the age limit as a time: what
    /// happened before has expired.
    pub(super) fn next(&mut self, now: Timestamp, oldest: Timestamp) -> Option<Next> {
        if !self.is_free(now) {
            return None;
        }
        if self.ready.front()?.since < oldest {
            return self.ready.pop_front().map(Next::Expire);
        }
        let probe = match self.breaker.permit(now) {
            Permit::Send => false,
            Permit::Probe => true,
            Permit::Hold => return None,
        };
        self.calls += 1;
        self.ready.pop_front().map(|row| Next::Send { row, probe })
    }

    /// What becomes of an event whose call failed: `dead` unless the breaker is open (then it waits),
    /// else another try at `due`, unless it will be too old by then.
    pub(super) fn fate_of_failed(&self, dead: Option<&'static str>, due: Timestamp, expires: Timestamp) -> Fate {
        match dead {
            _ if self.breaker.open_since().is_some() => Fate::Retry { due },
            Some(reason) => Fate::Dead(reason),
            None if due >= expires => Fate::Dead(EXPIRED),
            None => Fate::Retry { due },
        }
    }
}

/// Given up because of its age.
pub(super) const EXPIRED: &str = "expired";
/// Given up because Raptor refused it.
pub(super) const REJECTED: &str = "rejected";

/// An open that waits.
#[cfg(test)]
pub(super) fn waiting(seq: i64, account: &str, since: Timestamp) -> Waiting {
    Waiting { seq, attempts: 0, since, event: crate::store::Event::of_nobody(account, since) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

    fn row(seq: i64, since: Timestamp) -> Waiting {
        waiting(seq, "1234", since)
    }

    #[test]
    fn the_window_follows_the_backlog() {
        let mut lane = Lane::new(Limits::default());
        for (backlog, window) in [(0, 8), (32, 8), (100, 25), (2048, 512), (10_000_000, 512)] {
            lane.backlog = backlog;
            assert_eq!(lane.window(), window);
        }
    }

    #[test]
    fn what_is_too_old_is_not_sent() {
        let mut lane = Lane::new(Limits::default());
        lane.ready.extend([row(1, NOW.before(Duration::from_secs(9))), row(2, NOW)]);
        let oldest = NOW.before(Duration::from_secs(5));
        assert!(matches!(lane.next(NOW, oldest), Some(Next::Expire(row)) if row.seq == 1));
        assert!(matches!(lane.next(NOW, oldest), Some(Next::Send { row, probe: false }) if row.seq == 2));
        assert!(lane.next(NOW, oldest).is_none());
    }

    #[test]
    fn an_open_breaker_keeps_everything_waiting() {
        let mut lane = Lane::new(Limits::default());
        lane.ready.extend((0..9).map(|seq| row(seq, NOW)));
        let dead = Fate::Dead(REJECTED);
        assert_eq!(lane.fate_of_failed(Some(REJECTED), NOW, NOW), dead);
        (0..20).for_each(|_| lane.breaker.failed(NOW, false));
        assert!(lane.next(NOW, NOW).is_none());
        assert_eq!(lane.fate_of_failed(Some(REJECTED), NOW, NOW), Fate::Retry { due: NOW });
        let later = NOW.after(Duration::from_secs(1));
        assert!(matches!(lane.next(later, NOW), Some(Next::Send { probe: true, .. })));
        assert!(lane.next(later, NOW).is_none());
    }
}
