//! Test data of the crates that this build uses, read where cargo keeps their source.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

/// The folder of a crate's source; None where it is not at hand.
pub(crate) fn source_of(name: &str) -> Option<PathBuf> {
    let metadata = Command::new(std::env::var_os("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", "host-tuple", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .ok()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|package| package["name"] == name)?;
    PathBuf::from(package["manifest_path"].as_str()?).parent().map(PathBuf::from)
}
