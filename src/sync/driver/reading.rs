//! Looking at profiles: a page of Actito's list, a part of a file, or one of them. Addresses end here.

use std::sync::{MutexGuard, PoisonError};

use super::{Driver, blocking};
use crate::actito::{Error, Profile};
use crate::clock;
use crate::sync::engine::{Chunk, Errand, Seen};
use crate::sync::export::ExportFile;
use crate::sync::plan::Sighting;
use crate::sync::run::Source;
use crate::sync::{SyncError, WantedFn};

/// Three listed profiles are hardly all deleted at once; asking for more would only cost calls.
const WITNESSES: usize = 3;

/// Profiles of an export that are looked at at once.
const ROWS_AT_ONCE: usize = 1000;

impl Driver<'_> {
    pub(super) async fn read_page(&self, page: u32) -> Result<Result<Chunk, Error>, SyncError> {
        // What we confirm while the page is on its way is newer than the page.
        let as_of = clock::now();
        let page = match self.job.client.list_page(page).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error)),
        };
        let sightings = self.sightings(page.profiles, true).await?;
        self.meet(&sightings, true).await?;
        Ok(Ok(Chunk { sightings, unreadable: page.unreadable, total: page.total, last: page.last, as_of }))
    }

    pub(super) async fn read_file(&self) -> Result<Chunk, SyncError> {
        let Source::Export(file) = &self.job.source else { return Ok(Chunk { last: true, ..Chunk::default() }) };
        let (file, wanted) = (file.clone(), self.job.wanted.clone());
        let read = blocking(move || {
            let mut file: MutexGuard<'_, ExportFile> = file.lock().unwrap_or_else(PoisonError::into_inner);
            let part = file.next_part(ROWS_AT_ONCE)?;
            let see = |profile: Profile| sighting(profile, part.holds_reaids, &wanted);
            let sightings: Vec<_> = part.profiles.into_iter().map(see).collect();
            Ok::<_, SyncError>(Chunk {
                sightings,
                unreadable: part.unreadable,
                total: None,
                last: part.last,
                as_of: file.as_of,
            })
        });
        let mut chunk = read.await?;
        self.recall(&mut chunk.sightings).await?;
        self.meet(&chunk.sightings, true).await?;
        Ok(chunk)
    }

    pub(super) async fn look_at(&self, errand: Errand) -> Result<Result<Seen, Error>, SyncError> {
        let as_of = clock::now();
        let profile = match self.job.client.profile(errand.id).await {
            Ok(profile) => profile,
            Err(error) => return Ok(Err(error)),
        };
        let mut seen = self.sightings(vec![profile], true).await?;
        self.meet(&seen, false).await?;
        let sighting = seen.pop().ok_or(Error::Unsupported("a profile was lost on the way"));
        Ok(sighting.map(|sighting| Seen { sighting, as_of }))
    }

    /// What the engine may see of profiles: their addresses stay here.
    pub(super) async fn sightings(
        &self,
        profiles: Vec<Profile>,
        holds_reaids: bool,
    ) -> Result<Vec<Sighting>, SyncError> {
        let see = |profile| sighting(profile, holds_reaids, &self.job.wanted);
        let mut sightings: Vec<_> = profiles.into_iter().map(see).collect();
        self.recall(&mut sightings).await?;
        Ok(sightings)
    }

    pub(super) async fn recall(&self, sightings: &mut [Sighting]) -> Result<(), SyncError> {
        let ids: Vec<_> = sightings.iter().map(|sighting| sighting.id).collect();
        {
            let mut witnesses = self.witnesses.lock().unwrap_or_else(PoisonError::into_inner);
            let missing = WITNESSES.saturating_sub(witnesses.len());
            witnesses.extend(ids.iter().take(missing));
        }
        let known = self.memory.known(ids).await?;
        sightings.iter_mut().zip(known).for_each(|(sighting, known)| sighting.known = known);
        Ok(())
    }
}

fn sighting(profile: Profile, holds_reaids: bool, wanted: &WantedFn) -> Sighting {
    Sighting {
        id: profile.id,
        held: holds_reaids.then_some(profile.reaid),
        wanted: wanted(&profile.address),
        blank: profile.address.trim().is_empty(),
        known: None,
    }
}
