//! People whose REAID somebody asked for by address, or whom a webhook named by address alone: they wait for a
//! sync to come by their profile, and no longer than [`ASKED_LASTS`]. Neither an address nor its digest is
//! kept: a person is known by the fingerprint of their REAID, which says nothing without the keyring.

use std::time::Duration;

use rusqlite::{Connection, Result, params};

use super::signed;
use crate::clock::Timestamp;
use crate::store::{Store, StoreError};

/// The first bytes of the SHA-256 of a REAID, as a sync remembers it of a profile.
pub type Fingerprint = [u8; 8];

/// How long somebody waits: a profile that is made a day after its address was asked for is found by the
/// list like any other.
pub const ASKED_LASTS: Duration = Duration::from_secs(24 * 3600);

/// How many of an integration may wait: 5 MB. Beyond it they are answered like all, and found by the list.
const MOST_ASKED: u64 = 100_000;

/// Rows removed in one write: a millisecond or two, so that clicks do not wait.
const SLICE: u32 = 1000;

/// Remembers that these people were asked for at this time; those that find no room are not.
///
/// # Errors
/// Those of the database, as for every function here.
pub fn ask(db: &Connection, integration: &str, people: &[Fingerprint], asked_at: u64) -> Result<()> {
    let room = MOST_ASKED.saturating_sub(count_asked(db, integration)?);
    let mut insert = db
        .prepare_cached("INSERT OR REPLACE INTO sync_asked (integration, fingerprint, asked_at) VALUES (?1, ?2, ?3)")?;
    let mut fit = people.iter().take(usize::try_from(room).unwrap_or(usize::MAX));
    fit.try_for_each(|person| insert.execute(params![integration, person, signed(asked_at)]).map(drop))
}

/// How many people wait.
///
/// # Errors
/// Those of the database.
pub fn count_asked(db: &Connection, integration: &str) -> Result<u64> {
    let mut count = db.prepare_cached("SELECT count(*) FROM sync_asked WHERE integration = ?1")?;
    count.query_row([integration], |row| super::unsigned(row, 0))
}

/// Whether each of these people waits, in their order.
///
/// # Errors
/// Those of the database.
pub fn waiting(
    db: &Connection,
    integration: &str,
    people: &[Option<Fingerprint>],
    now: Timestamp,
) -> Result<Vec<bool>> {
    // Mostly nobody waits, and a list has a million.
    if count_asked(db, integration)? == 0 {
        return Ok(vec![false; people.len()]);
    }
    let mut select =
        db.prepare_cached("SELECT 1 FROM sync_asked WHERE integration = ?1 AND fingerprint = ?2 AND asked_at >= ?3")?;
    let since = signed(now.before(ASKED_LASTS).millis());
    let mut waits = |person: &Option<Fingerprint>| match person {
        Some(person) => select.exists(params![integration, person, since]),
        None => Ok(false),
    };
    people.iter().map(&mut waits).collect()
}

/// Forgets that somebody was asked for: their profile was found.
///
/// # Errors
/// Those of the database.
pub fn forget_asked(db: &Connection, integration: &str, person: &Fingerprint) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM sync_asked WHERE integration = ?1 AND fingerprint = ?2")?;
    delete.execute(params![integration, person]).map(drop)
}

/// The same in all integrations, for somebody who is forgotten altogether.
///
/// # Errors
/// Those of the database.
pub fn erase_asked(db: &Connection, people: &[Fingerprint]) -> Result<()> {
    let mut delete = db.prepare_cached("DELETE FROM sync_asked WHERE fingerprint = ?1")?;
    people.iter().try_for_each(|person| delete.execute([person]).map(drop))
}

impl Store {
    /// Forgets those who waited for long enough.
    ///
    /// # Errors
    /// The database says why not.
    pub async fn expire_asked(&self, now: Timestamp) -> Result<(), StoreError> {
        while self.write(move |db| expire(db, now)).await? > 0 {}
        Ok(())
    }
}

/// Forgets some of them; how many.
fn expire(db: &Connection, now: Timestamp) -> Result<usize> {
    let delete = "DELETE FROM sync_asked WHERE (integration, fingerprint) IN
        (SELECT integration, fingerprint FROM sync_asked WHERE asked_at < ?1 LIMIT ?2)";
    db.execute(delete, params![signed(now.before(ASKED_LASTS).millis()), SLICE])
}

#[cfg(test)]
mod tests {
    use super::super::database;
    use super::*;

    const JANE: Fingerprint = [1; 8];
    const JOE: Fingerprint = [2; 8];

    fn at(hours: u64) -> Timestamp {
        Timestamp::from_secs(hours * 3600)
    }

    #[test]
    fn somebody_waits_for_a_day_and_is_found_once() {
        let db = database();
        ask(&db, "shop", &[JANE, JOE], at(100).millis()).unwrap();
        let people = [Some(JANE), None, Some([3; 8]), Some(JOE)];
        assert_eq!(waiting(&db, "shop", &people, at(124)).unwrap(), [true, false, false, true]);
        assert_eq!(waiting(&db, "sister", &people, at(124)).unwrap(), [false; 4]);
        assert_eq!(waiting(&db, "shop", &people, at(125)).unwrap(), [false; 4]);
        forget_asked(&db, "shop", &JANE).unwrap();
        assert_eq!(waiting(&db, "shop", &people, at(101)).unwrap(), [false, false, false, true]);
    }

    #[test]
    fn who_is_erased_waits_nowhere() {
        let db = database();
        for integration in ["shop", "sister"] {
            ask(&db, integration, &[JANE, JOE], at(100).millis()).unwrap();
        }
        erase_asked(&db, &[JANE]).unwrap();
        for integration in ["shop", "sister"] {
            assert_eq!(waiting(&db, integration, &[Some(JANE), Some(JOE)], at(100)).unwrap(), [false, true]);
        }
    }

    #[test]
    fn whoever_waited_for_long_enough_leaves_nothing_behind() {
        let db = database();
        ask(&db, "shop", &[JANE], at(100).millis()).unwrap();
        ask(&db, "shop", &[JOE], at(110).millis()).unwrap();
        assert_eq!(expire(&db, at(124)).unwrap(), 0);
        assert_eq!((expire(&db, at(125)).unwrap(), count_asked(&db, "shop").unwrap()), (1, 1));
    }

    #[test]
    fn those_who_find_no_room_push_nobody_out() {
        let db = database();
        let people: Vec<Fingerprint> = (0..MOST_ASKED).map(u64::to_be_bytes).collect();
        db.execute_batch("BEGIN").unwrap();
        ask(&db, "shop", &people, at(1).millis()).unwrap();
        ask(&db, "shop", &[[0xff; 8]], at(1).millis()).unwrap();
        assert_eq!(count_asked(&db, "shop").unwrap(), MOST_ASKED);
        assert_eq!(waiting(&db, "shop", &[Some([0xff; 8]), Some([0; 8])], at(1)).unwrap(), [false, true]);
    }
}
