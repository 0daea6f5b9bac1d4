//! Putting events into the outbox. The cost of one does not grow with what is there: rows go to the
//! end of the table and to the right edge of each index.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use super::{Event, State};

/// Room is looked at once for this many events: about 100 KiB, which `max_size` may be exceeded by.
const ROOM_CHECKED_EVERY: usize = 256;

/// Inserts events in order until `max_size` is reached; returns how many went in.
pub(super) fn append(
    transaction: &Transaction<'_>,
    events: &[(Event, State)],
    max_size: u64,
) -> rusqlite::Result<usize> {
    let mut moved: HashMap<(&str, State), i64> = HashMap::new();
    let mut stored = 0;
    for some in events.chunks(ROOM_CHECKED_EVERY) {
        if bytes_in_use(transaction)? >= max_size {
            break;
        }
        for (event, state) in some {
            insert(transaction, event, *state)?;
            *moved.entry((&event.account, *state)).or_default() += 1;
        }
        stored += some.len();
    }
    for ((account, state), events) in moved {
        add_to_tally(transaction, account, state, events)?;
    }
    Ok(stored)
}

/// Adds `events` (or takes them away) where an account's events of one state are counted.
pub(super) fn add_to_tally(
    transaction: &Transaction<'_>,
    account: &str,
    state: State,
    events: i64,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO tally (account, state, events) VALUES (?1, ?2, ?3)
        ON CONFLICT (account, state) DO UPDATE SET events = events + excluded.events";
    transaction.prepare_cached(sql)?.execute(params![account, state, events]).map(drop)
}

/// Pages that hold something, including those this transaction has added.
fn bytes_in_use(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    let pragma = |name: &str| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    Ok((pages * pragma("page_size")?).unsigned_abs())
}

fn insert(transaction: &Transaction<'_>, event: &Event, state: State) -> rusqlite::Result<()> {
    let at = event.at.millis() as i64;
    let done = (state != State::Waiting).then_some(at);
    let sql = "INSERT INTO event (id, at, kind, agent, verdict, account, campaign, number, reaid, page, state, due, since, done)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?2, ?2, ?12)";
    let values = params![
        event.id.0,
        at,
        event.kind,
        event.agent,
        event.verdict,
        event.account,
        event.campaign,
        event.number,
        event.reaid,
        event.page,
        state,
        done
    ];
    transaction.prepare_cached(sql)?.execute(values).map(drop)
}
