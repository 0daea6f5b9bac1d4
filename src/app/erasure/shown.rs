//! What is held of a person, for the operator who was asked. The one place that shows a whole REAID, on the
//! operator's own terminal.

use serde::Serialize;

use super::{Eraser, ErasureError};
use crate::app::keyring;
use crate::app::suppressions::{self, Gathered, by_what};
use crate::clock::Timestamp;
use crate::identity::{Digest, Suppression, SuppressionKey, Tag, Word};
use crate::store::person;

/// What is held of one person. The order of the fields is that of the JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Whether the person asked to be forgotten.
    pub suppression: ShownSuppression,
    /// The person's REAIDs, by key and scope.
    pub reaids: Vec<ShownReaid>,
    /// Events, by account and state.
    pub events: Vec<ShownEvents>,
    /// Profiles that syncs remember.
    pub profiles: Vec<ShownProfile>,
}

/// A person's last word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownSuppression {
    /// `none`, `erased` or `lifted`.
    pub state: &'static str,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

/// One REAID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownReaid {
    /// The key that makes it.
    pub key: u8,
    /// Its scope.
    pub scope: String,
    /// The REAID.
    pub reaid: String,
}

/// The events of one account and state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownEvents {
    /// The Raptor customer id.
    pub account: String,
    /// `waiting`, `delivered`, `dead` or `kept`.
    pub state: &'static str,
    /// How many.
    pub events: u64,
    /// When the first happened, RFC 3339.
    pub oldest: String,
    /// When the last happened, RFC 3339.
    pub newest: String,
}

/// What syncs remember of a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownProfile {
    /// The integration.
    pub integration: String,
    /// The profile, as Actito numbers it.
    pub profile_id: i64,
    /// When Actito confirmed the person's REAID last, RFC 3339.
    pub confirmed: Option<String>,
    /// Why the last write failed, if it did.
    pub failed: Option<String>,
    /// How often it failed in a row.
    pub failures: u64,
}

impl Eraser {
    /// What is held of the person with this digest. Blocks.
    ///
    /// # Errors
    /// The keyring, the suppressions or the store cannot be read.
    pub fn show(&self, digest: &Digest) -> Result<Shown, ErasureError> {
        let ring = keyring::read(&self.config.keyring)?;
        let Gathered { words, .. } = suppressions::gather(&ring, &self.config.keyring, Some(&self.store), None)?;
        let tag = SuppressionKey::of(&ring).map(|key| key.tag(digest));
        let known = tag.as_ref().and_then(|tag: &Tag| words.of(tag));
        let reaids = self.reaids(&ring, digest)?;
        let found = person::find(&self.store, &by_what(reaids.iter().map(|(_, _, reaid)| reaid)))?;
        let events = found.events.into_iter().map(|((account, state), events)| ShownEvents {
            account,
            state,
            events: events.events,
            oldest: events.oldest.rfc3339(),
            newest: events.newest.rfc3339(),
        });
        let profiles = found.profiles.into_iter().map(|row| ShownProfile {
            integration: row.integration,
            profile_id: row.profile_id,
            confirmed: row.confirmed_at.map(|at| Timestamp::from_millis(at).rfc3339()),
            failed: row.failed,
            failures: row.failures,
        });
        let reaids = reaids.into_iter().map(|(key, scope, reaid)| ShownReaid {
            key: key.get(),
            scope,
            reaid: reaid.as_str().to_owned(),
        });
        Ok(Shown {
            suppression: suppression(known),
            reaids: reaids.collect(),
            events: events.collect(),
            profiles: profiles.collect(),
        })
    }
}

fn suppression(known: Option<&Suppression>) -> ShownSuppression {
    let state = match known.map(|known| known.word) {
        None => "none",
        Some(Word::Erased) => "erased",
        Some(Word::Lifted) => "lifted",
    };
    ShownSuppression { state, since: known.map(|known| known.at.rfc3339()) }
}
