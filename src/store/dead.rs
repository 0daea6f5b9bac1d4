//! Dead letters: events given up on, kept for inspection and for another try.

use std::collections::HashMap;

use rusqlite::{Connection, Row, Transaction, params};

use super::append::add_to_tally;
use super::outbox::{EVENT, event, timestamp};
use super::{Event, EventId, State};
use crate::clock::Timestamp;

/// Dead letters moved in one write: a few milliseconds, so that clicks do not wait.
pub const RETRY_SLICE: usize = 1000;

/// An event that was given up.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The event.
    pub event: Event,
    /// Why, as in `rejected` or `expired`.
    pub reason: String,
    /// The last answer, as in `403` or `timeout`.
    pub answer: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was given up.
    pub died: Timestamp,
}

/// Which dead letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// Those of one account.
    Account(String),
    /// One.
    Id(EventId),
}

/// Up to `limit` dead letters, the newest first.
///
/// # Errors
/// What SQLite says.
pub fn dead(connection: &Connection, which: &Which, limit: usize) -> rusqlite::Result<Vec<DeadLetter>> {
    let (account, id) = filters(which);
    let sql = format!(
        "SELECT {EVENT}, reason, answer, attempts, done FROM event
            WHERE state = 2 AND state <> 0 AND (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR id = ?2)
            ORDER BY done DESC LIMIT ?3"
    );
    let letter = |row: &Row<'_>| {
        Ok(DeadLetter {
            event: event(row)?,
            reason: row.get::<_, Option<String>>(12)?.unwrap_or_default(),
            answer: row.get::<_, Option<String>>(13)?.unwrap_or_default(),
            attempts: row.get(14)?,
            died: timestamp(row.get(15)?),
        })
    };
    connection.prepare_cached(&sql)?.query_map(params![account, id, limit as i64], letter)?.collect()
}

/// Puts up to [`RETRY_SLICE`] dead letters back among those that wait, due `now`, with their age and
/// tries starting anew; returns how many. Call again until it returns 0.
///
/// # Errors
/// What SQLite says.
pub fn retry_dead(transaction: &Transaction<'_>, which: &Which, now: Timestamp) -> rusqlite::Result<usize> {
    let (account, id) = filters(which);
    let sql = "UPDATE event
        SET state = 0, due = ?3, since = ?3, attempts = 0, reason = NULL
        WHERE seq IN (
            SELECT seq FROM event
            WHERE state = 2 AND state <> 0 AND (?1 IS NULL OR account = ?1) AND (?2 IS NULL OR id = ?2)
            ORDER BY done LIMIT ?4)
        RETURNING account";
    let mut moved: HashMap<String, i64> = HashMap::new();
    let mut statement = transaction.prepare_cached(sql)?;
    let values = params![account, id, now.millis() as i64, RETRY_SLICE as i64];
    for account in statement.query_map(values, |row| row.get::<_, String>(0))? {
        *moved.entry(account?).or_default() += 1;
    }
    for (account, events) in &moved {
        add_to_tally(transaction, account, State::Dead, -events)?;
        add_to_tally(transaction, account, State::Waiting, *events)?;
    }
    Ok(moved.values().sum::<i64>().unsigned_abs() as usize)
}

fn filters(which: &Which) -> (Option<&str>, Option<[u8; 16]>) {
    match which {
        Which::All => (None, None),
        Which::Account(account) => (Some(account), None),
        Which::Id(id) => (None, Some(id.0)),
    }
}
