//! No click is lost, whatever fails: the program as it ships, with everything around it breaking.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "support/durability.rs"]
mod clicks;

#[path = "durability/actito.rs"]
mod actito;
#[path = "durability/campaign.rs"]
mod campaign;
#[path = "durability/crash.rs"]
mod crash;
#[path = "durability/disk.rs"]
mod disk;
#[path = "durability/outage.rs"]
mod outage;
#[path = "durability/stop.rs"]
mod stop;
