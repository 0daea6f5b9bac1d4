//! What became of a campaign: clicks and opens by agent and by what became of the identity, clicks by
//! link, and about how many people. Counted from the events, and kept when these are gone.
//!
//! Promises: every event is counted exactly once, whenever the process ends; counting is off the path
//! of clicks and of their commits; no REAID is kept, and what is kept of people cannot be asked about
//! one of them without the keyring ([`People`]).

mod counters;
mod fold;
mod people;
mod side_task;

pub use counters::Counters;
pub use fold::{PersonOf, Step, step};
pub use people::{People, STANDARD_ERROR};
pub use side_task::side_task;
