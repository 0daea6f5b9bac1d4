//! A mass import in our own words: which one, how it stands, which rows it rejected.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::generation::Generation;
use super::profile::ProfileId;

/// No id that a vendor gives is longer: a UUID has 36 characters.
const LONGEST_ID: usize = 64;

/// Which import, and which generation of the API knows it. Spelled as in `v4:1000123`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImportId {
    generation: Generation,
    id: String,
}

impl ImportId {
    /// Reads what [`Display`](fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (generation, id) = text.split_once(':')?;
        Self::new(Generation::parse(generation)?, id)
    }

    /// An id as Actito gave it; `None` for what cannot stand in a URL and a log as it is.
    pub(super) fn new(generation: Generation, id: &str) -> Option<Self> {
        is_plain(id).then(|| Self { generation, id: id.to_owned() })
    }

    /// Which generation of the API started it, and must be asked about it.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The id as Actito gave it.
    pub(super) fn as_given(&self) -> &str {
        &self.id
    }
}

/// Whether an id of Actito's is short and of letters, digits, `-` and `_` alone.
pub(super) fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(plain)
}

impl fmt::Display for ImportId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.generation, self.id)
    }
}

impl Serialize for ImportId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImportId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("expected the id of an import, as in v4:1000123"))
    }
}

/// How an import stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// Not done, or Actito uses a word for it that nobody documented.
    Running,
    /// Done; what was rejected can be read with [`Client::import_errors`](super::Client::import_errors).
    Done {
        /// Rows that were not taken; at least one where Actito only says that there were errors.
        rejected: u64,
    },
    /// Over without a result: nothing is known about any row.
    Failed {
        /// Actito's word for it, cleaned.
        word: String,
    },
}

/// A row that an import did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Whose row it was; `None` when it names no profile.
    pub profile: Option<ProfileId>,
    /// Its number among the rejected rows, counted from 1.
    pub row: u64,
    /// Actito's code for the reason, cleaned.
    pub code: String,
    /// The column that it concerns, cleaned; may be empty.
    pub column: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_id_survives_being_written_down() {
        for text in ["v4:1000123", "v5:7d6a2f0e-7a52-4c60-9f0b-0d6f2c5f2b11"] {
            let id = ImportId::parse(text).unwrap();
            assert_eq!(id.to_string(), text);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<ImportId>(&json).unwrap(), id);
        }
    }

    #[test]
    fn what_could_change_a_url_is_no_import_id() {
        let long = format!("v4:{}", "1".repeat(65));
        for wrong in ["", "1000123", "v6:1", "v4:", "v4:1/2", "v4:..", "v4:1?x", "v4:a b", "v4:é", &long] {
            assert_eq!(ImportId::parse(wrong), None, "{wrong}");
        }
    }
}
