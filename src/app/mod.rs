//! Puts the parts together: what each command starts from, and the running server.

pub mod audience;
mod audience_exposition;
pub mod campaign;
pub mod check;
mod descriptors;
pub mod erasure;
mod exposition;
mod hand_over;
mod hooks;
mod ids;
pub mod keyring;
mod listeners;
mod live;
mod load_exposition;
pub mod outbox;
mod parts;
mod policy;
mod reload;
mod scopes;
mod serve;
mod setup;
mod side_tasks;
pub mod suppressions;
pub mod sync;
mod sync_exposition;
mod tls_exposition;
mod watch;
pub mod webhooks;

pub use descriptors::take_descriptors;
pub use hand_over::succeeds;
pub use listeners::{Addresses, Listeners};
pub use policy::{Trust, sites};
pub use scopes::ScopeError;
pub use serve::{App, Signals, Stopped};
pub use setup::{ServeLock, Setup, SetupError, open_store};

pub use crate::store::{EventId, Store};
