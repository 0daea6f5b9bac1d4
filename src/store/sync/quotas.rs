//! What is spent of Actito's quotas: imports of a day, calls of a minute.

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::{signed, unsigned, unsigned_if_any};

/// Days that are remembered: clocks jump by hours, not by weeks.
const DAYS_KEPT: u64 = 7;

/// The calls of a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// When this was noted.
    pub at: u64,
    /// How many started in the minute before; none while a process calls or after it crashed.
    pub spent: Option<u32>,
}

/// Counts one more import of a profile table on a day; `false` when there were `limit`.
pub(super) fn add_import(db: &Connection, profile_table: &str, day: u64, limit: u32) -> Result<bool> {
    if imports_on(db, profile_table, day)? >= limit {
        return Ok(false);
    }
    put_day(db, profile_table, day, imports_on(db, profile_table, day)? + 1)?;
    Ok(true)
}

/// How many imports a profile table had on a day, counted from the Unix epoch.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn imports_on(db: &Connection, profile_table: &str, day: u64) -> Result<u32> {
    let select = "SELECT imports FROM sync_days WHERE profile_table = ?1 AND day = ?2";
    Ok(db.query_row(select, params![profile_table, signed(day)], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Remembers that Actito takes no more imports of a profile table on a day.
///
/// # Errors
/// Those of the database.
pub fn spend_day(db: &Connection, profile_table: &str, day: u64, limit: u32) -> Result<()> {
    let imports = imports_on(db, profile_table, day)?.max(limit);
    put_day(db, profile_table, day, imports)
}

fn put_day(db: &Connection, profile_table: &str, day: u64, imports: u32) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO sync_days (profile_table, day, imports) VALUES (?1, ?2, ?3)";
    db.execute(insert, params![profile_table, signed(day), imports])?;
    let old = "DELETE FROM sync_days WHERE profile_table = ?1 AND day < ?2";
    db.execute(old, params![profile_table, signed(day.saturating_sub(DAYS_KEPT))]).map(drop)
}

/// What is known about the calls of a licence.
///
/// # Errors
/// Those of the database.
pub fn calls(db: &Connection, licence: &str) -> Result<Option<Calls>> {
    let read = |row: &Row<'_>| {
        let spent = unsigned_if_any(row, 1)?.map(|spent| u32::try_from(spent).unwrap_or(u32::MAX));
        Ok(Calls { at: unsigned(row, 0)?, spent })
    };
    db.query_row("SELECT at, spent FROM sync_calls WHERE licence = ?1", [licence], read).optional()
}

/// Notes the calls of a licence.
///
/// # Errors
/// Those of the database.
pub fn put_calls(db: &Connection, licence: &str, calls: Calls) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO sync_calls (licence, at, spent) VALUES (?1, ?2, ?3)";
    db.execute(insert, params![licence, signed(calls.at), calls.spent]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    #[test]
    fn a_spent_day_stays_spent_and_the_next_is_whole() {
        let db = database();
        assert!(add_import(&db, "31", 20_000, 12).unwrap());
        spend_day(&db, "31", 20_000, 12).unwrap();
        assert!(!add_import(&db, "31", 20_000, 12).unwrap());
        assert_eq!((imports_on(&db, "31", 20_000).unwrap(), imports_on(&db, "31", 20_001).unwrap()), (12, 0));
    }

    #[test]
    fn old_days_are_forgotten() {
        let db = database();
        add_import(&db, "31", 20_000, 12).unwrap();
        add_import(&db, "31", 20_001 + DAYS_KEPT, 12).unwrap();
        assert_eq!(imports_on(&db, "31", 20_000).unwrap(), 0);
    }

    #[test]
    fn calls_are_noted_for_the_next_process() {
        let db = database();
        assert_eq!(calls(&db, "acme").unwrap(), None);
        for spent in [None, Some(17)] {
            put_calls(&db, "acme", Calls { at: 1000, spent }).unwrap();
            assert_eq!(calls(&db, "acme").unwrap(), Some(Calls { at: 1000, spent }));
        }
    }
}
