//! Actito's file locations and *Use reference*: files in a folder are picked up, and matched against the profiles.
//!
//! A file is picked up when somebody looks and it is another one than last time; what was picked up stays until its
//! validity is over, whatever becomes of the file. Names that begin with a dot are not looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Mutex;

use serde::Serialize;

use super::table::PROFILE_ID;
use super::{State, locked};
use crate::clock::Timestamp;

/// Largest file that is taken.
const MAX_FILE: u64 = 100_000_000;
/// How deep references are looked for: a folder, a folder in it, and files.
const MAX_DEPTH: usize = 4;

/// A file that Actito offers under *Use reference*.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReferenceReport {
    /// The folders in which it is shown, and its name: `Raptor CDP`, `Audiences`, `Cat owners`.
    pub reference: Vec<String>,
    /// Why it was not picked up, if it was not.
    pub rejected: Option<String>,
    /// How often it was picked up.
    pub picked_up: u64,
}

/// A reference as a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TargetReport {
    /// Rows of the file.
    pub rows: u64,
    /// Profiles that match: what *Calculate* shows.
    pub matched: u64,
    /// When the file was picked up, in milliseconds of sandbox time.
    pub picked_up_at: u64,
    /// Until when it may be used.
    pub valid_until: u64,
    /// Whether that is over.
    pub expired: bool,
}

/// What was picked up.
#[derive(Default)]
pub(super) struct Targets(Mutex<BTreeMap<Vec<String>, Picked>>);

#[derive(Default)]
struct Picked {
    version: (u64, i64, i64, u64),
    at: Timestamp,
    times: u64,
    column: String,
    values: Vec<String>,
    rejected: Option<String>,
}

impl Targets {
    /// Picks up what is new, and shows what there is.
    pub(super) fn references(&self, state: &State) -> Vec<ReferenceReport> {
        self.pick_up(state);
        let known = locked(&self.0);
        let report = |(reference, picked): (&Vec<String>, &Picked)| ReferenceReport {
            reference: reference.clone(),
            rejected: picked.rejected.clone(),
            picked_up: picked.times,
        };
        known.iter().map(report).collect()
    }

    /// Matches a reference by an attribute; none when there is no such reference or its column is another.
    pub(super) fn use_reference(&self, state: &State, reference: &[&str], attribute: &str) -> Option<TargetReport> {
        self.pick_up(state);
        let known = locked(&self.0);
        let reference: Vec<String> = reference.iter().map(|&name| name.to_owned()).collect();
        let picked = known.get(&reference).filter(|picked| picked.times > 0 && picked.column == attribute)?;
        let matched: BTreeSet<u64> = state.actito.read(|table| {
            let find = |value: &String| match attribute {
                PROFILE_ID => value.parse().ok().filter(|id| table.has(*id)),
                _ => table.owner(value),
            };
            picked.values.iter().filter_map(find).collect()
        });
        let valid_until = picked.at.after(state.options.target_validity);
        Some(TargetReport {
            rows: picked.values.len() as u64,
            matched: matched.len() as u64,
            picked_up_at: picked.at.millis(),
            valid_until: valid_until.millis(),
            expired: valid_until <= state.clock.now(),
        })
    }

    fn pick_up(&self, state: &State) {
        let Some(root) = &state.options.drop else { return };
        let mut known = locked(&self.0);
        for (reference, path) in files(root, Vec::new()) {
            let Ok(found) = fs::metadata(&path) else { continue };
            let version = (found.len(), found.mtime(), found.mtime_nsec(), found.ino());
            let picked = known.entry(reference).or_default();
            if picked.version == version {
                continue;
            }
            picked.version = version;
            match read(&path) {
                Ok((column, values)) => {
                    (picked.column, picked.values, picked.rejected) = (column, values, None);
                    (picked.at, picked.times) = (state.clock.now(), picked.times + 1);
                }
                Err(reason) => picked.rejected = Some(reason),
            }
        }
    }
}

fn files(folder: &Path, above: Vec<String>) -> Vec<(Vec<String>, std::path::PathBuf)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut reference = above.clone();
        if name.starts_with('.') {
        } else if entry.path().is_dir() && above.len() < MAX_DEPTH {
            reference.push(name);
            found.extend(files(&entry.path(), reference));
        } else if let Some(stem) = name.strip_suffix(".csv") {
            reference.push(stem.to_owned());
            found.push((reference, entry.path()));
        }
    }
    found
}

/// One column with a header, UTF-8 without byte order mark; else why not.
fn read(path: &Path) -> Result<(String, Vec<String>), String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err("over 100 MB".to_owned());
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err("a byte order mark".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "no UTF-8".to_owned())?;
    if !text.ends_with('\n') {
        return Err("the last line has no end".to_owned());
    }
    let mut rows = csv::ReaderBuilder::new().delimiter(b';').has_headers(false).from_reader(text.as_bytes());
    let mut values = Vec::new();
    for row in rows.records() {
        let row = row.map_err(|_| "no CSV".to_owned())?;
        values.push(row.get(0).unwrap_or_default().to_owned());
    }
    let mut values = values.into_iter();
    values.next().map(|header| (header, values.collect())).ok_or_else(|| "no header".to_owned())
}
