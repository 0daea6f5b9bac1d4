//! How the last run of an integration went, and how far an unfinished one read the list.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{signed, unsigned, unsigned_if_any};

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

/// How far a list was read by a run that was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The page to read next.
    pub page: u32,
    /// How long its pages were.
    pub page_size: u32,
    /// How many profiles the list had.
    pub total: Option<u64>,
    /// When this was.
    pub at: u64,
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

/// How far the list of an integration was read, if its last reading was cut off.
///
/// # Errors
/// Those of the database.
pub fn checkpoint(db: &Connection, integration: &str) -> Result<Option<Checkpoint>> {
    let select = "SELECT page, page_size, total, at FROM sync_lists WHERE integration = ?1";
    let read = |row: &Row<'_>| {
        let total = unsigned_if_any(row, 2)?;
        Ok(Checkpoint { page: row.get(0)?, page_size: row.get(1)?, total, at: unsigned(row, 3)? })
    };
    db.query_row(select, [integration], read).optional()
}

/// Remembers how far the list was read.
///
/// # Errors
/// Those of the database.
pub fn put_checkpoint(db: &Connection, integration: &str, checkpoint: Checkpoint) -> Result<()> {
    let insert =
        "INSERT OR REPLACE INTO sync_lists (integration, page, page_size, total, at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let Checkpoint { page, page_size, total, at } = checkpoint;
    db.execute(insert, params![integration, page, page_size, total.map(signed), signed(at)]).map(drop)
}

/// Forgets how far the list was read: it was read to its end.
///
/// # Errors
/// Those of the database.
pub fn clear_checkpoint(db: &Connection, integration: &str) -> Result<()> {
    db.execute("DELETE FROM sync_lists WHERE integration = ?1", [integration]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    #[test]
    fn a_list_is_read_on_from_where_it_was_left() {
        let db = database();
        assert_eq!(checkpoint(&db, "shop").unwrap(), None);
        let left = Checkpoint { page: 7, page_size: 500, total: Some(4000), at: 1000 };
        put_checkpoint(&db, "shop", Checkpoint { page: 3, ..left }).unwrap();
        put_checkpoint(&db, "shop", left).unwrap();
        assert_eq!((checkpoint(&db, "shop").unwrap(), checkpoint(&db, "other").unwrap()), (Some(left), None));
        clear_checkpoint(&db, "shop").unwrap();
        assert_eq!(checkpoint(&db, "shop").unwrap(), None);
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
