//! Rewriting what is more than a page: plain text, whole messages, zips. Before and after to read,
//! properties that hold for any bytes, and messages that broke other parsers where they are at hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

#[path = "parts/archives.rs"]
mod archives;
#[path = "parts/messages.rs"]
mod messages;
#[path = "parts/texts.rs"]
mod texts;
#[path = "rewrite/world.rs"]
mod world;
