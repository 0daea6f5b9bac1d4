//! What the tests of the whole program share: a house to live in ([`House`]), the server in this
//! process ([`Server`]) or as a process of its own ([`Serving`]), a client that keeps every byte
//! ([`client`]), and the logs of it all ([`logs`]).
//!
//! A test file says `mod support;` and uses its part. Nothing here sleeps to wait for a start, and
//! every port is 0.
#![allow(dead_code, unused_imports, reason = "every test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that panics has failed, and says where"
)]

pub(crate) mod client;
pub(crate) mod crates;
pub(crate) mod house;
pub(crate) mod letter;
pub(crate) mod logs;
pub(crate) mod program;
pub(crate) mod secure;
pub(crate) mod server;

pub(crate) use client::{Answer, Connection};
pub(crate) use house::{House, Settings};
pub(crate) use program::{Run, Serving};
pub(crate) use server::Server;

use std::time::Duration;

/// Nothing in a test takes longer, unless it never ends.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The address of the published vectors, in its normal form.
pub(crate) const JANE_ADDRESS: &str = "jane.doe@example.org";
/// Jane's REAID by key 1 in scope `shop`.
pub(crate) const JANE: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";
/// Jane's REAID by key 1 in scope `other`: of another integration.
pub(crate) const JANE_ELSEWHERE: &str = "AfglDZV_iCtPDLRtJHX-AxYG";
/// Jane's REAID by key 2 in scope `shop`.
pub(crate) const JANE_KEY_2: &str = "AmK0C-jW6A1JEqC1xYKQplV1";
/// The token of a campaign link: key 1, number 1, account 1234, campaign demo, to [`PAGE`].
pub(crate) const CAMPAIGN_TOKEN: &str =
    "AQECAAEEMTIzNARkZW1vc2hvcC5leGFtcGxlL3A_eD0xJnk9JUMzJUE5I3RvcMcHcBJ7ZQkuHym88AvLnvg";
/// The same link, sealed for Jane.
pub(crate) const PERSONAL_TOKEN: &str = "AQEGAAEEMTIzNARkZW1vc2hvcC5leGFtcGxlL3A_eD0xJnk9JUMzJUE5I3RvcOv1LH6sxIgEP2W4-khrS7-XSSqkTvJbp-xsJREAZ8L6FR9pUmJr5W_PQJFqBih5DQ_JXsCnpaIdPcyaCA";
/// The token of a pixel: key 1, number 0, account 1234, campaign demo.
pub(crate) const PIXEL_TOKEN: &str = "AQEBAAAEMTIzNARkZW1vZtxWmisVLw9fbeY5FEPUvA";
/// Where the links of the vectors lead.
pub(crate) const PAGE: &str = "https://shop.example/p?x=1&y=%C3%A9#top";

/// Asks until `what` gives something, and gives up after [`PATIENCE`].
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = ask().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"))
}
