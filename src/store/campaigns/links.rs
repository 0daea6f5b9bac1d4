//! The links of a campaign: what they are called, and how often they were clicked.

use rusqlite::{Transaction, params};

use super::enter;
use crate::clock::Timestamp;

/// What is remembered of a link when its newsletter is rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number in the newsletter.
    pub number: u16,
    /// Where it leads.
    pub url: String,
    /// What it says: its text, or its image's.
    pub text: Option<String>,
}

/// Clicks on one link, to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkClicks {
    /// All.
    pub clicks: u64,
    /// Those of people's browsers.
    pub human: u64,
    /// When the first happened.
    pub first: Timestamp,
    /// When the last happened.
    pub last: Timestamp,
    /// Where one of them led, without its query: names a link that nothing else is remembered of.
    pub page: Option<String>,
}

/// Remembers what links are called, in the place of what their numbers were called before.
///
/// # Errors
/// What SQLite says.
pub fn remember(
    transaction: &Transaction<'_>,
    campaign: &str,
    account: &str,
    links: &[Link],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let (id, _) = enter(transaction, campaign, account, now)?;
    let sql = "INSERT INTO campaign_link (id, number, url, text) VALUES (?1, ?2, ?3, ?4)
        ON CONFLICT DO UPDATE SET url = excluded.url, text = excluded.text";
    let mut statement = transaction.prepare_cached(sql)?;
    links.iter().try_for_each(|link| statement.execute(params![id, link.number, link.url, link.text]).map(drop))
}

impl LinkClicks {
    /// Adds them to what is stored of link `number`.
    pub(super) fn add(&self, transaction: &Transaction<'_>, id: i64, number: u16) -> rusqlite::Result<()> {
        let sql = "INSERT INTO campaign_link (id, number, page, clicks, human, first, last)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT DO UPDATE SET page = coalesce(page, excluded.page),
                clicks = clicks + excluded.clicks, human = human + excluded.human,
                first = min(coalesce(first, excluded.first), excluded.first),
                last = max(coalesce(last, excluded.last), excluded.last)";
        let (first, last) = (self.first.millis() as i64, self.last.millis() as i64);
        let values = params![id, number, self.page, self.clicks as i64, self.human as i64, first, last];
        transaction.prepare_cached(sql)?.execute(values).map(drop)
    }
}
