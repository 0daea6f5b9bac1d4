//! What is kept of campaigns beyond their events: counters, sketches of people, and what links are
//! called. No REAID: a sketch is bytes that whoever calls understands.
//!
//! Every event is counted exactly once: [`count`] moves the mark of what was counted (`folded`) and the
//! counters in one transaction, and only from where the caller read on. Retention never removes an
//! event beyond that mark.

mod fold;
mod links;
mod show;

use rusqlite::{OptionalExtension as _, Transaction, params};

use crate::clock::Timestamp;

pub use fold::{Counted, Part, Tally, Uncounted, count, each_uncounted, sketch};
pub use links::{Link, LinkClicks, remember};
pub use show::{Campaign, Count, LinkCounts, Whole, counts, find, progress, whole};

/// Campaigns kept for each account together: a newsletter a day for two accounts fills it in 13 years.
/// At about 15 KiB each (two sketches, thirty links) that is 150 MB. Names come only from tokens that
/// we signed; when one more comes, the one that was quiet for longest goes.
pub const MAX_CAMPAIGNS: i64 = 10_000;

/// Version 2 of the schema. `verdict` is null in events that version 1 recorded. In `campaign_count`,
/// which cannot hold null in its key, that is -1. `folded` has one row: the last event that was counted.
pub const SCHEMA: &str = "
    ALTER TABLE event ADD COLUMN verdict INTEGER;
    CREATE TABLE folded (seq INTEGER NOT NULL) STRICT;
    INSERT INTO folded (seq) VALUES (0);
    CREATE TABLE campaign (
        id INTEGER PRIMARY KEY,
        campaign TEXT NOT NULL,
        account TEXT NOT NULL,
        first INTEGER,
        last INTEGER,
        touched INTEGER NOT NULL,
        UNIQUE (campaign, account)
    ) STRICT;
    CREATE TABLE campaign_count (
        id INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        agent INTEGER NOT NULL,
        verdict INTEGER NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (id, kind, agent, verdict)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE campaign_people (
        id INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        sketch BLOB NOT NULL,
        PRIMARY KEY (id, kind)
    ) STRICT;
    CREATE TABLE campaign_link (
        id INTEGER NOT NULL,
        number INTEGER NOT NULL,
        url TEXT,
        text TEXT,
        page TEXT,
        clicks INTEGER NOT NULL DEFAULT 0,
        human INTEGER NOT NULL DEFAULT 0,
        first INTEGER,
        last INTEGER,
        PRIMARY KEY (id, number)
    ) STRICT, WITHOUT ROWID;
";

/// The id of a campaign in an account, made if it is new, and how many others had to go for it.
fn enter(
    transaction: &Transaction<'_>,
    campaign: &str,
    account: &str,
    now: Timestamp,
) -> rusqlite::Result<(i64, usize)> {
    let sql = "UPDATE campaign SET touched = max(touched, ?3) WHERE campaign = ?1 AND account = ?2 RETURNING id";
    let now = now.millis() as i64;
    let known = transaction.prepare_cached(sql)?.query_row(params![campaign, account, now], |row| row.get(0));
    if let Some(id) = known.optional()? {
        return Ok((id, 0));
    }
    let dropped = make_room(transaction)?;
    let sql = "INSERT INTO campaign (campaign, account, touched) VALUES (?1, ?2, ?3)";
    transaction.prepare_cached(sql)?.execute(params![campaign, account, now])?;
    Ok((transaction.last_insert_rowid(), dropped))
}

/// Forgets those that were quiet for longest until there is room for one more; returns how many.
fn make_room(transaction: &Transaction<'_>) -> rusqlite::Result<usize> {
    let mut dropped = 0;
    while transaction.query_row("SELECT count(*) FROM campaign", [], |row| row.get::<_, i64>(0))? >= MAX_CAMPAIGNS {
        let sql = "DELETE FROM campaign WHERE id = (SELECT id FROM campaign ORDER BY touched LIMIT 1) RETURNING id";
        let id: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
        for table in ["campaign_count", "campaign_people", "campaign_link"] {
            transaction.execute(&format!("DELETE FROM {table} WHERE id = ?1"), [id])?;
        }
        dropped += 1;
    }
    Ok(dropped)
}

#[cfg(test)]
mod tests;
