//! Actito: where the profiles live whose REAID attribute we keep up to date.
//!
//! This is the only place that knows an Actito field name. [`Client`] speaks the documented calls
//! (token, table structure, V5 list, V4 get and put) inside the budget of the licence ([`Limits`])
//! and repeats what failed for a moment; everything it sends may safely be sent twice. It names
//! profiles by [`ProfileId`] in every URL, log line and error, never by address.
//!
//! The field names and URLs are in `wire_v4` and `wire_v5`, one file for each generation.

mod client;
mod error;
mod key;
mod limits;
mod profile;
mod token;
mod wire_v4;
mod wire_v5;

pub use client::{Client, PAGE_SIZE};
pub use error::{AttributeProblem, Call, Error};
pub use key::ApiKey;
pub use limits::Limits;
pub use profile::{ListPage, Profile, ProfileId};
