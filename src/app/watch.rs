//! The watch over what other processes change: the keyring, and who asked to be forgotten.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::live::Live;
use super::suppressions::{self, Seen, Words};
use super::{keyring, setup::SetupError};
use crate::identity::{Keyring, Suppression, Word};
use crate::store::Store;

/// How often to look. A change must be noticed within 2 s.
const POLL: Duration = Duration::from_secs(1);

pub(super) struct Watch {
    keyring: PathBuf,
    store: Store,
    live: Arc<Live>,
    /// How things stood when they were last taken up; none before the first look, which takes up what came between.
    seen: Option<Seen>,
    /// People whom other processes erased, and of whom something may be left here.
    unpurged: Vec<Suppression>,
    complaint: String,
}

/// What a look found.
struct Change {
    ring: Keyring,
    seen: Seen,
    words: Words,
}

impl Watch {
    pub(super) fn new(keyring: PathBuf, store: Store, live: Arc<Live>) -> Self {
        Self { keyring, store, live, seen: None, unpurged: Vec::new(), complaint: String::new() }
    }

    /// Looks until `stop`. What cannot be read changes nothing, and is complained about once.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(POLL)).await.is_some() {
            match self.look().await {
                Ok(()) => self.complaint.clear(),
                Err(error) if error.to_string() == self.complaint => {}
                Err(error) => {
                    tracing::warn!(%error, "the keyring cannot be read, or who asked to be forgotten: what is in memory stays in use");
                    self.complaint = error.to_string();
                }
            }
        }
    }

    async fn look(&mut self) -> anyhow::Result<()> {
        let (path, store, live, seen) = (self.keyring.clone(), self.store.clone(), self.live.clone(), self.seen);
        let turn = self.live.turn().await;
        let change = tokio::task::spawn_blocking(move || look(&path, &store, &live, seen)).await??;
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
        tokio::task::spawn_blocking(move || suppressions::purge(&store, &live.words(), &people)).await??;
        self.unpurged.clear();
        Ok(())
    }
}

/// What changed since `seen`, if anything.
fn look(path: &std::path::Path, store: &Store, live: &Live, seen: Option<Seen>) -> Result<Option<Change>, SetupError> {
    let ring = keyring::read(path)?;
    let now = suppressions::seen(path, store).map_err(suppressions::SuppressionsError::from)?;
    if seen == Some(now) && live.has_keys_of(&ring) {
        return Ok(None);
    }
    let words = suppressions::gather(&ring, path, Some(store), None)?.words;
    Ok(Some(Change { ring, seen: now, words }))
}
