//! All keys: one is active for links, one for identities; every key that is not retired still opens
//! links and checks REAIDs.

use super::{KeyId, Secret};
use crate::clock::Timestamp;

/// One key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its number, written into every link and REAID made with it.
    pub id: KeyId,
    /// Its 32 bytes.
    pub secret: Secret,
    /// When it was made, as written in the file.
    pub created: Option<String>,
    /// When it was retired, as written in the file: what was made with it is then unknown.
    pub retired: Option<String>,
}

/// The keys of one installation. Always has an active key of each kind, neither of them retired.
#[derive(Clone, Debug)]
pub struct Keyring {
    active_links: KeyId,
    active_ids: KeyId,
    keys: Vec<Key>,
    suppression: Option<Secret>,
    carried: Vec<String>,
}

/// Why keys make no ring, or a ring does not change as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Two keys have one number.
    #[error("expected each key id once, found key {0} twice")]
    Duplicate(KeyId),
    /// An active key is not there.
    #[error("{role} = {id}, but no key has that id")]
    ActiveMissing {
        /// `active_links` or `active_ids`.
        role: &'static str,
        /// The number that nothing has.
        id: KeyId,
    },
    /// An active key is retired.
    #[error("{role} = {id}, but that key is retired")]
    ActiveRetired {
        /// `active_links` or `active_ids`.
        role: &'static str,
        /// The retired key.
        id: KeyId,
    },
    /// There is no such key.
    #[error("no key has the id {0}")]
    Unknown(KeyId),
    /// An active key cannot be retired.
    #[error("key {id} is {role}: rotate first, then retire it")]
    StillActive {
        /// What it is active for.
        role: &'static str,
        /// The key.
        id: KeyId,
    },
    /// It is retired already.
    #[error("key {0} is retired already")]
    AlreadyRetired(KeyId),
    /// All numbers are taken.
    #[error("all {} key ids are taken", KeyId::MAX)]
    Full,
}

impl Keyring {
    /// Checks that the parts make a ring.
    ///
    /// # Errors
    /// A number stands twice, or an active key is missing or retired.
    pub fn new(
        active_links: KeyId,
        active_ids: KeyId,
        keys: Vec<Key>,
        suppression: Option<Secret>,
    ) -> Result<Self, KeyringError> {
        for (at, key) in keys.iter().enumerate() {
            if keys[..at].iter().any(|earlier| earlier.id == key.id) {
                return Err(KeyringError::Duplicate(key.id));
            }
        }
        for (role, id) in [("active_links", active_links), ("active_ids", active_ids)] {
            match keys.iter().find(|key| key.id == id) {
                None => return Err(KeyringError::ActiveMissing { role, id }),
                Some(key) if key.retired.is_some() => return Err(KeyringError::ActiveRetired { role, id }),
                Some(_) => {}
            }
        }
        Ok(Self { active_links, active_ids, keys, suppression, carried: Vec::new() })
    }

    /// A first ring: key 1, active for everything.
    pub fn init(secret: Secret, suppression: Secret, now: Timestamp) -> Self {
        let id = KeyId::FIRST;
        let key = Key { id, secret, created: Some(now.rfc3339()), retired: None };
        Self { active_links: id, active_ids: id, keys: vec![key], suppression: Some(suppression), carried: Vec::new() }
    }

    /// The key that signs links.
    pub fn active_links(&self) -> KeyId {
        self.active_links
    }

    /// The key that mints REAIDs.
    pub fn active_ids(&self) -> KeyId {
        self.active_ids
    }

    /// All keys, retired ones too.
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The keys that open links and check REAIDs.
    pub fn usable(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter().filter(|key| key.retired.is_none())
    }

    /// What suppressions are keyed with, where the file has one.
    pub fn suppression(&self) -> Option<&Secret> {
        self.suppression.as_ref()
    }

    /// Begins to key suppressions with `secret`, where nothing did so far.
    pub fn suppress_with(&mut self, secret: Secret) {
        self.suppression.get_or_insert(secret);
    }

    /// The suppressions that a backup carries, as lines; a keyring in use carries none.
    pub fn carried(&self) -> &[String] {
        &self.carried
    }

    /// The same keyring with these suppressions, or with none.
    #[must_use]
    pub fn carrying(self, carried: Vec<String>) -> Self {
        Self { carried, ..self }
    }

    /// Adds a key and makes it sign links; with `identities` it mints REAIDs too.
    ///
    /// # Errors
    /// All key ids are taken.
    pub fn rotate(&mut self, secret: Secret, identities: bool, now: Timestamp) -> Result<KeyId, KeyringError> {
        let highest = self.keys.iter().map(|key| key.id.get()).max().unwrap_or(0);
        let id = KeyId::new(i64::from(highest) + 1).map_err(|_| KeyringError::Full)?;
        self.keys.push(Key { id, secret, created: Some(now.rfc3339()), retired: None });
        self.active_links = id;
        if identities {
            self.active_ids = id;
        }
        Ok(id)
    }

    /// Retires a key: links and REAIDs made with it are unknown from now on.
    ///
    /// # Errors
    /// There is none, it is active, or it is retired already.
    pub fn retire(&mut self, id: KeyId, now: Timestamp) -> Result<(), KeyringError> {
        for (role, active) in [("active for links", self.active_links), ("active for identities", self.active_ids)] {
            if active == id {
                return Err(KeyringError::StillActive { role, id });
            }
        }
        let key = self.keys.iter_mut().find(|key| key.id == id).ok_or(KeyringError::Unknown(id))?;
        if key.retired.is_some() {
            return Err(KeyringError::AlreadyRetired(id));
        }
        key.retired = Some(now.rfc3339());
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Key 1 = bytes 00…1f, key 2 = bytes 20…3f, as in the published vectors.
    pub(crate) fn ring_of(active: u8) -> Keyring {
        let key = |id: u8| Key {
            id: KeyId::new(id).unwrap(),
            secret: Secret::from_bytes(std::array::from_fn(|i| (id - 1) * 32 + i as u8)),
            created: None,
            retired: None,
        };
        let active = KeyId::new(active).unwrap();
        Keyring::new(active, active, vec![key(1), key(2)], None).unwrap()
    }

    fn id(id: u8) -> KeyId {
        KeyId::new(id).unwrap()
    }

    #[test]
    fn links_rotate_without_identities() {
        let mut ring = Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0));
        assert_eq!(ring.rotate(Secret::from_bytes([3; 32]), false, Timestamp::from_secs(1)), Ok(id(2)));
        assert_eq!((ring.active_links(), ring.active_ids()), (id(2), id(1)));
        assert_eq!(ring.rotate(Secret::from_bytes([4; 32]), true, Timestamp::from_secs(1)), Ok(id(3)));
        assert_eq!((ring.active_links(), ring.active_ids()), (id(3), id(3)));
    }

    #[test]
    fn only_an_inactive_key_retires() {
        let now = Timestamp::from_secs(0);
        let mut ring = ring_of(2);
        assert_eq!(ring.retire(id(2), now), Err(KeyringError::StillActive { role: "active for links", id: id(2) }));
        assert_eq!(ring.retire(id(9), now), Err(KeyringError::Unknown(id(9))));
        assert_eq!(ring.retire(id(1), now), Ok(()));
        assert_eq!(ring.retire(id(1), now), Err(KeyringError::AlreadyRetired(id(1))));
        assert_eq!(ring.usable().map(|key| key.id).collect::<Vec<_>>(), [id(2)]);
    }

    #[test]
    fn a_ring_needs_its_active_keys() {
        let keys = ring_of(1).keys;
        let missing = Keyring::new(id(3), id(1), keys.clone(), None).unwrap_err();
        assert_eq!(missing, KeyringError::ActiveMissing { role: "active_links", id: id(3) });
        let twice = Keyring::new(id(1), id(1), [keys.clone(), keys].concat(), None).unwrap_err();
        assert_eq!(twice, KeyringError::Duplicate(id(1)));
    }

    #[test]
    fn ids_run_out_at_200() {
        let mut ring = ring_of(1);
        for _ in 3..=200 {
            ring.rotate(Secret::from_bytes([0; 32]), false, Timestamp::from_secs(0)).unwrap();
        }
        let full = ring.rotate(Secret::from_bytes([0; 32]), false, Timestamp::from_secs(0));
        assert_eq!(full, Err(KeyringError::Full));
    }
}
