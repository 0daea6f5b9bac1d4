//! The watch over what may change while the server runs: the keyring and who asked to be forgotten, certificate files,
//! and, when an operator asks (SIGHUP), all of the configuration.
//!
//! One task makes every change but erasures that come over the API. What cannot be used changes nothing, and is said
//! once.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::reload::{self, ReloadError};
use super::suppressions::{self, Seen, Words};
use super::{keyring, setup::SetupError};
use crate::config::Config;
use crate::identity::{Keyring, Suppression, Word};
use crate::store::Store;
use crate::supervisor;
use crate::tls;

/// How often to look. What another process changed must be noticed within 2 s.
const POLL: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    store: Store,
    live: Arc<Live>,
    /// How keyring and suppressions stood when they were last taken up; none before the first look, which takes up what
    /// came between.
    seen: Option<Seen>,
    /// The certificate files as they were when those in use were read.
    stamps: Stamps,
    /// People whom other processes erased, and of whom something may be left here.
    unpurged: Vec<Suppression>,
    /// The last thing said about the keyring and about certificates, so that it is not said each second.
    complaints: [String; 2],
}

/// What a look at the keyring found.
struct Change {
    ring: Keyring,
    seen: Seen,
    words: Words,
}

impl Watch {
    pub(super) fn new(store: Store, live: Arc<Live>, stamps: Stamps) -> Self {
        Self { store, live, seen: None, stamps, unpurged: Vec::new(), complaints: Default::default() }
    }

    /// Looks until `stop`. `reload` is the operator's signal.
    pub(super) async fn run(mut self, mut reload: Option<Signal>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = asked(&mut reload) => self.reload().await,
                () = tokio::time::sleep(POLL) => {
                    self.look_at_keyring().await;
                    self.look_at_certificates().await;
                }
            }
        }
    }

    async fn look_at_keyring(&mut self) {
        match self.follow_keyring().await {
            Ok(()) => self.complaints[0].clear(),
            Err(error) => {
                if news(&mut self.complaints[0], &error) {
                    tracing::warn!(%error, "the keyring cannot be read, or who asked to be forgotten: what is in memory stays in use");
                }
            }
        }
    }

    async fn follow_keyring(&mut self) -> anyhow::Result<()> {
        let (store, live, seen) = (self.store.clone(), self.live.clone(), self.seen);
        let turn = self.live.turn().await;
        let change = spawn_blocking(move || look(&live.config().keyring, &store, &live, seen)).await??;
        if let Some(Change { ring, seen, words }) = change {
            let is_new_ring = !self.live.has_keys_of(&ring);
            let new = self.live.take_up(&ring, &words)?;
            if is_new_ring {
                tracing::info!("the keyring changed: its keys are in use");
            }
            if !new.is_empty() {
                tracing::info!(people = new.len(), "who asked to be forgotten changed: it is gone by");
            }
            self.seen = Some(seen);
            self.unpurged.extend(new.into_iter().filter(|word| word.word == Word::Erased));
        }
        drop(turn);
        self.purge().await
    }

    /// Deletes what was stored of these people until now: another process could not see what was under way here.
    async fn purge(&mut self) -> anyhow::Result<()> {
        if self.unpurged.is_empty() {
            return Ok(());
        }
        self.live.let_go(&self.unpurged).await;
        let (store, live, people) = (self.store.clone(), self.live.clone(), self.unpurged.clone());
        spawn_blocking(move || suppressions::purge(&store, &live.words(), &people)).await??;
        self.unpurged.clear();
        Ok(())
    }

    /// Certificate and key are two files: between the two changes they do not fit, and that passes.
    async fn look_at_certificates(&mut self) {
        let config = self.live.config();
        let now = Stamps::of(&config);
        if now == self.stamps {
            return;
        }
        let first = config.edge.first_host();
        match spawn_blocking(move || tls::load(&config.edge)).await {
            Ok(Ok(certificates)) => {
                self.live.certificates.put_files(&certificates, &first);
                self.stamps = now;
                self.complaints[1].clear();
                tracing::info!(certificates = certificates.len(), "certificate files changed: they are in use");
            }
            Ok(Err(error)) => {
                if news(&mut self.complaints[1], &error) {
                    tracing::warn!(%error, "changed certificate files cannot be used: those before stay in use");
                }
            }
            Err(error) => tracing::error!(%error, "the certificate files were not read"),
        }
    }

    async fn reload(&mut self) {
        supervisor::reloading();
        match self.try_reload().await {
            Ok(Ok(stamps)) => {
                self.stamps = stamps;
                tracing::info!("reloaded: configuration, keys and certificates are in use");
            }
            Ok(Err(error)) => {
                let (kind, error) = (error.kind(), format!("{error:#}"));
                tracing::error!(kind, error, "not reloaded: everything stays as it was");
            }
            Err(error) => tracing::error!(%error, "not reloaded: everything stays as it was"),
        }
        supervisor::ready();
    }

    /// The certificate files as they were when they were read.
    async fn try_reload(&self) -> Result<Result<Stamps, ReloadError>, tokio::task::JoinError> {
        let live = self.live.clone();
        let _turn = self.live.turn().await;
        let reloading = spawn_blocking(move || {
            let (fresh, stamps) = reload::read(&live.config())?;
            live.reload(fresh).map(|()| stamps)
        });
        reloading.await
    }
}

/// What changed since `seen`, if anything.
fn look(path: &Path, store: &Store, live: &Live, seen: Option<Seen>) -> Result<Option<Change>, SetupError> {
    let ring = keyring::read(path)?;
    let now = suppressions::seen(path, store).map_err(suppressions::SuppressionsError::from)?;
    if seen == Some(now) && live.has_keys_of(&ring) {
        return Ok(None);
    }
    let words = suppressions::gather(&ring, path, Some(store), None)?.words;
    Ok(Some(Change { ring, seen: now, words }))
}

/// The next time that the operator asks.
async fn asked(signal: &mut Option<Signal>) {
    let told = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if told.is_none() {
        std::future::pending().await
    }
}

/// Whether a complaint is another than the last.
fn news(last: &mut String, complaint: &impl ToString) -> bool {
    let complaint = complaint.to_string();
    let is_news = *last != complaint;
    *last = complaint;
    is_news
}

/// What tells whether certificate files changed: a file that is replaced has another time or length.
#[derive(PartialEq, Eq)]
pub(super) struct Stamps(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl Stamps {
    /// To be taken before the files are read, so that no change is missed.
    pub(super) fn of(config: &Config) -> Self {
        let files = config.edge.certificate_files();
        let paths = files.flat_map(|files| [&files.certificate.value, &files.private_key.value]);
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        Self(paths.map(|path| (path.clone(), stamp(path))).collect())
    }
}
