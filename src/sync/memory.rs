//! What a run remembers and recalls, in transactions small enough that clicks, which wait for the same
//! writer, do not notice.

use std::time::Duration;

use roaring::RoaringTreemap;

use super::engine::{Errand, ImportKey, Leftover, Memo, Recalled, Settled, Settlement};
use super::plan::{Change, Fingerprint, Known, Stamp};
use crate::actito::{ImportId, ProfileId, Rejected};
use crate::clock::{self, Timestamp};
use crate::store::sync::{self as rows, Mark};
use crate::store::{Store, StoreError};

/// Rows that are written in one transaction.
const ROWS_A_WRITE: u32 = 500;

/// Rows whose ids are looked through in one read.
const ROWS_A_READ: u32 = 5000;

/// Hints that are fetched at once.
const HINTS_AT_ONCE: u32 = 100;

/// Rows that failed before and are looked at one by one when a run did not come by them.
const FAILED_REVISITED: usize = 200;

/// A list that was left longer ago than this is read from its beginning: too much has changed.
const CHECKPOINT_LASTS: Duration = Duration::from_secs(24 * 3600);

/// What is remembered of one integration.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) store: Store,
    pub(super) integration: String,
    /// How long a page of the list is: a checkpoint counts in pages.
    pub(super) page_size: u32,
}

impl Memory {
    /// What a run starts from.
    pub(super) async fn recalled(&self) -> Result<Recalled, StoreError> {
        let (name, now, page_size) = (self.integration.clone(), clock::now(), self.page_size);
        let read = self.store.read(move |db| {
            let imports = rows::imports(db, &name)?.into_iter().map(leftover).collect();
            let checkpoint = rows::checkpoint(db, &name)?.filter(|checkpoint| {
                let age = now.since(Timestamp::from_millis(checkpoint.at));
                checkpoint.page_size == page_size && age < CHECKPOINT_LASTS
            });
            let checkpoint = checkpoint.map(|checkpoint| (checkpoint.page, checkpoint.total));
            Ok(Recalled { imports, checkpoint, hints: rows::count_hints(db, &name)? })
        });
        read.await
    }

    /// What is known of each of these profiles, in their order.
    pub(super) async fn known(&self, ids: Vec<ProfileId>) -> Result<Vec<Option<Known>>, StoreError> {
        let name = self.integration.clone();
        let read = self
            .store
            .read(move |db| ids.iter().map(|id| Ok(rows::recall(db, &name, id.to_i64())?.map(known))).collect());
        read.await
    }

    /// The commit point of what happened to rows: after this a crash forgets nothing of it.
    pub(super) async fn remember(&self, memos: &[Memo]) -> Result<(), StoreError> {
        for some in memos.chunks(ROWS_A_WRITE as usize) {
            let (name, now, some) = (self.integration.clone(), clock::now().millis(), some.to_vec());
            let page_size = self.page_size;
            let write = self.store.write(move |db| {
                some.iter().try_for_each(|memo| match *memo {
                    Memo::Confirm(id, stamp) => rows::confirm(db, &name, id.to_i64(), mark(stamp), now),
                    Memo::Fail(id, reason) => rows::fail(db, &name, id.to_i64(), reason, now),
                    Memo::Forget(id) => rows::forget(db, &name, &[id.to_i64()]),
                    Memo::Followed(hint) => rows::drop_hint(db, &name, hint),
                    Memo::Hint(id) => rows::hint(db, &name, id.to_i64(), now),
                    Memo::FollowedUpTo(hint) => rows::drop_hints_up_to(db, &name, hint),
                    Memo::ListRead => rows::clear_checkpoint(db, &name),
                    Memo::Checkpoint { page, total } => {
                        let checkpoint = rows::Checkpoint { page, page_size, total, at: now };
                        rows::put_checkpoint(db, &name, checkpoint)
                    }
                })
            });
            write.await?;
        }
        Ok(())
    }

    pub(super) async fn hints(&self, after: u64) -> Result<Vec<Errand>, StoreError> {
        let name = self.integration.clone();
        let hints = self.store.read(move |db| rows::hints(db, &name, after, HINTS_AT_ONCE)).await?;
        let errand =
            |hint: rows::Hint| Some(Errand { id: ProfileId::from_i64(hint.profile_id)?, hint: Some(hint.seq) });
        Ok(hints.into_iter().filter_map(errand).collect())
    }

    /// Whether each of these people was asked for, in their order.
    pub(super) async fn waiting(&self, people: Vec<Option<Fingerprint>>) -> Result<Vec<bool>, StoreError> {
        let (name, now) = (self.integration.clone(), clock::now());
        self.store.read(move |db| rows::waiting(db, &name, &people, now)).await
    }

    /// Those who were asked for wait no longer; a profile beside somebody is wanted looked at.
    pub(super) async fn met(&self, met: Vec<(Fingerprint, Option<ProfileId>)>) -> Result<(), StoreError> {
        let (name, now) = (self.integration.clone(), clock::now().millis());
        let write = self.store.write(move |db| {
            met.iter().try_for_each(|(person, profile)| {
                rows::forget_asked(db, &name, person)?;
                profile.map_or(Ok(()), |id| rows::hint(db, &name, id.to_i64(), now))
            })
        });
        write.await
    }

    /// Rows that failed and are not among these.
    pub(super) async fn failed_but(&self, seen: &RoaringTreemap) -> Result<Vec<ProfileId>, StoreError> {
        let (mut found, mut after) = (Vec::new(), -1);
        while found.len() < FAILED_REVISITED {
            let name = self.integration.clone();
            let ids = self.store.read(move |db| rows::failed_after(db, &name, after, ROWS_A_READ)).await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            found.extend(
                ids.into_iter().filter(|id| !seen.contains(id.cast_unsigned())).filter_map(ProfileId::from_i64),
            );
        }
        found.truncate(FAILED_REVISITED);
        Ok(found)
    }

    /// Forgets all rows of profiles that are not among these; how many.
    pub(super) async fn forget_but(&self, there: &RoaringTreemap) -> Result<u64, StoreError> {
        let (mut gone, mut after) = (0, -1);
        loop {
            let name = self.integration.clone();
            let ids = self.store.read(move |db| rows::ids_after(db, &name, after, ROWS_A_READ)).await?;
            let Some(last) = ids.last() else { return Ok(gone) };
            after = *last;
            let over: Vec<i64> = ids.into_iter().filter(|id| !there.contains(id.cast_unsigned())).collect();
            gone += over.len() as u64;
            for some in over.chunks(ROWS_A_WRITE as usize) {
                let (name, some) = (self.integration.clone(), some.to_vec());
                self.store.write(move |db| rows::forget(db, &name, &some)).await?;
            }
        }
    }

    pub(super) async fn prepare(&self) -> Result<ImportKey, StoreError> {
        let (name, now) = (self.integration.clone(), clock::now().millis());
        self.store.write(move |db| rows::prepare(db, &name, now)).await
    }

    pub(super) async fn pend(&self, key: ImportKey, changes: &[Change]) -> Result<(), StoreError> {
        for some in changes.chunks(ROWS_A_WRITE as usize) {
            let name = self.integration.clone();
            let some: Vec<(i64, Mark)> = some.iter().map(|it| (it.id.to_i64(), mark(it.stamp()))).collect();
            self.store.write(move |db| rows::pend(db, &name, key, &some)).await?;
        }
        Ok(())
    }

    /// Remembers why an import did not take rows; how many of them name a profile.
    pub(super) async fn reject(&self, key: ImportKey, rejected: Vec<Rejected>) -> Result<u64, StoreError> {
        let mut told = 0;
        for some in rejected.chunks(ROWS_A_WRITE as usize) {
            let detail = |row: &Rejected| match row.column.is_empty() {
                true => format!("rejected row {}: {}", row.row, row.code),
                false => format!("rejected row {}: {} in {}", row.row, row.code, row.column),
            };
            let some: Vec<(i64, String)> =
                some.iter().filter_map(|row| Some((row.profile?.to_i64(), detail(row)))).collect();
            told += some.len() as u64;
            let (name, now) = (self.integration.clone(), clock::now().millis());
            let write = self.store.write(move |db| {
                some.iter().try_for_each(|(id, detail)| rows::reject(db, &name, key, *id, detail, now))
            });
            write.await?;
        }
        Ok(told)
    }

    /// Settles all pending rows of an import, then forgets it.
    pub(super) async fn settle(&self, key: ImportKey, settlement: Settlement) -> Result<Settled, StoreError> {
        let outcome = match settlement {
            Settlement::Confirmed => rows::Outcome::Confirmed,
            Settlement::Undone => rows::Outcome::Undone,
            Settlement::Failed(reason) => rows::Outcome::Failed(reason),
        };
        let mut settled = Settled::default();
        loop {
            let now = clock::now().millis();
            let some = self.store.write(move |db| rows::settle_some(db, key, outcome, now, ROWS_A_WRITE)).await?;
            if some == rows::SettledRows::default() {
                break;
            }
            match settlement {
                Settlement::Confirmed => {
                    (settled.written, settled.cleared) =
                        (settled.written + some.written, settled.cleared + some.cleared);
                }
                Settlement::Failed(_) => settled.failed += some.written + some.cleared,
                Settlement::Undone => {}
            }
        }
        settled.failed += self.store.write(move |db| rows::forget_import(db, key)).await?;
        Ok(settled)
    }
}

fn mark(stamp: Stamp) -> Mark {
    (stamp.key_id, stamp.fingerprint)
}

fn stamp((key_id, fingerprint): Mark) -> Stamp {
    Stamp { key_id, fingerprint }
}

fn known(row: rows::Known) -> Known {
    let confirmed = row.confirmed.and_then(|(mark, at)| Some((stamp(mark?), Timestamp::from_millis(at))));
    Known { failures: row.failures, confirmed, pending: row.pending.map(stamp) }
}

fn leftover(import: rows::Import) -> Leftover {
    let remote = import.remote.as_deref().and_then(ImportId::parse);
    Leftover { key: import.key, rows: import.rows, sent_at: import.sent_at.map(Timestamp::from_millis), remote }
}
