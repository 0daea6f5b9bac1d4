//! Reading the source, although it may change while we read it.
//!
//! A profile that is deleted shifts the rest of Actito's list: one that stood on the next page may be seen
//! on none. So a pass counts only when Actito's total stayed the same and everything it counts was seen,
//! each once. Otherwise the list is read again, a few times; what was seen in any pass is then taken.
//!
//! A list that was cut off is read on from its checkpoint: the last page before which everything was
//! right or written. Such a pass cannot tell who is gone.

use roaring::RoaringTreemap;

use super::{Ask, Chunk, Engine, Failure, Memo, Place, Settings, Stage};
use crate::actito::Error;
use crate::clock::Timestamp;
use crate::sync::plan::{Action, Change, Sighting, judge};

/// The list is read this often at most. A table that changes during each of three passes changes
/// during the next, too; what is missed is seen by the next run.
const PASSES: u32 = 3;

/// No list is longer than this many pages: 50 million profiles. Beyond it Actito repeats itself.
const PAGES: u32 = 100_000;

/// What the source showed so far.
#[derive(Debug)]
pub(super) struct Reading {
    place: Place,
    /// The page that this pass began with.
    from: u32,
    pass: u32,
    /// Everybody of this pass.
    pub(super) seen: RoaringTreemap,
    /// Everybody of earlier passes.
    before: RoaringTreemap,
    /// Items without a usable id in this pass.
    unreadable: u64,
    /// How many there are, by the last page so far.
    pub(super) total: Option<u64>,
    total_changed: bool,
    repeated: bool,
    pages: u32,
    since_checkpoint: u32,
    /// Whether nothing more is read.
    pub(super) ended: bool,
    /// Whether one pass saw all, undisturbed.
    pub(super) complete: bool,
}

impl Reading {
    pub(super) fn new(settings: &Settings, checkpoint: Option<(u32, Option<u64>)>) -> Self {
        let checkpoint = checkpoint.filter(|_| !settings.from_file && !settings.dry_run);
        // One page back: what was deleted meanwhile moved others ahead.
        let from = checkpoint.map_or(0, |(page, _)| page.saturating_sub(1));
        let place = if settings.from_file { Place::File } else { Place::Page(from) };
        let total = checkpoint.filter(|_| from > 0).and_then(|(_, total)| total);
        Self { total, ..Self::at(place, from, 1) }
    }

    /// Takes a part in; `false` when it brought nothing that was not seen before.
    fn add(&mut self, chunk: &Chunk) -> bool {
        let before = self.seen.len();
        let first = self.pages == 0 && self.from == 0;
        self.total_changed |= !first && self.total != chunk.total;
        self.pages += 1;
        self.since_checkpoint += 1;
        self.total = chunk.total;
        self.seen.extend(chunk.sightings.iter().map(key));
        let news = self.seen.len() - before;
        self.repeated |= news < chunk.sightings.len() as u64;
        self.unreadable += chunk.unreadable;
        news > 0 || chunk.unreadable > 0
    }

    fn undisturbed(&self) -> bool {
        let counted = self.seen.len() + self.unreadable;
        !self.repeated && !self.total_changed && self.total.is_none_or(|total| total == counted)
    }

    fn next_pass(&mut self) {
        let before = &self.before | &self.seen;
        *self = Self { before, ..Self::at(Place::Page(0), 0, self.pass + 1) };
    }

    /// A pass that has not begun.
    fn at(place: Place, from: u32, pass: u32) -> Self {
        Self {
            place,
            from,
            pass,
            seen: RoaringTreemap::new(),
            before: RoaringTreemap::new(),
            unreadable: 0,
            total: None,
            total_changed: false,
            repeated: false,
            pages: 0,
            since_checkpoint: 0,
            ended: false,
            complete: false,
        }
    }
}

fn key(sighting: &Sighting) -> u64 {
    sighting.id.to_i64().cast_unsigned()
}

impl Engine {
    /// Asks for the next part of the source.
    pub(super) fn read_on(&mut self, asks: &mut Vec<Ask>) {
        let place = self.reading.place;
        match place {
            Place::File => self.ask_of_stage(Ask::Read(place), asks),
            Place::Page(_) if self.has_place() => self.call_of_stage(Ask::Read(place), asks),
            Place::Page(_) => {}
        }
    }

    pub(super) fn read(&mut self, result: Result<Chunk, Error>, now: Timestamp, asks: &mut Vec<Ask>) {
        self.busy = false;
        if matches!(self.reading.place, Place::Page(_)) {
            self.calls -= 1;
        }
        let chunk = match result {
            Ok(chunk) => chunk,
            Err(error) => return self.fail(Failure::Actito(error)),
        };
        let news = self.reading.add(&chunk);
        let last = chunk.last || (!news && matches!(self.reading.place, Place::Page(_)));
        self.sight_all(chunk, now, asks);
        self.urgent.look();
        if let Place::Page(page) = self.reading.place {
            self.reading.place = Place::Page(page + 1);
        }
        if last || self.reading.pages >= PAGES && !self.settings.from_file {
            self.source_ended();
        } else if self.wants_decision() {
            self.stage = Stage::Deciding;
        }
    }

    fn wants_decision(&self) -> bool {
        let due = self.reading.since_checkpoint >= self.settings.checkpoint_pages && !self.settings.from_file;
        !self.settings.dry_run && (due || self.backlog.len() >= self.settings.rows_per_import)
    }

    fn source_ended(&mut self) {
        let reading = &mut self.reading;
        let undisturbed = self.settings.from_file || reading.undisturbed();
        if !undisturbed && reading.from == 0 && reading.pass < PASSES {
            reading.next_pass();
            return self.summary.next_pass();
        }
        reading.ended = true;
        reading.complete = undisturbed && reading.from == 0 && !self.settings.from_file;
        if reading.complete && reading.pass > 1 {
            self.backlog.retain(&reading.seen);
        }
        self.summary.list_shifted =
            !self.settings.from_file && !reading.complete && (reading.from == 0 || reading.total_changed);
        self.stage = Stage::Deciding;
    }

    fn sight_all(&mut self, chunk: Chunk, now: Timestamp, asks: &mut Vec<Ask>) {
        let (mut memos, mut spool) = (Vec::new(), Vec::new());
        self.summary.unreadable += chunk.unreadable;
        for sighting in chunk.sightings {
            self.sight(&sighting, chunk.as_of, now, &mut memos, &mut spool);
        }
        self.remember(memos, asks);
        if !spool.is_empty() {
            self.ask_of_stage(Ask::Spool(spool), asks);
        }
    }

    fn sight(
        &mut self,
        seen: &Sighting,
        as_of: Timestamp,
        now: Timestamp,
        memos: &mut Vec<Memo>,
        spool: &mut Vec<Change>,
    ) {
        let verdict = judge(seen, as_of, now);
        if let Some(skip) = &verdict.skip {
            self.summary.skip(seen.id, skip);
        }
        match verdict.action {
            Action::Write(change) => {
                self.backlog.add(&change);
                if self.settings.dry_run {
                    return self.summary.would_do(&change);
                }
                return spool.push(change);
            }
            Action::Right(learns) => {
                self.summary.right += u64::from(verdict.skip.is_none());
                memos.extend(learns.map(|stamp| Memo::Confirm(seen.id, stamp)));
            }
            Action::Pending { overtaken } => {
                self.summary.pending += 1;
                memos.extend(overtaken.then_some(Memo::Hint(seen.id)));
            }
            Action::Outdated => self.summary.outdated += 1,
        }
        self.backlog.remove(key(seen));
    }

    /// Everything before the next page is done with, one way or the other.
    pub(super) fn checkpoint(&mut self, asks: &mut Vec<Ask>) {
        self.reading.since_checkpoint = 0;
        let Place::Page(page) = self.reading.place else { return };
        // A list that shifted is read again from its beginning.
        if !self.reading.repeated && !self.reading.total_changed && self.reading.pass == 1 {
            let total = self.reading.total;
            self.remember(vec![Memo::Checkpoint { page, total }], asks);
        }
    }

    /// Reads on without a checkpoint: what waits is too much to be written, and too little to be sent.
    pub(super) fn postpone_checkpoint(&mut self) {
        self.reading.since_checkpoint = 0;
    }

    pub(super) fn count_listed(&mut self) {
        let reading = &self.reading;
        self.summary.resumed_from = (reading.from > 0).then_some(reading.from);
        self.summary.listed =
            if reading.complete { reading.seen.len() } else { (&reading.before | &reading.seen).len() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actito::ProfileId;
    use crate::sync::engine::Scope;
    use crate::sync::plan::Wanted;

    fn reading(checkpoint: Option<(u32, Option<u64>)>) -> Reading {
        let settings = Settings {
            integration: "shop".into(),
            scope: Scope::Full,
            from_file: false,
            dry_run: false,
            concurrency: 4,
            rows_per_import: 100,
            checkpoint_pages: 100,
        };
        Reading::new(&settings, checkpoint)
    }

    fn page(ids: &[i64], total: Option<u64>) -> Chunk {
        let sighting = |id: &i64| Sighting {
            id: ProfileId::from_i64(*id).unwrap(),
            held: None,
            wanted: Wanted::None,
            blank: false,
            known: None,
        };
        Chunk { sightings: ids.iter().map(sighting).collect(), total, ..Chunk::default() }
    }

    fn undisturbed(pages: &[Chunk]) -> bool {
        let mut pass = reading(None);
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
        let mut pass = reading(None);
        assert!(pass.add(&page(&[1, 2], None)));
        assert!(!pass.add(&page(&[1, 2], None)));
    }

    #[test]
    fn a_list_that_was_cut_off_is_read_on_one_page_back() {
        assert_eq!(reading(Some((7, Some(9)))).place, Place::Page(6));
        let mut resumed = reading(Some((7, Some(9))));
        resumed.add(&page(&[1], Some(8)));
        assert!(resumed.total_changed);
    }
}
