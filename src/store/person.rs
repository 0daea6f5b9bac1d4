//! Everything that is kept of one person, found by the person's REAIDs: to show it, or to delete it for good.
//!
//! Deleted bytes are overwritten (`secure_delete`, see `schema`), and [`Store::expunge`] takes them out of the
//! log and of what moved rows left behind, too. Whoever adds a table that may hold a person adds it here; what stays
//! on purpose, beside the suppression, are profiles that are in no audience ([`super::audiences::withhold`]).

use std::collections::BTreeMap;

use rusqlite::{Connection, Result, Row, Transaction, params};

use super::append::add_to_tally;
use super::outbox::timestamp;
use super::sync::{self, SyncRow};
use super::{State, Store, StoreError};
use crate::clock::Timestamp;

/// Events looked at in one read: some ten milliseconds, so that no snapshot holds the log up. There is no index
/// by REAID, because every click would pay for it.
const SCANNED: i64 = 20_000;

/// Rows deleted in one write: a few milliseconds, so that clicks do not wait.
const SLICE: usize = 1000;

/// By what a person is found.
#[derive(Clone, Default)]
pub struct Person {
    /// The person's REAIDs under every key and scope.
    pub reaids: Vec<String>,
    /// What syncs remember of each of them.
    pub fingerprints: Vec<[u8; 8]>,
}

/// The events of a person in one account and state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Events {
    /// How many.
    pub events: u64,
    /// When the first of them happened.
    pub oldest: Timestamp,
    /// When the last of them happened.
    pub newest: Timestamp,
}

/// What is kept of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// By account and state.
    pub events: BTreeMap<(String, &'static str), Events>,
    /// What syncs remember.
    pub profiles: Vec<SyncRow>,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// Events that waited for Raptor.
    pub waiting: u64,
    /// Events that Raptor took.
    pub delivered: u64,
    /// Events given up.
    pub dead: u64,
    /// Events that were only stored.
    pub kept: u64,
    /// What syncs remembered of profiles.
    pub profiles: u64,
    /// Of these, left until the import under way that writes them is settled.
    pub importing: u64,
}

/// What is kept of a person. Blocks.
///
/// # Errors
/// Those of the store, as for every function here.
pub fn find(store: &Store, person: &Person) -> std::result::Result<Found, StoreError> {
    let mut found = Found::default();
    for_each_event(store, person, |_, account, state, at| {
        let events = found.events.entry((account, state.as_str()));
        let events = events.or_insert(Events { events: 0, oldest: at, newest: at });
        events.events += 1;
        (events.oldest, events.newest) = (events.oldest.min(at), events.newest.max(at));
    })?;
    found.profiles = store.read_blocking(|db| sync::rows_of(db, &person.fingerprints))?;
    Ok(found)
}

/// Deletes what is kept of a person, and wants the person's profiles looked at, so that the next sync empties their
/// attributes. Blocks. The files still hold traces: [`Store::expunge`].
///
/// # Errors
/// Those of the store; what was deleted stays deleted.
pub fn purge(store: &Store, person: &Person, now: Timestamp) -> std::result::Result<Purged, StoreError> {
    let mut seqs = Vec::new();
    for_each_event(store, person, |seq, _, _, _| seqs.push(seq))?;
    let mut purged = Purged::default();
    for some in seqs.chunks(SLICE).map(<[i64]>::to_vec) {
        for (state, events) in store.write_blocking(move |db| delete_events(db, &some))? {
            *match state {
                State::Waiting => &mut purged.waiting,
                State::Delivered => &mut purged.delivered,
                State::Dead => &mut purged.dead,
                State::Kept => &mut purged.kept,
            } += events;
        }
    }
    let asked = person.fingerprints.clone();
    store.write_blocking(move |db| sync::erase_asked(db, &asked))?;
    let profiles = store.read_blocking(|db| sync::rows_of(db, &person.fingerprints))?;
    for some in profiles.chunks(SLICE).map(<[SyncRow]>::to_vec) {
        let (deleted, left) = store.write_blocking(move |db| sync::erase(db, &some, now.millis()))?;
        (purged.profiles, purged.importing) = (purged.profiles + deleted, purged.importing + left);
    }
    Ok(purged)
}

/// Calls `each` with number, account, state and time of each event of a person that is there now.
fn for_each_event(
    store: &Store,
    person: &Person,
    mut each: impl FnMut(i64, String, State, Timestamp),
) -> std::result::Result<(), StoreError> {
    let last: i64 =
        store.read_blocking(|db| db.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0)))?;
    let first: i64 =
        store.read_blocking(|db| db.query_row("SELECT coalesce(min(seq), 1) FROM event", [], |row| row.get(0)))?;
    let wanted = serde_json::to_string(&person.reaids).unwrap_or_default();
    let mut from = first;
    while from <= last && !person.reaids.is_empty() {
        let events = store.read_blocking(|db| events_of(db, &wanted, from, (from + SCANNED - 1).min(last)))?;
        events.into_iter().for_each(|(seq, account, state, at)| each(seq, account, state, at));
        from += SCANNED;
    }
    Ok(())
}

fn events_of(db: &Connection, wanted: &str, from: i64, to: i64) -> Result<Vec<(i64, String, State, Timestamp)>> {
    let mut select = db.prepare_cached(
        "SELECT seq, account, state, at FROM event
         WHERE seq BETWEEN ?1 AND ?2 AND reaid IN (SELECT value FROM json_each(?3))",
    )?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, timestamp(row.get(3)?)));
    select.query_map(params![from, to, wanted], read)?.collect()
}

/// How many events of each state were deleted.
fn delete_events(transaction: &Transaction<'_>, seqs: &[i64]) -> Result<Vec<(State, u64)>> {
    let mut delete = transaction.prepare_cached("DELETE FROM event WHERE seq = ?1 RETURNING account, state")?;
    let mut moved: BTreeMap<(String, i64), (State, u64)> = BTreeMap::new();
    for seq in seqs {
        let deleted = delete.query_map([seq], |row| Ok((row.get::<_, String>(0)?, row.get::<_, State>(1)?)))?;
        for deleted in deleted {
            let (account, state) = deleted?;
            moved.entry((account, state as i64)).or_insert((state, 0)).1 += 1;
        }
    }
    for ((account, _), (state, events)) in &moved {
        add_to_tally(transaction, account, *state, -(*events as i64))?;
    }
    Ok(moved.into_values().collect())
}
