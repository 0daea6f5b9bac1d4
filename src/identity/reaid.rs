//! REAID v1: `base64url(u8 key id ‖ id (13) ‖ check (4))`, always 24 characters, one spelling.
//!
//! The check finds noise, typos, truncations and ids of another integration without a database. It
//! is no authenticator, and a REAID is no credential.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use subtle::ConstantTimeEq as _;

use super::visitor::{self, VisitorIds};
use super::{Digest, KeyId, Keyring, Secret};

const ID_LEN: usize = 13;
const CHECK_LEN: usize = 4;
const RAW_LEN: usize = 1 + ID_LEN + CHECK_LEN;

/// A REAID whose check held, or that was minted here: 24 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reaid([u8; Reaid::LEN]);

impl Reaid {
    /// Characters in a REAID.
    pub const LEN: usize = 24;

    /// The text.
    pub fn as_str(&self) -> &str {
        #[expect(clippy::expect_used, reason = "the constructors fill it from base64url output alone")]
        std::str::from_utf8(&self.0).expect("base64url is ASCII")
    }

    /// A REAID that we wrote down ourselves, as in a suppression: its check held when it was.
    pub(super) fn sealed(text: &[u8]) -> Option<Self> {
        text.iter().all(|byte| super::is_base64url(*byte)).then_some(())?;
        text.try_into().map(Self).ok()
    }

    fn encode(raw: &[u8; RAW_LEN]) -> Self {
        let mut text = [0; Self::LEN];
        #[expect(clippy::expect_used, reason = "18 bytes are 24 characters of base64url")]
        URL_SAFE_NO_PAD.encode_slice(raw, &mut text).expect("24 characters");
        Self(text)
    }
}

impl fmt::Debug for Reaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reaid(…)")
    }
}

/// Why a text is no REAID of this scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReaidError {
    /// Another length, or bytes outside the alphabet.
    #[error("expected {} characters of base64url", Reaid::LEN)]
    Malformed,
    /// Its key is not on the ring, or retired.
    #[error("made with key {0}, which is not on the keyring or is retired")]
    UnknownKey(u8),
    /// The check does not fit the id: mangled, or of another integration.
    #[error("the check does not fit: mistyped, cut, or of another integration")]
    CheckFailed,
}

/// Mints and checks the REAIDs of one scope, with keys derived once.
#[derive(Clone, Debug)]
pub struct Identities {
    scope: String,
    active: KeyId,
    keys: Vec<(KeyId, ScopeKeys)>,
}

#[derive(Clone, Debug)]
struct ScopeKeys {
    id: hmac::Key,
    check: hmac::Key,
    coid: hmac::Key,
}

impl Identities {
    /// Derives the keys of `scope` from every key that is not retired.
    pub fn derive(keyring: &Keyring, scope: &str) -> Self {
        let keys = keyring.usable().map(|key| (key.id, ScopeKeys::derive(&key.secret, scope)));
        Self { scope: scope.to_owned(), active: keyring.active_ids(), keys: keys.collect() }
    }

    /// The REAIDs of a person in `scope` by every key on the ring, retired ones too.
    pub fn every(keyring: &Keyring, scope: &str, digest: &Digest) -> Vec<(KeyId, Reaid)> {
        let of = |key: &super::Key| (key.id, ScopeKeys::derive(&key.secret, scope).mint(key.id, digest));
        keyring.keys().iter().map(of).collect()
    }

    /// The scope these identities belong to.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    /// The REAID of a person, by the active identity key.
    pub fn mint(&self, digest: &Digest) -> Reaid {
        #[expect(clippy::expect_used, reason = "a keyring's active keys are on it and not retired")]
        let keys = self.keys(self.active).expect("active key is usable");
        keys.mint(self.active, digest)
    }

    /// Takes exactly the bytes of a REAID of this scope.
    ///
    /// # Errors
    /// Why `text` is none.
    pub fn verify(&self, text: &[u8]) -> Result<Reaid, ReaidError> {
        let mut raw = [0; RAW_LEN];
        if text.len() != Reaid::LEN || URL_SAFE_NO_PAD.decode_slice(text, &mut raw) != Ok(RAW_LEN) {
            return Err(ReaidError::Malformed);
        }
        let keys = KeyId::new(raw[0]).ok().and_then(|id| self.keys(id)).ok_or(ReaidError::UnknownKey(raw[0]))?;
        let check = hmac::sign(&keys.check, &raw[..=ID_LEN]);
        if bool::from(check.as_ref()[..CHECK_LEN].ct_eq(&raw[1 + ID_LEN..])) {
            Ok(Reaid::encode(&raw))
        } else {
            Err(ReaidError::CheckFailed)
        }
    }

    /// The visitor and session ids of the person behind `reaid` in `account` at `unix_secs`. None
    /// when `reaid` names a key that is gone.
    pub fn visitor(&self, account: &str, reaid: &str, unix_secs: u64) -> Option<VisitorIds> {
        let keys = self.keys(KeyId::new(raw_of(reaid)?[0]).ok()?)?;
        Some(VisitorIds::derive(&keys.coid, account, reaid, unix_secs))
    }

    /// The person behind `reaid`, for counting people: a hash that cannot be tried out without the
    /// keyring, and that Raptor does not know. None when `reaid` names a key that is gone.
    pub fn person(&self, reaid: &str) -> Option<u64> {
        let keys = self.keys(KeyId::new(raw_of(reaid)?[0]).ok()?)?;
        Some(visitor::person(&keys.coid, reaid))
    }

    fn keys(&self, id: KeyId) -> Option<&ScopeKeys> {
        self.keys.iter().find(|(key, _)| *key == id).map(|(_, keys)| keys)
    }
}

impl ScopeKeys {
    fn derive(secret: &Secret, scope: &str) -> Self {
        let derive = |label| secret.derive_hmac(label, scope);
        Self { id: derive("reaid v1 id"), check: derive("reaid v1 check"), coid: derive("reaid v1 coid") }
    }

    fn mint(&self, key: KeyId, digest: &Digest) -> Reaid {
        let mut raw = [0; RAW_LEN];
        raw[0] = key.get();
        raw[1..=ID_LEN].copy_from_slice(&hmac::sign(&self.id, digest.as_bytes()).as_ref()[..ID_LEN]);
        let check = hmac::sign(&self.check, &raw[..=ID_LEN]);
        raw[1 + ID_LEN..].copy_from_slice(&check.as_ref()[..CHECK_LEN]);
        Reaid::encode(&raw)
    }
}

fn raw_of(reaid: &str) -> Option<[u8; RAW_LEN]> {
    let mut raw = [0; RAW_LEN];
    URL_SAFE_NO_PAD.decode_slice(reaid, &mut raw).ok().map(|_| raw)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::identity::{EmailAddress, keyring::tests::ring_of};

    fn identities(active: u8, scope: &str) -> Identities {
        Identities::derive(&ring_of(active), scope)
    }

    fn digest(address: &str) -> Digest {
        EmailAddress::parse(address).unwrap().digest()
    }

    #[test]
    fn the_published_vectors_hold() {
        let jane = digest(" Jane.Doe@Example.ORG ");
        assert_eq!(jane.to_hex(), "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181");
        assert_eq!(identities(1, "shop").mint(&jane).as_str(), "AVCX2Xn3aHNLYEVZLOeLQLnM");
        assert_eq!(identities(1, "other").mint(&jane).as_str(), "AfglDZV_iCtPDLRtJHX-AxYG");
        assert_eq!(identities(2, "shop").mint(&jane).as_str(), "AmK0C-jW6A1JEqC1xYKQplV1");
        let juergen = digest("jürgen@bücher.example");
        assert_eq!(juergen.to_hex(), "2f5c75b104c50025078513265a0ac3626e1440adecf5fcbd0e0d1a73170d077e");
        assert_eq!(identities(1, "shop").mint(&juergen).as_str(), "AWin7WhZveucDx74Dr9bx1XZ");
    }

    #[test]
    fn an_older_key_still_checks_and_another_scope_does_not() {
        let old = identities(1, "shop").mint(&digest("jane@example.org"));
        assert_eq!(identities(2, "shop").verify(old.as_str().as_bytes()), Ok(old));
        assert_eq!(identities(1, "other").verify(old.as_str().as_bytes()), Err(ReaidError::CheckFailed));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let shop = identities(1, "shop");
        assert_eq!(shop.verify(b"AVCX"), Err(ReaidError::Malformed));
        assert_eq!(shop.verify(b"AVCX2Xn3aHNLYEVZLOeLQLn="), Err(ReaidError::Malformed));
        assert_eq!(shop.verify(b"BVCX2Xn3aHNLYEVZLOeLQLnM"), Err(ReaidError::UnknownKey(5)));
    }

    proptest! {
        #[test]
        fn no_flipped_bit_passes_the_check(address in "[a-z]{1,9}@[a-z]{1,9}", byte in 0usize..RAW_LEN, bit in 0u8..8) {
            let shop = identities(1, "shop");
            let good = shop.mint(&digest(&address));
            let mut raw = URL_SAFE_NO_PAD.decode(good.as_str()).unwrap();
            prop_assert_eq!(shop.verify(good.as_str().as_bytes()), Ok(good));
            raw[byte] ^= 1 << bit;
            prop_assert!(shop.verify(URL_SAFE_NO_PAD.encode(raw).as_bytes()).is_err());
        }

        #[test]
        fn noise_is_never_a_reaid(noise in prop::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(identities(1, "shop").verify(&noise).is_err());
        }
    }
}
