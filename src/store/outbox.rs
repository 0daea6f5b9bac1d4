//! The outbox: events on their way to Raptor. Leases are not here: they live and end with the process
//! that delivers, so a row in [`State::Waiting`] is all that a crash leaves.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, Row, Transaction, params};

use super::append::add_to_tally;
use super::{CookieIds, Event, EventId, State, meta};
use crate::clock::Timestamp;

pub use super::dead::{DeadLetter, RETRY_SLICE, Which, dead, retry_dead};

/// An index that each event goes into and leaves again makes way for one of the few that were tried.
pub(super) const SCHEMA_TRIED: &str = "
    DROP INDEX event_age;
    CREATE INDEX event_tried ON event (account, at) WHERE state = 0 AND due <> at;
";

/// An event that waits, as delivery takes it.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its place in the store.
    pub seq: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// What its age counts from: its own time, or when it was given another try.
    pub since: Timestamp,
    /// The event.
    pub event: Event,
}

/// What came of trying to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The event's place in the store.
    pub seq: i64,
    /// Its account.
    pub account: String,
    /// Where it goes from here.
    pub fate: Fate,
    /// What was answered, as in `503` or `timeout`; `None` when it was not sent.
    pub answer: Option<String>,
}

/// Where an event goes after a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was taken.
    Delivered,
    /// It is tried again.
    Retry {
        /// Not before then.
        due: Timestamp,
    },
    /// It is given up, for this reason.
    Dead(&'static str),
}

/// How many events of one account are in one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The Raptor customer id.
    pub account: String,
    /// The state.
    pub state: State,
    /// How many.
    pub events: u64,
    /// When the oldest one happened; looked up for [`State::Waiting`] only.
    pub oldest: Option<Timestamp>,
}

/// The accounts for which events wait, and how many. Reads a handful of rows.
///
/// # Errors
/// What SQLite says.
pub fn backlog(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let sql = "SELECT account, events FROM tally WHERE state = 0 AND events > 0 ORDER BY account";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?.collect()
}

/// Up to `limit` events of `account` that are due and not among `leased`, those due first first.
///
/// # Errors
/// What SQLite says.
pub fn candidates(
    connection: &Connection,
    account: &str,
    now: Timestamp,
    leased: &HashSet<i64>,
    limit: usize,
) -> rusqlite::Result<Vec<Waiting>> {
    let sql = "SELECT seq FROM event WHERE state = 0 AND account = ?1 AND due <= ?2 ORDER BY due LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let most = (limit + leased.len()) as i64;
    let due = statement.query_map(params![account, now.millis() as i64, most], |row| row.get::<_, i64>(0))?;
    let due: Vec<i64> = due.collect::<Result<_, _>>()?;
    let free = due.into_iter().filter(|seq| !leased.contains(seq)).take(limit);
    let sql = format!("SELECT {EVENT}, attempts, since FROM event WHERE seq = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut waiting = |seq: i64| {
        statement.query_row([seq], |row| {
            Ok(Waiting { seq, attempts: row.get(12)?, since: timestamp(row.get(13)?), event: event(row)? })
        })
    };
    free.map(&mut waiting).collect()
}

/// Writes what came of a batch. A row that is no longer waiting is left as it is.
///
/// # Errors
/// What SQLite says.
pub fn settle(transaction: &Transaction<'_>, now: Timestamp, acks: &[Ack]) -> rusqlite::Result<()> {
    let mut moved: HashMap<(&str, State), i64> = HashMap::new();
    for ack in acks {
        if !settle_one(transaction, now, ack)? {
            continue;
        }
        let state = match ack.fate {
            Fate::Delivered => State::Delivered,
            Fate::Dead(_) => State::Dead,
            Fate::Retry { .. } => continue,
        };
        *moved.entry((&ack.account, State::Waiting)).or_default() -= 1;
        *moved.entry((&ack.account, state)).or_default() += 1;
    }
    for ((account, state), events) in moved {
        add_to_tally(transaction, account, state, events)?;
    }
    Ok(())
}

/// How many events there are, by account and state. An event is due when it happened, unless it was tried: those
/// have an index of their own, so that the others need none by their time.
///
/// # Errors
/// What SQLite says.
pub fn counts(connection: &Connection) -> rusqlite::Result<Vec<Count>> {
    let sql = "SELECT account, state, events,
            CASE state WHEN 0 THEN min(
                (SELECT min(due) FROM event WHERE state = 0 AND account = tally.account),
                (SELECT coalesce(min(at), 1 << 62) FROM event
                    WHERE state = 0 AND due <> at AND account = tally.account)) END
        FROM tally WHERE events > 0 ORDER BY account, state";
    let mut statement = connection.prepare_cached(sql)?;
    let count = |row: &Row<'_>| {
        Ok(Count {
            account: row.get(0)?,
            state: row.get(1)?,
            events: row.get::<_, i64>(2)?.unsigned_abs(),
            oldest: row.get::<_, Option<i64>>(3)?.map(timestamp),
        })
    };
    statement.query_map([], count)?.collect()
}

/// Notes since when deliveries to `account` are held back, or that they are not.
///
/// # Errors
/// What SQLite says.
pub fn note_held(connection: &Connection, account: &str, since: Option<Timestamp>) -> rusqlite::Result<()> {
    let key = format!("{HELD}{account}");
    match since {
        Some(since) => meta::set(connection, &key, &since.millis().to_string()),
        None => meta::remove(connection, &key),
    }
}

/// The accounts to which deliveries are held back, and since when. What a crash left stands here until
/// the next delivery starts.
///
/// # Errors
/// What SQLite says.
pub fn held(connection: &Connection) -> rusqlite::Result<Vec<(String, Timestamp)>> {
    let noted = meta::list(connection, HELD)?.into_iter();
    let held = noted.map(|(key, since)| {
        let since = since.parse().map(Timestamp::from_millis).unwrap_or_default();
        (key[HELD.len()..].to_string(), since)
    });
    Ok(held.collect())
}

const HELD: &str = "held.";

/// Columns of an event, in the order [`event`] reads them.
pub(super) const EVENT: &str = "id, at, kind, agent, verdict, account, campaign, number, reaid, page, coid, sid";

pub(super) fn event(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: EventId(row.get(0)?),
        at: timestamp(row.get(1)?),
        kind: row.get(2)?,
        agent: row.get(3)?,
        verdict: row.get(4)?,
        account: row.get(5)?,
        campaign: row.get(6)?,
        number: row.get(7)?,
        reaid: row.get(8)?,
        page: row.get(9)?,
        cookies: CookieIds { coid: row.get(10)?, sid: row.get(11)? },
        withheld: false,
    })
}

pub(super) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis.unsigned_abs())
}

/// Whether the event was waiting. What is delivered becomes no longer by it, so that its neighbours stay where they
/// are; its answer is not kept.
fn settle_one(transaction: &Transaction<'_>, now: Timestamp, ack: &Ack) -> rusqlite::Result<bool> {
    let (at, tried) = (now.millis() as i64, ack.answer.is_some());
    let settled = match ack.fate {
        Fate::Delivered => {
            let sql = "UPDATE event SET state = 1, done = ?2, attempts = attempts + ?3 WHERE seq = ?1 AND state = 0";
            transaction.prepare_cached(sql)?.execute(params![ack.seq, at, tried])?
        }
        Fate::Dead(reason) => {
            let sql = "UPDATE event SET state = 2, done = ?2, attempts = attempts + ?3, reason = ?4,
                    answer = coalesce(?5, answer)
                WHERE seq = ?1 AND state = 0";
            transaction.prepare_cached(sql)?.execute(params![ack.seq, at, tried, reason, ack.answer])?
        }
        Fate::Retry { due } => {
            let sql = "UPDATE event SET due = ?2, attempts = attempts + ?3, answer = coalesce(?4, answer)
                WHERE seq = ?1 AND state = 0";
            transaction.prepare_cached(sql)?.execute(params![ack.seq, due.millis() as i64, tried, ack.answer])?
        }
    };
    Ok(settled > 0)
}
