//! From a click to Raptor: record it so that it cannot be lost, then deliver it at least once.
//!
//! Promises: [`Recorder::record`] never waits for the disk; an event whose [`Recorded::on_disk`] says
//! [`Outcome::Committed`] survives a crash; no address is stored or sent; what could not be kept, what
//! came late and what was given up is counted by reason ([`Counters`]).

pub mod breaker;
mod calls;
mod counters;
mod delivery;
mod door;
mod driver;
mod lane;
mod lanes;
mod recorder;
mod withheld;

pub use crate::store::{Agent, CookieIds, Event, EventId, Kind, Verdict};
pub use counters::{Counters, LaneStatus};
pub use delivery::{Delivery, Settings, VisitorOf};
pub use door::Delivers;
pub use recorder::{Outcome, Recorded, Recorder};
pub use withheld::{IsSuppressed, Withheld};
