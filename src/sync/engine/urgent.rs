//! Profiles that somebody wants looked at now: a webhook came, or a row failed and did not come by.

use std::collections::{HashMap, VecDeque};

use super::{Ask, Engine, Errand, Failure, Memo, Scope, Seen, Settings};
use crate::actito::{Error, ProfileId};
use crate::clock::Timestamp;
use crate::sync::plan::{Action, Change, Stamp, judge};

/// With more hints than this, reading the whole list is cheaper than two calls for each.
pub(super) const HINTS_SINGLY: u64 = 200;

/// What is to be looked at, and what came of it.
#[derive(Debug)]
pub(super) struct Urgent {
    /// The number of the last hint that was taken.
    cursor: u64,
    /// The number of the last hint when the run began: a whole pass follows all up to it.
    pub(super) known_at_start: u64,
    /// Whether there may be more hints.
    look: bool,
    asked: bool,
    queue: VecDeque<Errand>,
    reading: usize,
    pub(super) puts: VecDeque<Change>,
    /// The hints behind the writes that wait or are under way.
    hints: HashMap<ProfileId, u64>,
    enabled: bool,
}

impl Urgent {
    pub(super) fn new(settings: &Settings, (count, last): (u64, u64)) -> Self {
        let by_reading = settings.scope == Scope::Full && !settings.from_file && count > HINTS_SINGLY;
        Self {
            cursor: if by_reading { last } else { 0 },
            known_at_start: last,
            look: true,
            asked: false,
            queue: VecDeque::new(),
            reading: 0,
            puts: VecDeque::new(),
            hints: HashMap::new(),
            enabled: !settings.dry_run,
        }
    }

    /// There may be new hints.
    pub(super) fn look(&mut self) {
        self.look = true;
    }

    pub(super) fn hinted(&mut self, errands: Vec<Errand>) {
        self.asked = false;
        if let Some(last) = errands.iter().filter_map(|errand| errand.hint).max() {
            self.cursor = last;
            self.look = true;
        }
        self.queue.extend(errands);
    }

    /// Rows that failed before.
    pub(super) fn revisit(&mut self, ids: Vec<ProfileId>) {
        self.queue.extend(ids.into_iter().map(|id| Errand { id, hint: None }));
    }

    pub(super) fn is_idle(&self) -> bool {
        let looked = !self.enabled || !self.look;
        looked && !self.asked && self.queue.is_empty() && self.reading == 0 && self.puts.is_empty()
    }
}

impl Engine {
    pub(super) fn pump_urgent(&mut self, asks: &mut Vec<Ask>) {
        if !self.urgent.enabled {
            return;
        }
        if self.urgent.look && !self.urgent.asked && self.urgent.queue.is_empty() {
            (self.urgent.look, self.urgent.asked) = (false, true);
            asks.push(Ask::Hints(self.urgent.cursor));
        }
        while self.has_place() {
            let Some(errand) = self.urgent.queue.pop_front() else { return };
            self.urgent.reading += 1;
            self.call(Ask::Profile(errand), asks);
        }
    }

    pub(super) fn looked_at(
        &mut self,
        errand: Errand,
        result: Result<Seen, Error>,
        now: Timestamp,
        asks: &mut Vec<Ask>,
    ) {
        self.calls -= 1;
        self.urgent.reading -= 1;
        let mut memos = Vec::new();
        match result {
            Ok(seen) if self.follow(errand, &seen, now, &mut memos) => memos.extend(errand.hint.map(Memo::Followed)),
            Ok(_) => {}
            // Whether a profile that we remember is gone, the next whole pass says.
            Err(Error::NotFound { .. }) => memos.extend(errand.hint.map(Memo::Followed)),
            Err(error) => {
                self.summary.failed(errand.id, error.kind());
                self.count_failure(error);
            }
        }
        self.remember(memos, asks);
    }

    /// Does what must be done about a profile; whether nothing more is to be done about its hint.
    fn follow(&mut self, errand: Errand, seen: &Seen, now: Timestamp, memos: &mut Vec<Memo>) -> bool {
        match judge(&seen.sighting, seen.as_of, now).action {
            Action::Write(change) => {
                if self.sent.get(&change.id) == Some(&change.stamp().fingerprint) {
                    return true;
                }
                self.backlog.remove(change.id.to_i64().cast_unsigned());
                self.urgent.hints.extend(errand.hint.map(|hint| (change.id, hint)));
                self.urgent.puts.push_back(change);
                false
            }
            Action::Right(learns) => {
                // What the source said earlier, and waits to be written, is no longer so.
                let held = seen.sighting.held.as_deref().unwrap_or_default();
                self.backlog.remove(errand.id.to_i64().cast_unsigned());
                self.sent.insert(errand.id, Stamp::of(held).fingerprint);
                memos.extend(learns.map(|stamp| Memo::Confirm(errand.id, stamp)));
                true
            }
            // The import that is under way writes an older value: looked at again after it.
            Action::Pending { overtaken } => !overtaken,
            Action::Outdated => true,
        }
    }

    /// The hint that a write ends, unless it may succeed in a moment and so is kept.
    pub(super) fn hint_behind(&mut self, id: ProfileId, keep: bool) -> Option<Memo> {
        self.urgent.hints.remove(&id).filter(|_| !keep).map(Memo::Followed)
    }

    pub(super) fn count_failure(&mut self, error: Error) {
        if error.concerns_all() {
            return self.fail(Failure::Actito(error));
        }
        let down = error.is_transient() || matches!(error, Error::NotFound { .. });
        self.failed_in_a_row = if down { self.failed_in_a_row + 1 } else { 0 };
        if self.failed_in_a_row >= super::writing::GIVE_UP_AFTER {
            self.fail(Failure::GaveUp { rows: self.failed_in_a_row, last: error });
        }
    }
}
