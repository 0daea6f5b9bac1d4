//! Who asked to be forgotten, wherever it is written: in the store, beside the keyring, in a backup. What one of
//! them knows, all of them know after [`gather`]; of two words of one person the newer one holds.
//!
//! Promise: nobody who was erased is known again because a file is older than the erasure, and what an older file
//! still holds of them is deleted.

mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::keyring::{self, KeyringError, KeyringLock};
use crate::clock;
use crate::identity::{Keyring, Reaid, Suppressed, Suppression, SuppressionKey, Tag, Word};
use crate::store::person::{self, Person, Purged};
use crate::store::{Store, StoreError, audiences, suppressions as kept};
use crate::sync::Stamp;

/// Profiles that are withheld in one write: a few milliseconds, so that clicks do not wait.
const SLICE: usize = 1000;

/// Why it is not known who asked to be forgotten.
#[derive(Debug, thiserror::Error)]
pub enum SuppressionsError {
    /// The file system says no.
    #[error("cannot {doing} {path}, which says who asked to be forgotten: {source}")]
    File {
        /// `read`, `write` or `rename`.
        doing: &'static str,
        /// The copy beside the keyring.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} is open to others (mode {mode:04o}): chmod 600 it")]
    Open {
        /// The copy beside the keyring.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is longer than it can be.
    #[error("{0}: expected at most 256 MiB")]
    TooLong(PathBuf),
    /// A line is none, or of another keyring.
    #[error(
        "{place}, line {line}: expected a suppression that this keyring can read, found one of another keyring, or \
         damage: bring back the right keyring, or take the damaged line out"
    )]
    Line {
        /// The copy beside the keyring, the keyring, or the store.
        place: String,
        /// Counted from 1.
        line: usize,
    },
    /// There are suppressions, and no secret to read them with.
    #[error("there are suppressions, but the keyring {0} has no [suppression] secret: bring back the right one")]
    NoSecret(PathBuf),
    /// The keyring cannot be locked.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SuppressionsError {
    /// Whether there are suppressions that the keyring cannot read.
    pub fn is_of_another_keyring(&self) -> bool {
        matches!(self, Self::Line { .. } | Self::NoSecret(_))
    }

    /// Whether the person at the keyboard can mend it: exit code 64.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Open { .. } | Self::TooLong(_) | Self::Line { .. } | Self::NoSecret(_) => true,
            Self::Keyring(error) => error.is_usage(),
            Self::File { .. } | Self::Store(_) => false,
        }
    }
}

/// Everybody's last word.
#[derive(Clone, Debug, Default)]
pub struct Words {
    key: Option<SuppressionKey>,
    by_tag: BTreeMap<Tag, Suppression>,
}

impl Words {
    /// The set that the words make.
    pub fn suppressed(&self) -> Suppressed {
        Suppressed::of(self.key.clone(), self.by_tag.values())
    }

    /// The last word of one person.
    pub fn of(&self, tag: &Tag) -> Option<&Suppression> {
        self.by_tag.get(tag)
    }

    /// All of them as lines, for a backup.
    pub fn to_lines(&self) -> Vec<String> {
        self.key.iter().flat_map(|key| self.by_tag.values().map(|word| key.to_line(word))).collect()
    }

    /// Those that `before` did not have so.
    pub(super) fn newer_than(&self, before: &Self) -> Vec<Suppression> {
        let is_new = |word: &&Suppression| before.of(&word.tag) != Some(*word);
        self.by_tag.values().filter(is_new).cloned().collect()
    }

    /// Both together.
    #[must_use]
    pub(super) fn with(mut self, more: &Self) -> Self {
        self.key = more.key.clone();
        more.by_tag.values().for_each(|word| self.add(word.clone()));
        self
    }

    fn add(&mut self, word: Suppression) {
        let merged = match self.by_tag.remove(&word.tag) {
            Some(known) => known.merged(word),
            None => word,
        };
        self.by_tag.insert(merged.tag, merged);
    }
}

/// What changes whenever somebody's word does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(file::Stamp, i64);

/// How things stand with this keyring and store.
pub(super) fn seen(keyring: &Path, store: &Store) -> Result<Seen, StoreError> {
    Ok(Seen(file::stamp(&file::beside(keyring)), store.read_blocking(kept::newest)?))
}

/// What [`gather`] found.
pub struct Gathered {
    /// Everybody's last word.
    pub words: Words,
    /// Those of whom something may be left in the store.
    pub(super) unpurged: Vec<Suppression>,
}

/// Reads every place and writes to each what it lacks. Blocks. `held` is the keyring's lock, when the caller has it.
///
/// # Errors
/// A place cannot be read or written.
pub fn gather(
    ring: &Keyring,
    path: &Path,
    store: Option<&Store>,
    held: Option<&KeyringLock>,
) -> Result<Gathered, SuppressionsError> {
    let beside = file::beside(path);
    let mut words = Words { key: SuppressionKey::of(ring), by_tag: BTreeMap::new() };
    file::read(&beside, words.key.as_ref())?.into_iter().for_each(|word| words.add(word));
    let on_file = words.clone();
    read_carried(ring, path, &mut words)?;
    let in_store = store.map(|store| read_store(store, path, &mut words)).transpose()?.unwrap_or_default();
    let lacking = words.newer_than(&on_file);
    if let (Some(key), false) = (&words.key, lacking.is_empty()) {
        let _lock = if held.is_none() { Some(keyring::lock(path)?) } else { None };
        file::append(&beside, key, &lacking)?;
    }
    let mut unpurged = Vec::new();
    if let Some(store) = store {
        for word in words.by_tag.values() {
            match in_store.get(&word.tag) {
                Some((known, purged)) if known == word => {
                    if word.word == Word::Erased && !purged {
                        unpurged.push(word.clone());
                    }
                }
                _ => {
                    put(store, &words, word)?;
                    unpurged.extend((word.word == Word::Erased).then(|| word.clone()));
                }
            }
        }
    }
    Ok(Gathered { words, unpurged })
}

/// Whether a backup can read what it carries.
///
/// # Errors
/// It cannot: names the line.
pub fn check_carried(ring: &Keyring, file: &Path) -> Result<(), SuppressionsError> {
    let mut words = Words { key: SuppressionKey::of(ring), by_tag: BTreeMap::new() };
    read_carried(ring, file, &mut words)
}

/// What a keyring that was put in place by hand brought along from its backup.
fn read_carried(ring: &Keyring, path: &Path, words: &mut Words) -> Result<(), SuppressionsError> {
    for (at, line) in ring.carried().iter().enumerate() {
        let key = words.key.as_ref().ok_or_else(|| SuppressionsError::NoSecret(path.to_owned()))?;
        let word = key.from_line(line);
        words.add(word.map_err(|_| SuppressionsError::Line { place: path.display().to_string(), line: at + 1 })?);
    }
    Ok(())
}

type InStore = BTreeMap<Tag, (Suppression, bool)>;

fn read_store(store: &Store, path: &Path, words: &mut Words) -> Result<InStore, SuppressionsError> {
    let mut in_store = InStore::new();
    for (at, row) in store.read_blocking(kept::all)?.into_iter().enumerate() {
        let key = words.key.as_ref().ok_or_else(|| SuppressionsError::NoSecret(path.to_owned()))?;
        let word = key.open(&row.record);
        let word = word.map_err(|_| SuppressionsError::Line { place: "the store".to_owned(), line: at + 1 })?;
        in_store.insert(word.tag, (word.clone(), row.purged));
        words.add(word);
    }
    Ok(in_store)
}

fn put(store: &Store, words: &Words, word: &Suppression) -> Result<(), SuppressionsError> {
    let Some(key) = &words.key else { return Ok(()) };
    let (tag, record, lifted) = (*word.tag.as_bytes(), key.seal(word), word.word == Word::Lifted);
    Ok(store.write_blocking(move |db| {
        if lifted {
            audiences::release(db, &tag)?;
        }
        kept::put(db, &tag, &record, lifted)
    })?)
}

/// **The commit point of an erasure**: after this returned, no crash and no older database forgets it. The store
/// learns of it by the next [`gather`].
pub(super) fn record(path: &Path, words: &Words, word: &Suppression) -> Result<(), SuppressionsError> {
    match &words.key {
        Some(key) => file::append(&file::beside(path), key, std::slice::from_ref(word)),
        None => Err(SuppressionsError::NoSecret(path.to_owned())),
    }
}

/// Deletes what the store has of these people; how much, and whether the log is empty of it, too.
pub(super) fn purge(store: &Store, words: &Words, people: &[Suppression]) -> Result<(Purged, bool), StoreError> {
    let mut all = Person::default();
    people.iter().for_each(|one| {
        let Person { reaids, fingerprints } = by_what(&one.reaids);
        all.reaids.extend(reaids);
        all.fingerprints.extend(fingerprints);
    });
    if people.is_empty() {
        return Ok((Purged::default(), true));
    }
    let now = clock::now();
    // First: it is by what is purged that the profiles are found.
    let whose: Vec<_> = people.iter().map(|one| (*one.tag.as_bytes(), by_what(&one.reaids).fingerprints)).collect();
    let profiles = store.read_blocking(|db| audiences::profiles_of(db, &whose))?;
    for some in profiles.chunks(SLICE).map(<[audiences::Withheld]>::to_vec) {
        store.write_blocking(move |db| audiences::withhold(db, &some, now.millis()))?;
    }
    let purged = person::purge(store, &all, now)?;
    let emptied = store.expunge()?;
    if let Some(key) = words.key.as_ref().filter(|_| emptied) {
        let done: Vec<_> = people.iter().map(|one| (*one.tag.as_bytes(), key.seal(one))).collect();
        store.write_blocking(move |db| done.iter().try_for_each(|(tag, record)| kept::set_purged(db, tag, record)))?;
    }
    Ok((purged, emptied))
}

/// How a person is found in the store.
pub(super) fn by_what<'a>(reaids: impl IntoIterator<Item = &'a Reaid>) -> Person {
    let reaids: Vec<String> = reaids.into_iter().map(|reaid| reaid.as_str().to_owned()).collect();
    let fingerprints = reaids.iter().map(|reaid| Stamp::of(reaid).fingerprint).collect();
    Person { reaids, fingerprints }
}

/// What every command starts with: all places agree, and nothing is left of those who were erased.
pub(super) fn settle(ring: &Keyring, path: &Path, store: Option<&Store>) -> Result<Words, SuppressionsError> {
    let Gathered { words, unpurged } = gather(ring, path, store, None)?;
    if let Some(store) = store {
        purge(store, &words, &unpurged)?;
    }
    Ok(words)
}

/// Lets go of everything that a keyring with another secret cannot read; the file is kept aside.
///
/// # Errors
/// The file system or the store says no.
pub fn forget(path: &Path, store: Option<&Store>) -> Result<(), SuppressionsError> {
    file::set_aside(&file::beside(path))?;
    if let Some(store) = store {
        store.write_blocking(|db| kept::clear(db))?;
    }
    Ok(())
}
