//! The file of an import, its place in the quota, and what Actito says of it, each remembered as it happens.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Driver, blocking};
use crate::actito::{Call, Error, ImportFile, ImportId, ImportWriter};
use crate::clock;
use crate::store::sync as rows;
use crate::sync::SyncError;
use crate::sync::engine::{ImportKey, Input, Settlement};
use crate::sync::ledger::{Day, table};
use crate::sync::plan::Change;
use crate::sync::planner::Quotas;

/// The file of an import, while it is written and until it is sent.
pub(super) enum Packing {
    Open(Box<ImportWriter>),
    Whole(Arc<ImportFile>),
}

impl Driver<'_> {
    pub(super) async fn quotas(&self) -> Result<Quotas, SyncError> {
        let (settings, sync) = (&self.job.settings, &self.job.integration.sync);
        let day = Day::of(clock::now(), sync.quota_day_starts);
        let table = table(settings);
        let used = self.job.store.read(move |db| rows::imports_on(db, &table, day.number)).await?;
        let quotas = Quotas {
            imports_left: settings.imports_per_day.saturating_sub(used),
            imports_per_day: settings.imports_per_day,
            day_ends: day.ends,
            calls_per_minute: self.job.client.limits().calls_per_minute(),
            concurrency: self.job.client.concurrency(),
            rows_per_import: sync.import_rows,
        };
        self.job.counters.looked(&quotas);
        Ok(quotas)
    }

    pub(super) async fn prepare(&self) -> Result<ImportKey, SyncError> {
        let key = self.memory.prepare().await?;
        let (folder, settings) = (self.job.store.folder(), self.job.settings.clone());
        let writer = blocking(move || Ok::<_, SyncError>(ImportWriter::create(&folder, &settings)?)).await?;
        self.packings().insert(key, Packing::Open(Box::new(writer)));
        Ok(key)
    }

    /// Puts rows into the file and remembers those that it took; the others come back.
    pub(super) async fn pack(&self, key: ImportKey, mut changes: Vec<Change>) -> Result<Vec<Change>, SyncError> {
        let Some(Packing::Open(mut writer)) = self.packings().remove(&key) else { return Ok(changes) };
        // An import empties no attribute for sure: whoever was erased since is left to the next run.
        changes.retain(|change| !(self.job.is_suppressed)(&change.reaid));
        let packed = blocking(move || {
            let mut taken = 0;
            for change in &changes {
                if !writer.push(change.id, &change.reaid)? {
                    break;
                }
                taken += 1;
            }
            let over = changes.split_off(taken);
            Ok::<_, SyncError>((writer, changes, over))
        });
        let (writer, taken, over) = packed.await?;
        self.packings().insert(key, Packing::Open(writer));
        self.memory.pend(key, &taken).await?;
        Ok(over)
    }

    /// Closes the file and counts the import. From here on it may have been sent.
    pub(super) async fn spend(&self, key: ImportKey) -> Result<bool, SyncError> {
        let open = self.packings().remove(&key);
        if let Some(Packing::Open(writer)) = open {
            let file = blocking(move || Ok::<_, SyncError>(writer.finish()?)).await?;
            tracing::debug!(rows = file.rows(), bytes = file.bytes(), "the file of an import is ready");
            self.packings().insert(key, Packing::Whole(Arc::new(file)));
        }
        let (table, limit, now) = (table(&self.job.settings), self.job.settings.imports_per_day, clock::now());
        let day = Day::of(now, self.job.integration.sync.quota_day_starts);
        let spent = self.job.store.write(move |db| rows::spend(db, key, &table, day.number, limit, now.millis()));
        Ok(spent.await?)
    }

    pub(super) async fn upload(&self, key: ImportKey) -> Result<Result<ImportId, Error>, SyncError> {
        let file = match self.packings().get(&key) {
            Some(Packing::Whole(file)) => file.clone(),
            _ => return Ok(Err(Error::Unsupported("the file of an import is gone"))),
        };
        let (table, limit, now) = (table(&self.job.settings), self.job.settings.imports_per_day, clock::now());
        let day = Day::of(now, self.job.integration.sync.quota_day_starts);
        let today = (day.number, day.begins.millis());
        let counted = self.job.store.write(move |db| rows::spend_today(db, key, &table, today, limit, now.millis()));
        if !counted.await? {
            return Ok(Err(Error::Throttled { call: Call::Import, retry_after: None }));
        }
        let result = self.job.client.start_import(&file).await;
        if let Ok(remote) = &result {
            let remote = remote.to_string();
            self.job.store.write(move |db| rows::sent(db, key, &remote)).await?;
        }
        Ok(result)
    }

    /// All rejected rows at once: no more than one import carries.
    pub(super) async fn reject(&self, key: ImportKey, remote: &ImportId) -> Result<Result<u64, Error>, SyncError> {
        let mut rejected = Vec::new();
        match self.job.client.import_errors(remote, |row| rejected.push(row)).await {
            Ok(()) => Ok(Ok(self.memory.reject(key, rejected).await?)),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) async fn settle(&self, key: ImportKey, settlement: Settlement) -> Result<Input, SyncError> {
        self.packings().remove(&key);
        if let Settlement::Failed(kind) = settlement {
            tracing::warn!(integration = self.memory.integration, kind, "an import failed: its rows are tried again");
        }
        Ok(Input::Settled(key, self.memory.settle(key, settlement).await?))
    }

    pub(super) async fn day_is_spent(&self) -> Result<(), SyncError> {
        let (table, limit) = (table(&self.job.settings), self.job.settings.imports_per_day);
        let day = Day::of(clock::now(), self.job.integration.sync.quota_day_starts);
        tracing::warn!(integration = self.memory.integration, "Actito takes no more imports today");
        Ok(self.job.store.write(move |db| rows::spend_day(db, &table, day.number, limit)).await?)
    }

    fn packings(&self) -> MutexGuard<'_, HashMap<ImportKey, Packing>> {
        self.packing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
