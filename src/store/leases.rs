//! Who does something that one process does at a time: a row for each holder, which it renews.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

/// Audiences are run one run of an activation at a time.
pub const SCHEMA_AUDIENCES: &str = "
    CREATE TABLE audience_leases (
        activation    TEXT    NOT NULL PRIMARY KEY,
        token         TEXT    NOT NULL,
        host          TEXT    NOT NULL,
        pid           INTEGER NOT NULL,
        started_at    INTEGER NOT NULL,
        beat_at       INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// What is written in the transaction of a beat, too.
pub type Also = Arc<dyn Fn(&Connection) -> Result<()> + Send + Sync>;

/// What one process does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// The sync of an integration.
    Sync,
    /// The run of an activation.
    Audiences,
}

impl Task {
    /// Its table, and the column of the names.
    const fn table(self) -> (&'static str, &'static str) {
        match self {
            Self::Sync => ("sync_leases", "integration"),
            Self::Audiences => ("audience_leases", "activation"),
        }
    }
}

/// Who has a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of what: an integration, an activation.
    pub name: String,
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

/// Who has a lease, whether or not it still lives.
///
/// # Errors
/// Those of the database.
pub fn lease(db: &Connection, task: Task, name: &str) -> Result<Option<Lease>> {
    let (table, column) = task.table();
    let select = format!("SELECT {column}, token, host, pid, started_at, beat_at FROM {table} WHERE {column} = ?1");
    db.query_row(&select, [name], read_lease).optional()
}

/// All leases of a task, dead ones included.
///
/// # Errors
/// Those of the database.
pub fn leases(db: &Connection, task: Task) -> Result<Vec<Lease>> {
    let (table, column) = task.table();
    let select = format!("SELECT {column}, token, host, pid, started_at, beat_at FROM {table} ORDER BY {column}");
    db.prepare(&select)?.query_map([], read_lease)?.collect()
}

/// Writes a lease, in place of whatever was there: ask [`lease`] first, in the same transaction.
///
/// # Errors
/// Those of the database.
pub fn put_lease(db: &Connection, task: Task, lease: &Lease) -> Result<()> {
    let (table, column) = task.table();
    let insert = format!(
        "INSERT OR REPLACE INTO {table} ({column}, token, host, pid, started_at, beat_at)
         VALUES (:name, :token, :host, :pid, :started_at, :beat_at)"
    );
    let row = named_params! {
        ":name": lease.name, ":token": lease.token, ":host": lease.host, ":pid": lease.pid,
        ":started_at": signed(lease.started_at), ":beat_at": signed(lease.beat_at),
    };
    db.execute(&insert, row).map(drop)
}

/// Shows that the holder lives; `false` when the lease is no longer its own.
///
/// # Errors
/// Those of the database.
pub fn beat(db: &Connection, task: Task, name: &str, token: &str, at: u64) -> Result<bool> {
    let (table, column) = task.table();
    let update = format!("UPDATE {table} SET beat_at = ?3 WHERE {column} = ?1 AND token = ?2");
    db.execute(&update, params![name, token, signed(at)]).map(|changed| changed == 1)
}

/// Gives a lease back; nothing happens when it is no longer the caller's.
///
/// # Errors
/// Those of the database.
pub fn release(db: &Connection, task: Task, name: &str, token: &str) -> Result<()> {
    let (table, column) = task.table();
    db.execute(&format!("DELETE FROM {table} WHERE {column} = ?1 AND token = ?2"), params![name, token]).map(drop)
}

fn read_lease(row: &Row<'_>) -> Result<Lease> {
    let unsigned = |column| row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(Lease {
        name: row.get(0)?,
        token: row.get(1)?,
        host: row.get(2)?,
        pid: row.get(3)?,
        started_at: unsigned(4)?,
        beat_at: unsigned(5)?,
    })
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_renews_and_releases_a_lease_of_its_task() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(super::super::sync::SCHEMA_V1).unwrap();
        db.execute_batch(SCHEMA_AUDIENCES).unwrap();
        let mine = Lease {
            name: "shop".into(),
            token: "mine".into(),
            host: "here".into(),
            pid: 7,
            started_at: 1000,
            beat_at: 1000,
        };
        for task in [Task::Sync, Task::Audiences] {
            put_lease(&db, task, &mine).unwrap();
            assert!(!beat(&db, task, "shop", "other", 2000).unwrap());
            assert!(beat(&db, task, "shop", "mine", 3000).unwrap());
            release(&db, task, "shop", "other").unwrap();
            assert_eq!(lease(&db, task, "shop").unwrap(), Some(Lease { beat_at: 3000, ..mine.clone() }));
        }
        release(&db, Task::Sync, "shop", "mine").unwrap();
        assert_eq!(leases(&db, Task::Sync).unwrap(), []);
        assert_eq!(leases(&db, Task::Audiences).unwrap().len(), 1);
    }
}
