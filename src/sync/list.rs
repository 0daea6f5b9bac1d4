//! Reading the whole list of profiles, although it may change while we read it.
//!
//! A profile that is deleted shifts the rest: one that stood on the next page may be seen on none. So a
//! pass counts only when Actito's total stayed the same and everything it counts was seen, each once.
//! Otherwise the list is read again, a few times; what was seen in any pass is then taken.

use std::collections::HashSet;

use super::SyncError;
use super::plan::Planner;
use super::progress::{Phase, report};
use super::run::Job;
use crate::actito::{ListPage, ProfileId};

/// The list is read this often at most. A table that changes during each of three passes changes
/// during the next, too; what is missed is seen by the next run.
const PASSES: u32 = 3;

/// No list is longer than this many pages: 50 million profiles. Beyond it Actito repeats itself.
const PAGES: u32 = 100_000;

/// What there is to say about a list besides its profiles.
pub(super) struct Listing {
    /// Whether one pass saw all, undisturbed.
    pub(super) complete: bool,
    /// Items without a usable id, in the last pass.
    pub(super) unreadable: u64,
}

/// Reads the list into `planner`.
pub(super) async fn read(job: &Job, planner: &mut Planner<'_>) -> Result<Listing, SyncError> {
    let mut unreadable = 0;
    for attempt in 1..=PASSES {
        let pass = one_pass(job, planner).await?;
        unreadable = pass.unreadable;
        if pass.undisturbed() {
            planner.retain(&pass.seen);
            return Ok(Listing { complete: true, unreadable });
        }
        let integration = job.integration.name.as_str();
        tracing::info!(integration, attempt, "the list of profiles changed while it was read");
    }
    Ok(Listing { complete: false, unreadable })
}

async fn one_pass(job: &Job, planner: &mut Planner<'_>) -> Result<Pass, SyncError> {
    let mut pass = Pass::default();
    for number in 0..PAGES {
        let page = job.client.list_page(number).await?;
        for profile in &page.profiles {
            planner.add(profile, &(job.wanted)(&profile.address));
        }
        let news = pass.add(&page);
        report(job.progress.as_ref(), Phase::Listing, pass.seen.len() as u64, page.total);
        if page.last || !news {
            break;
        }
    }
    Ok(pass)
}

/// What one pass over the list saw.
#[derive(Default)]
struct Pass {
    seen: HashSet<ProfileId>,
    repeated: bool,
    unreadable: u64,
    /// What Actito counts, by the last page so far.
    total: Option<u64>,
    total_changed: bool,
    pages: u32,
}

impl Pass {
    /// Takes a page in; `false` when it brought nothing that was not seen before.
    fn add(&mut self, page: &ListPage) -> bool {
        let before = self.seen.len();
        self.total_changed |= self.pages > 0 && self.total != page.total;
        self.pages += 1;
        self.total = page.total;
        self.seen.extend(page.profiles.iter().map(|profile| profile.id));
        let news = self.seen.len() - before;
        self.repeated |= news < page.profiles.len();
        self.unreadable += page.unreadable;
        news > 0 || page.unreadable > 0
    }

    fn undisturbed(&self) -> bool {
        let counted = self.seen.len() as u64 + self.unreadable;
        !self.repeated && !self.total_changed && self.total.is_none_or(|total| total == counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actito::Profile;

    fn page(ids: &[i64], total: Option<u64>) -> ListPage {
        let profile =
            |id: &i64| Profile { id: ProfileId::from_i64(*id).unwrap(), address: String::new(), reaid: String::new() };
        ListPage { profiles: ids.iter().map(profile).collect(), unreadable: 0, total, last: false }
    }

    fn undisturbed(pages: &[ListPage]) -> bool {
        let mut pass = Pass::default();
        for page in pages {
            pass.add(page);
        }
        pass.undisturbed()
    }

    #[test]
    fn a_pass_that_sees_what_actito_counts_is_undisturbed() {
        assert!(undisturbed(&[page(&[1, 2], Some(3)), page(&[3], Some(3))]));
        assert!(undisturbed(&[page(&[1, 2], None), page(&[3], None)]));
        assert!(undisturbed(&[page(&[], Some(0))]));
    }

    #[test]
    fn a_profile_deleted_while_paging_is_noticed() {
        // 1 is deleted after the first page: 3 moves to the first page, where nobody looks any more.
        assert!(!undisturbed(&[page(&[1, 2], Some(4)), page(&[4], Some(3))]));
        assert!(!undisturbed(&[page(&[1, 2], Some(4)), page(&[4], Some(4))]));
    }

    #[test]
    fn a_profile_inserted_while_paging_is_noticed() {
        assert!(!undisturbed(&[page(&[1, 2], None), page(&[2, 3], None)]));
    }

    #[test]
    fn a_page_without_news_says_so() {
        let mut pass = Pass::default();
        assert!(pass.add(&page(&[1, 2], None)));
        assert!(!pass.add(&page(&[1, 2], None)));
    }
}
