//! One sync of an integration at a time. While its lease is held, the calls of the licence count as unknown:
//! a crash leaves them so.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::SyncError;
use crate::clock;
use crate::lease::{self, Refused};
use crate::store::Store;
use crate::store::leases::{Also, Task};
use crate::store::sync as memory;

/// The right to sync an integration.
pub(super) struct Lease {
    inner: lease::Lease,
    licence: String,
    /// Cancelled when somebody else took over.
    pub(super) lost: CancellationToken,
}

impl Lease {
    /// Takes the right, or says who has it.
    pub(super) async fn take(store: &Store, integration: &str, licence: &str) -> Result<Self, SyncError> {
        let inner = lease::Lease::take(store, Task::Sync, integration, calls(licence, None)).await;
        match inner {
            Ok(inner) => Ok(Self { lost: inner.lost.clone(), inner, licence: licence.to_owned() }),
            Err(Refused::Store(error)) => Err(error.into()),
            Err(Refused::Held(holder)) => Err(SyncError::Running {
                integration: integration.to_owned(),
                host: holder.host,
                pid: holder.pid,
                since: holder.since,
            }),
        }
    }

    /// Gives the right back, and notes how many calls started in the last minute.
    pub(super) async fn release(self, spent: u32) {
        self.inner.release(calls(&self.licence, Some(spent))).await;
    }
}

/// Notes how many calls were made until now; none says that nobody can know.
fn calls(licence: &str, spent: Option<u32>) -> Also {
    let licence = licence.to_owned();
    Arc::new(move |db| memory::put_calls(db, &licence, memory::Calls { at: clock::now().millis(), spent }))
}
