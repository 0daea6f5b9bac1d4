//! People who were asked for by address: whoever comes by is met, and looked at before the rest.

use std::sync::atomic::Ordering;

use super::Driver;
use crate::store::sync::Fingerprint;
use crate::sync::SyncError;
use crate::sync::plan::{Sighting, Stamp, Wanted};

/// How many of a run are written before the rest, by a call or two each; whoever comes later is written with
/// all others. More at once cost less by import, and are no longer somebody who waits for an answer.
const MET_FIRST: u64 = 200;

impl Driver<'_> {
    /// Ends the waiting of those who are among these profiles. `first`: a profile that lacks its REAID gets
    /// a hint, in the same step.
    pub(super) async fn meet(&self, sightings: &[Sighting], first: bool) -> Result<(), SyncError> {
        // A dry run leaves no trace.
        if self.job.dry_run {
            return Ok(());
        }
        let waits = self.memory.waiting(sightings.iter().map(fingerprint).collect()).await?;
        let met = sightings.iter().zip(waits).filter(|(_, waits)| *waits);
        let met = met.filter_map(|(sighting, _)| {
            let lacks = !matches!(&sighting.wanted, Wanted::Reaid(reaid) if sighting.held.as_ref() == Some(reaid));
            let hints = first && lacks && self.met.fetch_add(1, Ordering::Relaxed) < MET_FIRST;
            Some((fingerprint(sighting)?, hints.then_some(sighting.id)))
        });
        let met: Vec<_> = met.collect();
        if met.is_empty() { Ok(()) } else { Ok(self.memory.met(met).await?) }
    }
}

/// As whom this person was asked for.
fn fingerprint(sighting: &Sighting) -> Option<Fingerprint> {
    match &sighting.wanted {
        Wanted::Reaid(reaid) => Some(Stamp::of(reaid).fingerprint),
        Wanted::None | Wanted::Invalid(_) => None,
    }
}
