//! What runs of activations remember: what was sent of each audience, how runs went, activations that were
//! saved; and what syncs know of profiles, for matching. No address and no REAID is in any of it.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

/// Runs of one activation that are kept: half a year of daily ones.
const RUNS_KEPT: u32 = 200;

/// The tables.
pub const SCHEMA: &str = "
    CREATE TABLE audience_references (
        activation    TEXT    NOT NULL,
        audience      TEXT    NOT NULL,
        state         TEXT    NOT NULL,
        PRIMARY KEY (activation, audience)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audience_runs (
        seq           INTEGER PRIMARY KEY AUTOINCREMENT,
        activation    TEXT    NOT NULL,
        started_at    INTEGER NOT NULL,
        ended_at      INTEGER NOT NULL,
        error         TEXT,
        summary       TEXT    NOT NULL
    ) STRICT;
    CREATE INDEX audience_runs_activation ON audience_runs (activation, seq);
    CREATE TABLE audience_withheld (
        integration   TEXT    NOT NULL,
        profile_id    INTEGER NOT NULL,
        at            INTEGER NOT NULL,
        tag           BLOB    NOT NULL,
        PRIMARY KEY (integration, profile_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE audience_activations (
        name          TEXT    NOT NULL PRIMARY KEY,
        text          TEXT    NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Runs before an activation was saved are not those of what it is now.
pub const SCHEMA_SAVED: &str = "ALTER TABLE audience_activations ADD COLUMN runs_before INTEGER NOT NULL DEFAULT 0;";

/// How one run of an activation went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The activation.
    pub activation: String,
    /// When it began.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: u64,
    /// Why it did nothing or ended early, if an error did that.
    pub error: Option<String>,
    /// Its summary, as JSON.
    pub summary: String,
}

/// What was sent of an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The activation.
    pub activation: String,
    /// The audience, as the activation names it.
    pub audience: String,
    /// What was sent, as JSON.
    pub state: String,
}

/// What syncs know of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its id.
    pub id: i64,
    /// The start of the SHA-256 of the REAID that it has; none where that is not known or empty.
    pub mark: Option<[u8; 8]>,
    /// Whether nobody is to be known there: its REAID was emptied, or its person erased since it was confirmed.
    pub emptied: bool,
}

/// What was sent, of one activation or of all.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn sent(db: &Connection, activation: Option<&str>) -> Result<Vec<Sent>> {
    let mut rows = db.prepare_cached(
        "SELECT activation, audience, state FROM audience_references WHERE ?1 IS NULL OR activation = ?1",
    )?;
    let read = |row: &Row<'_>| Ok(Sent { activation: row.get(0)?, audience: row.get(1)?, state: row.get(2)? });
    rows.query_map([activation], read)?.collect()
}

/// Remembers what was sent.
///
/// # Errors
/// Those of the database.
pub fn put_sent(db: &Connection, sent: &Sent) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO audience_references (activation, audience, state) VALUES (?1, ?2, ?3)";
    db.execute(insert, params![sent.activation, sent.audience, sent.state]).map(drop)
}

/// Forgets what was sent.
///
/// # Errors
/// Those of the database.
pub fn forget_sent(db: &Connection, activation: &str, audience: &str) -> Result<()> {
    let delete = "DELETE FROM audience_references WHERE activation = ?1 AND audience = ?2";
    db.execute(delete, params![activation, audience]).map(drop)
}

/// Remembers how a run went, and forgets the oldest ones.
///
/// # Errors
/// Those of the database.
pub fn save_run(db: &Connection, run: &Run) -> Result<()> {
    let insert = "INSERT INTO audience_runs (activation, started_at, ended_at, error, summary)
                  VALUES (?1, ?2, ?3, ?4, ?5)";
    let (started_at, ended_at) = (run.started_at.cast_signed(), run.ended_at.cast_signed());
    db.execute(insert, params![run.activation, started_at, ended_at, run.error, run.summary])?;
    let delete = "DELETE FROM audience_runs WHERE activation = ?1 AND seq <= (
                      SELECT seq FROM audience_runs WHERE activation = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)";
    db.execute(delete, params![run.activation, RUNS_KEPT]).map(drop)
}

/// The last runs of an activation, the newest first.
///
/// # Errors
/// Those of the database.
pub fn runs(db: &Connection, activation: &str, limit: u32) -> Result<Vec<Run>> {
    let mut rows = db.prepare_cached(
        "SELECT activation, started_at, ended_at, error, summary FROM audience_runs
         WHERE activation = ?1 ORDER BY seq DESC LIMIT ?2",
    )?;
    let read = |row: &Row<'_>| {
        let (started_at, ended_at) = (row.get::<_, i64>(1)?.cast_unsigned(), row.get::<_, i64>(2)?.cast_unsigned());
        Ok(Run { activation: row.get(0)?, started_at, ended_at, error: row.get(3)?, summary: row.get(4)? })
    };
    rows.query_map(params![activation, limit], read)?.collect()
}

/// When the last run of an activation began that did not end early, since it was saved; and a number that is another
/// one whenever it is saved.
///
/// # Errors
/// Those of the database.
pub fn last_run(db: &Connection, activation: &str) -> Result<(Option<u64>, i64)> {
    let saved = "SELECT coalesce(max(runs_before), 0) FROM audience_activations WHERE name = ?1";
    let runs_before = db.query_row(saved, [activation], |row| row.get(0))?;
    // As the summary is written: what stands in a text has its quotes escaped.
    let last = "SELECT started_at FROM audience_runs WHERE activation = ?1 AND seq > ?2 AND error IS NULL
                AND instr(summary, '\"ended\":\"early\"') = 0 ORDER BY seq DESC LIMIT 1";
    let last = db.prepare_cached(last)?.query_row(params![activation, runs_before], |row| row.get::<_, i64>(0));
    Ok((last.optional()?.map(i64::cast_unsigned), runs_before))
}

/// Activations that were saved: name and text, by name.
///
/// # Errors
/// Those of the database.
pub fn activations(db: &Connection) -> Result<Vec<(String, String)>> {
    let mut rows = db.prepare_cached("SELECT name, text FROM audience_activations ORDER BY name")?;
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The text of a saved activation.
///
/// # Errors
/// Those of the database.
pub fn activation(db: &Connection, name: &str) -> Result<Option<String>> {
    db.query_row("SELECT text FROM audience_activations WHERE name = ?1", [name], |row| row.get(0)).optional()
}

/// Saves an activation, in place of the one of this name.
///
/// # Errors
/// Those of the database.
pub fn save_activation(db: &Connection, name: &str, text: &str) -> Result<()> {
    let insert = "INSERT OR REPLACE INTO audience_activations (name, text, runs_before) VALUES (
                      ?1, ?2, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'audience_runs'), 0))";
    db.execute(insert, [name, text]).map(drop)
}

/// Deletes a saved activation and how its runs went; `false` when there was none. What was sent stays, and so does what is known of it: who is
/// to be forgotten must be found there.
///
/// # Errors
/// Those of the database.
pub fn delete_activation(db: &Connection, name: &str) -> Result<bool> {
    let deleted = db.execute("DELETE FROM audience_activations WHERE name = ?1", [name])?;
    db.execute("DELETE FROM audience_runs WHERE activation = ?1", [name])?;
    Ok(deleted > 0)
}

/// The next `limit` profiles of an integration after this one that a sync knows.
///
/// # Errors
/// Those of the database.
pub fn profiles_after(db: &Connection, integration: &str, after: i64, limit: u32) -> Result<Vec<Profile>> {
    let mut rows = db.prepare_cached(
        "SELECT profile_id, key_id, fingerprint, confirmed_at, at FROM sync_rows
           LEFT JOIN audience_withheld USING (integration, profile_id)
         WHERE integration = ?1 AND profile_id > ?2 ORDER BY profile_id LIMIT ?3",
    )?;
    let read = |row: &Row<'_>| {
        let (key_id, mark): (Option<u8>, Option<[u8; 8]>) = (row.get(1)?, row.get(2)?);
        let (confirmed, withheld): (Option<i64>, Option<i64>) = (row.get(3)?, row.get(4)?);
        let (mark, withheld) = (mark.filter(|_| confirmed.is_some()), withheld.is_some() && withheld >= confirmed);
        Ok(Profile {
            id: row.get(0)?,
            mark: mark.filter(|_| key_id.is_some() && !withheld),
            emptied: withheld || mark.is_some() && key_id.is_none(),
        })
    };
    rows.query_map(params![integration, after, limit], read)?.collect()
}

/// A profile of a person who is erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The integration.
    pub integration: String,
    /// The profile.
    pub profile_id: i64,
    /// The tag of the person's suppression.
    pub tag: [u8; 32],
}

/// The profiles of these people, by tag and fingerprints of each, as far as syncs know. Looks at every row: for a
/// reader, not for the writer, which clicks wait for.
///
/// # Errors
/// Those of the database.
pub fn profiles_of(db: &Connection, people: &[([u8; 32], Vec<[u8; 8]>)]) -> Result<Vec<Withheld>> {
    let by_mark: HashMap<&[u8; 8], &[u8; 32]> =
        people.iter().flat_map(|(tag, marks)| marks.iter().map(move |mark| (mark, tag))).collect();
    let mut found = Vec::new();
    let mut select =
        db.prepare_cached("SELECT integration, profile_id, fingerprint, pending_fingerprint FROM sync_rows")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let marks: [Option<[u8; 8]>; 2] = [row.get(2)?, row.get(3)?];
        if let Some(tag) = marks.iter().flatten().find_map(|mark| by_mark.get(mark)) {
            found.push(Withheld { integration: row.get(0)?, profile_id: row.get(1)?, tag: **tag });
        }
    }
    Ok(found)
}

/// Remembers whose person is erased: these profiles are in no file, although all else that is remembered of them is
/// deleted, until a sync confirmed something newer.
///
/// # Errors
/// Those of the database.
pub fn withhold(db: &Connection, profiles: &[Withheld], at: u64) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT OR REPLACE INTO audience_withheld VALUES (?1, ?2, ?3, ?4)")?;
    let insert = |it: &Withheld| insert.execute(params![it.integration, it.profile_id, at.cast_signed(), it.tag]);
    profiles.iter().map(insert).try_for_each(|done| done.map(drop))
}

/// The person with this tag may be known again.
///
/// # Errors
/// Those of the database.
pub fn release(db: &Connection, tag: &[u8; 32]) -> Result<()> {
    db.execute("DELETE FROM audience_withheld WHERE tag = ?1", [tag]).map(drop)
}

/// Which profiles of an integration are withheld, in a few characters: others when others are.
///
/// # Errors
/// Those of the database.
pub fn withheld(db: &Connection, integration: &str) -> Result<String> {
    let what = "SELECT count(*), coalesce(max(at), 0) FROM audience_withheld WHERE integration = ?1";
    db.query_row(what, [integration], |row| Ok(format!("{}-{}", row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
}

/// The profiles of an integration that are withheld, and that no sync remembers anything of.
///
/// # Errors
/// Those of the database.
pub fn withheld_alone(db: &Connection, integration: &str) -> Result<Vec<i64>> {
    let mut rows = db.prepare_cached(
        "SELECT profile_id FROM audience_withheld WHERE integration = ?1
         AND NOT EXISTS (SELECT 1 FROM sync_rows WHERE sync_rows.integration = audience_withheld.integration
                         AND sync_rows.profile_id = audience_withheld.profile_id)",
    )?;
    rows.query_map([integration], |row| row.get(0))?.collect()
}

/// What syncs know of the profiles of an integration, in a few characters: others when they know something else.
///
/// # Errors
/// Those of the database.
pub fn knowledge(db: &Connection, integration: &str) -> Result<String> {
    let what = "SELECT count(*), coalesce(max(confirmed_at), 0) FROM sync_rows WHERE integration = ?1";
    db.query_row(what, [integration], |row| Ok(format!("{}-{}", row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
}

/// How many profiles of an integration had their REAID emptied.
///
/// # Errors
/// Those of the database.
pub fn emptied(db: &Connection, integration: &str) -> Result<u64> {
    let count = "SELECT count(*) FROM sync_rows WHERE integration = ?1 AND confirmed_at IS NOT NULL
                 AND fingerprint IS NOT NULL AND key_id IS NULL";
    db.query_row(count, [integration], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

#[cfg(test)]
mod tests {
    use super::super::sync as rows;
    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        for schema in [rows::SCHEMA_V1, rows::SCHEMA_IMPORTS, SCHEMA, SCHEMA_SAVED] {
            db.execute_batch(schema).unwrap();
        }
        db
    }

    #[test]
    fn the_newest_runs_are_kept_and_come_first() {
        let db = database();
        for at in 0..=u64::from(RUNS_KEPT) + 2 {
            for activation in ["daily", "weekly"] {
                let (activation, summary) = (activation.into(), "{}".into());
                let run = Run { activation, started_at: at, ended_at: at + 1, error: None, summary };
                save_run(&db, &run).unwrap();
            }
        }
        let kept = runs(&db, "daily", 1000).unwrap();
        assert_eq!((kept.len(), kept[0].started_at), (RUNS_KEPT as usize, u64::from(RUNS_KEPT) + 2));
        assert_eq!(runs(&db, "weekly", 1).unwrap().len(), 1);
    }

    #[test]
    fn the_last_run_is_one_that_went_through_since_the_activation_was_saved() {
        let db = database();
        let run = |started_at, error: Option<&str>, ended| {
            let summary = format!(r#"{{"activation":"daily","ended":"{ended}"}}"#);
            let error = error.map(str::to_owned);
            save_run(&db, &Run { activation: "daily".into(), started_at, ended_at: started_at, error, summary })
                .unwrap();
        };
        let last = || last_run(&db, "daily").unwrap().0;
        run(1, None, "complete");
        run(2, None, "early");
        run(3, Some("unreachable"), "early");
        assert_eq!(last(), Some(1));
        run(4, None, "incomplete");
        assert_eq!(last(), Some(4));
        save_activation(&db, "daily", "").unwrap();
        let saved = last_run(&db, "daily").unwrap();
        assert_eq!(saved.0, None);
        run(5, None, "complete");
        assert_eq!(last(), Some(5));
        assert!(delete_activation(&db, "daily").unwrap() && !delete_activation(&db, "daily").unwrap());
        save_activation(&db, "daily", "").unwrap();
        assert!(last().is_none() && last_run(&db, "daily").unwrap().1 > saved.1);
    }

    #[test]
    fn a_profile_whose_reaid_was_emptied_is_told_from_one_that_has_one() {
        let db = database();
        rows::confirm(&db, "shop", 1, (Some(1), *b"jane----"), 1000).unwrap();
        rows::confirm(&db, "shop", 2, (None, *b"nothing-"), 1000).unwrap();
        rows::fail(&db, "shop", 3, "timeout", 1000).unwrap();
        rows::confirm(&db, "other", 4, (Some(1), *b"john----"), 1000).unwrap();
        let known = profiles_after(&db, "shop", -1, 10).unwrap();
        let of = |id, mark, emptied| Profile { id, mark, emptied };
        assert_eq!(known, [of(1, Some(*b"jane----"), false), of(2, None, true), of(3, None, false)]);
        assert_eq!(emptied(&db, "shop").unwrap(), 1);
    }

    #[test]
    fn the_profile_of_a_person_who_is_erased_is_withheld_until_a_sync_says_more_or_the_person_consents() {
        let db = database();
        let (jane, john) = ([1; 32], [2; 32]);
        for (id, mark) in [(1, *b"jane----"), (2, *b"john----"), (3, *b"jane-old")] {
            rows::confirm(&db, "shop", id, (Some(1), mark), 1000).unwrap();
        }
        let before = withheld(&db, "shop").unwrap();
        let people = [(jane, vec![*b"jane----", *b"jane-old"]), (john, vec![*b"john-old"])];
        withhold(&db, &profiles_of(&db, &people).unwrap(), 2000).unwrap();
        assert_ne!(withheld(&db, "shop").unwrap(), before);
        let emptied = |db: &Connection| {
            let known = profiles_after(db, "shop", -1, 10).unwrap();
            known.iter().filter(|it| it.emptied).map(|it| it.id).collect::<Vec<_>>()
        };
        assert_eq!(emptied(&db), [1, 3]);
        rows::forget(&db, "shop", &[1]).unwrap();
        assert_eq!((withheld_alone(&db, "shop").unwrap(), emptied(&db)), (vec![1], vec![3]));
        rows::confirm(&db, "shop", 3, (Some(1), *b"john----"), 3000).unwrap();
        assert_eq!(emptied(&db), [0; 0], "somebody else has this profile now");
        release(&db, &jane).unwrap();
        assert_eq!((withheld_alone(&db, "shop").unwrap(), withheld(&db, "shop").unwrap()), (vec![], before));
    }
}
