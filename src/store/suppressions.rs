//! Who asked to be forgotten, and the receipts of it. A record is bytes that whoever calls understands; of the
//! person it shows a keyed tag and nothing else.

use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

/// Version 4 of the schema. A record that changes gets a new `seq`, so that other processes see it. `purged` is 0
/// until everything of the person is deleted: whoever opens the store next goes on with it.
pub const SCHEMA: &str = "
    CREATE TABLE suppression (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        tag BLOB NOT NULL UNIQUE,
        record BLOB NOT NULL,
        purged INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE erasure (
        id TEXT NOT NULL PRIMARY KEY,
        at INTEGER NOT NULL,
        receipt TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// One person's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The record.
    pub record: Vec<u8>,
    /// Whether everything of the person is deleted.
    pub purged: bool,
}

/// All records.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn all(db: &Connection) -> Result<Vec<Kept>> {
    let mut rows = db.prepare_cached("SELECT record, purged FROM suppression ORDER BY seq")?;
    rows.query_map([], |row| Ok(Kept { record: row.get(0)?, purged: row.get(1)? }))?.collect()
}

/// Grows with every record that is added or changed.
///
/// # Errors
/// Those of the database.
pub fn newest(db: &Connection) -> Result<i64> {
    db.query_row("SELECT coalesce(max(seq), 0) FROM suppression", [], |row| row.get(0))
}

/// Puts a record in the place of the person's earlier one.
///
/// # Errors
/// Those of the database.
pub fn put(db: &Connection, tag: &[u8; 32], record: &[u8], purged: bool) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO suppression (tag, record, purged) VALUES (?1, ?2, ?3)";
    db.prepare_cached(insert)?.execute(params![tag, record, purged]).map(drop)
}

/// Remembers that everything of a person is deleted, unless the record became another one since.
///
/// # Errors
/// Those of the database.
pub fn set_purged(db: &Connection, tag: &[u8; 32], record: &[u8]) -> Result<()> {
    let update = "UPDATE suppression SET purged = 1 WHERE tag = ?1 AND record = ?2";
    db.prepare_cached(update)?.execute(params![tag, record]).map(drop)
}

/// Forgets all records: for a keyring that cannot read them.
///
/// # Errors
/// Those of the database.
pub fn clear(db: &Connection) -> Result<usize> {
    db.execute("DELETE FROM suppression", [])
}

/// Keeps a receipt.
///
/// # Errors
/// Those of the database.
pub fn put_receipt(db: &Connection, id: &str, at: u64, receipt: &str) -> Result<()> {
    let at = i64::try_from(at).unwrap_or(i64::MAX);
    let insert = "INSERT OR REPLACE INTO erasure (id, at, receipt) VALUES (?1, ?2, ?3)";
    db.execute(insert, params![id, at, receipt]).map(drop)
}

/// A receipt.
///
/// # Errors
/// Those of the database.
pub fn receipt(db: &Connection, id: &str) -> Result<Option<String>> {
    let read = |row: &Row<'_>| row.get(0);
    db.query_row("SELECT receipt FROM erasure WHERE id = ?1", [id], read).optional()
}
