//! The store as the engine meets it, in memory. It does what `store::sync` does: see `agreement`.

use std::collections::BTreeMap;

use crate::actito::{ImportId, ProfileId};
use crate::clock::Timestamp;
use crate::store::sync::Calls;
use crate::sync::engine::{Errand, Leftover, Memo, Recalled, Settled, Settlement};
use crate::sync::plan::{Known, Stamp};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) failures: u64,
    pub(super) failed: bool,
    pub(super) confirmed: Option<(Stamp, Timestamp)>,
    pub(super) pending: Option<(i64, Stamp)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Sending {
    pub(super) rows: u64,
    rejected: u64,
    pub(super) sent_at: Option<Timestamp>,
    pub(super) remote: Option<ImportId>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) rows: BTreeMap<u64, Row>,
    pub(super) imports: BTreeMap<i64, Sending>,
    next_import: i64,
    pub(super) days: BTreeMap<u64, u32>,
    pub(super) hints: BTreeMap<u64, u64>,
    next_hint: u64,
    pub(super) checkpoint: Option<(u32, Option<u64>)>,
    pub(super) calls: Option<Calls>,
}

impl Memory {
    pub(super) fn recalled(&self) -> Recalled {
        let left = |(key, import): (&i64, &Sending)| Leftover {
            key: *key,
            rows: import.rows,
            sent_at: import.sent_at,
            remote: import.remote.clone(),
        };
        let last = self.hints.keys().next_back().copied().unwrap_or(0);
        Recalled {
            imports: self.imports.iter().map(left).collect(),
            checkpoint: self.checkpoint,
            hints: (self.hints.len() as u64, last),
        }
    }

    pub(super) fn known(&self, id: u64) -> Option<Known> {
        let row = self.rows.get(&id)?;
        let pending = row.pending.map(|(_, stamp)| stamp);
        Some(Known { failures: row.failures, confirmed: row.confirmed, pending })
    }

    pub(super) fn remember(&mut self, memo: &Memo, now: Timestamp) {
        match *memo {
            Memo::Confirm(id, stamp) => {
                let row = self.row(id);
                (row.failures, row.failed, row.confirmed) = (0, false, Some((stamp, now)));
            }
            Memo::Fail(id, _) => {
                let row = self.row(id);
                (row.failures, row.failed) = (row.failures + 1, true);
            }
            Memo::Forget(id) => drop(self.rows.remove(&key(id))),
            Memo::Followed(hint) => drop(self.hints.remove(&hint)),
            Memo::Hint(id) => self.hint(key(id)),
            Memo::FollowedUpTo(hint) => self.hints.retain(|seq, _| *seq > hint),
            Memo::Checkpoint { page, total } => self.checkpoint = Some((page, total)),
            Memo::ListRead => self.checkpoint = None,
        }
    }

    pub(super) fn hint(&mut self, id: u64) {
        self.hints.retain(|_, other| *other != id);
        self.next_hint += 1;
        self.hints.insert(self.next_hint, id);
    }

    pub(super) fn hints_after(&self, after: u64) -> Vec<Errand> {
        let errand = |(seq, id): (&u64, &u64)| Errand { id: profile(*id), hint: Some(*seq) };
        self.hints.range(after + 1..).take(5).map(errand).collect()
    }

    pub(super) fn prepare(&mut self) -> i64 {
        self.next_import += 1;
        self.imports.insert(self.next_import, Sending::default());
        self.next_import
    }

    pub(super) fn pend(&mut self, key: i64, id: ProfileId, stamp: Stamp) {
        self.row(id).pending = Some((key, stamp));
        self.imports.entry(key).or_default().rows += 1;
    }

    pub(super) fn spend(&mut self, key: i64, day: u64, limit: u32, now: Timestamp) -> bool {
        let used = self.days.entry(day).or_default();
        if *used >= limit {
            return false;
        }
        *used += 1;
        self.imports.entry(key).or_default().sent_at = Some(now);
        true
    }

    pub(super) fn reject(&mut self, key: i64, id: u64) {
        if let Some(row) = self.rows.get_mut(&id).filter(|row| row.pending.is_some_and(|(at, _)| at == key)) {
            (row.pending, row.failed, row.failures) = (None, true, row.failures + 1);
            self.imports.entry(key).or_default().rejected += 1;
        }
    }

    /// Settles pending rows, `most` at most; `None` when more are left.
    pub(super) fn settle(&mut self, key: i64, how: Settlement, now: Timestamp, most: usize) -> Option<Settled> {
        let of_import = |row: &Row| row.pending.filter(|(at, _)| *at == key).map(|(_, stamp)| stamp);
        let rows: Vec<(u64, Stamp)> =
            self.rows.iter().filter_map(|(id, row)| Some((*id, of_import(row)?))).take(most).collect();
        let mut settled = Settled::default();
        let cut_off = rows.len() == most;
        for (id, stamp) in rows {
            let row = self.rows.entry(id).or_default();
            row.pending = None;
            match how {
                Settlement::Confirmed => {
                    (row.failures, row.failed, row.confirmed) = (0, false, Some((stamp, now)));
                    *(if stamp.key_id.is_some() { &mut settled.written } else { &mut settled.cleared }) += 1;
                }
                Settlement::Failed(_) => {
                    (row.failures, row.failed) = (row.failures + 1, true);
                    settled.failed += 1;
                }
                Settlement::Undone if row.confirmed.is_none() && !row.failed => drop(self.rows.remove(&id)),
                Settlement::Undone => {}
            }
        }
        if cut_off {
            return None;
        }
        settled.failed += self.imports.remove(&key).map_or(0, |import| import.rejected);
        Some(settled)
    }

    fn row(&mut self, id: ProfileId) -> &mut Row {
        self.rows.entry(key(id)).or_default()
    }
}

pub(super) fn key(id: ProfileId) -> u64 {
    id.to_i64().cast_unsigned()
}

pub(super) fn profile(id: u64) -> ProfileId {
    ProfileId::from_i64(id.cast_signed()).unwrap()
}
