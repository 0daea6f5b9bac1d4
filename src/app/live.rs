//! What a running server swaps whole: its configuration, its keys, and who is not to be known. Each request, event and
//! profile goes by what it finds when it begins.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::timeout;

use super::policy::{Trust, policy};
use super::reload::{Fresh, ReloadError};
use super::setup::Setup;
use super::suppressions::Words;
use crate::authoring::Author;
use crate::config::Config;
use crate::edge::Edge;
use crate::identity::{Keyring, Suppression};
use crate::tls::Certificates;
use crate::tracking::Withheld;

/// How long to wait for calls to Raptor that name somebody: each ends after ten seconds by itself.
const CALLS_END: Duration = Duration::from_secs(12);

/// The parts of a server that follow configuration, keyring, certificates and suppressions.
pub(super) struct Live {
    pub(super) edge: Arc<Edge>,
    pub(super) trust: Arc<ArcSwap<Trust>>,
    pub(super) author: Arc<ArcSwap<Author>>,
    pub(super) withheld: Arc<Withheld>,
    pub(super) certificates: Arc<Certificates>,
    scopes: BTreeMap<String, String>,
    /// What is swapped in is made from this; held by whoever changes it until it is.
    now: Mutex<Now>,
    /// Held from reading or writing down somebody's word until it is taken up: whose word it was is then known.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Now {
    config: Config,
    ring: Keyring,
    words: Words,
}

impl Live {
    pub(super) fn new(
        setup: &Setup,
        edge: Arc<Edge>,
        trust: Arc<ArcSwap<Trust>>,
        author: Arc<ArcSwap<Author>>,
        withheld: Arc<Withheld>,
        certificates: Arc<Certificates>,
    ) -> Self {
        let Setup { config, keyring, words, scopes, .. } = setup.clone();
        let now = Mutex::new(Now { config, ring: keyring, words });
        Self { edge, trust, author, withheld, certificates, scopes, now, turn: Default::default() }
    }

    /// The right to bring in somebody's word, until it is dropped.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Everybody's word, as it is gone by.
    pub(super) fn words(&self) -> Words {
        self.lock().words.clone()
    }

    /// The configuration in use.
    pub(super) fn config(&self) -> Config {
        self.lock().config.clone()
    }

    /// Whether these are the keys in use.
    pub(super) fn has_keys_of(&self, ring: &Keyring) -> bool {
        self.lock().ring.to_toml() == ring.to_toml()
    }

    /// From now on what is asked is answered by these keys and words; whose word is new.
    ///
    /// # Errors
    /// Nothing is swapped: the configuration does not go with the keys.
    pub(super) fn take_up(&self, ring: &Keyring, words: &Words) -> Result<Vec<Suppression>, ReloadError> {
        let mut now = self.lock();
        let words = now.words.clone().with(words);
        let new = words.newer_than(&now.words);
        self.swap(&mut now, |now| Now { ring: ring.clone(), words, ..now })?;
        Ok(new)
    }

    /// The same for what a reload read.
    ///
    /// # Errors
    /// Nothing is swapped.
    pub(super) fn reload(&self, fresh: Fresh) -> Result<(), ReloadError> {
        let Fresh { config, keyring, certificates } = fresh;
        let first = config.edge.first_host();
        self.swap(&mut self.lock(), |now| Now { config, ring: keyring, ..now })?;
        self.certificates.put_files(&certificates, &first);
        Ok(())
    }

    fn swap(&self, now: &mut Now, change: impl FnOnce(Now) -> Now) -> Result<(), ReloadError> {
        let next = change(now.clone());
        let trust = Trust::derive(&next.ring, &self.scopes, Arc::new(next.words.suppressed()));
        let policy = Arc::new(policy(&next.config, &trust)?);
        let author = Author::new(next.config.clone(), policy.clone())?;
        // Delivery and the writer's door first: what the edge still lets through, they stop.
        self.trust.store(Arc::new(trust));
        self.edge.policy.store(policy);
        self.author.store(Arc::new(author));
        *now = next;
        Ok(())
    }

    /// Waits until what was begun before the last [`take_up`](Self::take_up) names none of these any more: events are
    /// on disk, where they can be deleted, and calls have ended. Whether all calls did.
    pub(super) async fn let_go(&self, people: &[Suppression]) -> bool {
        self.edge.recorder.flush().await;
        let reaids: Vec<String> =
            people.iter().flat_map(|one| &one.reaids).map(|reaid| reaid.as_str().to_owned()).collect();
        timeout(CALLS_END, self.withheld.ended(&reaids)).await.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
