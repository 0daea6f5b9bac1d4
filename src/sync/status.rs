//! How the syncs of all integrations stand: what `reaid sync status` prints.

use serde::Serialize;

use super::ledger::{Day, licence, spent_before, table};
use super::summary::Summary;
use crate::clock::{self, Timestamp};
use crate::config::Integration;
use crate::lease;
use crate::store::leases::{self, Task};
use crate::store::{Store, StoreError, sync as rows};

/// Failed rows shown for each integration.
const FAILED_SHOWN: u32 = 100;

/// How the sync of one integration stands. Times are RFC 3339.
#[derive(Clone, Debug, Serialize)]
pub struct IntegrationStatus {
    /// The integration.
    pub integration: String,
    /// Who syncs it now.
    pub running: Option<Running>,
    /// How it went last time.
    pub last: Option<Last>,
    /// Profiles whose REAID Actito confirmed to us.
    pub confirmed: u64,
    /// Profiles that wait for another try.
    pub failed: u64,
    /// The first of them.
    pub failed_rows: Vec<Failed>,
    /// Mass imports whose rows are not settled yet.
    pub imports: Vec<UnderWay>,
    /// Profiles that somebody wants looked at.
    pub hints: u64,
    /// People who were asked for by address and whose profile no sync saw since, for a day.
    pub asked: u64,
    /// Until when rows wait for the quotas of another day, if the last run left some.
    pub waiting_until: Option<String>,
    /// The quotas, where the configuration has the integration.
    pub quotas: Option<QuotasNow>,
}

/// A mass import that is not settled yet.
#[derive(Clone, Debug, Serialize)]
pub struct UnderWay {
    /// Its id at Actito; none before that is known.
    pub id: Option<String>,
    /// Rows in it.
    pub rows: u64,
    /// When it was sent; none when it is still being made.
    pub sent: Option<String>,
}

/// What is spent of the quotas and what there is.
#[derive(Clone, Debug, Serialize)]
pub struct QuotasNow {
    /// Imports of the profile table today.
    pub imports_today: u32,
    /// Imports that a day has.
    pub imports_per_day: u32,
    /// When the next day begins.
    pub day_ends: String,
    /// Calls of the licence in the last minute; the whole minute's while a run goes on.
    pub calls_last_minute: u32,
    /// Calls that a minute has.
    pub calls_per_minute: u32,
}

/// Who syncs an integration.
#[derive(Clone, Debug, Serialize)]
pub struct Running {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// Since when.
    pub since: String,
}

/// The last run of an integration.
#[derive(Clone, Debug, Serialize)]
pub struct Last {
    /// When it began.
    pub started: String,
    /// When it ended.
    pub ended: String,
    /// Why it ended early, if an error ended it.
    pub error: Option<String>,
    /// What it did.
    pub summary: Option<Summary>,
}

/// A profile that waits for another try.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// The profile.
    pub profile_id: i64,
    /// Why its last write failed.
    pub reason: String,
    /// More about it: number and code of a row that an import rejected.
    pub detail: Option<String>,
    /// When that was.
    pub at: String,
    /// How often it failed in a row.
    pub failures: u64,
}

/// How the sync of every integration stands that ever ran or runs now, by name. With the quotas of those
/// that `configured` has.
///
/// # Errors
/// Those of the store.
pub async fn status(store: &Store, configured: &[Integration]) -> Result<Vec<IntegrationStatus>, StoreError> {
    let configured = configured.to_vec();
    let read = store.read(move |db| {
        let (runs, leases) = (rows::last_runs(db)?, leases::leases(db, Task::Sync)?);
        let mut names: Vec<&str> = runs.iter().map(|run| run.integration.as_str()).collect();
        names.extend(leases.iter().map(|lease| lease.name.as_str()));
        names.sort_unstable();
        names.dedup();
        let of = |name: &&str| {
            let (confirmed, failed) = rows::counts(db, name)?;
            let last: Option<Last> = runs.iter().find(|run| run.integration == *name).map(last);
            let waiting = last.as_ref().and_then(|last| last.summary.as_ref()?.waiting_until.clone());
            let quotas = match configured.iter().find(|integration| integration.name == *name) {
                Some(Integration { actito: Some(actito), sync, .. }) => {
                    let (now, table, licence) = (clock::now(), table(actito), licence(actito));
                    let day = Day::of(now, sync.quota_day_starts);
                    Some(QuotasNow {
                        imports_today: rows::imports_on(db, &table, day.number)?,
                        imports_per_day: actito.imports_per_day,
                        day_ends: day.ends.rfc3339(),
                        calls_last_minute: spent_before(rows::calls(db, &licence)?, now, actito.calls_per_minute),
                        calls_per_minute: actito.calls_per_minute,
                    })
                }
                _ => None,
            };
            Ok(IntegrationStatus {
                integration: (*name).to_owned(),
                running: leases.iter().find(|lease| lease.name == *name).and_then(lease::holder).map(running),
                last,
                confirmed,
                failed,
                failed_rows: rows::failed(db, name, FAILED_SHOWN)?.into_iter().map(failed_row).collect(),
                imports: rows::imports(db, name)?.into_iter().map(under_way).collect(),
                hints: rows::count_hints(db, name)?.0,
                asked: rows::count_asked(db, name)?,
                waiting_until: waiting,
                quotas,
            })
        };
        names.iter().map(of).collect()
    });
    read.await
}

fn under_way(import: rows::Import) -> UnderWay {
    UnderWay { id: import.remote, rows: import.rows, sent: import.sent_at.map(rfc3339) }
}

fn running(holder: lease::Holder) -> Running {
    Running { host: holder.host, pid: holder.pid, since: holder.since }
}

fn last(run: &rows::LastRun) -> Last {
    let summary = serde_json::from_str(&run.summary).ok();
    Last { started: rfc3339(run.started_at), ended: rfc3339(run.ended_at), error: run.error.clone(), summary }
}

fn failed_row(row: rows::FailedRow) -> Failed {
    let at = rfc3339(row.failed_at);
    Failed { profile_id: row.profile_id, reason: row.reason, detail: row.detail, at, failures: row.failures }
}

fn rfc3339(millis: u64) -> String {
    Timestamp::from_millis(millis).rfc3339()
}
