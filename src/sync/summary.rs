//! What a run did, in numbers. Its JSON is what `reaid sync run --json` prints and what the store keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plan::{Change, Skip};
use crate::actito::ProfileId;
use crate::clock::Timestamp;

/// A result names this many rows at most: enough to see what kind of rows they are.
const ROWS_SHOWN: usize = 20;

/// What a run did. In a dry run `written` and `cleared` say what would be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The integration.
    pub integration: String,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// How it ended.
    pub ended: Ended,
    /// Profiles that the source showed.
    pub listed: u64,
    /// Items on the list without a usable id.
    pub unreadable: u64,
    /// Whether the list kept changing while it was read: the next run sees what this one missed.
    pub list_shifted: bool,
    /// The page that reading went on from, after a run that was cut off; what stood before was right then.
    pub resumed_from: Option<u32>,
    /// Profiles that held what they must.
    pub right: u64,
    /// Profiles that got a REAID, confirmed by Actito.
    pub written: u64,
    /// Profiles whose attribute was emptied, confirmed by Actito.
    pub cleared: u64,
    /// Profiles without a REAID, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Profiles that could not be written, by reason. They are tried again on the next run.
    pub failed: BTreeMap<String, u64>,
    /// Profiles that no longer exist.
    pub gone: u64,
    /// Profiles that an import of an earlier run was still writing.
    pub pending: u64,
    /// Profiles of which the source said something older than what we wrote since.
    pub outdated: u64,
    /// Profiles that differ and were left for another day, because the quotas are spent.
    pub left: u64,
    /// Until when they wait, in RFC 3339.
    pub waiting_until: Option<String>,
    /// The same, for whoever runs again then.
    #[serde(skip)]
    pub(super) wait: Option<Timestamp>,
    /// Mass imports that were sent.
    pub imports: u32,
    /// In a dry run: what a run would spend on what differs.
    pub would_spend: Option<Spending>,
    /// Calls to Actito, tokens and repetitions included.
    pub calls: u64,
    /// Milliseconds from start to end.
    pub took_ms: u64,
    /// The first rows that failed or were skipped; in a dry run also those to be written.
    pub rows: Vec<Row>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With everything tried.
    Complete,
    /// With everything tried that today's quotas allow; the rest waits.
    Waiting,
    /// Early: it was asked to stop, or failed.
    #[default]
    Early,
    /// At once: `enable_email_synchronization = false`.
    Disabled,
}

/// What writing costs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Calls that write; polling not counted.
    pub calls: u64,
    /// Mass imports, of those that today still has.
    pub imports: u32,
    /// Until when the rest would wait, in RFC 3339.
    pub waiting_until: Option<String>,
}

/// One profile in a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The profile.
    pub profile_id: ProfileId,
    /// `write`, `clear`, `skip` or `fail`.
    pub action: String,
    /// Why.
    pub reason: String,
}

impl Summary {
    /// Of a run that has yet to do something.
    pub(super) fn begin(integration: &str, dry_run: bool) -> Self {
        Self { integration: integration.to_owned(), dry_run, ..Self::default() }
    }

    /// Of an integration that is not synced.
    pub fn disabled(integration: &str) -> Self {
        Self { ended: Ended::Disabled, ..Self::begin(integration, false) }
    }

    /// How many profiles could not be written.
    pub fn failed_in_all(&self) -> u64 {
        self.failed.values().sum()
    }

    /// How many profiles have no REAID because they have no address.
    pub fn skipped_in_all(&self) -> u64 {
        self.skipped.values().sum()
    }

    /// Counts a profile without a REAID.
    pub(super) fn skip(&mut self, id: ProfileId, skip: &Skip) {
        *self.skipped.entry(skip.name().to_owned()).or_default() += 1;
        self.show(id, "skip", skip.detail());
    }

    /// The source is read once more from its beginning: what was seen is counted anew.
    pub(super) fn next_pass(&mut self) {
        (self.right, self.unreadable, self.pending, self.outdated) = (0, 0, 0, 0);
        self.skipped.clear();
        self.rows.retain(|row| row.action == "fail");
        if self.dry_run {
            (self.written, self.cleared) = (0, 0);
        }
    }

    /// Rows are left for another day.
    pub(super) fn wait_until(&mut self, until: Timestamp, left: u64) {
        (self.wait, self.waiting_until) = (Some(until), Some(until.rfc3339()));
        self.left += left;
    }

    pub(super) fn would_spend(&mut self, calls: u64, imports: u32, until: Option<Timestamp>) {
        self.would_spend = Some(Spending { calls, imports, waiting_until: until.map(Timestamp::rfc3339) });
    }

    /// Counts a change that is not made, because the run is dry.
    pub(super) fn would_do(&mut self, change: &Change) {
        self.done(change);
        self.show(change.id, if change.clears() { "clear" } else { "write" }, change.cause.name());
    }

    /// Counts a change that Actito confirmed.
    pub(super) fn done(&mut self, change: &Change) {
        if change.clears() {
            self.cleared += 1;
        } else {
            self.written += 1;
        }
    }

    /// Counts a row that could not be written.
    pub(super) fn failed(&mut self, id: ProfileId, reason: &str) {
        *self.failed.entry(reason.to_owned()).or_default() += 1;
        self.show(id, "fail", reason);
    }

    /// Counts rows of an import that were not written; the status names them.
    pub(super) fn failed_rows(&mut self, reason: &str, rows: u64) {
        if rows > 0 {
            *self.failed.entry(reason.to_owned()).or_default() += rows;
        }
    }

    fn show(&mut self, profile_id: ProfileId, action: &str, reason: &str) {
        let shown = self.rows.iter().filter(|row| row.action == action).count();
        if shown < ROWS_SHOWN {
            self.rows.push(Row { profile_id, action: action.to_owned(), reason: reason.to_owned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_all_and_shows_the_first_of_each_kind() {
        let id = |id: i64| ProfileId::from_i64(id).unwrap();
        let mut summary = Summary::begin("shop", false);
        (0..50).for_each(|row| summary.failed(id(row), "timeout"));
        summary.failed(id(50), "server");
        assert_eq!((summary.failed_in_all(), summary.failed["timeout"], summary.rows.len()), (51, 50, ROWS_SHOWN));
    }

    #[test]
    fn the_json_of_a_summary_is_read_back() {
        let summary = Summary::disabled("shop");
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.contains(r#""ended":"disabled""#), "{json}");
        assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
    }
}
