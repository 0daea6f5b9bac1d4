//! What a sync remembers: confirmed and failed rows, the last run, and who runs now.
//!
//! No address and no REAID is kept: a confirmation is the key id of the REAID and the time. All
//! functions work on a connection or transaction that the caller got from the store; times are
//! milliseconds since the Unix epoch.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

/// The tables of this file, part of the store's schema.
pub const SCHEMA: &str = "
CREATE TABLE sync_rows (
    integration   TEXT    NOT NULL,
    profile_id    INTEGER NOT NULL,
    confirmed_at  INTEGER,
    key_id        INTEGER,
    failed_at     INTEGER,
    reason        TEXT,
    failures      INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (integration, profile_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sync_rows_failed ON sync_rows (integration, profile_id) WHERE failed_at IS NOT NULL;
CREATE TABLE sync_runs (
    integration   TEXT    NOT NULL PRIMARY KEY,
    started_at    INTEGER NOT NULL,
    ended_at      INTEGER NOT NULL,
    error         TEXT,
    summary       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE sync_leases (
    integration   TEXT    NOT NULL PRIMARY KEY,
    token         TEXT    NOT NULL,
    host          TEXT    NOT NULL,
    pid           INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    beat_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A row that failed and waits for the next run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRow {
    /// The profile.
    pub profile_id: i64,
    /// Why, as an error kind.
    pub reason: String,
    /// When it failed last.
    pub failed_at: u64,
    /// How often it failed in a row.
    pub failures: u64,
}

/// The last run of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// The integration.
    pub integration: String,
    /// When it began.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// Why it ended early, if an error ended it.
    pub error: Option<String>,
    /// Its summary, as JSON.
    pub summary: String,
}

/// Who syncs an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The integration.
    pub integration: String,
    /// What only the holder knows.
    pub token: String,
    /// The holder's machine.
    pub host: String,
    /// The holder's process.
    pub pid: u32,
    /// When the holder began.
    pub started_at: u64,
    /// When the holder last showed that it lives.
    pub beat_at: u64,
}

/// Every row of an integration that is remembered, and how often it failed in a row: 0 is confirmed.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn known(db: &Connection, integration: &str) -> Result<Vec<(i64, u64)>> {
    let mut rows = db.prepare("SELECT profile_id, failures FROM sync_rows WHERE integration = ?1")?;
    rows.query_map([integration], |row| Ok((row.get(0)?, unsigned(row, 1)?)))?.collect()
}

/// Remembers that Actito confirmed a value: the checkpoint of one row.
///
/// # Errors
/// Those of the database.
pub fn confirm(db: &Connection, integration: &str, profile_id: i64, key_id: Option<u8>, at: u64) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO sync_rows (integration, profile_id, confirmed_at, key_id) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET confirmed_at = ?3, key_id = ?4, failed_at = NULL, reason = NULL, failures = 0",
    )?;
    upsert.execute(params![integration, profile_id, signed(at), key_id]).map(drop)
}

/// Remembers that a write failed, and why.
///
/// # Errors
/// Those of the database.
pub fn fail(db: &Connection, integration: &str, profile_id: i64, reason: &str, at: u64) -> Result<()> {
    let mut upsert = db.prepare_cached(
        "INSERT INTO sync_rows (integration, profile_id, failed_at, reason, failures) VALUES (?1, ?2, ?3, ?4, 1)
         ON CONFLICT DO UPDATE SET failed_at = ?3, reason = ?4, failures = failures + 1",
    )?;
    upsert.execute(params![integration, profile_id, signed(at), reason]).map(drop)
}

/// Forgets the failures of rows that need no write any more.
///
/// # Errors
/// Those of the database.
pub fn settle(db: &Connection, integration: &str, profile_ids: &[i64]) -> Result<()> {
    let mut update = db.prepare_cached(
        "UPDATE sync_rows SET failed_at = NULL, reason = NULL, failures = 0 WHERE integration = ?1 AND profile_id = ?2",
    )?;
    profile_ids.iter().try_for_each(|id| update.execute(params![integration, id]).map(drop))
}

/// Forgets profiles that no longer exist.
///
/// # Errors
/// Those of the database.
pub fn forget(db: &Connection, integration: &str, profile_ids: &[i64]) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM sync_rows WHERE integration = ?1 AND profile_id = ?2")?;
    profile_ids.iter().try_for_each(|id| delete.execute(params![integration, id]).map(drop))
}

/// How many rows of an integration are confirmed, and how many failed.
///
/// # Errors
/// Those of the database.
pub fn counts(db: &Connection, integration: &str) -> Result<(u64, u64)> {
    let count =
        "SELECT count(*) FILTER (WHERE failed_at IS NULL), count(failed_at) FROM sync_rows WHERE integration = ?1";
    db.query_row(count, [integration], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))
}

/// The first `limit` rows that failed.
///
/// # Errors
/// Those of the database.
pub fn failed(db: &Connection, integration: &str, limit: u32) -> Result<Vec<FailedRow>> {
    let mut rows = db.prepare(
        "SELECT profile_id, reason, failed_at, failures FROM sync_rows
         WHERE integration = ?1 AND failed_at IS NOT NULL ORDER BY profile_id LIMIT ?2",
    )?;
    let read = |row: &Row<'_>| {
        let (profile_id, reason) = (row.get(0)?, row.get(1)?);
        Ok(FailedRow { profile_id, reason, failed_at: unsigned(row, 2)?, failures: unsigned(row, 3)? })
    };
    rows.query_map(params![integration, limit], read)?.collect()
}

/// Remembers how a run went, in place of the one before.
///
/// # Errors
/// Those of the database.
pub fn save_run(db: &Connection, run: &LastRun) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO sync_runs (integration, started_at, ended_at, error, summary)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    let (started_at, ended_at) = (signed(run.started_at), signed(run.ended_at));
    db.execute(insert, params![run.integration, started_at, ended_at, run.error, run.summary]).map(drop)
}

/// The last run of every integration that ever ran.
///
/// # Errors
/// Those of the database.
pub fn last_runs(db: &Connection) -> Result<Vec<LastRun>> {
    let mut rows =
        db.prepare("SELECT integration, started_at, ended_at, error, summary FROM sync_runs ORDER BY integration")?;
    let read = |row: &Row<'_>| {
        let (started_at, ended_at) = (unsigned(row, 1)?, unsigned(row, 2)?);
        Ok(LastRun { integration: row.get(0)?, started_at, ended_at, error: row.get(3)?, summary: row.get(4)? })
    };
    rows.query_map([], read)?.collect()
}

/// Who syncs an integration, whether or not it still lives.
///
/// # Errors
/// Those of the database.
pub fn lease(db: &Connection, integration: &str) -> Result<Option<Lease>> {
    let select = "SELECT integration, token, host, pid, started_at, beat_at FROM sync_leases WHERE integration = ?1";
    db.query_row(select, [integration], read_lease).optional()
}

/// All leases, dead ones included.
///
/// # Errors
/// Those of the database.
pub fn leases(db: &Connection) -> Result<Vec<Lease>> {
    let select = "SELECT integration, token, host, pid, started_at, beat_at FROM sync_leases ORDER BY integration";
    db.prepare(select)?.query_map([], read_lease)?.collect()
}

/// Writes a lease, in place of whatever was there: ask [`lease`] first, in the same transaction.
///
/// # Errors
/// Those of the database.
pub fn put_lease(db: &Connection, lease: &Lease) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO sync_leases (integration, token, host, pid, started_at, beat_at)
                  VALUES (:integration, :token, :host, :pid, :started_at, :beat_at)";
    let row = named_params! {
        ":integration": lease.integration, ":token": lease.token, ":host": lease.host, ":pid": lease.pid,
        ":started_at": signed(lease.started_at), ":beat_at": signed(lease.beat_at),
    };
    db.execute(insert, row).map(drop)
}

/// Shows that the holder lives; `false` when the lease is no longer its own.
///
/// # Errors
/// Those of the database.
pub fn beat(db: &Connection, integration: &str, token: &str, at: u64) -> Result<bool> {
    let update = "UPDATE sync_leases SET beat_at = ?3 WHERE integration = ?1 AND token = ?2";
    db.execute(update, params![integration, token, signed(at)]).map(|changed| changed == 1)
}

/// Gives a lease back; nothing happens when it is no longer the caller's.
///
/// # Errors
/// Those of the database.
pub fn release(db: &Connection, integration: &str, token: &str) -> Result<()> {
    let delete = "DELETE FROM sync_leases WHERE integration = ?1 AND token = ?2";
    db.execute(delete, params![integration, token]).map(drop)
}

fn read_lease(row: &Row<'_>) -> Result<Lease> {
    Ok(Lease {
        integration: row.get(0)?,
        token: row.get(1)?,
        host: row.get(2)?,
        pid: row.get(3)?,
        started_at: unsigned(row, 4)?,
        beat_at: unsigned(row, 5)?,
    })
}

/// Times fit: the largest is hundreds of millions of years away.
fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db
    }

    #[test]
    fn a_confirmation_ends_a_failure() {
        let db = database();
        fail(&db, "shop", 812, "timeout", 1000).unwrap();
        fail(&db, "shop", 812, "server", 2000).unwrap();
        let row = FailedRow { profile_id: 812, reason: "server".into(), failed_at: 2000, failures: 2 };
        assert_eq!(failed(&db, "shop", 10).unwrap(), [row]);
        assert_eq!(counts(&db, "shop").unwrap(), (0, 1));
        confirm(&db, "shop", 812, Some(1), 3000).unwrap();
        assert_eq!(failed(&db, "shop", 10).unwrap(), []);
        assert_eq!(known(&db, "shop").unwrap(), [(812, 0)]);
        assert_eq!(counts(&db, "shop").unwrap(), (1, 0));
    }

    #[test]
    fn rows_of_another_integration_are_left_alone() {
        let db = database();
        for integration in ["shop", "sister"] {
            fail(&db, integration, 1, "timeout", 1000).unwrap();
            fail(&db, integration, 2, "timeout", 1000).unwrap();
        }
        settle(&db, "shop", &[1]).unwrap();
        forget(&db, "shop", &[2]).unwrap();
        assert_eq!(known(&db, "shop").unwrap(), [(1, 0)]);
        assert_eq!(known(&db, "sister").unwrap(), [(1, 1), (2, 1)]);
    }

    #[test]
    fn only_the_holder_renews_and_releases_a_lease() {
        let db = database();
        let mine = Lease {
            integration: "shop".into(),
            token: "mine".into(),
            host: "here".into(),
            pid: 7,
            started_at: 1000,
            beat_at: 1000,
        };
        put_lease(&db, &mine).unwrap();
        assert!(!beat(&db, "shop", "other", 2000).unwrap());
        assert!(beat(&db, "shop", "mine", 3000).unwrap());
        release(&db, "shop", "other").unwrap();
        assert_eq!(lease(&db, "shop").unwrap(), Some(Lease { beat_at: 3000, ..mine }));
        release(&db, "shop", "mine").unwrap();
        assert_eq!(leases(&db).unwrap(), []);
    }

    #[test]
    fn the_last_run_replaces_the_one_before() {
        let db = database();
        let first = LastRun {
            integration: "shop".into(),
            started_at: 1,
            ended_at: 2,
            error: Some("server".into()),
            summary: "{}".into(),
        };
        save_run(&db, &first).unwrap();
        let second = LastRun { ended_at: 3, error: None, ..first };
        save_run(&db, &second).unwrap();
        assert_eq!(last_runs(&db).unwrap(), [second]);
    }
}
