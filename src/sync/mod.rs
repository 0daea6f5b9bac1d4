//! Keeps the REAID of every profile in Actito what it must be.
//!
//! One run: check that the table can hold REAIDs, list all profiles, plan the difference ([`plan`],
//! pure), write it inside the budget, and remember each row only after Actito confirmed it. A row that
//! failed is kept with its reason and tried on every run until it succeeds or its profile is gone.
//! Nothing is sent when nothing differs. One run of an integration at a time, across processes.
//!
//! Which REAID an address must have comes as a handle ([`WantedFn`]): this module knows nothing of
//! identities, and nothing that it stores, logs or returns holds an address or a whole REAID.

mod error;
mod lease;
mod list;
pub mod plan;
mod progress;
mod run;
mod side_task;
mod sink;
mod status;
mod summary;

pub use error::SyncError;
pub use plan::{Wanted, WantedFn};
pub use progress::{Phase, Progress};
pub use run::{Job, run};
pub use side_task::side_task;
pub use status::{IntegrationStatus, status};
pub use summary::{Ended, Row, Summary};
