//! Secrets, key ids, and the derivation of one key for each purpose.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{hkdf, hmac};
use zeroize::Zeroizing;

/// The number of a key, 1–200: small enough for one byte, and never the byte that `3D` starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u8);

/// A number that is no key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a key id from 1 to {max}, found {0}", max = KeyId::MAX)]
pub struct KeyIdError(pub i64);

impl KeyId {
    /// The highest key id.
    pub const MAX: u8 = 200;

    /// The first key of an installation.
    pub const FIRST: Self = Self(1);

    /// Checks the range.
    ///
    /// # Errors
    /// `id` is not within 1–200.
    pub fn new(id: impl Into<i64>) -> Result<Self, KeyIdError> {
        let id = id.into();
        match u8::try_from(id) {
            Ok(byte @ 1..=Self::MAX) => Ok(Self(byte)),
            _ => Err(KeyIdError(id)),
        }
    }

    /// The number.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 32 secret bytes, wiped when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 32 bytes as 43 characters of base64url without padding")]
pub struct SecretError;

impl Secret {
    /// Takes over 32 bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the one canonical base64url spelling.
    ///
    /// # Errors
    /// `text` is anything else.
    pub fn from_base64url(text: &str) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| SecretError)?);
        Ok(Self::from_bytes(bytes.as_slice().try_into().map_err(|_| SecretError)?))
    }

    /// The base64url spelling, for the keyring file alone.
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_slice()))
    }

    /// The key for one purpose: HKDF-SHA256 (RFC 5869), empty salt, 32 bytes,
    /// info = `label ‖ 0x00 ‖ scope`.
    pub fn derive(&self, label: &str, scope: &str) -> Zeroizing<[u8; 32]> {
        let info = [label.as_bytes(), &[0], scope.as_bytes()];
        let mut key = Zeroizing::new([0; 32]);
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(self.0.as_slice());
        #[expect(clippy::expect_used, reason = "HKDF-SHA256 gives up to 255 × 32 bytes; 32 are asked for")]
        prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut_slice())).expect("32 bytes of okm");
        key
    }

    /// The secret as an HMAC-SHA256 key, for a secret that has one purpose only.
    pub fn as_hmac_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice())
    }

    /// The HMAC-SHA256 key for one purpose.
    pub fn derive_hmac(&self, label: &str, scope: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, self.derive(label, scope).as_slice())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ids_end_at_200() {
        assert_eq!(KeyId::new(1).map(KeyId::get), Ok(1));
        assert_eq!(KeyId::new(200).map(KeyId::get), Ok(200));
        for id in [0, 201, 256, -1] {
            assert_eq!(KeyId::new(id), Err(KeyIdError(id)));
        }
    }

    #[test]
    fn a_secret_has_one_spelling() {
        let text = Secret::from_bytes([7; 32]).to_base64url();
        assert_eq!(Secret::from_base64url(&text).unwrap().to_base64url(), text);
        for wrong in ["", "AAAA", &format!("{}=", text.as_str()), &"/".repeat(43), &format!("{}9", &text[..42])] {
            assert!(Secret::from_base64url(wrong).is_err(), "{wrong}");
        }
    }
}
