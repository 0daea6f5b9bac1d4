//! Counting for campaigns: from events to what `reaid campaign` says.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]

#[path = "campaign/count.rs"]
mod count;
#[path = "campaign/show.rs"]
mod show;
mod support;
