//! Putting events into the outbox. The cost of one does not grow with what is there: rows go to the
//! end of the table and to the right edge of each index.

use std::collections::HashMap;
use std::sync::LazyLock;

use rusqlite::{ToSql, Transaction, params};

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
        insert(transaction, some)?;
        for (event, state) in some {
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
    let pragma = |sql| transaction.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0));
    let pages = pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?;
    Ok((pages * pragma("PRAGMA page_size")?).unsigned_abs())
}

/// Rows of one statement: SQLite reads and writes the table of numbers that AUTOINCREMENT needs once for all of them.
const ROWS: usize = 16;

/// Parameters of a row.
const COLUMNS: usize = 16;

static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert_of(1));
static INSERT_ROWS: LazyLock<String> = LazyLock::new(|| insert_of(ROWS));

fn insert_of(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS].join(", "));
    format!(
        "INSERT INTO event
            (id, at, kind, agent, verdict, account, campaign, number, reaid, page, state, due, since, done, coid, sid)
        VALUES {}",
        vec![row; rows].join(", ")
    )
}

fn insert(transaction: &Transaction<'_>, events: &[(Event, State)]) -> rusqlite::Result<()> {
    let full = events.chunks_exact(ROWS);
    let rest = full.remainder();
    for rows in full {
        insert_by(&INSERT_ROWS, transaction, rows)?;
    }
    rest.chunks(1).try_for_each(|row| insert_by(&INSERT_ONE, transaction, row))
}

fn insert_by(sql: &str, transaction: &Transaction<'_>, rows: &[(Event, State)]) -> rusqlite::Result<()> {
    let mut statement = transaction.prepare_cached(sql)?;
    for (index, (event, state)) in rows.iter().enumerate() {
        let at = event.at.millis() as i64;
        // While an event waits it keeps room for the time when it is done: a row that grows would push its
        // neighbours to another page.
        let values: [&dyn ToSql; COLUMNS] = [
            &event.id.0,
            &at,
            &event.kind,
            &event.agent,
            &event.verdict,
            &event.account,
            &event.campaign,
            &event.number,
            &event.reaid,
            &event.page,
            state,
            &at,
            &at,
            &at,
            &event.cookies.coid,
            &event.cookies.sid,
        ];
        for (column, value) in values.into_iter().enumerate() {
            statement.raw_bind_parameter(index * COLUMNS + column + 1, value)?;
        }
    }
    statement.raw_execute().map(drop)
}
