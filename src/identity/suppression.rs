//! The record that a person asked to be forgotten, or later consented anew.
//!
//! A record names nobody to whoever lacks the keyring: its tag is keyed, the person's REAIDs are sealed, and
//! changing a byte of it shows. So the same bytes may lie in the store, beside the keyring and in backups.
//!
//! `u8 1 ‖ u8 word (0 erased, 1 lifted) ‖ u64 BE milliseconds ‖ tag (32) ‖ nonce (12) ‖
//! ChaCha20-Poly1305(seal key, nonce, aad = all before the nonce, REAIDs as text, one after the other)`.
//! tag = `HMAC-SHA256(suppression secret, digest)`, nonce = `HMAC-SHA256(nonce key, all before ‖ REAIDs)[0..12]`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use super::{Digest, Keyring, Reaid, Secret};
use crate::clock::Timestamp;

const VERSION: u8 = 1;
const TAG_LEN: usize = 32;
/// Version, word, time, tag: what is not sealed.
const OPEN_LEN: usize = 1 + 1 + 8 + TAG_LEN;

/// Stands for a person among the suppressed; says nothing without the suppression secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag([u8; TAG_LEN]);

impl Tag {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; TAG_LEN] {
        &self.0
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(…)")
    }
}

/// What a person said last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Forget me.
    Erased,
    /// You may know me again.
    Lifted,
}

/// One person's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// Who.
    pub tag: Tag,
    /// What.
    pub word: Word,
    /// When.
    pub at: Timestamp,
    /// The person's REAIDs under every key and scope of that time; none after a lift.
    pub reaids: Vec<Reaid>,
}

impl Suppression {
    /// What two records of one person say together: the newer word, and of two at once the stricter one. The
    /// REAIDs of two erasures are put together.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let (older, newer) = if (self.at, self.word == Word::Erased) <= (other.at, other.word == Word::Erased) {
            (self, other)
        } else {
            (other, self)
        };
        match (older.word, newer.word) {
            (Word::Erased, Word::Erased) => newer.with_reaids(older.reaids),
            _ => newer,
        }
    }

    /// The same with more REAIDs, in order and each once.
    #[must_use]
    pub fn with_reaids(mut self, more: Vec<Reaid>) -> Self {
        self.reaids.extend(more);
        self.reaids.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        self.reaids.dedup();
        self
    }
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a suppression made with the suppression secret of this keyring, found one of another, or damage")]
pub struct SuppressionError;

/// Makes tags, writes and reads records.
#[derive(Clone)]
pub struct SuppressionKey {
    tag: hmac::Key,
    nonce: hmac::Key,
    seal: LessSafeKey,
}

impl fmt::Debug for SuppressionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuppressionKey(…)")
    }
}

impl SuppressionKey {
    /// From the keyring's suppression secret, where it has one.
    pub fn of(keyring: &Keyring) -> Option<Self> {
        keyring.suppression().map(Self::derive)
    }

    /// From a suppression secret.
    pub fn derive(secret: &Secret) -> Self {
        #[expect(clippy::expect_used, reason = "a key of ChaCha20-Poly1305 has 32 bytes, as this one")]
        let seal =
            UnboundKey::new(&CHACHA20_POLY1305, secret.derive("suppression v1 seal", "").as_slice()).expect("32 bytes");
        Self {
            tag: secret.as_hmac_key(),
            nonce: secret.derive_hmac("suppression v1 nonce", ""),
            seal: LessSafeKey::new(seal),
        }
    }

    /// The tag of the person with this digest.
    pub fn tag(&self, digest: &Digest) -> Tag {
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(hmac::sign(&self.tag, digest.as_bytes()).as_ref());
        Tag(tag)
    }

    /// Writes a record: the same bytes for the same record.
    pub fn seal(&self, suppression: &Suppression) -> Vec<u8> {
        let mut record = vec![VERSION, suppression.word as u8];
        record.extend_from_slice(&suppression.at.millis().to_be_bytes());
        record.extend_from_slice(&suppression.tag.0);
        let mut sealed: Vec<u8> = suppression.reaids.iter().flat_map(|reaid| reaid.as_str().bytes()).collect();
        let mut context = hmac::Context::with_key(&self.nonce);
        context.update(&record);
        context.update(&sealed);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
        #[expect(clippy::expect_used, reason = "ChaCha20-Poly1305 refuses only inputs of many gigabytes")]
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&*record), &mut sealed)
            .expect("some REAIDs seal");
        record.extend_from_slice(&nonce);
        record.extend_from_slice(&sealed);
        record
    }

    /// Reads a record.
    ///
    /// # Errors
    /// It is none, or another secret sealed it.
    pub fn open(&self, record: &[u8]) -> Result<Suppression, SuppressionError> {
        let (aad, rest) = record.split_at_checked(OPEN_LEN).ok_or(SuppressionError)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(SuppressionError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SuppressionError)?;
        let mut sealed = sealed.to_vec();
        let reaids = self.seal.open_in_place(nonce, Aad::from(aad), &mut sealed).map_err(|_| SuppressionError)?;
        let (head, tag) = aad.split_at(OPEN_LEN - TAG_LEN);
        let word = match head[..2] {
            [VERSION, 0] => Word::Erased,
            [VERSION, 1] => Word::Lifted,
            _ => return Err(SuppressionError),
        };
        let at = head[2..].try_into().map(u64::from_be_bytes).map_err(|_| SuppressionError)?;
        let reaids = reaids.chunks(Reaid::LEN).map(|text| Reaid::sealed(text).ok_or(SuppressionError));
        Ok(Suppression {
            tag: Tag(tag.try_into().map_err(|_| SuppressionError)?),
            word,
            at: Timestamp::from_millis(at),
            reaids: reaids.collect::<Result<_, _>>()?,
        })
    }

    /// A record as a line of text.
    pub fn to_line(&self, suppression: &Suppression) -> String {
        URL_SAFE_NO_PAD.encode(self.seal(suppression))
    }

    /// Reads a line of text.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn from_line(&self, line: &str) -> Result<Suppression, SuppressionError> {
        self.open(&URL_SAFE_NO_PAD.decode(line).map_err(|_| SuppressionError)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{EmailAddress, Identities, tests::ring_of};

    fn key() -> SuppressionKey {
        SuppressionKey::derive(&Secret::from_bytes([9; 32]))
    }

    fn jane() -> Digest {
        EmailAddress::parse("jane.doe@example.org").unwrap().digest()
    }

    fn erased(at: u64, of: &[(u8, &str)]) -> Suppression {
        let reaids = of.iter().map(|(key, scope)| Identities::derive(&ring_of(*key), scope).mint(&jane())).collect();
        Suppression { tag: key().tag(&jane()), word: Word::Erased, at: Timestamp::from_millis(at), reaids }
    }

    #[test]
    fn the_published_vector_holds() {
        let line = key().to_line(&erased(1_796_000_000_000, &[(1, "shop")]));
        assert_eq!(line, VECTOR);
        assert_eq!(key().from_line(VECTOR), Ok(erased(1_796_000_000_000, &[(1, "shop")])));
    }

    const VECTOR: &str = "AQAAAAGiKfEoAOuDSulhjAYV1p6VPAPbw3ClRzwDLyuHF39BRU9N-sq7WvYKzgcdsg8cXUPgbyiT2Qr5rD0iqPQ9vPoab1_UqRc0utb0xYTPRDujEe9dDEJ0IRd8XA";

    #[test]
    fn a_record_shows_neither_digest_nor_reaid() {
        let record = key().seal(&erased(1, &[(1, "shop"), (2, "shop")]));
        let shows = |what: &[u8]| record.windows(what.len()).any(|at| at == what);
        assert!(!shows(jane().as_bytes()) && !shows(b"AVCX2Xn3"));
        assert!(!shows(&URL_SAFE_NO_PAD.decode("AVCX2Xn3aHNLYEVZLOeLQLnM").unwrap()[1..9]));
    }

    #[test]
    fn a_record_of_another_secret_does_not_open() {
        let record = key().seal(&erased(1, &[(1, "shop")]));
        let other = SuppressionKey::derive(&Secret::from_bytes([8; 32]));
        assert_eq!(other.open(&record), Err(SuppressionError));
        assert_ne!(other.tag(&jane()), key().tag(&jane()));
    }

    #[test]
    fn the_newer_word_wins_and_of_two_at_once_the_stricter() {
        let lifted = |at| Suppression { word: Word::Lifted, reaids: vec![], ..erased(at, &[]) };
        let shop = |at| erased(at, &[(1, "shop")]);
        assert_eq!(shop(1).merged(lifted(2)), lifted(2));
        assert_eq!(lifted(2).merged(shop(3)), shop(3));
        assert_eq!(lifted(2).merged(shop(2)), shop(2));
        let both = shop(1).merged(erased(2, &[(2, "shop"), (1, "shop")]));
        assert_eq!((both.at, both.reaids.len()), (Timestamp::from_millis(2), 2));
    }

    proptest! {
        #[test]
        fn opening_never_accepts_a_flipped_bit(at in any::<u64>(), byte in 0usize..94, bit in 0u8..8) {
            let mut record = key().seal(&erased(at, &[(1, "shop")]));
            record[byte] ^= 1 << bit;
            prop_assert_eq!(key().open(&record), Err(SuppressionError));
        }

        #[test]
        fn merging_in_any_order_says_the_same(words in prop::collection::vec((0u64..4, any::<bool>(), 1u8..3), 1..6)) {
            let all: Vec<_> = words.iter().map(|(at, lifted, key)| match lifted {
                true => Suppression { word: Word::Lifted, reaids: vec![], ..erased(*at, &[]) },
                false => erased(*at, &[(*key, "shop")]),
            }).collect();
            let merged = |all: Vec<Suppression>| all.into_iter().reduce(Suppression::merged).unwrap();
            let (forth, back) = (merged(all.clone()), merged(all.into_iter().rev().collect()));
            prop_assert_eq!((forth.word, forth.at), (back.word, back.at));
        }
    }
}
