//! Audiences of the CDP become targets in Actito that update themselves.
//!
//! One run of an activation: list the source's audiences, decide what to read of each ([`planner`]), read it
//! (`source/`), sort it and compare it with what was sent (`sorting.rs`, `content.rs`), decide whether to send it,
//! replace its files (`sending.rs`), each in one step (`destination/`), and remember that only then
//! (`reference.rs`). An audience that fails leaves its old file as it is, and the others go on; what nobody names any
//! more is looked after, too (`left.rs`). One run of an activation at a time, across processes.
//!
//! Members are streamed: memory does not grow with them. No identifier of a person is logged, stored or returned;
//! addresses are in the files of targets, whose purpose that is, and in nameless files while a run goes on. Who
//! people are comes as a handle ([`People`]): this module knows nothing of identities.

mod content;
mod counters;
mod destination;
mod error;
mod left;
mod member;
mod one;
mod people;
pub mod planner;
mod reference;
mod room;
mod run;
mod runner;
pub mod saved;
pub mod schedule;
mod sending;
mod side_task;
mod sorting;
mod source;
mod status;
mod summary;

pub use counters::Counters;
pub use destination::DestinationError;
pub use error::AudienceError;
pub use people::{People, Person};
pub use run::{Job, Progress, missing, reach, run};
pub use saved::Known;
pub use side_task::{SetUp, Work, side_task};
pub use source::{SetupError, Source, SourceError};
pub use status::{ActivationStatus, AudienceStatus, RunStatus, status};
pub use summary::{Action, AudienceRun, Ended, Summary};

#[cfg(test)]
mod tests;
