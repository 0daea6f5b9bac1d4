//! Puts the parts together: what each command starts from, and the running server.

pub mod campaign;
pub mod check;
pub mod erasure;
mod exposition;
mod hooks;
mod ids;
pub mod keyring;
mod live;
pub mod outbox;
mod policy;
mod scopes;
mod serve;
mod setup;
mod side_tasks;
pub mod suppressions;
pub mod sync;
mod sync_exposition;
mod watch;
pub mod webhooks;

pub use policy::{Trust, sites};
pub use scopes::ScopeError;
pub use serve::{Addresses, App, Stopped};
pub use setup::{ServeLock, Setup, SetupError, open_store};

pub use crate::store::{EventId, Store};
