//! Forgetting a person, for good or until new consent; and showing what is held of one.

mod receipt;
mod shown;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::keyring::{self, KeyringError};
use super::live::Live;
use super::reload::ReloadError;
use super::setup::Setup;
use super::suppressions::{self, Gathered, SuppressionsError, Words};
use crate::clock::{self, Timestamp};
use crate::config::Config;
use crate::identity::{Digest, Identities, KeyId, Keyring, Reaid, Suppression, SuppressionKey, Word};
use crate::raptor::Erasures;
use crate::store::{Store, StoreError, audiences, meta, suppressions as kept};

pub use receipt::{AtActito, AtRaptor, Deleted, Receipt};
pub use shown::{Shown, ShownEvents, ShownProfile, ShownReaid, ShownSuppression};

/// Why somebody is not forgotten, or not wholly.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// It could not be written down: nothing has changed.
    #[error(transparent)]
    Suppressions(#[from] SuppressionsError),
    /// The keyring says no.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// It is written down and holds, but what is stored of the person is not deleted.
    #[error("the person is suppressed, but not everything is deleted yet, which the next command begins with: {0}")]
    Store(#[from] StoreError),
    /// It is written down, but the running server does not go by it.
    #[error("the person is suppressed, but this process does not know it yet: {0}")]
    NotLive(#[from] ReloadError),
    /// The process ends.
    #[error("the process ends: what is not deleted yet is deleted by the next start")]
    Ending,
}

impl ErasureError {
    /// Whether the person at the keyboard can mend it in a file: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Suppressions(error) => error.is_usage(),
            Self::Keyring(error) => error.is_usage(),
            Self::Store(_) | Self::NotLive(_) | Self::Ending => false,
        }
    }
}

/// Forgets people.
#[derive(Clone)]
pub struct Eraser {
    config: Arc<Config>,
    scopes: Arc<BTreeMap<String, String>>,
    store: Store,
    /// In a process that serves: what must know at once.
    live: Option<Arc<Live>>,
}

/// What was written down.
struct Written {
    ring: Keyring,
    words: Words,
    word: Suppression,
    already: bool,
}

impl Eraser {
    /// For a command of its own; a `serve` beside it notices by itself.
    pub fn new(setup: &Setup, store: Store) -> Self {
        let (config, scopes) = (Arc::new(setup.config.clone()), Arc::new(setup.scopes.clone()));
        Self { config, scopes, store, live: None }
    }

    /// For a process that serves.
    pub(super) fn live(self, live: Arc<Live>) -> Self {
        Self { live: Some(live), ..self }
    }

    /// Forgets the person with this digest: when this returns, nothing is minted, recorded or sent about them by this
    /// process, and what was stored is deleted. With `lift` the person may be known again.
    ///
    /// # Errors
    /// Why not; the text says how far it came.
    pub async fn erase(&self, digest: Digest, lift: bool) -> Result<Receipt, ErasureError> {
        let at = clock::now();
        let this = self.clone();
        let write_down = blocking(move || this.write_down(&digest, lift, at));
        let (written, ended) = match &self.live {
            None => (write_down.await?, true),
            Some(live) => {
                let turn = live.turn().await;
                let written = write_down.await?;
                live.take_up(&written.ring, &written.words)?;
                drop(turn);
                let ended = live.let_go(std::slice::from_ref(&written.word)).await;
                (written, ended)
            }
        };
        let mut receipt = Receipt::new(at, lift, written.already);
        if !lift {
            let (store, words, word) = (self.store.clone(), written.words, written.word.clone());
            let purged = blocking(move || Ok(suppressions::purge(&store, &words, &[word])?)).await?;
            receipt.deleted(purged, ended);
            let sent = self.store.read(|db| audiences::sent(db, None)).await?;
            receipt = receipt.with_audiences(!sent.is_empty());
            receipt = receipt.with_vendors(self.at_actito(), self.at_raptor(&digest, &written.ring).await);
        }
        let (id, text) = (receipt.id.clone(), receipt.to_json());
        self.store.write(move |db| kept::put_receipt(db, &id, at.millis(), &text)).await?;
        tracing::info!(receipt = receipt.id, lift, "a person's erasure is written down");
        Ok(receipt)
    }

    /// A receipt that was given before, as JSON. Blocks.
    ///
    /// # Errors
    /// What the store says.
    pub fn receipt(&self, id: &str) -> Result<Option<String>, StoreError> {
        self.store.read_blocking(|db| kept::receipt(db, id))
    }

    fn write_down(&self, digest: &Digest, lift: bool, at: Timestamp) -> Result<Written, ErasureError> {
        let path = &self.config.keyring;
        let lock = keyring::lock(path)?;
        let mut ring = keyring::read(path)?;
        if ring.suppression().is_none() {
            ring.suppress_with(keyring::new_secret()?);
            keyring::replace(path, &ring)?;
        }
        let key = SuppressionKey::of(&ring).ok_or_else(|| SuppressionsError::NoSecret(path.clone()))?;
        let Gathered { words, .. } = suppressions::gather(&ring, path, Some(&self.store), Some(&lock))?;
        let known = words.of(&key.tag(digest)).cloned();
        let was_erased = known.as_ref().is_some_and(|known| known.word == Word::Erased);
        let word = Suppression {
            tag: key.tag(digest),
            word: if lift { Word::Lifted } else { Word::Erased },
            // A clock that was ahead must not make today's word the older one.
            at: known.as_ref().map_or(at, |known| at.max(known.at.after(std::time::Duration::from_millis(1)))),
            reaids: Vec::new(),
        };
        let word = match (lift, &known) {
            (true, _) => word,
            (false, known) => {
                let before = known.iter().flat_map(|known| known.reaids.clone()).collect();
                let today = self.reaids(&ring, digest)?.into_iter().map(|(_, _, reaid)| reaid).collect();
                word.with_reaids(before).with_reaids(today)
            }
        };
        let already = was_erased != lift;
        if lift && known.is_none() {
            return Ok(Written { ring, words, word, already });
        }
        suppressions::record(path, &words, &word)?;
        let Gathered { words, .. } = suppressions::gather(&ring, path, Some(&self.store), Some(&lock))?;
        Ok(Written { ring, words, word, already })
    }

    /// The person's REAIDs by every key, in every scope that is or was in use.
    fn reaids(&self, ring: &Keyring, digest: &Digest) -> Result<Vec<(KeyId, String, Reaid)>, StoreError> {
        let mut scopes: Vec<String> = self.store.read_blocking(meta::scopes)?;
        scopes.extend(self.scopes.values().cloned());
        scopes.sort();
        scopes.dedup();
        let in_scope = |scope: String| {
            let every = Identities::every(ring, &scope, digest).into_iter();
            every.map(move |(key, reaid)| (key, scope.clone(), reaid)).collect::<Vec<_>>()
        };
        Ok(scopes.into_iter().flat_map(in_scope).collect())
    }

    fn at_actito(&self) -> Vec<AtActito> {
        let integrations = self.config.integrations.iter();
        let state = |it: &crate::config::Integration| match (&it.actito, it.enable_email_synchronization) {
            (None, _) => "not configured",
            (Some(_), false) => "disabled",
            (Some(_), true) => "at the next run",
        };
        integrations.map(|it| AtActito { integration: it.name.clone(), state: state(it) }).collect()
    }

    /// Asks Raptor to delete the person in each account, under every id that we may have sent. One call after
    /// the other: a person has few ids.
    async fn at_raptor(&self, digest: &Digest, ring: &Keyring) -> Vec<AtRaptor> {
        let client = self.config.raptor.erasure.as_ref().map(|erasure| {
            let key = erasure.api_key.read().map_err(|_| "no key")?;
            Erasures::new(&erasure.url, &key, self.config.raptor.allow_private).map_err(|error| error.kind())
        });
        let mut all = Vec::new();
        for integration in &self.config.integrations {
            let scope = self.scopes.get(&integration.name).unwrap_or(&integration.name);
            let ids = Identities::every(ring, scope, digest);
            for account in &integration.accounts {
                all.push(match &client {
                    None => AtRaptor::not_configured(account),
                    Some(Err(why)) => AtRaptor::asked(account).failed((*why).to_owned()),
                    Some(Ok(client)) => ask_raptor(client, account, &ids).await,
                });
            }
        }
        all
    }
}

/// Asks for one account, id by id, until one is refused: what is asked again does no harm.
async fn ask_raptor(client: &Erasures, account: &str, ids: &[(KeyId, Reaid)]) -> AtRaptor {
    let mut asked = AtRaptor::asked(account);
    for (_, reaid) in ids {
        match client.delete(account, reaid.as_str()).await {
            Ok(()) => asked.ids += 1,
            Err(answer) => return asked.failed(answer),
        }
    }
    asked
}

/// Work that blocks, off the async threads. It comes to its end even when nobody waits for it any more.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ErasureError> + Send + 'static,
) -> Result<T, ErasureError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ErasureError::Ending))
}
