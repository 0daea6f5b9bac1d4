//! Reading what is kept of campaigns.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::fold::folded;
use crate::clock::Timestamp;
use crate::store::outbox::timestamp;
use crate::store::{Agent, Kind, Verdict};

/// A campaign in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Campaign {
    /// What the other functions know it by.
    pub id: i64,
    /// Its name.
    pub campaign: String,
    /// The Raptor customer id.
    pub account: String,
    /// When its first event happened; `None` when there was none.
    pub first: Option<Timestamp>,
    /// When its last event happened.
    pub last: Option<Timestamp>,
}

/// Everything that is kept of a campaign in one account.
#[derive(Clone, Debug)]
pub struct Whole {
    /// Which.
    pub campaign: Campaign,
    /// Its events, counted: clicks first, then by agent and verdict.
    pub counts: Vec<Count>,
    /// The sketch of the people who clicked.
    pub clicked: Option<Vec<u8>>,
    /// The sketch of the people who opened.
    pub opened: Option<Vec<u8>>,
    /// Its links, those that people clicked most first.
    pub links: Vec<LinkCounts>,
}

/// Events of one kind, agent and verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// What happened.
    pub kind: Kind,
    /// Who asked.
    pub agent: Agent,
    /// What became of the identity; `None` when that was not recorded.
    pub verdict: Option<Verdict>,
    /// How many.
    pub events: u64,
}

/// A link with its clicks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCounts {
    /// Its number in the newsletter.
    pub number: u16,
    /// Where it leads: as remembered when its newsletter was rewritten, else as a click showed, without
    /// the query.
    pub url: Option<String>,
    /// What it says.
    pub text: Option<String>,
    /// All clicks.
    pub clicks: u64,
    /// Those of people's browsers.
    pub human: u64,
    /// When the first happened.
    pub first: Option<Timestamp>,
    /// When the last happened.
    pub last: Option<Timestamp>,
}

/// Campaigns of this name and account (all without), the latest first.
///
/// # Errors
/// What SQLite says, as for every function here.
pub fn find(connection: &Connection, campaign: Option<&str>, account: Option<&str>) -> rusqlite::Result<Vec<Campaign>> {
    let sql = "SELECT id, campaign, account, first, last FROM campaign
        WHERE (?1 IS NULL OR campaign = ?1) AND (?2 IS NULL OR account = ?2)
        ORDER BY touched DESC, campaign, account";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params![campaign, account], |row| {
        Ok(Campaign {
            id: row.get(0)?,
            campaign: row.get(1)?,
            account: row.get(2)?,
            first: row.get::<_, Option<i64>>(3)?.map(timestamp),
            last: row.get::<_, Option<i64>>(4)?.map(timestamp),
        })
    })?;
    found.collect()
}

/// All of a campaign, with up to `most` links.
///
/// # Errors
/// What SQLite says.
pub fn whole(connection: &Connection, campaign: Campaign, most: usize) -> rusqlite::Result<Whole> {
    Ok(Whole {
        counts: counts(connection, campaign.id)?,
        clicked: people(connection, campaign.id, Kind::Click)?,
        opened: people(connection, campaign.id, Kind::Open)?,
        links: links(connection, campaign.id, most)?,
        campaign,
    })
}

/// A campaign's events, counted: clicks first, then by agent and verdict.
///
/// # Errors
/// What SQLite says.
pub fn counts(connection: &Connection, id: i64) -> rusqlite::Result<Vec<Count>> {
    let sql = "SELECT kind, agent, nullif(verdict, -1), events FROM campaign_count
        WHERE id = ?1 ORDER BY kind, agent, verdict";
    let mut statement = connection.prepare_cached(sql)?;
    let counts = statement.query_map([id], |row| {
        let events = row.get::<_, i64>(3)?.unsigned_abs();
        Ok(Count { kind: row.get(0)?, agent: row.get(1)?, verdict: row.get(2)?, events })
    })?;
    counts.collect()
}

fn people(connection: &Connection, id: i64, kind: Kind) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT sketch FROM campaign_people WHERE id = ?1 AND kind = ?2";
    connection.prepare_cached(sql)?.query_row(params![id, kind], |row| row.get(0)).optional()
}

fn links(connection: &Connection, id: i64, limit: usize) -> rusqlite::Result<Vec<LinkCounts>> {
    let sql = "SELECT number, coalesce(url, page), text, clicks, human, first, last FROM campaign_link
        WHERE id = ?1 ORDER BY human DESC, clicks DESC, number LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let links = statement.query_map(params![id, limit as i64], |row| {
        Ok(LinkCounts {
            number: row.get(0)?,
            url: row.get(1)?,
            text: row.get(2)?,
            clicks: row.get::<_, i64>(3)?.unsigned_abs(),
            human: row.get::<_, i64>(4)?.unsigned_abs(),
            first: row.get::<_, Option<i64>>(5)?.map(timestamp),
            last: row.get::<_, Option<i64>>(6)?.map(timestamp),
        })
    })?;
    links.collect()
}

/// How many events are not counted yet, and when the first of them happened.
///
/// # Errors
/// What SQLite says.
pub fn progress(connection: &Connection) -> rusqlite::Result<(u64, Option<Timestamp>)> {
    let folded = folded(connection)?;
    // Places are given in a row, and none beyond the mark is ever removed: no need to count rows.
    let newest: Option<i64> = connection.query_row("SELECT max(seq) FROM event", [], |row| row.get(0))?;
    let sql = "SELECT at FROM event WHERE seq > ?1 ORDER BY seq LIMIT 1";
    let oldest: Option<i64> = connection.prepare_cached(sql)?.query_row([folded], |row| row.get(0)).optional()?;
    let waiting = newest.map_or(0, |newest| newest.saturating_sub(folded).max(0));
    Ok((waiting.unsigned_abs(), oldest.map(timestamp)))
}
