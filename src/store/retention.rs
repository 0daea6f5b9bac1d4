//! Removing what was kept for long enough.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{Transaction, params};

use super::append::add_to_tally;
use super::{State, Store, StoreError};
use crate::clock::Timestamp;

/// Rows removed in one write: with what is deleted being overwritten that is a millisecond beside the commit itself, so
/// that clicks do not wait. Fewer rows only mean more commits.
const SLICE: usize = 500;

/// How long events stay after they are done with.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Delivered events, and those that were never meant for delivery.
    pub delivered: Duration,
    /// Dead letters.
    pub dead: Duration,
}

/// Removes what is older than it may be, slice by slice; returns how many events.
///
/// # Errors
/// What the writes fail with; slices that went through stay removed.
pub async fn sweep(store: &Store, kept: Kept, now: Timestamp) -> Result<usize, StoreError> {
    let mut removed = 0;
    for (state, keep) in [(State::Delivered, kept.delivered), (State::Kept, kept.delivered), (State::Dead, kept.dead)] {
        loop {
            let slice = store.write(move |transaction| remove(transaction, state, now.before(keep))).await?;
            removed += slice;
            // A slice may be short because of what is not counted yet.
            if slice == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

fn remove(transaction: &Transaction<'_>, state: State, before: Timestamp) -> rusqlite::Result<usize> {
    // What is not counted yet stays. The slice is taken first, so that a sweep that runs ahead of the
    // counting looks at no more rows than one that removes them.
    let sql = "DELETE FROM event WHERE seq <= (SELECT seq FROM folded) AND seq IN (
            SELECT seq FROM event WHERE state = ?1 AND state <> 0 AND done < ?2 ORDER BY done LIMIT ?3)
        RETURNING account";
    let mut removed: HashMap<String, i64> = HashMap::new();
    let mut statement = transaction.prepare_cached(sql)?;
    let values = params![state, before.millis() as i64, SLICE as i64];
    for account in statement.query_map(values, |row| row.get::<_, String>(0))? {
        *removed.entry(account?).or_default() += 1;
    }
    for (account, events) in &removed {
        add_to_tally(transaction, account, state, -events)?;
    }
    Ok(removed.values().sum::<i64>().unsigned_abs() as usize)
}
