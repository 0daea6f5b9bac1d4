//! Why the profile table refused.

use crate::sandbox::options::MAX_PROFILES;

/// Why the table refused. No text of it holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No profile has this key.
    #[error("no profile has this key")]
    UnknownProfile,
    /// A key is neither a profileId nor `attribute=value` on a unique attribute.
    #[error("the key must be a profileId or attribute=value on a unique attribute")]
    BadKey,
    /// The table has no such attribute.
    #[error("the profile table has no attribute {0:?}")]
    UnknownAttribute(String),
    /// The profileId is Actito's to choose.
    #[error("profileId cannot be written")]
    ReadOnly,
    /// A value is longer than its attribute takes.
    #[error("a value of attribute {attribute:?} has over {max} characters")]
    TooLong {
        /// The attribute's name.
        attribute: String,
        /// What it takes.
        max: usize,
    },
    /// Another profile has this value of a unique attribute.
    #[error("another profile has this value of the unique attribute {0:?}")]
    Taken(String),
    /// The table is full.
    #[error("the table already holds {MAX_PROFILES} profiles")]
    Full,
}

impl TableError {
    /// A label for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownProfile => "unknown_profile",
            Self::BadKey => "bad_key",
            Self::UnknownAttribute(_) => "unknown_attribute",
            Self::ReadOnly => "read_only",
            Self::TooLong { .. } => "too_long",
            Self::Taken(_) => "taken",
            Self::Full => "full",
        }
    }
}
