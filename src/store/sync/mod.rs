//! What a sync remembers: confirmed, failed and pending rows, imports under way, what is spent of the
//! quotas, hints, who was asked for, how far a list was read, the last run, and who runs now.
//!
//! No address and no REAID is kept: of a value its key id and the first eight bytes of its SHA-256. All
//! functions work on a connection or transaction that the caller got from the store; times are
//! milliseconds since the Unix epoch.

mod asked;
mod hints;
mod imports;
mod person;
mod quotas;
mod rows;
mod runs;

use rusqlite::Row;

pub use asked::{ASKED_LASTS, Fingerprint, ask, count_asked, erase_asked, forget_asked, waiting};
pub use hints::{Hint, count_hints, drop_hint, drop_hints_up_to, hint, hints};
pub use imports::{
    Import, Outcome, SettledRows, forget_import, imports, pend, prepare, reject, sent, settle_some, spend, spend_today,
};
pub use person::{SyncRow, erase, rows_of};
pub use quotas::{Calls, calls, imports_on, put_calls, spend_day};
pub use rows::{FailedRow, Known, Mark, confirm, counts, fail, failed, failed_after, forget, ids_after, recall};
pub use runs::{Checkpoint, LastRun, checkpoint, clear_checkpoint, last_runs, put_checkpoint, save_run};

/// The tables of the first version.
pub const SCHEMA_V1: &str = "
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

/// What came with imports. `pending_…` is what an import under way writes. An import whose `sent_at` is
/// empty was never sent; `spent` of `sync_calls` is empty while a process calls.
pub const SCHEMA_IMPORTS: &str = "
    ALTER TABLE sync_rows ADD COLUMN fingerprint BLOB;
    ALTER TABLE sync_rows ADD COLUMN detail TEXT;
    ALTER TABLE sync_rows ADD COLUMN pending_import INTEGER;
    ALTER TABLE sync_rows ADD COLUMN pending_key INTEGER;
    ALTER TABLE sync_rows ADD COLUMN pending_fingerprint BLOB;
    CREATE INDEX sync_rows_pending ON sync_rows (pending_import) WHERE pending_import IS NOT NULL;
    CREATE TABLE sync_imports (
        key           INTEGER PRIMARY KEY AUTOINCREMENT,
        integration   TEXT    NOT NULL,
        prepared_at   INTEGER NOT NULL,
        rows          INTEGER NOT NULL DEFAULT 0,
        rejected      INTEGER NOT NULL DEFAULT 0,
        sent_at       INTEGER,
        remote        TEXT
    ) STRICT;
    CREATE TABLE sync_days (
        profile_table TEXT    NOT NULL,
        day           INTEGER NOT NULL,
        imports       INTEGER NOT NULL,
        PRIMARY KEY (profile_table, day)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sync_calls (
        licence       TEXT    NOT NULL PRIMARY KEY,
        at            INTEGER NOT NULL,
        spent         INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE sync_hints (
        seq           INTEGER PRIMARY KEY AUTOINCREMENT,
        integration   TEXT    NOT NULL,
        profile_id    INTEGER NOT NULL,
        received_at   INTEGER NOT NULL,
        UNIQUE (integration, profile_id)
    ) STRICT;
    CREATE TABLE sync_lists (
        integration   TEXT    NOT NULL PRIMARY KEY,
        page          INTEGER NOT NULL,
        page_size     INTEGER NOT NULL,
        total         INTEGER,
        at            INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What came with webhooks and GetOrCreate.
pub const SCHEMA_ASKED: &str = "
    CREATE TABLE sync_asked (
        integration   TEXT    NOT NULL,
        fingerprint   BLOB    NOT NULL,
        asked_at      INTEGER NOT NULL,
        PRIMARY KEY (integration, fingerprint)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX sync_asked_at ON sync_asked (asked_at);
";

/// Numbers fit: the largest time is hundreds of millions of years away.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

fn unsigned_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let number: Option<i64> = row.get(column)?;
    Ok(number.map(|number| u64::try_from(number).unwrap_or(0)))
}

#[cfg(test)]
fn database() -> rusqlite::Connection {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(SCHEMA_V1).unwrap();
    db.execute_batch(SCHEMA_IMPORTS).unwrap();
    db.execute_batch(SCHEMA_ASKED).unwrap();
    db
}
