//! Keeps the REAID of every profile in Actito what it must be.
//!
//! One run: check that the table can hold REAIDs, read the source (Actito's list, or a file that it
//! exported), judge each profile ([`plan`]), decide how to spend the quotas on what differs ([`planner`]),
//! write singly or by import, and remember each row only after Actito confirmed it. A row that failed is
//! kept with its reason and tried on every run until it succeeds or its profile is gone. Nothing is sent
//! when nothing differs. One run of an integration at a time, across processes. Who else learns of a
//! profile says so with [`Store::hint`](crate::store::Store::hint), and it is looked at first.
//!
//! `engine` decides everything and is pure; `driver` performs. Which REAID an address must have comes as a
//! handle ([`WantedFn`]): this module knows nothing of identities, and nothing that it stores, logs or
//! returns holds an address or a whole REAID.

mod counters;
mod driver;
mod engine;
mod error;
mod export;
mod lease;
mod ledger;
mod memory;
pub mod plan;
pub mod planner;
mod progress;
mod run;
mod side_task;
mod spool;
mod status;
mod summary;

pub use counters::Counters;
pub use engine::Scope;
pub use error::SyncError;
pub use export::{ExportError, ExportFile};
pub use plan::{IsSuppressed, Stamp, Wanted, WantedFn};
pub use planner::Quotas;
pub use progress::{Phase, Progress};
pub use run::{Job, Source, run};
pub use side_task::side_task;
pub use status::{IntegrationStatus, status};
pub use summary::{Ended, Row, Spending, Summary};

#[cfg(test)]
mod simulation;
