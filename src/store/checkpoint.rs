//! Moves committed pages from the write-ahead log into the database, off the writer's path.
//!
//! The log starts over when everything in it was moved; under steady load the writer is always a
//! little ahead. So when the log has grown past [`HARD_LIMIT`], the writer is held for the last bit:
//! by a lock of our own, because waiting for SQLite's would starve.

use std::ffi::c_int;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::hooks::Wal;

use super::{Loss, StoreError, schema, scrub};

/// With fewer pages (4 MiB) the log is left alone: a page that is written often is moved seldom.
const SOFT_LIMIT: u32 = 1 << 10;

/// With more pages (16 MiB) the writer is held while the rest is moved: bounds the log at about this plus what
/// is written while a checkpoint runs.
const HARD_LIMIT: u32 = 1 << 12;

/// As much of its length, in bytes, as the log keeps when it starts over: a commit that overwrites what is there
/// costs the disk a third of one that makes the file longer.
const LENGTH_KEPT: i64 = 32 << 20;

/// How often the log's size is looked at while commits happen.
const PERIOD: Duration = Duration::from_millis(100);

/// How long the writer lets the checkpointer go first, at a time.
const STEP_ASIDE: Duration = Duration::from_micros(200);

/// At the end: how long to wait for others' readers before the log is left to the next one to close.
const PATIENCE: Duration = Duration::from_millis(50);

/// How often emptying the log is tried: with twice [`PATIENCE`] each, five seconds of other processes' readers.
const EMPTYINGS: u32 = 50;

/// The writer's side: tells that there were commits, and waits its turn.
#[derive(Clone)]
pub(super) struct Bell(Arc<Signal>);

pub(super) struct Checkpointer {
    signal: Arc<Signal>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Signal {
    /// Pages in the log after the last commit; taken by the checkpointer.
    pages: AtomicU32,
    /// Held by the writer for a transaction, by the checkpointer for the last bit of the log.
    turn: Mutex<()>,
    /// Set by the checkpointer while it waits for `turn`, so that the writer steps aside.
    wanted: AtomicBool,
    /// Set once, by the one who closes, under the lock.
    closing: Mutex<bool>,
    changed: Condvar,
}

impl Bell {
    /// Waits until the log may be written to.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        while self.0.wanted.load(Ordering::Acquire) {
            thread::sleep(STEP_ASIDE);
        }
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns of each commit of `writer` how long the log is then, and has it keep its length.
    pub(super) fn listen(&self, writer: &mut Connection) -> rusqlite::Result<()> {
        writer.pragma_update(None, "journal_size_limit", LENGTH_KEPT)?;
        let signal = self.0.clone();
        writer.wal_hook(Some(move |_: &mut Wal, pages: c_int| {
            signal.pages.store(pages.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))
    }
}

impl Checkpointer {
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::connect(path)?;
        connection.busy_timeout(PATIENCE)?;
        let signal = Arc::new(Signal::default());
        let shared = signal.clone();
        let thread = thread::Builder::new().name("store-checkpoint".into());
        let thread = thread.spawn(move || run(&connection, &shared));
        let thread = thread.map_err(|source| StoreError::File { path: "store-checkpoint".into(), source })?;
        Ok(Self { signal, thread })
    }

    pub(super) fn bell(&self) -> Bell {
        Bell(self.signal.clone())
    }

    /// Takes what was deleted out of the files for good: empties the log and overwrites what moved rows left behind
    /// in `raw`, the database at `path`; whether it could.
    pub(super) fn expunge(&self, path: &Path, raw: &File) -> Result<bool, StoreError> {
        let connection = schema::connect(path)?;
        connection.busy_timeout(PATIENCE)?;
        // What is read there must be all there is.
        let emptied = self.empty_log(&connection)?.is_some();
        let scrubbed = emptied && scrub::scrub(raw, path, &connection, || self.empty_log(&connection))?;
        Ok(scrubbed && self.empty_log(&connection)?.is_some())
    }

    /// Cuts the log to nothing. The writer is held until the guard is dropped; none when others kept reading.
    fn empty_log(&self, connection: &Connection) -> Result<Option<MutexGuard<'_, ()>>, StoreError> {
        for _ in 0..EMPTYINGS {
            // Most of the log, while others write: what is left keeps them waiting only for a moment.
            checkpoint(connection, "PASSIVE");
            self.signal.wanted.store(true, Ordering::Release);
            let held = self.signal.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.signal.wanted.store(false, Ordering::Release);
            match connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0)) {
                Ok(false) => return Ok(Some(held)),
                Err(error) if Loss::of(&error) != Loss::Busy => return Err(error.into()),
                Ok(true) | Err(_) => drop(held),
            }
            thread::sleep(PATIENCE);
        }
        Ok(None)
    }

    /// Empties the log and ends the thread.
    pub(super) fn finish(self) {
        *self.signal.closing.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.signal.changed.notify_one();
        // A thread that panicked has nothing left to wait for.
        drop(self.thread.join());
    }
}

fn run(connection: &Connection, signal: &Signal) {
    while !closing_after(signal, PERIOD) {
        let pages = signal.pages.swap(0, Ordering::Relaxed);
        if pages > SOFT_LIMIT {
            checkpoint(connection, "PASSIVE");
        }
        if pages > HARD_LIMIT {
            // Most of what came meanwhile, so that the hold is short.
            checkpoint(connection, "PASSIVE");
            signal.wanted.store(true, Ordering::Release);
            let _held = signal.turn.lock().unwrap_or_else(PoisonError::into_inner);
            signal.wanted.store(false, Ordering::Release);
            checkpoint(connection, "PASSIVE");
        }
    }
    checkpoint(connection, "TRUNCATE");
}

fn closing_after(signal: &Signal, wait: Duration) -> bool {
    let closing = signal.closing.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = signal.changed.wait_timeout_while(closing, wait, |closing| !*closing);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

fn checkpoint(connection: &Connection, mode: &str) {
    // A checkpoint that finds the database busy or the disk full loses nothing: the log grows, the
    // next one tries again.
    if let Err(error) = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(())) {
        tracing::warn!(%error, mode, "checkpoint failed");
    }
}
