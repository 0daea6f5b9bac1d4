//! From events to counters: what was not counted yet, and one transaction that counts it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::{LinkClicks, enter};
use crate::clock::Timestamp;
use crate::store::outbox::timestamp;
use crate::store::{Agent, Kind, Verdict};

/// An event that is not in the counters yet.
#[derive(Clone, Copy)]
pub struct Uncounted<'a> {
    /// Its place in the store.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// Who asked.
    pub agent: Agent,
    /// What became of its identity; `None` when that was not recorded.
    pub verdict: Option<Verdict>,
    /// The Raptor customer id.
    pub account: &'a str,
    /// The campaign.
    pub campaign: &'a str,
    /// The number of the link.
    pub number: u16,
    /// The recipient's REAID.
    pub reaid: Option<&'a str>,
    /// Where a click landed.
    pub page: Option<&'a str>,
}

/// What to count at once.
#[derive(Debug, Default)]
pub struct Tally {
    /// The last event that was counted before.
    pub from: i64,
    /// The last event in this tally.
    pub to: i64,
    /// One for each campaign and account.
    pub parts: Vec<Part>,
}

/// What to count for one campaign in one account.
#[derive(Debug)]
pub struct Part {
    /// The campaign.
    pub campaign: String,
    /// The Raptor customer id.
    pub account: String,
    /// When the first of its events happened.
    pub first: Timestamp,
    /// When the last of its events happened.
    pub last: Timestamp,
    /// Events by kind, agent and verdict.
    pub events: HashMap<(Kind, Agent, Option<Verdict>), u64>,
    /// Clicks by the number of the link.
    pub links: HashMap<u16, LinkClicks>,
    /// Sketches of people that take the place of the stored ones.
    pub people: Vec<(Kind, Vec<u8>)>,
}

/// What came of a tally.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It is counted.
    Done {
        /// Campaigns that had to go, because there were too many.
        dropped: usize,
    },
    /// Somebody else counted meanwhile: nothing was changed.
    Overtaken,
}

/// Calls `each` for up to `limit` events that are not counted yet, in their order, until it breaks;
/// returns where counting begins: the last event that is counted.
///
/// # Errors
/// What SQLite says.
pub fn each_uncounted(
    connection: &Connection,
    limit: usize,
    mut each: impl FnMut(Uncounted<'_>) -> ControlFlow<()>,
) -> rusqlite::Result<i64> {
    let folded = folded(connection)?;
    let sql = "SELECT seq, at, kind, agent, verdict, account, campaign, number, reaid, page
        FROM event WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params![folded, limit as i64])?;
    while let Some(row) = rows.next()? {
        if each(uncounted(row)?).is_break() {
            break;
        }
    }
    Ok(folded)
}

/// The stored sketch of the people of a campaign.
///
/// # Errors
/// What SQLite says.
pub fn sketch(connection: &Connection, campaign: &str, account: &str, kind: Kind) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT sketch FROM campaign_people JOIN campaign USING (id)
        WHERE campaign = ?1 AND account = ?2 AND kind = ?3";
    connection.prepare_cached(sql)?.query_row(params![campaign, account, kind], |row| row.get(0)).optional()
}

/// Counts `tally`, if nobody counted since it was made. **The commit of `transaction` is the one moment
/// at which its events are counted.**
///
/// # Errors
/// What SQLite says.
pub fn count(transaction: &Transaction<'_>, tally: &Tally, now: Timestamp) -> rusqlite::Result<Counted> {
    let moved = transaction.execute("UPDATE folded SET seq = ?2 WHERE seq = ?1", [tally.from, tally.to])?;
    if moved == 0 {
        return Ok(Counted::Overtaken);
    }
    let mut dropped = 0;
    for part in &tally.parts {
        let (id, more) = enter(transaction, &part.campaign, &part.account, now)?;
        dropped += more;
        count_part(transaction, id, part)?;
    }
    Ok(Counted::Done { dropped })
}

pub(super) fn folded(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("SELECT seq FROM folded")?.query_row([], |row| row.get(0))
}

/// The number of a verdict in `campaign_count`.
fn number_of(verdict: Option<Verdict>) -> i64 {
    verdict.map_or(-1, |verdict| verdict as i64)
}

fn count_part(transaction: &Transaction<'_>, id: i64, part: &Part) -> rusqlite::Result<()> {
    let sql = "UPDATE campaign SET first = min(coalesce(first, ?2), ?2), last = max(coalesce(last, ?3), ?3)
        WHERE id = ?1";
    let (first, last) = (part.first.millis() as i64, part.last.millis() as i64);
    transaction.prepare_cached(sql)?.execute(params![id, first, last])?;
    let sql = "INSERT INTO campaign_count (id, kind, agent, verdict, events) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET events = events + excluded.events";
    let mut statement = transaction.prepare_cached(sql)?;
    for ((kind, agent, verdict), events) in &part.events {
        statement.execute(params![id, kind, agent, number_of(*verdict), *events as i64])?;
    }
    for (number, clicks) in &part.links {
        clicks.add(transaction, id, *number)?;
    }
    let sql = "INSERT INTO campaign_people (id, kind, sketch) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET sketch = excluded.sketch";
    let mut statement = transaction.prepare_cached(sql)?;
    part.people.iter().try_for_each(|(kind, sketch)| statement.execute(params![id, kind, sketch]).map(drop))
}

fn uncounted<'a>(row: &'a Row<'_>) -> rusqlite::Result<Uncounted<'a>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
    let perhaps = |column| match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => Ok::<_, rusqlite::Error>(Some(value.as_str()?)),
    };
    Ok(Uncounted {
        seq: row.get(0)?,
        at: timestamp(row.get(1)?),
        kind: row.get(2)?,
        agent: row.get(3)?,
        verdict: row.get(4)?,
        account: text(5)?,
        campaign: text(6)?,
        number: row.get(7)?,
        reaid: perhaps(8)?,
        page: perhaps(9)?,
    })
}
