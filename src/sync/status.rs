//! How the syncs of all integrations stand: what `reaid sync status` prints.

use serde::Serialize;

use super::lease;
use super::summary::Summary;
use crate::clock::Timestamp;
use crate::store::{Store, StoreError, profiles};

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
    /// When that was.
    pub at: String,
    /// How often it failed in a row.
    pub failures: u64,
}

/// How the sync of every integration stands that ever ran or runs now, by name.
///
/// # Errors
/// Those of the store.
pub async fn status(store: &Store) -> Result<Vec<IntegrationStatus>, StoreError> {
    store
        .read(|db| {
            let (runs, leases) = (profiles::last_runs(db)?, profiles::leases(db)?);
            let mut names: Vec<&str> = runs.iter().map(|run| run.integration.as_str()).collect();
            names.extend(leases.iter().map(|lease| lease.integration.as_str()));
            names.sort_unstable();
            names.dedup();
            let of = |name: &&str| {
                let (confirmed, failed) = profiles::counts(db, name)?;
                Ok(IntegrationStatus {
                    integration: (*name).to_owned(),
                    running: leases.iter().find(|lease| lease.integration == *name && lease::lives(lease)).map(running),
                    last: runs.iter().find(|run| run.integration == *name).map(last),
                    confirmed,
                    failed,
                    failed_rows: profiles::failed(db, name, FAILED_SHOWN)?.into_iter().map(failed_row).collect(),
                })
            };
            names.iter().map(of).collect()
        })
        .await
}

fn running(lease: &profiles::Lease) -> Running {
    Running { host: lease.host.clone(), pid: lease.pid, since: rfc3339(lease.started_at) }
}

fn last(run: &profiles::LastRun) -> Last {
    let summary = serde_json::from_str(&run.summary).ok();
    Last { started: rfc3339(run.started_at), ended: rfc3339(run.ended_at), error: run.error.clone(), summary }
}

fn failed_row(row: profiles::FailedRow) -> Failed {
    Failed { profile_id: row.profile_id, reason: row.reason, at: rfc3339(row.failed_at), failures: row.failures }
}

fn rfc3339(millis: u64) -> String {
    Timestamp::from_millis(millis).rfc3339()
}
