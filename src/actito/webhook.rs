//! Webhooks in our own words: what Actito calls us for, and what a call says.

use std::fmt;

use url::Url;
use zeroize::Zeroizing;

use super::import::is_plain;
use super::profile::ProfileId;

/// The id that Actito gives a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookId(String);

impl WebhookId {
    /// An id as Actito spells it; `None` for what cannot stand in a URL and a log as it is.
    pub fn parse(text: &str) -> Option<Self> {
        is_plain(text).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a webhook is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEvent {
    /// A profile is created.
    Create,
    /// The address of a profile changes.
    Update,
}

/// A webhook as we want it: on our profile table, for the address attribute alone, so that our own
/// writes of REAIDs call nobody.
#[derive(Clone)]
pub struct WebhookSpec {
    /// What it is called for.
    pub event: WebhookEvent,
    /// Where it is delivered.
    pub target: Url,
    /// The secret that comes with every delivery: Actito signs nothing.
    pub secret: Zeroizing<String>,
    /// How many profiles one delivery may name, at most 50; 1 asks for one delivery each.
    pub block: u32,
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "WebhookSpec({:?} to {}, …)", self.event, self.target)
    }
}

/// A webhook of our profile table as Actito has it.
#[derive(Clone)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// What it is called for; `None` for something that we never ask for.
    pub event: Option<WebhookEvent>,
    /// Where it is delivered, as written.
    pub target: String,
    /// Whether it is delivered at all.
    pub active: bool,
    pub(super) fields: Vec<String>,
    /// The secret that it sends; `None` when Actito does not show it.
    pub(super) secret: Option<Zeroizing<String>>,
    pub(super) block: u32,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Webhook({} for {:?} to {}, …)", self.id, self.event, self.target)
    }
}

/// What one delivery says about one profile. A hint: it may come twice, late, or without an address.
#[derive(Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The profile; `None` when the delivery names none that can be used.
    pub profile: Option<ProfileId>,
    /// Its address, when the delivery has it.
    pub address: Option<String>,
}

impl fmt::Debug for Pushed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Pushed({:?}, …)", self.profile)
    }
}
