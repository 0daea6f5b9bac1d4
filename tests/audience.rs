//! Audiences against the sandbox: from the CDP, over a folder, to targets that Actito matches. The program as it
//! ships.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "audience/api.rs"]
mod api;
#[path = "audience/crash.rs"]
mod crash;
#[path = "audience/erased.rs"]
mod erased;
#[path = "audience/millions.rs"]
mod millions;
#[path = "audience/runs.rs"]
mod runs;
#[path = "audience/world.rs"]
mod world;
