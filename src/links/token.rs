//! Link token v1: the signed part of a click or pixel URL. Signed, not secret.
//!
//! `u8 1 ‖ u8 key id ‖ u8 flags ‖ u16 BE number ‖ u8 n, account ‖ u8 n, campaign ‖ destination`, then a
//! MAC (campaign links, pixels) or the sealed recipient (personal links); all of it base64url without
//! padding. Same input, same token; nothing is parsed before it verifies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use subtle::ConstantTimeEq as _;

use super::{Account, Campaign, Destination};
use crate::identity::{Digest, KeyId, Keyring, base64url_len};

const VERSION: u8 = 1;
const FLAG_PIXEL: u8 = 1;
const FLAG_HTTPS: u8 = 2;
const FLAG_PERSONAL: u8 = 4;

const MAC_LEN: usize = 16;
const DIGEST_LEN: usize = 32;
const SEALED_LEN: usize = DIGEST_LEN + 16;

/// The longest token that can be one of ours, in bytes before base64url.
const MAX_RAW: usize = 5 + 1 + 5 + 1 + 64 + 2048 + NONCE_LEN + SEALED_LEN;

/// What stands around most destinations: fields, a campaign of usual length, and the longer of the two ends.
const ROOM: usize = 5 + 1 + 8 + 1 + 32 + NONCE_LEN + SEALED_LEN;

/// What a token says beside the key it is signed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The key that signed it.
    pub key: KeyId,
    /// The number of the link in its newsletter.
    pub number: u16,
    /// The account that the event is for.
    pub account: Account,
    /// The campaign.
    pub campaign: Campaign,
    /// What it is a link to.
    pub target: Target,
    /// Whom it was made for.
    pub recipient: Recipient,
}

/// What a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A link to this URL, as it was signed.
    Link(String),
    /// An open pixel.
    Pixel,
}

/// Whom a token was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipient {
    /// Everybody: identity comes with the merge field.
    Anyone,
    /// One person, whose digest was sealed inside.
    Person(Digest),
}

/// Why a text opens to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Cut, extended, or never a token.
    #[error("not canonical base64url of a link token's length")]
    Malformed,
    /// Made by a later program.
    #[error("version {0}, expected {VERSION}")]
    Version(u8),
    /// Signed with a key that is not on the ring, or is retired.
    #[error("signed with key {0}, which is not on the keyring or is retired")]
    UnknownKey(u8),
    /// Flags that no token has.
    #[error("flags 0x{0:02x}, which no token has")]
    Flags(u8),
    /// The signature does not fit: flipped, cut, or of another installation.
    #[error("the signature does not fit: changed, cut, or of another installation")]
    Forged,
    /// It verifies, but its fields are not what we sign.
    #[error("verified, but its fields are not those of a link token")]
    Fields,
}

impl OpenError {
    /// Every word that [`kind`](Self::kind) can say.
    pub const KINDS: [&'static str; 6] = ["malformed", "version", "unknown_key", "flags", "forged", "fields"];

    /// A word for metrics and logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Version(_) => "version",
            Self::UnknownKey(_) => "unknown_key",
            Self::Flags(_) => "flags",
            Self::Forged => "forged",
            Self::Fields => "fields",
        }
    }
}

/// Signs and opens link tokens, with keys derived once.
#[derive(Debug)]
pub struct LinkKeys {
    active: KeyId,
    keys: Vec<(KeyId, Keys)>,
}

#[derive(Debug)]
struct Keys {
    mac: hmac::Key,
    nonce: hmac::Key,
    seal: LessSafeKey,
}

impl LinkKeys {
    /// Derives the keys from every key that is not retired.
    pub fn derive(keyring: &Keyring) -> Self {
        let keys = keyring.usable().map(|key| {
            let seal = key.secret.derive("link v1 seal", "");
            #[expect(clippy::expect_used, reason = "ChaCha20-Poly1305 takes any 32 bytes")]
            let seal = UnboundKey::new(&CHACHA20_POLY1305, seal.as_slice()).expect("32 bytes");
            let keys = Keys {
                mac: key.secret.derive_hmac("link v1 mac", ""),
                nonce: key.secret.derive_hmac("link v1 nonce", ""),
                seal: LessSafeKey::new(seal),
            };
            (key.id, keys)
        });
        Self { active: keyring.active_links(), keys: keys.collect() }
    }

    /// The token of a link, without the reserved parameters of its destination.
    pub fn sign_link(
        &self,
        destination: &Destination,
        number: u16,
        account: &Account,
        campaign: &Campaign,
        recipient: Recipient,
    ) -> String {
        let destination = destination.without_reserved();
        let (flag, bytes) = match destination.as_str().strip_prefix("https://") {
            Some(rest) => (FLAG_HTTPS, rest.as_bytes()),
            None => (0, destination.as_bytes()),
        };
        self.sign(flag, number, account, campaign, bytes, recipient)
    }

    /// The token of an open pixel.
    pub fn sign_pixel(&self, number: u16, account: &Account, campaign: &Campaign) -> String {
        self.sign(FLAG_PIXEL, number, account, campaign, &[], Recipient::Anyone)
    }

    fn sign(
        &self,
        flags: u8,
        number: u16,
        account: &Account,
        campaign: &Campaign,
        destination: &[u8],
        recipient: Recipient,
    ) -> String {
        #[expect(clippy::expect_used, reason = "a keyring's active keys are on it and not retired")]
        let keys = self.keys(self.active).expect("active key is usable");
        let personal = if recipient == Recipient::Anyone { 0 } else { FLAG_PERSONAL };
        let mut raw = Vec::with_capacity(destination.len() + ROOM);
        raw.extend([VERSION, self.active.get(), flags | personal]);
        raw.extend_from_slice(&number.to_be_bytes());
        for text in [account.as_str(), campaign.as_str()] {
            raw.push(text.len() as u8);
            raw.extend_from_slice(text.as_bytes());
        }
        raw.extend_from_slice(destination);
        match recipient {
            Recipient::Anyone => keys.append_mac(&mut raw),
            Recipient::Person(digest) => keys.append_sealed(&mut raw, &digest),
        }
        URL_SAFE_NO_PAD.encode(raw)
    }

    /// Opens what stands at the start of `text`, up to the first byte outside the alphabet.
    ///
    /// # Errors
    /// Why it is no token of ours.
    pub fn open(&self, text: &[u8]) -> Result<Opened, OpenError> {
        let mut raw = decode(text)?;
        let &[version, key, flags, ..] = raw.as_slice() else {
            return Err(OpenError::Malformed);
        };
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let unknown = OpenError::UnknownKey(key);
        let key = KeyId::new(key).map_err(|_| unknown)?;
        let keys = self.keys(key).ok_or(unknown)?;
        let (signed, recipient) = match flags {
            0 | FLAG_HTTPS | FLAG_PIXEL => (keys.check_mac(&raw)?, Recipient::Anyone),
            FLAG_PERSONAL | 6 => keys.unseal(&mut raw)?,
            _ => return Err(OpenError::Flags(flags)),
        };
        parse(&raw[..signed], key, flags, recipient).ok_or(OpenError::Fields)
    }

    fn keys(&self, id: KeyId) -> Option<&Keys> {
        self.keys.iter().find(|(key, _)| *key == id).map(|(_, keys)| keys)
    }
}

impl Keys {
    fn append_mac(&self, raw: &mut Vec<u8>) {
        let mac = hmac::sign(&self.mac, raw);
        raw.extend_from_slice(&mac.as_ref()[..MAC_LEN]);
    }

    /// How many bytes of `raw` stand before a MAC that fits.
    fn check_mac(&self, raw: &[u8]) -> Result<usize, OpenError> {
        let signed = raw.len().checked_sub(MAC_LEN).ok_or(OpenError::Malformed)?;
        let mac = hmac::sign(&self.mac, &raw[..signed]);
        let fits = bool::from(mac.as_ref()[..MAC_LEN].ct_eq(&raw[signed..]));
        if fits { Ok(signed) } else { Err(OpenError::Forged) }
    }

    /// The nonce comes from what is sealed: the same input gives the same token, and no two inputs
    /// share a nonce.
    fn append_sealed(&self, raw: &mut Vec<u8>, digest: &Digest) {
        let mut context = hmac::Context::with_key(&self.nonce);
        context.update(raw);
        context.update(digest.as_bytes());
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&context.sign().as_ref()[..NONCE_LEN]);
        let mut sealed = digest.as_bytes().to_vec();
        #[expect(clippy::expect_used, reason = "ChaCha20-Poly1305 refuses only inputs of many gigabytes")]
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(&*raw), &mut sealed)
            .expect("32 bytes seal");
        raw.extend_from_slice(&nonce);
        raw.extend_from_slice(&sealed);
    }

    /// How many bytes of `raw` stand before a sealed recipient that opens, and the recipient.
    fn unseal(&self, raw: &mut [u8]) -> Result<(usize, Recipient), OpenError> {
        let signed = raw.len().checked_sub(NONCE_LEN + SEALED_LEN).ok_or(OpenError::Malformed)?;
        let (aad, rest) = raw.split_at_mut(signed);
        let (nonce, sealed) = rest.split_at_mut(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Malformed)?;
        let digest = self.seal.open_in_place(nonce, Aad::from(aad), sealed).map_err(|_| OpenError::Forged)?;
        let digest: [u8; DIGEST_LEN] = (&*digest).try_into().map_err(|_| OpenError::Fields)?;
        Ok((signed, Recipient::Person(Digest::from_bytes(digest))))
    }
}

fn decode(text: &[u8]) -> Result<Vec<u8>, OpenError> {
    let end = base64url_len(text);
    if end > MAX_RAW.div_ceil(3) * 4 {
        return Err(OpenError::Malformed);
    }
    URL_SAFE_NO_PAD.decode(&text[..end]).map_err(|_| OpenError::Malformed)
}

/// Reads the fields of what has been verified.
fn parse(signed: &[u8], key: KeyId, flags: u8, recipient: Recipient) -> Option<Opened> {
    let (number, rest) = signed.get(3..)?.split_first_chunk::<2>()?;
    let (account, rest) = short_text(rest)?;
    let (campaign, destination) = short_text(rest)?;
    let destination = std::str::from_utf8(destination).ok()?;
    let target = match (flags & FLAG_PIXEL != 0, destination) {
        (true, "") => Target::Pixel,
        (true, _) | (false, "") => return None,
        (false, rest) if flags & FLAG_HTTPS != 0 => Target::Link(format!("https://{rest}")),
        (false, url) => Target::Link(url.to_owned()),
    };
    Some(Opened {
        key,
        number: u16::from_be_bytes(*number),
        account: Account::parse(account).ok()?,
        campaign: Campaign::parse(campaign).ok()?,
        target,
        recipient,
    })
}

fn short_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(len))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests;
