//! The keyring as TOML text. Reading and writing the file is the caller's.
//!
//! ```toml
//! active_links = 1
//! active_ids = 1
//! [[key]]
//! id = 1
//! secret = "…"                      # 32 bytes, base64url without padding
//! created = "2026-12-01T03:00:00Z"
//! # retired = "…"                   # once it is
//! [suppression]
//! secret = "…"
//! records = ["…"]                   # in a backup: who asked to be forgotten (`suppression.rs`)
//! ```

use serde::Deserialize;
use toml::Spanned;
use zeroize::Zeroizing;

use super::{Key, KeyId, Keyring, KeyringError, Secret};

/// Why a text is no keyring. Never repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// Not TOML, an unknown or missing key, a wrong type.
    #[error("line {line}: {message}")]
    Syntax {
        /// Counted from 1; 0 when the text as a whole is meant.
        line: usize,
        /// What was expected and found.
        message: String,
    },
    /// The keys make no ring.
    #[error(transparent)]
    Ring(#[from] KeyringError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    active_links: Spanned<i64>,
    active_ids: Spanned<i64>,
    #[serde(default)]
    key: Vec<WrittenKey>,
    suppression: Option<WrittenSuppression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKey {
    id: Spanned<i64>,
    secret: Spanned<Zeroizing<String>>,
    created: Option<Stamp>,
    retired: Option<Stamp>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSuppression {
    secret: Spanned<Zeroizing<String>>,
    #[serde(default)]
    records: Vec<String>,
}

/// A time as people write one into TOML; `false` stands for "not yet".
#[derive(Deserialize)]
#[serde(untagged)]
enum Stamp {
    Text(String),
    Datetime(toml::value::Datetime),
    Flag(bool),
}

impl Stamp {
    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text),
            Self::Datetime(at) => Some(at.to_string()),
            Self::Flag(true) => Some("true".to_owned()),
            Self::Flag(false) => None,
        }
    }
}

impl Keyring {
    /// Reads a keyring.
    ///
    /// # Errors
    /// Says the line and what was expected there.
    pub fn from_toml(text: &str) -> Result<Self, KeyringFileError> {
        let line_of = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
        let written: Written = toml::from_str(text).map_err(|e| KeyringFileError::Syntax {
            line: e.span().map_or(0, |span| line_of(span.start)),
            message: e.message().to_owned(),
        })?;
        let id = |id: &Spanned<i64>| {
            KeyId::new(*id.get_ref())
                .map_err(|e| KeyringFileError::Syntax { line: line_of(id.span().start), message: e.to_string() })
        };
        let secret = |secret: &Spanned<Zeroizing<String>>| {
            Secret::from_base64url(secret.get_ref()).map_err(|e| KeyringFileError::Syntax {
                line: line_of(secret.span().start),
                message: format!("secret: {e}"),
            })
        };
        let mut keys = Vec::with_capacity(written.key.len());
        for key in written.key {
            keys.push(Key {
                id: id(&key.id)?,
                secret: secret(&key.secret)?,
                created: key.created.and_then(Stamp::into_text),
                retired: key.retired.and_then(Stamp::into_text),
            });
        }
        let suppression = written.suppression.as_ref().map(|it| secret(&it.secret)).transpose()?;
        let carried = written.suppression.map(|it| it.records).unwrap_or_default();
        Ok(Self::new(id(&written.active_links)?, id(&written.active_ids)?, keys, suppression)?.carrying(carried))
    }

    /// Writes a keyring, secrets included.
    pub fn to_toml(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::from("# The keys of this installation. Written by `reaid keys` alone.\n"));
        out.push_str("# Losing this file kills every link ever sent and every REAID: keep a backup.\n");
        out.push_str(&format!("active_links = {}\nactive_ids = {}\n", self.active_links(), self.active_ids()));
        for key in self.keys() {
            out.push_str(&format!("\n[[key]]\nid = {}\nsecret = \"{}\"\n", key.id, key.secret.to_base64url().as_str()));
            for (name, at) in [("created", &key.created), ("retired", &key.retired)] {
                if let Some(at) = at {
                    out.push_str(&format!("{name} = {}\n", toml::Value::from(at.as_str())));
                }
            }
        }
        if let Some(secret) = self.suppression() {
            out.push_str(&format!("\n[suppression]\nsecret = \"{}\"\n", secret.to_base64url().as_str()));
            if !self.carried().is_empty() {
                out.push_str(&format!("records = {}\n", toml::Value::from(self.carried().to_vec())));
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn ring() -> Keyring {
        let mut ring = Keyring::init(Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]), Timestamp::from_secs(0));
        ring.rotate(Secret::from_bytes([3; 32]), true, Timestamp::from_secs(9)).unwrap();
        ring.retire(KeyId::FIRST, Timestamp::from_secs(10)).unwrap();
        ring
    }

    #[test]
    fn a_ring_reads_back_as_written() {
        let text = ring().to_toml();
        let back = Keyring::from_toml(&text).unwrap();
        assert_eq!(back.to_toml(), text);
        assert_eq!(back.usable().count(), 1);
        assert_eq!(back.keys()[0].retired.as_deref(), Some("1970-01-01T00:00:10Z"));
    }

    #[test]
    fn faults_name_their_line_and_no_secret() {
        let text = ring().to_toml();
        let secret = ring().keys()[0].secret.to_base64url();
        for (from, to, line, says) in [
            ("active_ids = 2", "active_ids = 222", 4, "1 to 200"),
            ("active_ids = 2", "active_idz = 2", 4, "active_idz"),
            ("active_ids = 2", "active_ids = \"2\"", 4, "string"),
            (secret.as_str(), "abc", 8, "43 characters"),
        ] {
            let error = Keyring::from_toml(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("line {line}: ")) && error.contains(says), "{error}");
            assert!(!error.contains(secret.as_str()));
        }
    }

    #[test]
    fn dates_may_be_toml_dates() {
        let text = ring().to_toml().replace("\"1970-01-01T00:00:10Z\"", "1970-01-01T00:00:10Z");
        assert_eq!(Keyring::from_toml(&text).unwrap().usable().count(), 1);
    }
}
