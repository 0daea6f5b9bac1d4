//! Actito: where the profiles live whose REAID attribute we keep up to date.
//!
//! This is the only place that knows an Actito field name. [`Client`] speaks for one profile table: its
//! structure, its list, one profile, mass imports and webhooks, by whichever generation of the API answers,
//! inside the budget of the licence ([`Limits`], shared through [`Licences`]). It repeats what failed for a
//! moment and may safely be sent twice; an import is sent once. It names profiles by [`ProfileId`] in every
//! log line and error, never by address.
//!
//! The field names and URLs are in the `wire_…` files, which say what is documented and what is assumed.

mod client;
mod error;
mod generation;
mod import;
mod import_file;
mod imports;
mod key;
mod licence;
mod limits;
mod message;
mod pace;
mod profile;
mod profiles;
mod rejected;
mod rights;
mod structure;
pub mod target;
mod token;
mod transport;
mod webhook;
mod webhooks;
mod wire_import;
mod wire_structure;
mod wire_url;
mod wire_v4;
mod wire_v5;
mod wire_webhook;

pub use client::Client;
pub use error::{AttributeProblem, Call, Error};
pub use generation::{Generation, Settled};
pub use import::{ImportId, ImportState, Rejected};
pub use import_file::{ImportFile, ImportWriter};
pub use key::ApiKey;
pub use licence::Licences;
pub use limits::Limits;
pub use message::Message;
pub use profile::{ListPage, Profile, ProfileId};
pub use rights::Right;
pub use structure::Note;
pub use webhook::{Pushed, Webhook, WebhookEvent, WebhookId, WebhookSpec};
pub use webhooks::read_delivery;
