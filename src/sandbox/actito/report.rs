//! What Actito saw so far, for whoever tests a client.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Actito, Operation};
use crate::sandbox::imports::ImportDay;
use crate::sandbox::locked;
use crate::sandbox::options::Options;

/// What Actito saw so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActitoReport {
    /// Profiles in the table.
    pub profiles: usize,
    /// Profiles whose REAID attribute is not empty.
    pub profiles_with_reaid: usize,
    /// Calls by kind, with those that were refused.
    pub calls: BTreeMap<Operation, u64>,
    /// Calls that would change profiles, with those that were refused.
    pub writing_calls: u64,
    /// Answers by status; connections closed without one are not among them.
    pub answers: BTreeMap<u16, u64>,
    /// Most calls under way at once, with those that got a 429.
    pub peak_concurrent: usize,
    /// Most calls in any minute of sandbox time.
    pub peak_per_minute: usize,
    /// Calls by minute of the clock, as its beginning in seconds since 1970.
    pub calls_by_minute: BTreeMap<u64, u64>,
    /// Calls slowed because they were over the minute's limit.
    pub slowed: u64,
    /// Tokens issued.
    pub tokens_issued: u64,
    /// Imports of the table by day (`2026-11-22`), as the licence counts days.
    pub imports_by_day: BTreeMap<String, ImportDay>,
}

impl Actito {
    pub(in crate::sandbox) fn report(&self, options: &Options) -> ActitoReport {
        let (profiles, profiles_with_reaid) = self.read(|table| (table.len(), table.filled(&options.reaid_attribute)));
        let (peak_per_minute, slowed) = self.limits.busiest_minute();
        let counts = locked(&self.counts);
        let writing = counts.by_operation.iter().filter(|(operation, _)| operation.is_writing());
        ActitoReport {
            profiles,
            profiles_with_reaid,
            writing_calls: writing.map(|(_, calls)| calls).sum(),
            calls: counts.by_operation.clone(),
            answers: counts.by_status.clone(),
            peak_concurrent: self.limits.peak_under_way(),
            peak_per_minute,
            calls_by_minute: self.limits.by_minute(),
            slowed,
            tokens_issued: locked(&self.tokens).issued(),
            imports_by_day: self.imports.by_day(),
        }
    }
}
