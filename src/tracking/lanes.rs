//! What is between a look into the outbox and an ack on disk, of all accounts. Pure, but that it counts.
//!
//! A lease is a row's number in `leased`: from the look that found it until its ack is on disk. After
//! the ack is on disk a crash repeats nothing.

use std::collections::{BTreeMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::counters::LaneStatus;
use super::lane::{EXPIRED, Lane, Next, REJECTED};
use super::{Counters, Settings};
use crate::clock::Timestamp;
use crate::raptor::Verdict;
use crate::store::outbox::{Ack, Fate, Waiting};

/// Results that may wait for being written: beyond that no call is started, because each of them
/// would be repeated after a crash.
const MOST_UNWRITTEN: usize = 4096;

pub(super) struct Lanes {
    settings: Settings,
    counters: Arc<Counters>,
    by_account: BTreeMap<String, Lane>,
    /// Rows that are ready, under way, or settled but not yet written as such.
    leased: HashSet<i64>,
    acks: Vec<Ack>,
    turns: Vec<Turn>,
}

/// What a look found of one account.
pub(super) struct Found {
    pub(super) account: String,
    pub(super) backlog: u64,
    pub(super) rows: Vec<Waiting>,
    /// It filled the room there was.
    pub(super) more: bool,
}

/// What to look for.
pub(super) struct Wanted {
    /// How many rows of each account.
    room: BTreeMap<String, usize>,
    /// How many of an account that was not seen before.
    fresh: usize,
    /// Rows that are known.
    pub(super) leased: HashSet<i64>,
}

impl Wanted {
    /// How many rows of this account.
    pub(super) fn room(&self, account: &str) -> usize {
        self.room.get(account).copied().unwrap_or(self.fresh)
    }
}

/// A call to make, of which [`Lanes::called`] must hear.
pub(super) struct Call {
    pub(super) row: Waiting,
    probe: bool,
}

/// An account begins to be held back, or ends to be.
pub(super) struct Turn {
    pub(super) account: String,
    pub(super) since: Option<Timestamp>,
    /// What Raptor answered last.
    pub(super) answer: String,
}

/// What there is to do beside calls.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Chores {
    /// Acks wait for being written.
    pub(super) acks: bool,
    /// A look would find something to send at once.
    pub(super) hungry: bool,
    /// Accounts began to be held back, or ended to be.
    pub(super) turns: bool,
    /// A probe of an account that has something to send will be due then.
    pub(super) probe: Option<Timestamp>,
}

impl Lanes {
    pub(super) fn new(settings: Settings, counters: Arc<Counters>) -> Self {
        let (by_account, leased) = (BTreeMap::new(), HashSet::new());
        Self { settings, counters, by_account, leased, acks: Vec::new(), turns: Vec::new() }
    }

    pub(super) fn wanted(&self) -> Wanted {
        let room = self.by_account.iter().map(|(account, lane)| (account.clone(), lane.room()));
        Wanted { room: room.collect(), fresh: Lane::new(self.settings.breaker).room(), leased: self.leased.clone() }
    }

    pub(super) fn take_in(&mut self, found: Vec<Found>) {
        self.by_account.values_mut().for_each(|lane| (lane.backlog, lane.more) = (0, false));
        for Found { account, backlog, rows, more } in found {
            let lane = self.by_account.entry(account).or_insert_with(|| Lane::new(self.settings.breaker));
            (lane.backlog, lane.more) = (backlog, more);
            self.leased.extend(rows.iter().map(|row| row.seq));
            lane.ready.extend(rows);
        }
    }

    /// The next call, of that account with the fewest under way. Whom `is_withheld` says is passed over: those rows are
    /// about to be deleted, and until then they stay leased, so that no look finds them again in the place of others.
    pub(super) fn next(
        &mut self,
        now: Timestamp,
        most_calls: u64,
        is_withheld: impl Fn(&Waiting) -> bool,
    ) -> Option<Call> {
        let oldest = now.before(self.settings.max_age);
        for lane in self.by_account.values_mut() {
            while lane.ready.pop_front_if(|row| is_withheld(row)).is_some() {}
        }
        while self.calls() < most_calls && self.acks.len() < MOST_UNWRITTEN {
            let free = self.by_account.values_mut().filter(|lane| lane.is_free(now));
            match free.min_by_key(|lane| lane.calls)?.next(now, oldest)? {
                Next::Expire(row) => self.settle(row, Fate::Dead(EXPIRED), None),
                Next::Send { row, probe } => {
                    self.counters.in_flight.fetch_add(1, Ordering::Relaxed);
                    return Some(Call { row, probe });
                }
            }
        }
        None
    }

    /// What became of a call: `None` when it was not made, because of whom it would have named. `luck`, from 0 to 1,
    /// decides how long another try waits.
    pub(super) fn called(&mut self, call: Call, verdict: Option<Verdict>, now: Timestamp, luck: f64) {
        self.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Call { row, probe } = call;
        let Some(lane) = self.by_account.get_mut(&row.event.account) else { return };
        lane.calls -= 1;
        let Some(verdict) = verdict else {
            // A probe must be answered for; the next one will do.
            if probe {
                lane.breaker.failed(now, probe);
            }
            return;
        };
        let held = lane.breaker.open_since();
        match verdict {
            Verdict::Delivered(_) => lane.breaker.succeeded(),
            _ => lane.breaker.failed(now, probe),
        }
        let since = lane.breaker.open_since();
        let (fate, answer) = judge(lane, &self.settings, &row, verdict, now, luck);
        if held.is_some() != since.is_some() {
            self.turns.push(Turn { account: row.event.account.clone(), since, answer: answer.clone() });
        }
        self.settle(row, fate, Some(answer));
    }

    fn settle(&mut self, row: Waiting, fate: Fate, answer: Option<String>) {
        self.counters.count_fate(fate);
        self.acks.push(Ack { seq: row.seq, account: row.event.account, fate, answer });
    }

    /// Calls under way.
    pub(super) fn calls(&self) -> u64 {
        self.by_account.values().map(|lane| lane.calls).sum()
    }

    pub(super) fn chores(&self) -> Chores {
        let lanes = || self.by_account.values();
        let waiting = lanes().filter(|lane| !lane.ready.is_empty());
        Chores {
            acks: !self.acks.is_empty(),
            hungry: lanes().any(Lane::is_hungry),
            turns: !self.turns.is_empty(),
            probe: waiting.filter_map(|lane| lane.breaker.next_probe()).min(),
        }
    }

    pub(super) fn take_turns(&mut self) -> Vec<Turn> {
        mem::take(&mut self.turns)
    }

    pub(super) fn take_acks(&mut self) -> Vec<Ack> {
        mem::take(&mut self.acks)
    }

    /// Acks that could not be written.
    pub(super) fn keep(&mut self, acks: Vec<Ack>) {
        self.acks.extend(acks);
    }

    /// Acks that are on disk.
    pub(super) fn release(&mut self, acks: &[Ack]) {
        for ack in acks {
            self.leased.remove(&ack.seq);
        }
    }

    pub(super) fn status(&self) -> Vec<LaneStatus> {
        let status = self.by_account.iter().map(|(account, lane)| LaneStatus {
            account: account.clone(),
            waiting: lane.backlog,
            held: lane.breaker.open_since().is_some(),
        });
        status.collect()
    }
}

/// What becomes of an event after its answer, which the lane's breaker has heard already.
fn judge(
    lane: &Lane,
    settings: &Settings,
    row: &Waiting,
    verdict: Verdict,
    now: Timestamp,
    luck: f64,
) -> (Fate, String) {
    let due = now.after(settings.retry.delay(row.attempts + 1, luck));
    let expires = row.since.after(settings.max_age);
    match verdict {
        Verdict::Delivered(status) => (Fate::Delivered, status.to_string()),
        Verdict::Rejected(status) => (lane.fate_of_failed(Some(REJECTED), due, expires), status.to_string()),
        Verdict::Retry { answer, after } => {
            let due = due.max(now.after(after.unwrap_or_default()));
            (lane.fate_of_failed(None, due, expires), answer)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tracking::lane::waiting;

    const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

    /// Of two accounts, with so many events each.
    fn lanes(events: [usize; 2]) -> Lanes {
        let hour = Duration::from_secs(3600);
        let mut lanes = Lanes::new(Settings::new(hour, hour), Arc::default());
        let found = [("1", 0), ("2", 1000)].into_iter().zip(events).map(|((account, first), events)| {
            let rows = (first..).take(events).map(|seq| waiting(seq, account, NOW));
            Found { account: account.into(), backlog: 100 * events as u64, rows: rows.collect(), more: false }
        });
        lanes.take_in(found.collect());
        lanes
    }

    fn next(lanes: &mut Lanes, now: Timestamp) -> Option<Call> {
        lanes.next(now, 6, |_| false)
    }

    fn account(call: &Call) -> &str {
        &call.row.event.account
    }

    #[test]
    fn accounts_take_turns() {
        let mut lanes = lanes([4, 4]);
        let mut calls: Vec<Call> = (0..6).filter_map(|_| next(&mut lanes, NOW)).collect();
        assert!(next(&mut lanes, NOW).is_none(), "no more than there may be");
        assert_eq!(calls.iter().map(account).collect::<Vec<_>>(), ["1", "2", "1", "2", "1", "2"]);
        lanes.called(calls.remove(0), Some(Verdict::Delivered(200)), NOW, 0.5);
        assert_eq!(account(&next(&mut lanes, NOW).unwrap()), "1");
    }

    #[test]
    fn an_account_that_is_held_back_holds_no_other() {
        let mut lanes = lanes([40, 40]);
        let limits = lanes.settings.breaker;
        let held = &mut lanes.by_account.get_mut("1").unwrap().breaker;
        (0..limits.failures).for_each(|_| held.failed(NOW, false));
        assert_eq!(account(&next(&mut lanes, NOW).unwrap()), "2");
        let due = lanes.chores().probe.unwrap();
        let probe = next(&mut lanes, due).unwrap();
        assert_eq!((account(&probe), probe.probe), ("1", true));
        assert_eq!(account(&next(&mut lanes, due).unwrap()), "2");
        lanes.called(probe, None, due, 0.5);
        assert!(lanes.chores().probe.unwrap() > due, "a probe that was not made is followed by another");
    }

    #[test]
    fn the_turn_of_an_account_is_told_once() {
        let mut lanes = lanes([40, 0]);
        let calls: Vec<Call> = (0..30).filter_map(|_| lanes.next(NOW, 30, |_| false)).collect();
        for call in calls {
            lanes.called(call, Some(Verdict::Rejected(403)), NOW, 0.5);
        }
        let turns = lanes.take_turns();
        assert!(turns.len() == 1 && turns[0].since == Some(NOW) && turns[0].answer == "403");
        assert!(!lanes.chores().turns);
    }

    #[test]
    fn a_row_is_leased_until_its_ack_is_on_disk() {
        let mut lanes = lanes([1, 0]);
        let call = next(&mut lanes, NOW).unwrap();
        lanes.called(call, Some(Verdict::Delivered(200)), NOW, 0.5);
        for _ in 0..2 {
            let acks = lanes.take_acks();
            assert!(lanes.wanted().leased.contains(&0) && !lanes.chores().acks);
            lanes.keep(acks);
        }
        let acks = lanes.take_acks();
        lanes.release(&acks);
        assert!(lanes.wanted().leased.is_empty());
    }

    #[test]
    fn who_is_withheld_is_passed_over_and_stays_leased() {
        let mut lanes = lanes([3, 0]);
        let call = lanes.next(NOW, 6, |row| row.seq < 2).unwrap();
        assert_eq!(call.row.seq, 2);
        assert!(lanes.wanted().leased.contains(&0));
    }
}
