//! Performs what the engine asks for: calls, the store, the spool, the file of an import.
//!
//! Promise: what Actito answered is in the store before the engine hears of an import's id, and before a
//! row counts as done. When the run is stopped, what is under way gets a moment to end; what is cut off
//! counts as not done.

mod asked;
mod importing;
mod reading;

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use super::SyncError;
use super::engine::{Ask, Engine, Failure, ImportKey, Input, Place, Settings, Written};
use super::memory::Memory;
use super::plan::Change;
use super::run::Job;
use super::spool::Spool;
use super::summary::Summary;
use crate::actito::{Error, ProfileId};
use crate::clock;
use importing::Packing;

/// What is under way when the run is stopped gets this long: an answer takes well under a second.
const STOP_GRACE: Duration = Duration::from_secs(5);

pub(super) struct Driver<'a> {
    job: &'a Job,
    memory: Memory,
    stop: &'a CancellationToken,
    /// Written and read by one ask at a time; the lock is for the thread that does it.
    spool: Arc<Mutex<Option<Spool>>>,
    packing: Mutex<HashMap<ImportKey, Packing>>,
    /// Profiles that the source showed: if they are found where we write, a 404 means that one is gone.
    witnesses: Mutex<Vec<ProfileId>>,
    /// Whether profiles are found where we write; written by the first who knows.
    right_place: OnceCell<bool>,
    /// How many were met who had been asked for.
    met: AtomicU64,
}

/// Runs the engine to its end, or until what was under way at a stop has ended.
pub(super) async fn drive(
    job: &Job,
    settings: Settings,
    stop: &CancellationToken,
) -> Result<(Summary, Option<Failure>), (Summary, SyncError)> {
    let page_size = job.settings.assumed.list_page_size;
    let memory = Memory { store: job.store.clone(), integration: job.integration.name.clone(), page_size };
    let recalled = match memory.recalled().await {
        Ok(recalled) => recalled,
        Err(error) => return Err((Summary::begin(&settings.integration, settings.dry_run), error.into())),
    };
    let mut engine = Engine::new(settings, recalled);
    let driver = Driver::new(job, memory, stop);
    let result = driver.run(&mut engine).await;
    let (summary, failure) = engine.end();
    match result {
        Ok(()) => Ok((summary, failure)),
        Err(error) => Err((summary, error)),
    }
}

impl<'a> Driver<'a> {
    fn new(job: &'a Job, memory: Memory, stop: &'a CancellationToken) -> Self {
        let (spool, packing, witnesses) = (Arc::default(), Mutex::default(), Mutex::default());
        let (right_place, met) = (OnceCell::new(), AtomicU64::new(0));
        Self { job, memory, stop, spool, packing, witnesses, right_place, met }
    }

    async fn run(&self, engine: &mut Engine) -> Result<(), SyncError> {
        let mut under_way = FuturesUnordered::new();
        let mut asks = engine.step(Input::Begin, clock::now());
        let mut stopped = false;
        let grace = async {
            self.stop.cancelled().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        let mut grace = std::pin::pin!(grace);
        loop {
            under_way.extend(asks.drain(..).map(|ask| self.perform(ask)));
            if let Some(watcher) = &self.job.progress {
                watcher.send_replace(engine.progress());
            }
            let input = tokio::select! {
                biased;
                () = self.stop.cancelled(), if !stopped => {
                    stopped = true;
                    Input::Stop
                }
                next = under_way.next() => match next {
                    Some(input) => input?,
                    None => return Ok(()),
                },
                () = &mut grace => return Ok(()),
            };
            asks = engine.step(input, clock::now());
        }
    }

    async fn perform(&self, ask: Ask) -> Result<Input, SyncError> {
        let (client, memory) = (&self.job.client, &self.memory);
        Ok(match ask {
            Ask::Structure => Input::Structure(client.check_structure().await.map(drop)),
            Ask::Read(Place::Page(page)) => Input::Read(self.read_page(page).await?),
            Ask::Read(Place::File) => Input::Read(Ok(self.read_file().await?)),
            Ask::Profile(errand) => Input::Profile(errand, self.look_at(errand).await?),
            Ask::Put(mut change) => {
                // Whoever was erased since the profile was read gets the empty value.
                if (self.job.is_suppressed)(&change.reaid) {
                    change.reaid.clear();
                }
                let written = self.put(&change).await;
                Input::Put(change, written)
            }
            Ask::Upload(key) => Input::Uploaded(key, self.upload(key).await?),
            Ask::Poll(key, remote) => Input::Polled(key, client.import_state(&remote).await),
            Ask::Reject(key, remote) => Input::Rejected(key, self.reject(key, &remote).await?),
            Ask::Later(key, wait) => {
                self.stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                Input::Due(key)
            }
            Ask::Quotas => Input::Quotas(self.quotas().await?),
            Ask::Spool(changes) => {
                self.with_spool(move |spool| spool.push(&changes)).await?;
                Input::Spooled
            }
            Ask::Unspool(lane, rows) => Input::Unspooled(self.with_spool(move |spool| spool.pop(lane, rows)).await?),
            Ask::Prepare => Input::Prepared(self.prepare().await?),
            Ask::Pack(key, changes) => Input::Packed(self.pack(key, changes).await?),
            Ask::Spend(key) => Input::Spent(key, self.spend(key).await?),
            Ask::DayIsSpent => {
                self.day_is_spent().await?;
                Input::DayIsSpent
            }
            Ask::Settle(key, settlement) => self.settle(key, settlement).await?,
            Ask::Remember(memos) => {
                memory.remember(&memos).await?;
                Input::Remembered
            }
            Ask::Hints(after) => Input::Hints(memory.hints(after).await?),
            Ask::Failed(seen) => Input::Failed(memory.failed_but(&seen).await?),
            Ask::Forget(there) => Input::Forgotten(memory.forget_but(&there).await?),
        })
    }

    async fn put(&self, change: &Change) -> Written {
        match self.job.client.put_reaid(change.id, &change.reaid).await {
            Ok(()) => {
                // Already known is fine.
                let _ = self.right_place.set(true);
                Written::Confirmed
            }
            Err(Error::NotFound { status: 404, call }) => match self.right_place().await {
                Ok(true) => Written::Gone,
                Ok(false) => Written::Failed(Error::NotFound { status: 404, call }),
                Err(error) => Written::Failed(error),
            },
            Err(error) => Written::Failed(error),
        }
    }

    /// Whether a 404 means that the profile is gone, and not that nothing can be found where we look.
    async fn right_place(&self) -> Result<bool, Error> {
        let witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ask = async || {
            for id in witnesses {
                match self.job.client.profile(id).await {
                    Err(Error::NotFound { .. }) => {}
                    found => return found.map(|_| true),
                }
            }
            Ok(false)
        };
        self.right_place.get_or_try_init(ask).await.copied()
    }

    async fn with_spool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Spool) -> std::io::Result<T> + Send + 'static,
    ) -> Result<T, SyncError> {
        let (spool, folder) = (self.spool.clone(), self.job.store.folder());
        blocking(move || {
            let mut spool = spool.lock().unwrap_or_else(PoisonError::into_inner);
            let opened = match spool.take() {
                Some(opened) => Ok(opened),
                None => Spool::create(&folder),
            };
            let done = opened.and_then(|opened| work(spool.insert(opened)));
            done.map_err(|error| SyncError::Spool(error.kind()))
        })
        .await
    }
}

/// Does work that blocks, off the async threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SyncError> + Send + 'static,
) -> Result<T, SyncError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(SyncError::Spool(std::io::ErrorKind::Interrupted)))
}
