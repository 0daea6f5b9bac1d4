//! reaid stands between a newsletter and a shop.
//!
//! It rewrites a newsletter's links to signed click links, answers each click with a redirect that
//! carries the recipient's REAID (a pseudonym for the e-mail address), records the click durably,
//! delivers it to Raptor's tracking, and keeps the REAID of every profile in Actito up to date.
//!
//! `ARCHITECTURE.md` is the map; `tests/tidy.rs` keeps the layers it describes.

pub mod actito;
pub mod admin;
pub mod app;
pub mod audience;
pub mod authoring;
pub mod backoff;
pub mod campaign;
pub mod cli;
pub mod clock;
pub mod config;
pub mod edge;
pub mod identity;
pub mod lease;
pub mod links;
pub mod listener;
pub mod metrics;
pub mod outbound;
pub mod overload;
pub mod raptor;
pub mod rewrite;
pub mod sandbox;
pub mod shutdown;
pub mod store;
pub mod supervisor;
pub mod sync;
pub mod telemetry;
pub mod tls;
pub mod tracking;
