//! Actito's API as far as the sandbox has it: token, structure, one-by-one calls of both generations,
//! mass imports, webhook subscriptions; with Actito's limits, rights and counts.

mod calls;
mod gates;
mod limits;
mod meanwhile;
mod report;
mod route;
mod tokens;
mod wire;

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::watch;

pub(super) use self::calls::answer;
pub use self::report::ActitoReport;
pub use self::route::Operation;
pub(super) use self::route::{Look, Subscriptions, is_actito};
use super::imports::Imports;
use super::locked;
use super::options::{Api, Gone, Options, Right};
use super::table::{Change, Table, TableError};
use crate::clock::Timestamp;

/// Actito's memory.
pub(super) struct Actito {
    table: Mutex<Table>,
    tokens: Mutex<tokens::Tokens>,
    limits: limits::Limits,
    gates: gates::Gates,
    counts: Mutex<Counts>,
    pub(super) imports: Imports,
    /// Raised after every change of the table.
    pub(super) changed: watch::Sender<u64>,
}

#[derive(Default)]
struct Counts {
    by_operation: BTreeMap<Operation, u64>,
    by_status: BTreeMap<u16, u64>,
}

impl Actito {
    pub(super) fn seeded(options: &Options, now: Timestamp) -> Self {
        Self {
            table: Mutex::new(Table::seeded(options)),
            tokens: Mutex::new(tokens::Tokens::new(options.limits.token_lifetime)),
            limits: limits::Limits::new(options.limits.clone()),
            gates: gates::Gates::new(options, now),
            counts: Mutex::default(),
            imports: Imports::new(options),
            changed: watch::Sender::new(0),
        }
    }

    pub(super) fn read<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&locked(&self.table))
    }

    /// Changes the table and tells whoever waits; returns what changed, too, while that is watched.
    /// Also after an error something may have changed: an import takes the rows before it.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&mut Table) -> Result<T, TableError>,
    ) -> (Result<T, TableError>, Vec<Change>) {
        let (done, changes) = {
            let mut table = locked(&self.table);
            let done = change(&mut table);
            (done, table.take_changes())
        };
        self.changed.send_modify(|revision| *revision += 1);
        (done, changes)
    }

    /// Begins or ends to watch what changes.
    pub(super) fn watch(&self, watched: bool) {
        locked(&self.table).watch(watched);
    }

    pub(super) fn expire_tokens(&self) {
        locked(&self.tokens).expire_all();
    }

    pub(super) fn retire(&self, gone: &Gone, now: Timestamp) {
        self.gates.retire(gone, now);
    }

    pub(super) fn restore(&self, api: Api) {
        self.gates.restore(api);
    }

    pub(super) fn lack(&self, rights: &[Right]) {
        self.gates.lack(rights);
    }
}
