//! Mass imports under way, and the rows that wait for their result.

use rusqlite::{Connection, Result, Row, params};

use super::quotas::add_import;
use super::rows::Mark;
use super::{signed, unsigned, unsigned_if_any};

/// An import that is not settled yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its number here.
    pub key: i64,
    /// Rows in it.
    pub rows: u64,
    /// When it was sent, as far as we know; none when it never was.
    pub sent_at: Option<u64>,
    /// Its id at Actito, when that is known.
    pub remote: Option<String>,
}

/// What becomes of pending rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Actito confirmed them.
    Confirmed,
    /// They are as they were before.
    Undone,
    /// They failed, for this reason.
    Failed(&'a str),
}

/// How many rows were settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettledRows {
    /// Rows with a value.
    pub written: u64,
    /// Rows whose value is empty.
    pub cleared: u64,
}

/// Begins an import; its number.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn prepare(db: &Connection, integration: &str, at: u64) -> Result<i64> {
    db.execute(
        "INSERT INTO sync_imports (integration, prepared_at) VALUES (?1, ?2)",
        params![integration, signed(at)],
    )?;
    Ok(db.last_insert_rowid())
}

/// Remembers rows as pending in an import.
///
/// # Errors
/// Those of the database.
pub fn pend(db: &Connection, integration: &str, key: i64, rows: &[(i64, Mark)]) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO sync_rows (integration, profile_id, pending_import, pending_key, pending_fingerprint)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET pending_import = ?3, pending_key = ?4, pending_fingerprint = ?5",
    )?;
    for (profile_id, (key_id, fingerprint)) in rows {
        upsert.execute(params![integration, profile_id, key, key_id, fingerprint])?;
    }
    let mut count = db.prepare_cached("UPDATE sync_imports SET rows = rows + ?2 WHERE key = ?1")?;
    count.execute(params![key, rows.len() as i64]).map(drop)
}

/// Counts an import against the quota of its profile table and day, and remembers it as sent; `false`
/// when the day has no more than `limit`.
///
/// # Errors
/// Those of the database.
pub fn spend(db: &Connection, key: i64, profile_table: &str, day: u64, limit: u32, at: u64) -> Result<bool> {
    if !add_import(db, profile_table, day, limit)? {
        return Ok(false);
    }
    db.execute("UPDATE sync_imports SET sent_at = ?2 WHERE key = ?1", params![key, signed(at)])?;
    Ok(true)
}

/// Whether an import may be sent now: it was counted since `day_begins`, or is counted against this day, too,
/// because the day changed while it waited.
///
/// # Errors
/// Those of the database.
pub fn spend_today(
    db: &Connection,
    key: i64,
    profile_table: &str,
    (day, day_begins): (u64, u64),
    limit: u32,
    at: u64,
) -> Result<bool> {
    let sent_at = "SELECT coalesce(sent_at, 0) FROM sync_imports WHERE key = ?1";
    let counted = db.query_row(sent_at, [key], |row| unsigned(row, 0))? >= day_begins;
    Ok(counted || spend(db, key, profile_table, day, limit, at)?)
}

/// Remembers the id that Actito gave an import.
///
/// # Errors
/// Those of the database.
pub fn sent(db: &Connection, key: i64, remote: &str) -> Result<()> {
    db.execute("UPDATE sync_imports SET remote = ?2 WHERE key = ?1", params![key, remote]).map(drop)
}

/// The imports of an integration that are not settled, the oldest first.
///
/// # Errors
/// Those of the database.
pub fn imports(db: &Connection, integration: &str) -> Result<Vec<Import>> {
    let mut rows =
        db.prepare("SELECT key, rows, sent_at, remote FROM sync_imports WHERE integration = ?1 ORDER BY key")?;
    let read = |row: &Row<'_>| {
        let (key, remote) = (row.get(0)?, row.get(3)?);
        Ok(Import { key, rows: unsigned(row, 1)?, sent_at: unsigned_if_any(row, 2)?, remote })
    };
    rows.query_map([integration], read)?.collect()
}

/// Remembers that an import did not take a row, and why; nothing happens when it is not pending there.
///
/// # Errors
/// Those of the database.
pub fn reject(db: &Connection, integration: &str, key: i64, profile_id: i64, detail: &str, at: u64) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE sync_rows SET failed_at = ?4, reason = 'rejected', detail = ?5, failures = failures + 1,
             pending_import = NULL, pending_key = NULL, pending_fingerprint = NULL
         WHERE integration = ?1 AND profile_id = ?3 AND pending_import = ?2",
    )?;
    let changed = update.execute(params![integration, key, profile_id, signed(at), detail])?;
    let mut count = db.prepare_cached("UPDATE sync_imports SET rejected = rejected + ?2 WHERE key = ?1")?;
    count.execute(params![key, changed as i64]).map(drop)
}

/// Settles up to `limit` of the pending rows of an import; call it until it settles none.
///
/// # Errors
/// Those of the database.
pub fn settle_some(db: &Connection, key: i64, outcome: Outcome<'_>, at: u64, limit: u32) -> Result<SettledRows> {
    let mut select = db.prepare_cached(
        "SELECT integration, profile_id, pending_key FROM sync_rows WHERE pending_import = ?1 LIMIT ?2",
    )?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let rows: Vec<(String, i64, Option<u8>)> = select.query_map(params![key, limit], read)?.collect::<Result<_>>()?;
    let mut settled = SettledRows::default();
    for (integration, profile_id, value) in rows {
        settle_one(db, &integration, profile_id, outcome, at)?;
        *(if value.is_some() { &mut settled.written } else { &mut settled.cleared }) += 1;
    }
    Ok(settled)
}

fn settle_one(db: &Connection, integration: &str, profile_id: i64, outcome: Outcome<'_>, at: u64) -> Result<()> {
    let at = signed(at);
    match outcome {
        Outcome::Confirmed => {
            let mut update = db.prepare_cached(
                "UPDATE sync_rows SET confirmed_at = ?3, key_id = pending_key, fingerprint = pending_fingerprint,
                     failed_at = NULL, reason = NULL, detail = NULL, failures = 0,
                     pending_import = NULL, pending_key = NULL, pending_fingerprint = NULL
                 WHERE integration = ?1 AND profile_id = ?2",
            )?;
            update.execute(params![integration, profile_id, at]).map(drop)
        }
        Outcome::Undone => {
            let mut update = db.prepare_cached(
                "UPDATE sync_rows SET pending_import = NULL, pending_key = NULL, pending_fingerprint = NULL
                 WHERE integration = ?1 AND profile_id = ?2",
            )?;
            update.execute(params![integration, profile_id])?;
            let mut delete = db.prepare_cached(
                "DELETE FROM sync_rows WHERE integration = ?1 AND profile_id = ?2
                     AND confirmed_at IS NULL AND failed_at IS NULL",
            )?;
            delete.execute(params![integration, profile_id]).map(drop)
        }
        Outcome::Failed(reason) => {
            let mut update = db.prepare_cached(
                "UPDATE sync_rows SET failed_at = ?3, reason = ?4, detail = NULL, failures = failures + 1,
                     pending_import = NULL, pending_key = NULL, pending_fingerprint = NULL
                 WHERE integration = ?1 AND profile_id = ?2",
            )?;
            update.execute(params![integration, profile_id, at, reason]).map(drop)
        }
    }
}

/// Forgets an import whose rows are settled; how many rows it rejected.
///
/// # Errors
/// Those of the database.
pub fn forget_import(db: &Connection, key: i64) -> Result<u64> {
    let rejected = db.query_row("SELECT rejected FROM sync_imports WHERE key = ?1", [key], |row| unsigned(row, 0));
    db.execute("DELETE FROM sync_imports WHERE key = ?1", [key])?;
    match rejected {
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(0),
        settled => settled,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{confirm, counts, database, fail, failed, imports_on, recall};
    use super::*;

    const JANE: Mark = (Some(1), *b"jane----");
    const EMPTY: Mark = (None, *b"empty---");

    fn settle(db: &Connection, key: i64, outcome: Outcome<'_>) -> SettledRows {
        let mut all = SettledRows::default();
        loop {
            let some = settle_some(db, key, outcome, 9000, 2).unwrap();
            if some == SettledRows::default() {
                return all;
            }
            (all.written, all.cleared) = (all.written + some.written, all.cleared + some.cleared);
        }
    }

    #[test]
    fn confirmed_rows_hold_what_was_pending_and_rejected_ones_keep_their_reason() {
        let db = database();
        let key = prepare(&db, "shop", 1000).unwrap();
        pend(&db, "shop", key, &[(1, JANE), (2, EMPTY), (3, JANE)]).unwrap();
        pend(&db, "shop", key, &[(4, JANE)]).unwrap();
        assert_eq!(recall(&db, "shop", 1).unwrap().unwrap().pending, Some(JANE));
        let under_way = Import { key, rows: 4, sent_at: None, remote: None };
        assert_eq!(imports(&db, "shop").unwrap(), [under_way]);
        reject(&db, "shop", key, 3, "row 1: INVALID", 5000).unwrap();
        reject(&db, "shop", key, 3, "row 1: INVALID", 5000).unwrap();
        assert_eq!(settle(&db, key, Outcome::Confirmed), SettledRows { written: 2, cleared: 1 });
        assert_eq!(forget_import(&db, key).unwrap(), 1);
        assert_eq!((counts(&db, "shop").unwrap(), imports(&db, "shop").unwrap()), ((3, 1), vec![]));
        let row = &failed(&db, "shop", 9).unwrap()[0];
        assert_eq!((row.profile_id, row.reason.as_str(), row.failures), (3, "rejected", 1));
        assert_eq!(row.detail.as_deref(), Some("row 1: INVALID"));
        assert_eq!(recall(&db, "shop", 2).unwrap().unwrap().confirmed, Some((Some(EMPTY), 9000)));
    }

    #[test]
    fn an_import_that_was_never_sent_leaves_no_trace() {
        let db = database();
        confirm(&db, "shop", 1, EMPTY, 10).unwrap();
        fail(&db, "shop", 2, "timeout", 20).unwrap();
        let before = [1, 2, 3].map(|id| recall(&db, "shop", id).unwrap());
        let key = prepare(&db, "shop", 1000).unwrap();
        pend(&db, "shop", key, &[(1, JANE), (2, JANE), (3, JANE)]).unwrap();
        settle(&db, key, Outcome::Undone);
        assert_eq!([1, 2, 3].map(|id| recall(&db, "shop", id).unwrap()), before);
    }

    #[test]
    fn a_failed_import_fails_its_rows() {
        let db = database();
        let key = prepare(&db, "shop", 1000).unwrap();
        pend(&db, "shop", key, &[(1, JANE)]).unwrap();
        settle(&db, key, Outcome::Failed("import_lost"));
        let known = recall(&db, "shop", 1).unwrap().unwrap();
        assert_eq!((known.failures, known.pending, known.confirmed), (1, None, None));
    }

    #[test]
    fn a_day_has_so_many_imports_and_no_more() {
        let db = database();
        let key = prepare(&db, "shop", 1000).unwrap();
        assert!(spend(&db, key, "31", 20_000, 2, 2000).unwrap() && spend(&db, key, "31", 20_000, 2, 3000).unwrap());
        assert!(!spend(&db, key, "31", 20_000, 2, 4000).unwrap());
        assert!(spend(&db, key, "31", 20_001, 2, 5000).unwrap() && spend(&db, key, "32", 20_000, 2, 5000).unwrap());
        assert!(spend_today(&db, key, "31", (20_001, 4000), 2, 6000).unwrap());
        assert_eq!(imports_on(&db, "31", 20_001).unwrap(), 1, "it was counted since the day began");
        assert!(spend_today(&db, key, "31", (20_002, 5500), 2, 6000).unwrap());
        assert_eq!(imports_on(&db, "31", 20_002).unwrap(), 1, "the day changed while it waited");
        sent(&db, key, "v4:7").unwrap();
        let import = &imports(&db, "shop").unwrap()[0];
        assert_eq!((import.sent_at, import.remote.as_deref()), (Some(6000), Some("v4:7")));
    }
}
