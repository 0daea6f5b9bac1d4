//! Syncs against the sandbox, over real HTTP: what is written, what is not, and what survives bad weather.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

#[path = "sync/asked.rs"]
mod asked;
#[path = "sync/exports.rs"]
mod exports;
#[path = "sync/hints.rs"]
mod hints;
#[path = "sync/imports.rs"]
mod imports;
#[path = "sync/million.rs"]
mod million;
#[path = "sync/runs.rs"]
mod runs;
#[path = "sync/weather.rs"]
mod weather;
#[path = "sync/world.rs"]
mod world;
