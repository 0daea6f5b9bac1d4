//! Deciding how to write, and writing one by one.

use super::{Ask, Build, Engine, Memo, Stage, Written};
use crate::clock::Timestamp;
use crate::sync::plan::Change;
use crate::sync::planner::{Decision, Quotas, decide};

/// After this many rows in a row that failed as if Actito were down, it is. Each was tried several
/// times by then.
pub(super) const GIVE_UP_AFTER: u32 = 10;

/// Rows taken from the spool at once for single writes: a few rounds of calls.
const ROWS_AHEAD: usize = 64;

impl Engine {
    pub(super) fn decide(&mut self, quotas: Quotas, now: Timestamp, asks: &mut Vec<Ask>) {
        self.busy = false;
        let quotas = if self.no_imports { Quotas { imports_left: 0, ..quotas } } else { quotas };
        self.quotas = Some(quotas);
        if self.settings.dry_run {
            return self.would_spend(&quotas, now);
        }
        let ended = self.reading.ended;
        match decide(self.backlog.need(self.singly, !ended), &quotas, now) {
            Decision::Singles(rows) => self.write_singly(rows, false),
            Decision::Clear(rows) => self.write_singly(rows, true),
            Decision::Import(_) if !self.imports.is_empty() => self.stage = Stage::Holding,
            Decision::Import(rows) => self.stage = Stage::Building(Build::of(rows)),
            Decision::ReadOn => {
                self.postpone_checkpoint();
                self.stage = Stage::Reading;
            }
            Decision::Wait { until } => self.wait_until(until, 0),
            Decision::Done if ended && !self.reading.complete => self.stage = Stage::Stragglers,
            Decision::Done if ended => self.stage = Stage::Waiting,
            Decision::Done => {
                self.checkpoint(asks);
                self.stage = Stage::Reading;
            }
        }
    }

    fn write_singly(&mut self, rows: u64, clears: bool) {
        self.singly += rows;
        self.stage = Stage::Singles { left: rows, clears };
    }

    /// Leaves the rest for another day.
    pub(super) fn wait_until(&mut self, until: Timestamp, unsent: u64) {
        self.summary.wait_until(until, unsent + self.backlog.len());
        self.backlog.clear();
        self.left_over = true;
        self.stage = Stage::Waiting;
    }

    /// Takes rows from the spool while there are too few ahead; `true` when all are written.
    pub(super) fn refill_singles(&mut self, left: u64, clears: bool, asks: &mut Vec<Ask>) -> bool {
        match if clears { self.backlog.to_clear() } else { self.backlog.first() } {
            Some(lane) if left > 0 => {
                if self.singles.len() < self.settings.concurrency {
                    let rows = ROWS_AHEAD.min(usize::try_from(left).unwrap_or(ROWS_AHEAD));
                    self.ask_of_stage(Ask::Unspool(lane, rows), asks);
                }
                false
            }
            _ if self.is_quiet() => {
                self.stage = Stage::Deciding;
                true
            }
            _ => false,
        }
    }

    /// Rows came back from the spool: those that are still wanted go where the stage needs them.
    pub(super) fn unspooled(&mut self, changes: Vec<Change>, asks: &mut Vec<Ask>) {
        self.busy = false;
        if changes.is_empty() {
            // The spool ended before the count of what is in it: nothing is lost, the next run sees it.
            self.backlog.clear();
        }
        let mut wanted: Vec<Change> = changes.into_iter().filter(|change| self.backlog.take(change)).collect();
        match &mut self.stage {
            Stage::Singles { left, .. } => {
                *left = left.saturating_sub(wanted.len() as u64);
                wanted.sort_by_key(|change| change.failures);
                self.singles.extend(wanted);
                self.pump_puts(asks);
            }
            Stage::Building(_) => {
                wanted.retain(|change| !self.sent.contains_key(&change.id));
                self.pack(wanted, asks);
            }
            _ => {}
        }
    }

    /// Keeps every free place busy with a single write.
    pub(super) fn pump_puts(&mut self, asks: &mut Vec<Ask>) {
        while self.has_place() && self.halt.is_none() {
            let urgent = self.urgent.puts.pop_front();
            let is_urgent = urgent.is_some();
            let Some(change) = urgent.or_else(|| self.singles.pop_front()) else { return };
            let fingerprint = change.stamp().fingerprint;
            // What was seen earlier gives way to what a hint made us look at later.
            let done = match self.sent.get(&change.id) {
                Some(sent) if is_urgent => *sent == fingerprint,
                sent => sent.is_some(),
            };
            if done {
                let hint = self.hint_behind(change.id, false);
                self.remember(hint.into_iter().collect(), asks);
                continue;
            }
            self.sent.insert(change.id, fingerprint);
            self.puts += 1;
            self.call(Ask::Put(change), asks);
        }
    }

    pub(super) fn put_ended(&mut self, change: &Change, written: Written, asks: &mut Vec<Ask>) {
        self.calls -= 1;
        self.puts -= 1;
        let mut memos = Vec::with_capacity(2);
        let mut keep_hint = false;
        match written {
            Written::Confirmed => {
                self.failed_in_a_row = 0;
                self.summary.done(change);
                memos.push(Memo::Confirm(change.id, change.stamp()));
            }
            Written::Gone => {
                self.failed_in_a_row = 0;
                self.summary.gone += 1;
                memos.push(Memo::Forget(change.id));
            }
            Written::Failed(error) => {
                keep_hint = error.is_transient();
                self.summary.failed(change.id, error.kind());
                memos.push(Memo::Fail(change.id, error.kind()));
                self.count_failure(error);
            }
        }
        memos.extend(self.hint_behind(change.id, keep_hint));
        self.remember(memos, asks);
    }
}
