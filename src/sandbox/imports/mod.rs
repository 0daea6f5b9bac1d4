//! Mass imports of both generations: received and checked, counted against the day's quota, applied in
//! the sandbox's own time, and looked at afterwards. A file of a million rows never stands in memory.

mod answers;
mod apply;
mod parameters;
mod quota;
mod receive;
mod rejected;
mod run;
mod sheet;
mod source;
mod strict;
mod upload;

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::sync::Mutex;

use serde::Serialize;
use tokio::sync::watch;

pub(super) use self::answers::{look_v4, look_v5};
pub use self::parameters::Mode;
pub use self::quota::ImportDay;
use self::quota::Quota;
pub(super) use self::receive::receive;
use super::locked;
use super::options::Options;
use crate::clock::Timestamp;

/// Imports remembered; the oldest goes first. A licence makes 24 a day.
const MAX_IMPORTS: usize = 1_000;
/// Number of the first import, as long as Actito's.
const FIRST_ID: u64 = 1_000_123;

/// Which generation's call started an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Generation {
    /// `POST …/v4/entity/{e}/table/{t}/import`.
    V4,
    /// `POST /mass-imports/v5/entities/{e}/etl-executions`.
    V5,
}

/// How far an import is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It waits for its time, or takes its rows.
    Running,
    /// Every row was looked at.
    Done,
    /// The file was refused after the call had its answer; no row was taken.
    Failed,
}

/// An import, as the one who tests a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImportReport {
    /// Its number.
    pub id: u64,
    /// Which call started it.
    pub generation: Generation,
    /// `CREATE_ONLY`, `UPDATE_ONLY` or `CREATE_UPDATE`.
    pub mode: Mode,
    /// When the call was answered, in milliseconds of sandbox time.
    pub accepted_at_millis: u64,
    /// How far it is.
    pub progress: Progress,
    /// The attributes that its columns are mapped to, in order.
    pub attributes: Vec<String>,
    /// Rows in the file so far.
    pub rows: u64,
    /// Profiles created.
    pub created: u64,
    /// Profiles found, changed or not.
    pub updated: u64,
    /// Rows rejected.
    pub rejected: u64,
    /// Who gets the report by e-mail.
    pub recipients: Vec<String>,
    /// Bytes of the file as it came.
    pub bytes: u64,
}

/// The imports of the licence.
pub(super) struct Imports {
    list: Mutex<VecDeque<Import>>,
    quota: Mutex<Quota>,
    /// How many imports are over; raised after their rows are in the table.
    pub(super) over: watch::Sender<u64>,
}

/// One import. `rejected` is the zip of its rejected rows, when one was asked for.
struct Import {
    report: ImportReport,
    /// Nobody knows its id, as a fault asks.
    is_lost: bool,
    rejected: Option<File>,
}

impl Imports {
    pub(super) fn new(options: &Options) -> Self {
        Self { list: Mutex::default(), quota: Mutex::new(Quota::new(&options.limits)), over: watch::Sender::new(0) }
    }

    /// The imports remembered, oldest first.
    pub(super) fn reports(&self) -> Vec<ImportReport> {
        locked(&self.list).iter().map(|import| import.report.clone()).collect()
    }

    /// The day's counts, by date.
    pub(super) fn by_day(&self) -> BTreeMap<String, ImportDay> {
        locked(&self.quota).by_day()
    }

    /// Takes one of the day's imports, if one is left.
    fn take(&self, now: Timestamp) -> bool {
        locked(&self.quota).take(now)
    }

    /// Notes a call that was refused because a fault says that the day's imports are used up.
    fn refuse(&self, now: Timestamp) {
        locked(&self.quota).refuse(now);
    }

    /// Gives back what [`Imports::take`] took at that time.
    fn give_back(&self, taken: Timestamp) {
        locked(&self.quota).give_back(taken);
    }

    /// Remembers a new import; returns its number.
    fn begin(&self, mut report: ImportReport, is_lost: bool) -> u64 {
        let mut list = locked(&self.list);
        let id = list.back().map_or(FIRST_ID, |last| last.report.id + 1);
        report.id = id;
        if list.len() >= MAX_IMPORTS {
            list.pop_front();
        }
        list.push_back(Import { report, is_lost, rejected: None });
        id
    }

    /// Changes what is known about an import.
    fn update(&self, id: u64, change: impl FnOnce(&mut Import)) {
        if let Some(import) = locked(&self.list).iter_mut().find(|import| import.report.id == id) {
            change(import);
        }
    }

    /// The import with this number, as `look` sees it, unless it is lost.
    fn look<T>(&self, id: &str, look: impl FnOnce(&Import) -> T) -> Option<T> {
        let id: u64 = id.parse().ok()?;
        let list = locked(&self.list);
        list.iter().find(|import| import.report.id == id && !import.is_lost).map(look)
    }
}
