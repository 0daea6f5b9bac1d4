//! The shape of the database and how it moves from version to version.
//!
//! `application_id` says that the file is ours, `user_version` which migrations it has seen. Both are
//! read from the file's header before SQLite opens it, because opening alone may write.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::{BUSY_TIMEOUT, StoreError, file};

/// "REAI" in ASCII, in the header of every database of ours.
const APPLICATION_ID: u32 = 0x5245_4149;

/// Migration `n` moves a database from version `n` to `n + 1`. Never edited once released.
const MIGRATIONS: &[&[&str]] = &[
    &[V1, super::sync::SCHEMA_V1],
    &[super::campaigns::SCHEMA],
    &[super::sync::SCHEMA_IMPORTS],
    &[super::suppressions::SCHEMA],
    &[super::sync::SCHEMA_ASKED],
    &[super::event::SCHEMA_COOKIES],
    &[super::audiences::SCHEMA, super::leases::SCHEMA_AUDIENCES],
    &[super::outbox::SCHEMA_TRIED],
    &[super::audiences::SCHEMA_SAVED],
];

/// `tally` counts the events of each account and state, so that nothing ever has to count rows: every
/// function that moves an event moves its tally in the same transaction.
/// `since` is what `max_age` counts from: the event's time, or when a dead letter was given another try.
/// `done` is when the event got into its state; while that is `waiting` it says nothing.
const V1: &str = "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE event (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id BLOB NOT NULL,
        at INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        agent INTEGER NOT NULL,
        account TEXT NOT NULL,
        campaign TEXT NOT NULL,
        number INTEGER NOT NULL,
        reaid TEXT,
        page TEXT,
        state INTEGER NOT NULL,
        due INTEGER NOT NULL,
        since INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        done INTEGER,
        reason TEXT,
        answer TEXT
    );
    CREATE INDEX event_due ON event (account, due) WHERE state = 0;
    CREATE INDEX event_age ON event (account, at) WHERE state = 0;
    CREATE INDEX event_done ON event (state, done) WHERE state <> 0;
    CREATE TABLE tally (
        account TEXT NOT NULL,
        state INTEGER NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (account, state)
    ) WITHOUT ROWID;
";

/// Whether the database at `path` has fewer migrations than are known. Fails when it is not ours or of a newer version.
/// Writes nothing.
pub(super) fn is_older(path: &Path) -> Result<bool, StoreError> {
    let Some(seen) = header(path)? else { return Ok(false) };
    let is_older = judge(path, seen)?;
    // A newer version may so far stand in the log only.
    if file::wal_of(path).metadata().is_ok_and(|log| log.len() > 0) {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        let seen = Seen {
            version: pragma(&connection, "user_version")?,
            application: pragma(&connection, "application_id")?,
            changes: pragma(&connection, "schema_version")?,
        };
        return judge(path, seen);
    }
    Ok(is_older)
}

/// A connection that may write, with the settings every one of ours has.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // What is deleted is overwritten, always: whoever is erased today may have been swept out yesterday.
    connection.pragma_update(None, "secure_delete", "ON")?;
    Ok(connection)
}

/// Runs the migrations that the database has not seen, all in one transaction.
pub(super) fn migrate(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    if pragma(connection, "user_version")? as usize == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    // Another process may have been faster while we waited for the lock.
    let seen = pragma(&transaction, "user_version")?;
    refuse_newer(path, seen)?;
    for migration in MIGRATIONS.iter().skip(seen as usize).copied().flatten() {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", MIGRATIONS.len() as u32)?;
    transaction.commit()?;
    Ok(())
}

/// What a database says about itself.
struct Seen {
    version: u32,
    application: u32,
    /// How often its schema changed: 0 means that it never had a table.
    changes: u32,
}

/// Whether a database that says so of itself is older.
fn judge(path: &Path, seen: Seen) -> Result<bool, StoreError> {
    match seen {
        // Created, but the first migration was not committed yet.
        Seen { version: 0, application: 0, changes: 0 } => Ok(false),
        Seen { application, .. } if application != APPLICATION_ID => {
            Err(StoreError::Foreign { path: path.to_path_buf() })
        }
        Seen { version, .. } => refuse_newer(path, version).map(|()| (version as usize) < MIGRATIONS.len()),
    }
}

fn refuse_newer(path: &Path, found: u32) -> Result<(), StoreError> {
    let known = MIGRATIONS.len() as u32;
    if found > known { Err(StoreError::Newer { path: path.to_path_buf(), found, known }) } else { Ok(()) }
}

/// What the first page says; `None` for an empty file.
/// Format: <https://www.sqlite.org/fileformat2.html#the_database_header>, offsets 40, 60 and 68.
fn header(path: &Path) -> Result<Option<Seen>, StoreError> {
    let failed = |source| StoreError::File { path: path.to_path_buf(), source };
    let mut bytes = Vec::with_capacity(100);
    File::open(path).and_then(|file| file.take(100).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() < 100 || !bytes.starts_with(b"SQLite format 3\0") {
        return Err(StoreError::Foreign { path: path.to_path_buf() });
    }
    let number = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    Ok(Some(Seen { version: number(60), application: number(68), changes: number(40) }))
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}
