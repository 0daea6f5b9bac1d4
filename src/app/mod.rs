//! Puts the parts together: what each command starts from, and the running server.

pub mod campaign;
pub mod check;
mod exposition;
pub mod keyring;
pub mod outbox;
mod policy;
mod scopes;
mod serve;
mod setup;
mod side_tasks;
pub mod sync;

pub use policy::{Trust, sites};
pub use scopes::ScopeError;
pub use serve::{Addresses, App, Stopped};
pub use setup::{ServeLock, Setup, SetupError, open_store};

pub use crate::store::{EventId, Store};
