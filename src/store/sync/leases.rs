//! Who syncs an integration: one at a time, across processes.

use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

use super::{signed, unsigned};

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

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

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
}
