//! Raptor: the only place that knows the parameter names of its tracking, of its right to be forgotten, and the
//! bodies of its CDP API.
//!
//! [`Client`] turns a [`Call`] into one GET and its answer into a [`Verdict`]; [`page_url`] makes a
//! page's URL fit to be stored and sent. [`Cdp`] reads audiences.

mod call;
mod cdp;
mod cdp_wire;
mod client;
mod erasure;
pub mod names;
mod page;
mod rest;

pub use call::{Call, Visitor, tracking_url};
pub use cdp::{Cdp, CdpError, Membership, Room};
pub use cdp_wire::{Audience, Change, Step};
pub use client::{Client, EventNames, Verdict};
pub use erasure::Erasures;
pub use page::page_url;
