//! What is remembered of each profile.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{signed, unsigned, unsigned_if_any};

/// What is remembered of a value: its key id, unless it is empty, and the start of its SHA-256.
pub type Mark = (Option<u8>, [u8; 8]);

/// What is remembered of a profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// How often writing it failed in a row.
    pub failures: u64,
    /// What Actito confirmed last, and when; without the value for what the first version confirmed.
    pub confirmed: Option<(Option<Mark>, u64)>,
    /// What an import under way writes.
    pub pending: Option<Mark>,
}

/// A row that failed and waits for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRow {
    /// The profile.
    pub profile_id: i64,
    /// Why, as an error kind.
    pub reason: String,
    /// More about it: the number and code of a rejected row.
    pub detail: Option<String>,
    /// When it failed last.
    pub failed_at: u64,
    /// How often it failed in a row.
    pub failures: u64,
}

/// What is remembered of a profile, if anything.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn recall(db: &Connection, integration: &str, profile_id: i64) -> Result<Option<Known>> {
    let mut select = db.prepare_cached(
        "SELECT failures, confirmed_at, key_id, fingerprint, pending_import, pending_key, pending_fingerprint
         FROM sync_rows WHERE integration = ?1 AND profile_id = ?2",
    )?;
    let read = |row: &Row<'_>| {
        let fingerprint: Option<[u8; 8]> = row.get(3)?;
        let key_id: Option<u8> = row.get(2)?;
        let confirmed = unsigned_if_any(row, 1)?.map(|at| (fingerprint.map(|mark| (key_id, mark)), at));
        let pending = match row.get::<_, Option<i64>>(4)? {
            Some(_) => Some((row.get(5)?, row.get::<_, Option<[u8; 8]>>(6)?.unwrap_or_default())),
            None => None,
        };
        Ok(Known { failures: unsigned(row, 0)?, confirmed, pending })
    };
    select.query_row(params![integration, profile_id], read).optional()
}

/// Remembers that Actito confirmed a value: the checkpoint of one row.
///
/// # Errors
/// Those of the database.
pub fn confirm(
    db: &Connection,
    integration: &str,
    profile_id: i64,
    (key_id, fingerprint): Mark,
    at: u64,
) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO sync_rows (integration, profile_id, confirmed_at, key_id, fingerprint) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET confirmed_at = ?3, key_id = ?4, fingerprint = ?5,
             failed_at = NULL, reason = NULL, detail = NULL, failures = 0",
    )?;
    upsert.execute(params![integration, profile_id, signed(at), key_id, fingerprint]).map(drop)
}

/// Remembers that a write failed, and why.
///
/// # Errors
/// Those of the database.
pub fn fail(db: &Connection, integration: &str, profile_id: i64, reason: &str, at: u64) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO sync_rows (integration, profile_id, failed_at, reason, failures) VALUES (?1, ?2, ?3, ?4, 1)
         ON CONFLICT DO UPDATE SET failed_at = ?3, reason = ?4, detail = NULL, failures = failures + 1",
    )?;
    upsert.execute(params![integration, profile_id, signed(at), reason]).map(drop)
}

/// Forgets profiles that no longer exist.
///
/// # Errors
/// Those of the database.
pub fn forget(db: &Connection, integration: &str, profile_ids: &[i64]) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM sync_rows WHERE integration = ?1 AND profile_id = ?2")?;
    profile_ids.iter().try_for_each(|id| delete.execute(params![integration, id]).map(drop))
}

/// The next `limit` profiles after this one that are remembered.
///
/// # Errors
/// Those of the database.
pub fn ids_after(db: &Connection, integration: &str, after: i64, limit: u32) -> Result<Vec<i64>> {
    let mut rows = db.prepare_cached(
        "SELECT profile_id FROM sync_rows WHERE integration = ?1 AND profile_id > ?2 ORDER BY profile_id LIMIT ?3",
    )?;
    rows.query_map(params![integration, after, limit], |row| row.get(0))?.collect()
}

/// The next `limit` profiles after this one whose last write failed.
///
/// # Errors
/// Those of the database.
pub fn failed_after(db: &Connection, integration: &str, after: i64, limit: u32) -> Result<Vec<i64>> {
    let mut rows = db.prepare_cached(
        "SELECT profile_id FROM sync_rows WHERE integration = ?1 AND failed_at IS NOT NULL AND profile_id > ?2
         ORDER BY profile_id LIMIT ?3",
    )?;
    rows.query_map(params![integration, after, limit], |row| row.get(0))?.collect()
}

/// How many rows of an integration are confirmed, and how many failed.
///
/// # Errors
/// Those of the database.
pub fn counts(db: &Connection, integration: &str) -> Result<(u64, u64)> {
    let count = "SELECT count(*) FILTER (WHERE failed_at IS NULL AND confirmed_at IS NOT NULL), count(failed_at)
                 FROM sync_rows WHERE integration = ?1";
    db.query_row(count, [integration], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

/// The first `limit` rows that failed.
///
/// # Errors
/// Those of the database.
pub fn failed(db: &Connection, integration: &str, limit: u32) -> Result<Vec<FailedRow>> {
    let mut rows = db.prepare(
        "SELECT profile_id, reason, detail, failed_at, failures FROM sync_rows
         WHERE integration = ?1 AND failed_at IS NOT NULL ORDER BY profile_id LIMIT ?2",
    )?;
    let read = |row: &Row<'_>| {
        let (profile_id, reason, detail) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(FailedRow { profile_id, reason, detail, failed_at: unsigned(row, 3)?, failures: unsigned(row, 4)? })
    };
    rows.query_map(params![integration, limit], read)?.collect()
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    const JANE: Mark = (Some(1), *b"jane----");

    #[test]
    fn a_confirmation_ends_a_failure() {
        let db = database();
        assert_eq!(recall(&db, "shop", 812).unwrap(), None);
        fail(&db, "shop", 812, "timeout", 1000).unwrap();
        fail(&db, "shop", 812, "server", 2000).unwrap();
        let row = FailedRow { profile_id: 812, reason: "server".into(), detail: None, failed_at: 2000, failures: 2 };
        assert_eq!(failed(&db, "shop", 10).unwrap(), [row]);
        assert_eq!((counts(&db, "shop").unwrap(), failed_after(&db, "shop", 0, 9).unwrap()), ((0, 1), vec![812]));
        confirm(&db, "shop", 812, JANE, 3000).unwrap();
        assert_eq!(failed(&db, "shop", 10).unwrap(), []);
        let known = Known { failures: 0, confirmed: Some((Some(JANE), 3000)), pending: None };
        assert_eq!((recall(&db, "shop", 812).unwrap(), counts(&db, "shop").unwrap()), (Some(known), (1, 0)));
    }

    #[test]
    fn rows_of_another_integration_are_left_alone() {
        let db = database();
        for integration in ["shop", "sister"] {
            (1..=3).for_each(|id| fail(&db, integration, id, "timeout", 1000).unwrap());
        }
        forget(&db, "shop", &[2]).unwrap();
        assert_eq!(ids_after(&db, "shop", 0, 10).unwrap(), [1, 3]);
        assert_eq!(ids_after(&db, "sister", 1, 1).unwrap(), [2]);
    }

    #[test]
    fn what_the_first_version_confirmed_is_known_without_its_value() {
        let db = database();
        db.execute(
            "INSERT INTO sync_rows (integration, profile_id, confirmed_at, key_id) VALUES ('shop', 1, 5, 1)",
            [],
        )
        .unwrap();
        let known = Known { confirmed: Some((None, 5)), ..Known::default() };
        assert_eq!(recall(&db, "shop", 1).unwrap(), Some(known));
    }
}
