//! What the structure of the profile table says that is worth knowing and no error.

use thiserror::Error;

/// Something about an attribute that an operator should know.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Note {
    /// Several profiles may have one address, and Actito finds no profile by it.
    #[error(
        "attribute {attribute:?} is not unique: profiles cannot be asked for by address, so new ones wait for the next listing"
    )]
    AddressNotUnique {
        /// The address attribute, as configured.
        attribute: String,
    },
    /// The REAID attribute takes certain values only, in words that we do not understand.
    #[error(
        "attribute {attribute:?} has a restriction, {restriction}: make sure that it takes 24 letters, digits, \"-\" and \"_\""
    )]
    Restricted {
        /// The REAID attribute, as configured.
        attribute: String,
        /// What Actito says, cleaned.
        restriction: super::Message,
    },
}
