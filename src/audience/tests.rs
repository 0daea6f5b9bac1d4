//! Whole runs from a folder of files into a folder of targets, with operations that fail and clocks that move.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::destination::{Destination, Failing};
use super::people::{People, Person};
use super::run::{Job, run_to};
use super::source::Source;
use super::summary::{Action, AudienceRun, Ended, Summary};
use super::{AudienceError, reference};
use crate::config::{
    Activation, AudienceDestination, AudienceFolder, AudienceSource, OnDelete, PersonIdentifier, ReferenceFile,
    TooLarge,
};
use crate::store::{Limits, Store, sync as rows};

mod mishaps;

const AUDIENCES: [&str; 3] = ["Cat owners", "Dog owners", "Big spenders"];

/// A source, a destination, a store, and a job between them.
struct World {
    home: tempfile::TempDir,
    job: Job,
    erased: Arc<AtomicU64>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Activation)) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("audiences")).unwrap();
        let folder = AudienceFolder { path: home.path().join("audiences"), column: None, separator: b',' };
        let mut activation = Activation {
            name: "Newsletter audiences".into(),
            description: String::new(),
            integration: "shop".into(),
            identifier: PersonIdentifier::Email,
            audiences: AUDIENCES.map(str::to_owned).to_vec(),
            schedule: None,
            source: AudienceSource::Folder(folder),
            destination: AudienceDestination::Folder(home.path().join("targets")),
            file: ReferenceFile::default(),
            validity: Duration::from_secs(48 * 3600),
            on_delete: OnDelete::Keep,
            max_shrink: 0.5,
        };
        change(&mut activation);
        let erased = Arc::new(AtomicU64::new(0));
        let (revision, is_erased) = (erased.clone(), erased.clone());
        let of_address = move |text: &str| match text {
            _ if !text.contains('@') => Person::Invalid,
            "erased@example.org" if is_erased.load(Ordering::SeqCst) > 0 => Person::Erased,
            _ => Person::Known(mark(text)),
        };
        let people =
            People { of_address: Arc::new(of_address), revision: Arc::new(move || revision.load(Ordering::SeqCst)) };
        let job = Job {
            header: "emailAddress".into(),
            source: Source::of(&activation.source).unwrap(),
            activation: Arc::new(activation),
            store: Store::open(&home.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap(),
            people,
            dry_run: false,
            accept_shrink: false,
            known: Arc::new([]),
            progress: None,
            counters: Arc::default(),
        };
        let world = Self { home, job, erased };
        AUDIENCES.iter().for_each(|audience| world.put(audience, 0..10));
        world
    }

    /// An audience of these people at the source.
    fn put(&self, audience: &str, people: std::ops::Range<u32>) {
        let lines: String = people.map(|number| format!("person-{number}@example.org,x\n")).collect();
        self.write(audience, &format!("email,name\n{lines}"));
    }

    fn write(&self, audience: &str, text: &str) {
        let path = self.home.path().join("audiences").join(format!("{audience}.csv"));
        std::fs::write(path.with_extension("part"), text).unwrap();
        std::fs::rename(path.with_extension("part"), path).unwrap();
    }

    fn delete(&self, audience: &str) {
        std::fs::remove_file(self.home.path().join("audiences").join(format!("{audience}.csv"))).unwrap();
    }

    async fn run(&self) -> Summary {
        self.try_run(Failing::never()).await.unwrap()
    }

    async fn try_run(&self, failing: Failing) -> Result<Summary, AudienceError> {
        let destination = Destination::failing(&self.home.path().join("targets"), failing);
        run_to(&self.job, destination, &CancellationToken::new()).await
    }

    /// As if the last run had been so long ago.
    async fn age(&self, by: Duration) {
        for (activation, audience, mut reference) in reference::load(&self.job.store, None).await.unwrap() {
            reference.sent -= u64::try_from(by.as_millis()).unwrap();
            reference::save(&self.job.store, &activation, &audience, &reference).await.unwrap();
        }
    }

    fn targets(&self) -> PathBuf {
        self.home.path().join("targets/Raptor CDP/Audiences")
    }

    /// Name and content of every target; nothing else lies there.
    fn files(&self) -> BTreeMap<String, String> {
        files(&self.targets())
    }
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    let named = entries.map(|it| (it.file_name().into_string().unwrap(), std::fs::read_to_string(it.path()).unwrap()));
    named.filter(|(name, _)| !name.starts_with('.')).collect()
}

fn mark(text: &str) -> [u8; 8] {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref()[..8].try_into().unwrap()
}

fn actions(summary: &Summary) -> Vec<(&str, &str)> {
    summary.audiences.iter().map(|it| (it.action.as_str(), it.reason.as_str())).collect()
}

fn of<'a>(summary: &'a Summary, audience: &str) -> &'a AudienceRun {
    summary.audiences.iter().find(|it| it.audience == audience).unwrap()
}

#[tokio::test]
async fn three_audiences_become_three_files_and_the_next_run_sends_nothing() {
    let world = World::new();
    let first = world.run().await;
    assert_eq!((first.ended, actions(&first)), (Ended::Complete, vec![("sent", "new"); 3]));
    let files = world.files();
    assert_eq!(files.keys().collect::<Vec<_>>(), ["Big spenders.csv", "Cat owners.csv", "Dog owners.csv"]);
    let cats = &files["Cat owners.csv"];
    assert!(cats.starts_with("emailAddress\nperson-0@example.org\nperson-1@"), "{cats}");
    assert_eq!((cats.lines().count(), of(&first, "Cat owners").added), (11, Some(10)));
    let second = world.run().await;
    assert_eq!((actions(&second), second.bytes_read, second.bytes_sent), (vec![("unchanged", ""); 3], 0, 0));
}

#[tokio::test]
async fn only_what_changed_is_sent_and_what_is_due() {
    let world = World::new();
    world.run().await;
    world.put("Dog owners", 2..12);
    let run = world.run().await;
    assert_eq!(actions(&run), [("unchanged", ""), ("sent", "changed"), ("unchanged", "")]);
    let dogs = of(&run, "Dog owners");
    assert_eq!((dogs.added, dogs.removed, dogs.members), (Some(2), Some(2), 10));
    world.age(Duration::from_secs(24 * 3600 + 60)).await;
    let due = world.run().await;
    assert_eq!((actions(&due), due.bytes_read), (vec![("sent", "due"); 3], 0));
}

#[tokio::test]
async fn an_audience_that_shrinks_too_much_is_held_back_until_somebody_accepts() {
    let mut world = World::new();
    world.run().await;
    world.put("Cat owners", 0..4);
    for _ in 0..2 {
        let run = world.run().await;
        assert_eq!((run.ended, actions(&run)[0]), (Ended::Incomplete, ("held", "max_shrink")));
        assert_eq!((of(&run, "Cat owners").members, world.files()["Cat owners.csv"].lines().count()), (10, 11));
    }
    // What stays stays valid.
    world.age(Duration::from_secs(30 * 3600)).await;
    let before = std::fs::metadata(world.targets().join("Cat owners.csv")).unwrap();
    assert_eq!(actions(&world.run().await)[0].0, "held");
    let after = std::fs::metadata(world.targets().join("Cat owners.csv")).unwrap();
    assert_ne!(before.modified().unwrap(), after.modified().unwrap());
    world.job.accept_shrink = true;
    assert_eq!(actions(&world.run().await)[0], ("sent", "changed"));
    assert_eq!(world.files()["Cat owners.csv"].lines().count(), 5);
}

#[tokio::test]
async fn a_deleted_audience_is_not_sent_and_goes_only_when_that_is_asked_for() {
    for (on_delete, left) in [(OnDelete::Keep, 3), (OnDelete::Remove, 2)] {
        let world = World::with(|activation| activation.on_delete = on_delete);
        world.run().await;
        world.delete("Cat owners");
        world.age(Duration::from_secs(30 * 3600)).await;
        let sent = || std::fs::metadata(world.targets().join("Cat owners.csv")).unwrap().modified().unwrap();
        let before = sent();
        let run = world.run().await;
        assert_eq!((actions(&run)[0].0, world.files().len(), sent()), ("absent", 3, before));
        let run = world.run().await;
        assert_eq!((actions(&run)[0].0, world.files().len(), run.ended), ("deleted", left, Ended::Complete));
        // It comes back.
        world.put("Cat owners", 0..10);
        let run = world.run().await;
        assert_eq!((run.ended, world.files().len()), (Ended::Complete, 3));
    }
}

#[tokio::test]
async fn a_source_error_changes_no_target_and_an_empty_folder_is_one() {
    let world = World::with(|activation| activation.on_delete = OnDelete::Remove);
    world.run().await;
    let before = world.files();
    world.write("Dog owners", "email\nperson-1@example.org\n\"broken");
    world.write("Big spenders", "phone\n1\n");
    let run = world.run().await;
    let kinds: Vec<_> = run.audiences.iter().map(|it| (it.action, it.reason.as_str())).collect();
    assert_eq!(kinds[1..], [(Action::Failed, "folder_content"); 2]);
    assert_eq!(world.files(), before);
    assert!(run.audiences.iter().all(|it| !it.message.contains('@')));
    assert!(run.audiences[1].message.ends_with("Dog owners.csv, line 3: expected an end of what is quoted"));
    // Most of it would still be there: no limit of shrinking holds it back.
    let lines: Vec<String> = (0..10).map(|number| format!("person-{number}@example.org\n")).collect();
    world.write("Dog owners", &format!("email\n{}\"{}", lines[..6].concat(), lines[6..].concat()));
    let run = world.run().await;
    assert_eq!((actions(&run)[1], world.files()), (("failed", "folder_content"), before));
    AUDIENCES.iter().for_each(|audience| world.delete(audience));
    for _ in 0..3 {
        assert_eq!(world.try_run(Failing::never()).await.unwrap_err().kind(), "empty_list");
        assert_eq!(world.files().len(), 3);
    }
    std::fs::remove_dir(world.home.path().join("audiences")).unwrap();
    assert_eq!(world.try_run(Failing::never()).await.unwrap_err().kind(), "folder_file");
    assert_eq!(world.files().len(), 3);
}

#[tokio::test]
async fn people_who_are_not_to_be_known_are_in_no_file_not_even_a_deleted_one() {
    let world = World::new();
    for audience in &AUDIENCES[..2] {
        world.write(audience, "email\njane@example.org\nerased@example.org\njohn@example.org\n");
    }
    world.run().await;
    world.delete("Dog owners");
    world.run().await;
    world.run().await;
    assert!(world.files()["Dog owners.csv"].contains("erased@"));
    world.erased.store(1, Ordering::SeqCst);
    let run = world.run().await;
    assert_eq!((actions(&run)[0], of(&run, "Cat owners").erased), (("sent", "erased"), 1));
    assert_eq!((actions(&run)[1].0, actions(&run)[2].0), ("deleted", "unchanged"));
    assert!(world.files().values().all(|text| !text.contains("erased@")), "{:?}", world.files());
    assert!(world.files()["Dog owners.csv"].contains("jane@"));
    assert_eq!(actions(&world.run().await)[0].0, "unchanged");
}

#[tokio::test]
async fn what_somebody_else_did_to_a_file_is_mended() {
    let world = World::new();
    world.run().await;
    let before = world.files();
    std::fs::write(world.targets().join("Cat owners.csv"), "emailAddress\n").unwrap();
    std::fs::remove_file(world.targets().join("Dog owners.csv")).unwrap();
    let run = world.run().await;
    assert_eq!(actions(&run), [("sent", "repaired"), ("sent", "repaired"), ("unchanged", "")]);
    assert_eq!(world.files(), before);
}

#[tokio::test]
async fn members_who_exist_as_profiles_are_counted_by_what_syncs_remember() {
    let world = World::new();
    let known = ["person-3@example.org", "person-7@example.org", "elsewhere@example.org"];
    let confirm = move |db: &_, id| rows::confirm(db, "shop", id, (Some(1), mark(known[id as usize])), 1);
    world.job.store.write(move |db| (0..2).try_for_each(|id| confirm(db, id))).await.unwrap();
    world.write("Dog owners", "email\nPERSON\n\nperson-3@example.org\n\"\"\n");
    let run = world.run().await;
    assert_eq!((of(&run, "Cat owners").matched, of(&run, "Cat owners").matched_before), (2, None));
    let dogs = of(&run, "Dog owners");
    assert_eq!(
        (dogs.members, dogs.matched, &dogs.unresolved),
        (1, 1, &BTreeMap::from([("invalid_address".into(), 1), ("no_identifier".into(), 1)]))
    );
    world.put("Cat owners", 4..14);
    let run = world.run().await;
    assert_eq!((of(&run, "Cat owners").matched_before, of(&run, "Cat owners").matched), (Some(2), 1));
}

#[tokio::test]
async fn an_audience_beyond_the_limit_is_refused_or_split_and_its_parts_stay_where_they_are() {
    let refused = World::with(|activation| activation.file.max_size = 1000);
    refused.put("Cat owners", 0..500);
    let run = refused.run().await;
    assert_eq!((actions(&run)[0], refused.files().len()), (("failed", "too_large"), 2));

    let world =
        World::with(|activation| (activation.file.max_size, activation.file.too_large) = (1000, TooLarge::Split));
    world.put("Cat owners", 0..500);
    let run = world.run().await;
    let cats = of(&run, "Cat owners").files.clone();
    assert!(cats.len() > 10 && cats[1] == "Cat owners (2).csv", "{cats:?}");
    let people = |files: BTreeMap<String, String>| -> usize {
        files.iter().filter(|(name, _)| name.starts_with("Cat")).map(|(_, text)| text.lines().count() - 1).sum()
    };
    assert_eq!(people(world.files()), 500);
    let before = world.files();
    world.put("Cat owners", 0..501);
    let run = world.run().await;
    assert_eq!((of(&run, "Cat owners").added, people(world.files())), (Some(1), 501));
    let other = world.files().into_iter().filter(|(name, text)| before.get(name) != Some(text)).count();
    assert_eq!(other, 1, "one person is in one part");
}

#[tokio::test]
async fn whichever_operation_fails_every_target_is_whole_and_the_next_run_makes_them_right() {
    for for_good in [false, true] {
        for at in 0.. {
            let world = World::new();
            world.run().await;
            let before = world.files();
            AUDIENCES.iter().for_each(|audience| world.put(audience, 1..12));
            let failing = Failing::at(at, for_good);
            world.try_run(failing.clone()).await.unwrap();
            let steps = failing.steps.load(Ordering::SeqCst);
            let after = world.files();
            world.run().await;
            let right = world.files();
            for (name, text) in &after {
                assert!(*text == before[name] || *text == right[name], "operation {at}: {name} is torn");
            }
            assert_eq!((after.len(), right["Cat owners.csv"].lines().count()), (3, 12));
            assert_eq!(std::fs::read_dir(world.targets()).unwrap().count(), 3, "operation {at} left something");
            if steps <= at {
                assert_eq!(after, right);
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let mut world = World::new();
    world.job.dry_run = true;
    let run = world.run().await;
    assert_eq!((actions(&run), of(&run, "Cat owners").members), (vec![("sent", "new"); 3], 10));
    assert!(!world.home.path().join("targets").exists());
    assert!(reference::load(&world.job.store, None).await.unwrap().is_empty());
}
