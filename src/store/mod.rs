//! The embedded store: one SQLite file that holds what must survive a crash.
//!
//! Promises: what [`Store::write`] answered `Ok` is fsynced; so is an event whose [`Ticket`] says
//! [`Outcome::Committed`]. One thread writes (`writer`), and everything that waits for it shares one
//! commit. Checkpoints run on a thread of their own (`checkpoint`). A database of a newer version
//! is refused and left byte for byte as it was (`schema`). SQL is spoken in this folder only; who
//! calls passes jobs that use the functions of [`meta`], [`outbox`], [`sync`] and [`campaigns`].

mod append;
mod batch;
mod checkpoint;
mod counters;
mod dead;
mod error;
mod event;
mod file;
mod inbox;
mod readers;
mod retention;
mod schema;
mod scrub;
mod writer;

pub mod audiences;
pub mod campaigns;
pub mod leases;
pub mod meta;
pub mod outbox;
pub mod person;
pub mod suppressions;
pub mod sync;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction};
use tokio::sync::{Notify, oneshot};

pub use batch::{Outcome, Ticket};
pub use counters::{Counters, Loss};
pub use error::StoreError;
pub use event::{Agent, CookieIds, Event, EventId, Kind, State, Verdict};
pub use retention::{Kept, sweep};

use checkpoint::Checkpointer;
use inbox::{Inbox, Job};
use readers::Readers;

/// How long one process waits for another one's write lock. Commits take milliseconds and slices are
/// kept small, so two seconds of waiting mean that something is wrong.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// What the store may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the database in use; beyond that new events are dropped and counted as `max_size`.
    /// The write-ahead log (bounded by itself) comes on top.
    pub max_size: u64,
    /// Events that may wait for a commit; beyond that they are dropped and counted as `queue_full`.
    pub max_queue: usize,
}

impl Limits {
    /// 100,000 events are what a disk that stalls for a second leaves behind at the highest rate one
    /// edge answers; at about 500 bytes each that is 50 MB of memory. Longer pages have a limit of their own.
    pub const MAX_QUEUE: usize = 100_000;

    /// No more than `max_size` bytes, and the usual queue.
    pub fn of_size(max_size: u64) -> Self {
        Self { max_size, max_queue: Self::MAX_QUEUE }
    }
}

/// A handle to the store. Clones share it; the last one to go writes what is pending and closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    inbox: Arc<Inbox>,
    readers: Readers,
    counters: Arc<Counters>,
    writer: Option<JoinHandle<()>>,
    checkpointer: Option<Checkpointer>,
    /// The database as a file. Open for longer than any connection: closing it takes SQLite's locks away from the
    /// whole process.
    raw: File,
}

impl Store {
    /// Opens the store at `path`, creating it (mode 0600) or moving it to the current schema.
    ///
    /// # Errors
    /// [`StoreError::Newer`] for a database of a newer version, [`StoreError::Foreign`] for a file that
    /// is not ours (both stay untouched), else whatever the file system or SQLite says.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, StoreError> {
        file::prepare(path)?;
        schema::is_older(path)?;
        let raw = file::open(path)?;
        let connection = schema::connect(path)?;
        schema::migrate(path, &connection)?;
        let counters = Arc::new(Counters::default());
        let inbox = Arc::new(Inbox::new(limits.max_queue, counters.clone()));
        let checkpointer = Checkpointer::start(path)?;
        let writer = writer::start(connection, inbox.clone(), limits, counters.clone(), checkpointer.bell())?;
        let readers = Readers::new(path);
        let (writer, checkpointer) = (Some(writer), Some(checkpointer));
        let inner = Inner { inbox, readers, counters, writer, checkpointer, raw };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Whether opening the database at `path` would change its schema, which takes as long as it has rows to look at.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn is_older(path: &Path) -> Result<bool, StoreError> {
        if path.exists() { schema::is_older(path) } else { Ok(false) }
    }

    /// Runs `job` in a transaction that it shares with whatever else waits; a job that fails undoes
    /// only its own changes. When this returns `Ok`, the change is fsynced.
    ///
    /// # Errors
    /// What `job` failed with, or [`StoreError::Commit`] when the commit failed: nothing was changed.
    pub async fn write<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(job).await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::write`] for threads that run no async code.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn write_blocking<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.submit(job).blocking_recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Runs `job` on a read-only connection, off the async threads.
    ///
    /// # Errors
    /// What `job` failed with, or what opening the connection failed with.
    pub async fn read<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let store = self.clone();
        let reading = tokio::task::spawn_blocking(move || store.read_blocking(job));
        reading.await.unwrap_or(Err(StoreError::Closed))
    }

    /// [`Store::read`] for threads that run no async code.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_blocking<T>(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.inner.readers.with(job)
    }

    /// The folder that the database lies in: on the same disk, and as private.
    pub fn folder(&self) -> PathBuf {
        file::folder_of(self.inner.readers.path())
    }

    /// Says what is done to each event on the writer's thread before it is written: `door` may change
    /// it and decides whether it is [`State::Waiting`] or [`State::Kept`]. Without a door events are kept.
    pub fn set_door(&self, door: impl Fn(&mut Event) -> State + Send + Sync + 'static) {
        self.inner.inbox.set_door(Arc::new(door));
    }

    /// Queues an event for the next commit. Never blocks on the disk.
    pub fn append(&self, event: Event) -> Ticket {
        self.inner.inbox.append(event)
    }

    /// How full the queue of events that wait for a commit is, from 0 to 1.
    pub fn queue_fill(&self) -> f64 {
        self.inner.inbox.fill()
    }

    /// Waits until every event appended before this call is settled, one way or the other.
    pub async fn flush(&self) {
        if let Some(ticket) = self.inner.inbox.last_ticket() {
            ticket.settled().await;
        }
    }

    /// Is notified after every commit that carried events.
    pub fn appended(&self) -> &Arc<Notify> {
        self.inner.inbox.appended()
    }

    /// Takes what was deleted out of all files for good: the write-ahead log is moved into the database and cut to
    /// nothing, and what moved rows left behind in the database is overwritten. Reads all of the database. Blocks;
    /// clicks may wait for some milliseconds now and then. `false` when others kept reading for too long.
    ///
    /// # Errors
    /// What SQLite or the file system says.
    pub fn expunge(&self) -> Result<bool, StoreError> {
        let checkpointer = self.inner.checkpointer.as_ref();
        checkpointer.map_or(Ok(false), |it| it.expunge(self.inner.readers.path(), &self.inner.raw))
    }

    /// What happened to events so far in this process.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.inner.counters
    }

    fn submit<T, F>(&self, work: F) -> oneshot::Receiver<Result<T, StoreError>>
    where
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |transaction| {
            let result = transaction.map(|transaction| writer::in_savepoint(transaction, work));
            Box::new(move |committed| {
                let result = result.map_or(Err(StoreError::Closed), |result| result.map_err(StoreError::from));
                // The caller may be gone: its change is made all the same.
                drop(reply.send(committed.and(result)));
            })
        });
        self.inner.inbox.submit(job);
        answer
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.close();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has nothing left to wait for.
            drop(writer.join());
        }
        self.readers.close();
        if let Some(checkpointer) = self.checkpointer.take() {
            checkpointer.finish();
        }
    }
}

#[cfg(test)]
mod tests;
