//! Raptor's tracking, and its right to be forgotten: the only place that knows its parameter names.
//!
//! [`Client`] turns a [`Call`] into one GET and its answer into a [`Verdict`]; [`page_url`] makes a
//! page's URL fit to be stored and sent.

mod call;
mod client;
mod erasure;
pub mod names;
mod page;

pub use call::{Call, Visitor, tracking_url};
pub use client::{Client, EventNames, Verdict};
pub use erasure::Erasures;
pub use page::page_url;
