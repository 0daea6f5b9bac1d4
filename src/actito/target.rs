//! The files that become targets: what Actito calls the identifiers, and where a reference appears.
//!
//! A file in a place that Actito reads is a reference, and *targeting → File module → Use reference* makes it a
//! target. The column names are not documented; Actito's own names of the attributes are our default.

use super::ProfileId;
use crate::config::{self, PersonIdentifier};

/// The folders under which the references of the CDP appear: *Raptor CDP* → *Audiences* → name.
pub const FOLDERS: [&str; 2] = ["Raptor CDP", "Audiences"];

/// What a file of a target ends with.
pub const EXTENSION: &str = "csv";

/// The name of the column, which is that of the attribute that selects the profiles.
pub fn header(identifier: PersonIdentifier, settings: Option<&config::Actito>) -> &str {
    match (identifier, settings) {
        (PersonIdentifier::Email, Some(settings)) => &settings.email_attribute,
        (PersonIdentifier::Email, None) => "emailAddress",
        (PersonIdentifier::UserId, _) => ProfileId::ATTRIBUTE,
    }
}
