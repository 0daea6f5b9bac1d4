//! What is remembered of one person's profiles: found by what REAIDs leave behind, and deleted.

use rusqlite::{Connection, Result, Row, params};

use super::{hint, unsigned, unsigned_if_any};

/// What is remembered of a profile, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncRow {
    /// The integration.
    pub integration: String,
    /// The profile.
    pub profile_id: i64,
    /// When Actito confirmed a value last.
    pub confirmed_at: Option<u64>,
    /// Why the last write failed, if it did.
    pub failed: Option<String>,
    /// How often it failed in a row.
    pub failures: u64,
    /// Whether an import under way writes it.
    pub pending: bool,
}

/// The profiles whose confirmed or pending value has one of these fingerprints. Looks at every row: there is no
/// index, because a million rows take less than a second and nobody else asks.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn rows_of(db: &Connection, fingerprints: &[[u8; 8]]) -> Result<Vec<SyncRow>> {
    let wanted: Vec<String> =
        fingerprints.iter().map(|it| it.iter().map(|byte| format!("{byte:02X}")).collect()).collect();
    let mut select = db.prepare_cached(
        "SELECT integration, profile_id, confirmed_at, reason, failures, pending_import IS NOT NULL FROM sync_rows
         WHERE hex(fingerprint) IN (SELECT value FROM json_each(?1))
            OR hex(pending_fingerprint) IN (SELECT value FROM json_each(?1))
         ORDER BY integration, profile_id",
    )?;
    let read = |row: &Row<'_>| {
        Ok(SyncRow {
            integration: row.get(0)?,
            profile_id: row.get(1)?,
            confirmed_at: unsigned_if_any(row, 2)?,
            failed: row.get(3)?,
            failures: unsigned(row, 4)?,
            pending: row.get(5)?,
        })
    };
    select.query_map([serde_json::to_string(&wanted).unwrap_or_default()], read)?.collect()
}

/// Deletes rows, and wants their profiles looked at. One that an import under way writes stays until that is
/// settled: without it nobody would know that the profile must be looked at afterwards. How many were deleted,
/// and how many stay.
///
/// # Errors
/// Those of the database.
pub fn erase(db: &Connection, rows: &[SyncRow], at: u64) -> Result<(u64, u64)> {
    let mut delete = db.prepare_cached(
        "DELETE FROM sync_rows WHERE integration = ?1 AND profile_id = ?2 AND pending_import IS NULL",
    )?;
    let mut deleted = 0;
    for row in rows {
        deleted += delete.execute(params![row.integration, row.profile_id])? as u64;
        hint(db, &row.integration, row.profile_id, at)?;
    }
    Ok((deleted, rows.len() as u64 - deleted))
}

#[cfg(test)]
mod tests {
    use super::super::{Mark, confirm, database, hints, pend, prepare, recall};
    use super::*;

    const JANE: Mark = (Some(1), *b"jane----");
    const JOHN: Mark = (Some(1), *b"john----");

    #[test]
    fn a_persons_rows_go_and_their_profiles_are_looked_at() {
        let db = database();
        for (integration, id, mark) in [("shop", 1, JANE), ("shop", 2, JOHN), ("sister", 3, JANE)] {
            confirm(&db, integration, id, mark, 1000).unwrap();
        }
        let found = rows_of(&db, &[JANE.1]).unwrap();
        assert_eq!(found.iter().map(|row| row.profile_id).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(erase(&db, &found, 2000).unwrap(), (2, 0));
        assert_eq!((rows_of(&db, &[JANE.1]).unwrap(), rows_of(&db, &[JOHN.1]).unwrap().len()), (vec![], 1));
        assert_eq!(hints(&db, "shop", 0, 9).unwrap()[0].profile_id, 1);
    }

    #[test]
    fn what_an_import_under_way_writes_stays_known() {
        let db = database();
        let key = prepare(&db, "shop", 1000).unwrap();
        pend(&db, "shop", key, &[(1, JANE)]).unwrap();
        let found = rows_of(&db, &[JANE.1]).unwrap();
        assert_eq!(erase(&db, &found, 2000).unwrap(), (0, 1));
        assert!(recall(&db, "shop", 1).unwrap().is_some());
    }
}
