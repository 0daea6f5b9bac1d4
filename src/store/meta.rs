//! Small facts under a name: what the program must remember from one start to the next.

use rusqlite::{Connection, OptionalExtension, params};

/// The value under `key`.
///
/// # Errors
/// What SQLite says.
pub fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
    statement.query_row([key], |row| row.get(0)).optional()
}

/// Puts `value` under `key`, replacing what was there.
///
/// # Errors
/// What SQLite says.
pub fn set(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    connection.prepare_cached(sql)?.execute(params![key, value]).map(drop)
}

/// Forgets `key`.
///
/// # Errors
/// What SQLite says.
pub fn remove(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key]).map(drop)
}

/// Every key that starts with `prefix`, with its value, in the order of the keys.
///
/// # Errors
/// What SQLite says.
pub fn list(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, String)>> {
    let sql = "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The scope that the REAIDs of the integration with this account were made in.
///
/// # Errors
/// What SQLite says.
pub fn remembered_scope(connection: &Connection, account: &str) -> rusqlite::Result<Option<String>> {
    get(connection, &scope_key(account))
}

/// Remembers the scope of the integration with this account.
///
/// # Errors
/// What SQLite says.
pub fn remember_scope(connection: &Connection, account: &str, scope: &str) -> rusqlite::Result<()> {
    set(connection, &scope_key(account), scope)
}

/// Every scope that REAIDs were ever made in.
///
/// # Errors
/// What SQLite says.
pub fn scopes(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    Ok(list(connection, SCOPE)?.into_iter().map(|(_, scope)| scope).collect())
}

const SCOPE: &str = "scope.";

fn scope_key(account: &str) -> String {
    format!("{SCOPE}{account}")
}
