//! The right to be forgotten: who is erased is known to nobody any more, and stays so.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "erasure/command.rs"]
mod command;
#[path = "erasure/restore.rs"]
mod restore;
#[path = "erasure/server.rs"]
mod server;
#[path = "erasure/traces.rs"]
mod traces;
#[path = "erasure/vendors.rs"]
mod vendors;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use support::house::ADMIN_TOKEN;
use support::program::{Run, reaid_reading};
use support::{CAMPAIGN_TOKEN, House, JANE, JANE_ADDRESS, Server, client};

/// Somebody else, who stays.
const JOHN_ADDRESS: &str = "john@example.org";

/// Where a campaign link with Jane's REAID leads.
fn click_of_jane() -> String {
    format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE}")
}

/// A command that reads an address.
fn with_address(house: &House, arguments: &[&str], address: &str) -> Run {
    reaid_reading(house, arguments, format!("{address}\n").as_bytes())
}

/// `reaid erase` of Jane, as JSON.
#[track_caller]
fn erase_jane(house: &House) -> Value {
    with_address(house, &["erase", "--json"], JANE_ADDRESS).json()
}

/// What `reaid show` says of Jane.
#[track_caller]
fn show_jane(house: &House) -> Value {
    with_address(house, &["show", "--json"], JANE_ADDRESS).json()
}

/// Whether Jane is suppressed, by the word of `reaid mint`.
#[track_caller]
fn is_suppressed(house: &House) -> bool {
    let minted = with_address(house, &["mint"], JANE_ADDRESS);
    match minted.code {
        0 => false,
        1 => {
            assert!(minted.stdout.is_empty() && minted.stderr.starts_with("line 1: suppressed: "), "{minted:?}");
            true
        }
        _ => panic!("{minted:?}"),
    }
}

/// `POST /v1/erasures`.
async fn post(server: &Server, body: &str) -> support::Answer {
    let more = format!("Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n");
    client::ask(server.admin, &client::post("localhost", "/v1/erasures", &more, body.as_bytes())).await
}

/// The files beside the database and the keyring in which these REAIDs can be read, as text or as bytes.
fn files_with(house: &House, reaids: &[String]) -> Vec<PathBuf> {
    let needles: Vec<Vec<u8>> =
        reaids.iter().flat_map(|reaid| [reaid.clone().into_bytes(), URL_SAFE_NO_PAD.decode(reaid).unwrap()]).collect();
    let files = std::fs::read_dir(house.path("data")).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        needles.iter().any(|needle| memchr::memmem::find(&bytes, needle).is_some())
    };
    files.filter(|path| path.is_file() && holds(path)).collect()
}

/// Every REAID of Jane in the scope `shop`.
fn reaids_of_jane() -> Vec<String> {
    [JANE, support::JANE_KEY_2].map(str::to_owned).into()
}
