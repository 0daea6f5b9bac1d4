//! Mass imports: made from the spool, sent, and asked about until each of their rows is settled.
//!
//! In this order, and each step is remembered before the next: rows pending, the quota spent, the file
//! sent, Actito's id. So whatever ends the run, the next one knows what to ask or to undo. What was sent
//! without an answer cannot be asked about: its rows count as failed and are looked at again, and its
//! place in the quota stays spent.

use std::time::Duration;

use super::{Ask, Engine, Failure, ImportKey, Leftover, Settled, Settlement, Stage};
use crate::actito::{Error, ImportId, ImportState};
use crate::backoff::Backoff;
use crate::clock::Timestamp;
use crate::sync::plan::Change;

/// The waits between two questions about an import. Most take minutes.
const POLL: Backoff = Backoff { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter: 0.0 };

/// The waits before a refused import is sent again.
const RESEND: Backoff = Backoff { first: Duration::from_secs(2), max: Duration::from_secs(60), jitter: 0.0 };

/// An import that is refused for so long is refused because the day's quota is gone, and not because too
/// much goes on at once.
const RESEND_FOR: Duration = Duration::from_secs(15 * 60);

/// When an import is refused for the day, a new run decides at once what goes without one.
const DECIDE_AGAIN: Duration = Duration::from_secs(60);

/// An import that runs longer than this has been lost: Actito says that large ones take minutes.
const LOST_AFTER: Duration = Duration::from_secs(30 * 60);

/// Rows taken from the spool at once for an import.
const ROWS_AHEAD: usize = 2000;

/// An import in the making.
#[derive(Debug)]
pub(super) struct Build {
    key: Option<ImportKey>,
    /// Rows that are still to be packed.
    left: u64,
    rows: u64,
    sent: bool,
}

impl Build {
    pub(super) const fn of(rows: u64) -> Self {
        Self { key: None, left: rows, rows: 0, sent: false }
    }
}

/// An import that is to be sent, under way, or to be settled.
#[derive(Debug)]
pub(super) struct Import {
    key: ImportKey,
    next: Next,
    /// Whether the next step is under way or waited for.
    busy: bool,
    pub(super) rows: u64,
    remote: Option<ImportId>,
    sent_at: Timestamp,
    tries: u32,
    waited: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Upload,
    Poll,
    Reject(u64),
    Settle(Settlement),
}

impl Import {
    /// What an earlier run left.
    pub(super) fn left_over(left: Leftover) -> Self {
        let next = match (&left.remote, left.sent_at) {
            (Some(_), _) => Next::Poll,
            (None, Some(_)) => Next::Settle(Settlement::Failed("import_unknown")),
            (None, None) => Next::Settle(Settlement::Undone),
        };
        let sent_at = left.sent_at.unwrap_or_default();
        Self {
            key: left.key,
            next,
            busy: false,
            rows: left.rows,
            remote: left.remote,
            sent_at,
            tries: 0,
            waited: Duration::ZERO,
        }
    }

    fn again(&mut self, backoff: Backoff, asks: &mut Vec<Ask>) {
        self.tries += 1;
        let wait = backoff.delay(self.tries, 0.5);
        self.waited += wait;
        self.busy = true;
        asks.push(Ask::Later(self.key, wait));
    }

    fn is_lost(&self, now: Timestamp) -> bool {
        // A clock that was set back does not make it younger than what we waited for it ourselves.
        now.since(self.sent_at).max(self.waited) >= LOST_AFTER
    }
}

impl Engine {
    pub(super) fn pump_imports(&mut self, asks: &mut Vec<Ask>) {
        for at in 0..self.imports.len() {
            let import = &self.imports[at];
            let ask = match (import.next, import.remote.clone()) {
                _ if import.busy => continue,
                (Next::Settle(settlement), _) => Ask::Settle(import.key, settlement),
                _ if !self.has_place() => continue,
                (Next::Upload, _) => Ask::Upload(import.key),
                (Next::Poll, Some(remote)) => Ask::Poll(import.key, remote),
                (Next::Reject(_), Some(remote)) => Ask::Reject(import.key, remote),
                (Next::Poll | Next::Reject(_), None) => continue,
            };
            self.imports[at].busy = true;
            match ask {
                Ask::Settle(..) => asks.push(ask),
                call => self.call(call, asks),
            }
        }
    }

    /// Takes the import in the making a step further; `true` when that changed the stage.
    pub(super) fn build(&mut self, asks: &mut Vec<Ask>) -> bool {
        let Stage::Building(build) = &self.stage else { return false };
        let uploading = self.imports.iter().any(|import| import.next == Next::Upload);
        let ask = match (build.key, self.backlog.first()) {
            (Some(_), _) if build.sent => {
                if !uploading {
                    self.stage = Stage::Deciding;
                }
                return !uploading;
            }
            (None, _) => Ask::Prepare,
            (Some(_), Some(lane)) if build.left > 0 => {
                Ask::Unspool(lane, ROWS_AHEAD.min(usize::try_from(build.left).unwrap_or(ROWS_AHEAD)))
            }
            (Some(key), _) if build.rows == 0 => {
                self.track(key, 0, Next::Settle(Settlement::Undone), Timestamp::default());
                self.pump_imports(asks);
                self.stage = Stage::Deciding;
                return true;
            }
            (Some(key), _) => Ask::Spend(key),
        };
        self.ask_of_stage(ask, asks);
        false
    }

    pub(super) fn prepared(&mut self, key: ImportKey) {
        self.busy = false;
        if let Stage::Building(build) = &mut self.stage {
            build.key = Some(key);
        }
    }

    pub(super) fn pack(&mut self, changes: Vec<Change>, asks: &mut Vec<Ask>) {
        let Stage::Building(Build { key: Some(key), left, rows, .. }) = &mut self.stage else { return };
        if changes.is_empty() {
            return;
        }
        let key = *key;
        *left = left.saturating_sub(changes.len() as u64);
        *rows += changes.len() as u64;
        self.ask_of_stage(Ask::Pack(key, changes), asks);
    }

    /// Rows are in the file; what it had no room for goes back.
    pub(super) fn packed(&mut self, over: Vec<Change>, asks: &mut Vec<Ask>) {
        self.busy = false;
        if over.is_empty() {
            return;
        }
        if let Stage::Building(build) = &mut self.stage {
            build.left = 0;
            build.rows = build.rows.saturating_sub(over.len() as u64);
        }
        over.iter().for_each(|change| self.backlog.add(change));
        self.ask_of_stage(Ask::Spool(over), asks);
    }

    pub(super) fn spent(&mut self, key: ImportKey, within: bool, now: Timestamp) {
        self.busy = false;
        let Stage::Building(build) = &mut self.stage else { return };
        let rows = build.rows;
        build.sent = true;
        if within {
            self.summary.imports += 1;
            return self.track(key, rows, Next::Upload, now);
        }
        // Somebody else spent the last one since we asked.
        self.track(key, 0, Next::Settle(Settlement::Undone), now);
        self.wait_until(now.after(DECIDE_AGAIN), rows);
    }

    fn track(&mut self, key: ImportKey, rows: u64, next: Next, sent_at: Timestamp) {
        let import = Import { key, next, busy: false, rows, remote: None, sent_at, tries: 0, waited: Duration::ZERO };
        self.imports.push(import);
    }

    pub(super) fn uploaded(
        &mut self,
        key: ImportKey,
        result: Result<ImportId, Error>,
        now: Timestamp,
        asks: &mut Vec<Ask>,
    ) {
        self.calls -= 1;
        let Some(import) = self.imports.iter_mut().find(|import| import.key == key) else { return };
        match result {
            Ok(remote) => {
                (import.remote, import.next) = (Some(remote), Next::Poll);
                (import.tries, import.waited) = (0, Duration::ZERO);
                import.again(POLL, asks);
            }
            Err(error @ (Error::Throttled { .. } | Error::Connection { .. }))
                if import.waited + error.retry_after().unwrap_or_default() < RESEND_FOR =>
            {
                import.again(RESEND, asks);
            }
            Err(Error::Throttled { .. }) => {
                let rows = import.rows;
                asks.push(Ask::DayIsSpent);
                self.settle(key, Settlement::Undone, asks);
                self.wait_until(now.after(DECIDE_AGAIN), rows);
            }
            Err(error) if error.may_have_arrived() => {
                self.settle(key, Settlement::Failed("import_unknown"), asks);
            }
            Err(error) => {
                self.no_imports = true;
                self.settle(key, Settlement::Failed(error.kind()), asks);
                if error.concerns_all() {
                    self.fail(Failure::Actito(error));
                }
            }
        }
    }

    pub(super) fn polled(
        &mut self,
        key: ImportKey,
        result: Result<ImportState, Error>,
        now: Timestamp,
        asks: &mut Vec<Ask>,
    ) {
        self.calls -= 1;
        self.urgent.look();
        let Some(import) = self.imports.iter_mut().find(|import| import.key == key) else { return };
        match result {
            Ok(ImportState::Done { rejected: 0 }) => self.settle(key, Settlement::Confirmed, asks),
            Ok(ImportState::Done { rejected }) => (import.next, import.busy) = (Next::Reject(rejected), false),
            Ok(ImportState::Failed { .. }) => self.settle(key, Settlement::Failed("import_failed"), asks),
            Err(Error::NotFound { .. }) => self.settle(key, Settlement::Failed("import_unknown"), asks),
            Err(error) if error.concerns_all() => self.fail(Failure::Actito(error)),
            Ok(ImportState::Running) | Err(_) if import.is_lost(now) => {
                self.settle(key, Settlement::Failed("import_lost"), asks);
            }
            Ok(ImportState::Running) | Err(_) => import.again(POLL, asks),
        }
    }

    pub(super) fn rejected(&mut self, key: ImportKey, result: Result<u64, Error>, now: Timestamp, asks: &mut Vec<Ask>) {
        self.calls -= 1;
        let Some(import) = self.imports.iter_mut().find(|import| import.key == key) else { return };
        let Next::Reject(rejected) = import.next else { return };
        match result {
            Ok(told) if told >= rejected => self.settle(key, Settlement::Confirmed, asks),
            Err(error) if error.concerns_all() => self.fail(Failure::Actito(error)),
            Err(error) if error.is_transient() && !import.is_lost(now) => import.again(POLL, asks),
            // Some rows were rejected, and nobody says which: none counts as written.
            Ok(_) | Err(_) => self.settle(key, Settlement::Failed("import_unclear"), asks),
        }
    }

    pub(super) fn due(&mut self, key: ImportKey) {
        if let Some(import) = self.imports.iter_mut().find(|import| import.key == key) {
            import.busy = false;
        }
    }

    /// Asked for at once, also when the run has been stopped: what is known must not be forgotten.
    fn settle(&mut self, key: ImportKey, settlement: Settlement, asks: &mut Vec<Ask>) {
        if let Some(import) = self.imports.iter_mut().find(|import| import.key == key) {
            (import.next, import.busy) = (Next::Settle(settlement), true);
            asks.push(Ask::Settle(key, settlement));
        }
    }

    pub(super) fn settled(&mut self, key: ImportKey, rows: Settled) {
        let Some(at) = self.imports.iter().position(|import| import.key == key) else { return };
        let import = self.imports.swap_remove(at);
        self.summary.written += rows.written;
        self.summary.cleared += rows.cleared;
        let reason = match import.next {
            Next::Settle(Settlement::Failed(reason)) => reason,
            _ => "rejected",
        };
        self.summary.failed_rows(reason, rows.failed);
    }
}
