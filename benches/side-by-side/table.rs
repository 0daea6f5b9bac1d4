//! The least that keeps clicks: a table without an index, one thread that puts in whatever has come and syncs it, and
//! a channel that tells all of a commit at once. No checkpoint but SQLite's own.

use std::mem;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, params};
use tokio::sync::watch;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS click
    (seq INTEGER PRIMARY KEY, at INTEGER, account TEXT, campaign TEXT, number INTEGER, reaid TEXT, page TEXT)";
const INSERT: &str =
    "INSERT INTO click (at, account, campaign, number, reaid, page) VALUES (?1, '1234', 'bench', 1, ?2, ?3)";

pub(crate) struct Row {
    pub(crate) reaid: String,
    pub(crate) page: String,
}

pub(crate) struct Table(Arc<Inbox>);

#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    some: Condvar,
}

/// What the next commit will hold.
#[derive(Default)]
struct Waiting {
    rows: Vec<(i64, Row)>,
    committed: watch::Sender<bool>,
}

impl Table {
    pub(crate) fn open(path: &str) -> Self {
        let connection = Connection::open(path).expect("a database");
        connection.pragma_update(None, "journal_mode", "WAL").expect("a log");
        connection.pragma_update(None, "synchronous", "FULL").expect("a setting");
        connection.execute_batch(CREATE).expect("a table");
        let inbox = Arc::new(Inbox::default());
        let writer = Self(inbox.clone());
        std::thread::spawn(move || writer.write(&connection));
        Self(inbox)
    }

    /// After this returns the row is on disk.
    pub(crate) async fn keep(&self, row: Row) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_millis() as i64;
        let mut committed = {
            let mut waiting = self.0.waiting.lock().expect("a writer");
            waiting.rows.push((at, row));
            if waiting.rows.len() == 1 {
                self.0.some.notify_one();
            }
            waiting.committed.subscribe()
        };
        committed.wait_for(|committed| *committed).await.expect("a writer");
    }

    fn write(&self, connection: &Connection) {
        let mut insert = connection.prepare(INSERT).expect("a statement");
        loop {
            let waiting = self.0.waiting.lock().expect("no panic");
            let mut waiting = self.0.some.wait_while(waiting, |it| it.rows.is_empty()).expect("no panic");
            let Waiting { rows, committed } = mem::take(&mut *waiting);
            drop(waiting);
            connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
            for (at, row) in &rows {
                insert.execute(params![at, row.reaid, row.page]).expect("room");
            }
            connection.execute_batch("COMMIT").expect("a commit");
            committed.send_replace(true);
        }
    }
}
