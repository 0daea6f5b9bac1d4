//! Profiles that somebody wants looked at soon: the one door for webhooks and whoever else learns of a
//! profile. A profile waits once, however often it is named.

use rusqlite::{Connection, Result, Row, params};

use super::asked::{self, Fingerprint};
use super::{signed, unsigned};
use crate::store::{Store, StoreError};

/// How many profiles of all integrations may wait: those of the largest tables, in 50 MB. More can only be
/// somebody's mistake.
const MOST_HINTS: u64 = 1_000_000;

/// A profile that somebody wants looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Its number: a profile that is named again gets a new one.
    pub seq: u64,
    /// The profile.
    pub profile_id: i64,
}

impl Store {
    /// Wants a profile of an integration looked at, and its REAID written if need be: at once where
    /// `serve` syncs, else on the next run. When this returns `Ok`, the wish is not forgotten.
    ///
    /// # Errors
    /// The database says why not.
    pub async fn hint(&self, integration: &str, profile_id: i64, received_at: u64) -> Result<(), StoreError> {
        let integration = integration.to_owned();
        self.write(move |db| hint(db, &integration, profile_id, received_at)).await
    }

    /// The same for everybody whom a webhook names, in one step: profiles by id, and people whose profile it
    /// does not say. `false` when there is no room for more: then nothing is remembered.
    ///
    /// # Errors
    /// The database says why not.
    pub async fn hint_all(
        &self,
        integration: &str,
        profile_ids: Vec<i64>,
        people: Vec<Fingerprint>,
        received_at: u64,
    ) -> Result<bool, StoreError> {
        let integration = integration.to_owned();
        let write = self.write(move |db| {
            if is_full(db, MOST_HINTS)? {
                return Ok(false);
            }
            profile_ids.iter().try_for_each(|id| hint(db, &integration, *id, received_at))?;
            asked::ask(db, &integration, &people, received_at)?;
            Ok(true)
        });
        write.await
    }
}

/// Whether so many hints wait. They are counted only where their numbers are as far apart.
fn is_full(db: &Connection, most: u64) -> Result<bool> {
    let apart = "SELECT coalesce((SELECT max(seq) FROM sync_hints) - (SELECT min(seq) FROM sync_hints) + 1, 0)";
    let number = |sql| db.prepare_cached(sql)?.query_row([], |row| unsigned(row, 0));
    Ok(number(apart)? >= most && number("SELECT count(*) FROM sync_hints")? >= most)
}

/// Wants a profile looked at.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn hint(db: &Connection, integration: &str, profile_id: i64, received_at: u64) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT OR REPLACE INTO sync_hints (integration, profile_id, received_at) VALUES (?1, ?2, ?3)",
    )?;
    insert.execute(params![integration, profile_id, signed(received_at)]).map(drop)
}

/// The next `limit` hints after this number, in the order in which they came.
///
/// # Errors
/// Those of the database.
pub fn hints(db: &Connection, integration: &str, after: u64, limit: u32) -> Result<Vec<Hint>> {
    let mut rows = db.prepare_cached(
        "SELECT seq, profile_id FROM sync_hints WHERE integration = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let read = |row: &Row<'_>| Ok(Hint { seq: unsigned(row, 0)?, profile_id: row.get(1)? });
    rows.query_map(params![integration, signed(after), limit], read)?.collect()
}

/// How many hints wait, and the number of the last.
///
/// # Errors
/// Those of the database.
pub fn count_hints(db: &Connection, integration: &str) -> Result<(u64, u64)> {
    let mut count =
        db.prepare_cached("SELECT count(*), coalesce(max(seq), 0) FROM sync_hints WHERE integration = ?1")?;
    count.query_row([integration], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

/// Forgets a hint that was followed; one that came again since has another number and stays.
///
/// # Errors
/// Those of the database.
pub fn drop_hint(db: &Connection, integration: &str, seq: u64) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM sync_hints WHERE integration = ?1 AND seq = ?2")?;
    delete.execute(params![integration, signed(seq)]).map(drop)
}

/// Forgets all hints up to this number.
///
/// # Errors
/// Those of the database.
pub fn drop_hints_up_to(db: &Connection, integration: &str, seq: u64) -> Result<()> {
    db.execute("DELETE FROM sync_hints WHERE integration = ?1 AND seq <= ?2", params![integration, signed(seq)])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    #[test]
    fn a_profile_that_is_named_again_while_it_is_looked_at_is_looked_at_again() {
        let db = database();
        hint(&db, "shop", 812, 1000).unwrap();
        let first = hints(&db, "shop", 0, 9).unwrap()[0];
        hint(&db, "shop", 812, 2000).unwrap();
        drop_hint(&db, "shop", first.seq).unwrap();
        let again = hints(&db, "shop", first.seq, 9).unwrap();
        assert_eq!((again.len(), again[0].profile_id), (1, 812));
        assert_eq!(count_hints(&db, "shop").unwrap(), (1, again[0].seq));
    }

    #[test]
    fn there_is_room_until_so_many_wait_however_far_apart_they_are() {
        let db = database();
        assert!(!is_full(&db, 3).unwrap());
        for id in [1, 2, 2, 2, 2] {
            hint(&db, "shop", id, 1000).unwrap();
            assert!(!is_full(&db, 3).unwrap());
        }
        hint(&db, "sister", 1, 1000).unwrap();
        assert!(is_full(&db, 3).unwrap());
    }

    #[test]
    fn hints_come_in_their_order_and_those_of_others_stay() {
        let db = database();
        for (integration, id) in [("shop", 3), ("sister", 1), ("shop", 2)] {
            hint(&db, integration, id, 1000).unwrap();
        }
        let ids: Vec<i64> = hints(&db, "shop", 0, 9).unwrap().iter().map(|hint| hint.profile_id).collect();
        assert_eq!(ids, [3, 2]);
        drop_hints_up_to(&db, "shop", count_hints(&db, "shop").unwrap().1).unwrap();
        assert_eq!((count_hints(&db, "shop").unwrap().0, count_hints(&db, "sister").unwrap().0), (0, 1));
    }
}
