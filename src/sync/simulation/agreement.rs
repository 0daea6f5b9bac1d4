//! The store in memory does what the real one does: the same doings, then the same answers.

use super::memory::{Memory, key, profile};
use crate::actito::{ImportId, Rejected};
use crate::clock;
use crate::store::sync as rows;
use crate::store::{Limits, Store};
use crate::sync::engine::{Memo, Settlement};
use crate::sync::memory::Memory as Kept;
use crate::sync::plan::{Cause, Change, Known, Stamp};

/// Profiles that things happen to: few, so that much happens to each.
const PROFILES: u64 = 6;

struct Both {
    model: Memory,
    kept: Kept,
    rng: fastrand::Rng,
    _folder: tempfile::TempDir,
}

impl Both {
    fn new(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap();
        let kept = Kept { store, integration: "shop".into(), page_size: 500 };
        Self { model: Memory::default(), kept, rng: fastrand::Rng::with_seed(seed), _folder: folder }
    }

    fn change(&mut self) -> Change {
        let reaid = *self.rng.choice(&["", "AQ00", "Ag00", "AQ11"]).unwrap();
        let id = profile(self.rng.u64(1..=PROFILES));
        Change { id, reaid: reaid.into(), cause: Cause::New, failures: 0 }
    }

    async fn remember(&mut self) {
        let change = self.change();
        let hint = self.rng.u64(0..20);
        let memo = match self.rng.u8(0..8) {
            0 => Memo::Confirm(change.id, change.stamp()),
            1 => Memo::Fail(change.id, "timeout"),
            2 => Memo::Forget(change.id),
            3 => Memo::Followed(hint),
            4 => Memo::Hint(change.id),
            5 => Memo::FollowedUpTo(hint / 4),
            6 => Memo::Checkpoint { page: self.rng.u32(0..9), total: self.rng.bool().then_some(7) },
            _ => Memo::ListRead,
        };
        self.model.remember(&memo, clock::now());
        self.kept.remember(&[memo]).await.unwrap();
    }

    async fn import(&mut self) {
        let import = self.model.prepare();
        assert_eq!(self.kept.prepare().await.unwrap(), import);
        // A profile is in one import at most.
        let free = |change: &Change, model: &Memory| model.known(key(change.id)).is_none_or(|it| it.pending.is_none());
        for _ in 0..self.rng.u8(0..4) {
            let change = self.change();
            if free(&change, &self.model) {
                self.model.pend(import, change.id, change.stamp());
                self.kept.pend(import, &[change]).await.unwrap();
            }
        }
        let (day, limit, now) = (self.rng.u64(20_000..20_003), 2, clock::now());
        let spent = self.model.spend(import, day, limit, now);
        let write = self.kept.store.write(move |db| rows::spend(db, import, "31", day, limit, now.millis()));
        assert_eq!(write.await.unwrap(), spent);
        if spent && self.rng.bool() {
            let remote = ImportId::parse(&format!("v4:{import}")).unwrap();
            self.model.imports.get_mut(&import).unwrap().remote = Some(remote.clone());
            let remote = remote.to_string();
            self.kept.store.write(move |db| rows::sent(db, import, &remote)).await.unwrap();
        }
    }

    async fn end_import(&mut self) {
        let Some(import) = self.rng.choice(self.model.imports.keys().copied().collect::<Vec<_>>()) else { return };
        let rejected = self.change().id;
        if self.rng.bool() {
            self.model.reject(import, key(rejected));
            let row = Rejected { profile: Some(rejected), row: 1, code: "INVALID".into(), column: String::new() };
            self.kept.reject(import, vec![row]).await.unwrap();
        }
        let how =
            *self.rng.choice(&[Settlement::Confirmed, Settlement::Undone, Settlement::Failed("import_lost")]).unwrap();
        let settled = self.model.settle(import, how, clock::now(), usize::MAX).unwrap();
        assert_eq!(self.kept.settle(import, how).await.unwrap(), settled, "{how:?}");
    }

    async fn compare(&self) {
        let timeless = |known: Option<Known>| -> Option<(u64, Option<Stamp>, Option<Stamp>)> {
            known.map(|known| (known.failures, known.confirmed.map(|(stamp, _)| stamp), known.pending))
        };
        let ids: Vec<_> = (1..=PROFILES).map(profile).collect();
        let kept: Vec<_> = self.kept.known(ids).await.unwrap().into_iter().map(timeless).collect();
        let model: Vec<_> = (1..=PROFILES).map(|id| timeless(self.model.known(id))).collect();
        assert_eq!(kept, model);
        let (kept, mut model) = (self.kept.recalled().await.unwrap(), self.model.recalled());
        for (model, kept) in model.imports.iter_mut().zip(&kept.imports) {
            assert_eq!(model.sent_at.is_some(), kept.sent_at.is_some());
            model.sent_at = kept.sent_at;
        }
        assert_eq!(kept, model);
        assert_eq!(self.kept.hints(0).await.unwrap().first(), self.model.hints_after(0).first());
    }
}

#[tokio::test]
async fn the_store_does_what_the_simulation_believes() {
    for seed in 0..6 {
        let mut both = Both::new(seed);
        for _ in 0..50 {
            match both.rng.u8(0..6) {
                0 => both.import().await,
                1 => both.end_import().await,
                _ => both.remember().await,
            }
            both.compare().await;
        }
    }
}
