//! Who a recipient is: addresses, digests, REAIDs and the keys they are made with.
//!
//! Pure: no I/O, no clock, no logging. Everything that holds an address, an id or a secret redacts
//! itself in `Debug`.

mod address;
mod key;
mod keyring;
mod keyring_file;
mod reaid;
mod suppressed;
mod suppression;
mod visitor;

pub use address::{AddressError, Digest, DigestError, EmailAddress};
pub use key::{KeyId, KeyIdError, Secret, SecretError};
pub use keyring::{Key, Keyring, KeyringError};
pub use keyring_file::KeyringFileError;
pub use reaid::{Identities, Reaid, ReaidError};
pub use suppressed::Suppressed;
pub use suppression::{Suppression, SuppressionError, SuppressionKey, Tag, Word};
pub use visitor::{Guid, VisitorIds};

/// The alphabet of base64url, the only bytes that tokens and REAIDs are written in.
pub fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// How many bytes of the alphabet `text` begins with: where a token or REAID ends and what a mail
/// program added begins.
pub fn base64url_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_base64url(byte)).unwrap_or(text.len())
}

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::keyring::tests::ring_of;
}
