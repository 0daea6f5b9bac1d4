//! Runs that meet what was not foreseen: audiences that fail, go and come back, are made anew, and lists that lack.

use super::super::saved::Known;
use super::*;

const DAY: Duration = Duration::from_secs(25 * 3600);

/// When a file was written.
fn written(world: &World, file: &str) -> std::time::SystemTime {
    std::fs::metadata(world.targets().join(file)).unwrap().modified().unwrap()
}

#[tokio::test]
async fn an_audience_that_fails_for_days_is_said_to_fail_and_stays_valid() {
    let world = World::new();
    world.run().await;
    world.write("Dog owners", "phone\n1\n");
    for _ in 0..2 {
        world.age(DAY).await;
        let before = written(&world, "Dog owners.csv");
        let run = world.run().await;
        assert_eq!((run.ended, actions(&run)[1]), (Ended::Incomplete, ("failed", "folder_content")));
        assert_ne!(written(&world, "Dog owners.csv"), before, "it is sent again all the same");
    }
}

#[tokio::test]
async fn a_deleted_audience_is_not_sent_again_because_there_is_no_list() {
    let world = World::new();
    world.run().await;
    world.delete("Dog owners");
    world.run().await;
    assert_eq!(actions(&world.run().await)[1], ("deleted", "kept"));
    world.age(DAY).await;
    let before = ["Cat owners.csv", "Dog owners.csv"].map(|file| written(&world, file));
    let folder = world.home.path().join("audiences");
    std::fs::rename(&folder, folder.with_extension("away")).unwrap();
    world.try_run(Failing::never()).await.unwrap_err();
    let after = ["Cat owners.csv", "Dog owners.csv"].map(|file| written(&world, file));
    assert!(after[0] > before[0] && after[1] == before[1]);
}

#[tokio::test]
async fn an_audience_is_deleted_only_when_two_lists_in_a_row_lack_it() {
    let world = World::with(|activation| activation.on_delete = OnDelete::Remove);
    world.run().await;
    let whole = "email\nperson-1@example.org\n";
    world.delete("Cat owners");
    assert_eq!(actions(&world.run().await)[0].0, "absent");
    // It is there again and cannot be read; the next list lacks it once more.
    world.write("Cat owners", "phone\n1\n");
    assert_eq!(actions(&world.run().await)[0].0, "failed");
    world.delete("Cat owners");
    assert_eq!(actions(&world.run().await)[0].0, "absent");
    // The same with two of its name.
    world.write("Cat owners", whole);
    std::fs::write(world.home.path().join("audiences/Cat owners.ndjson"), "{}").unwrap();
    assert_eq!(actions(&world.run().await)[0], ("failed", "ambiguous"));
    world.delete("Cat owners");
    std::fs::remove_file(world.home.path().join("audiences/Cat owners.ndjson")).unwrap();
    assert_eq!(actions(&world.run().await)[0].0, "absent");
    assert_eq!(world.files().len(), 3);
}

#[tokio::test]
async fn the_files_of_another_activation_are_taken_only_where_it_is_known_and_sends_to() {
    let world = World::new();
    world.run().await;
    let elsewhere = AudienceDestination::Folder(world.home.path().join("elsewhere"));
    let other = world.other(|it| it.destination = elsewhere.clone());
    assert_eq!(actions(&run(&other).await), vec![("sent", "new"); 3]);
    // The first one is known.
    let mut same = world.other(|it| it.name = "Third".into());
    same.known = Arc::new([Known { activation: (*world.job.activation).clone(), saved: false }]);
    assert_eq!(actions(&run(&same).await), vec![("failed", "file_taken"); 3]);
    // It was renamed.
    same.known = Arc::new([]);
    assert_eq!(actions(&run(&same).await), vec![("sent", "new"); 3]);
    assert_eq!(actions(&run(&same).await), vec![("unchanged", ""); 3]);
}

#[tokio::test]
async fn who_is_not_to_be_known_is_taken_out_of_what_no_activation_names_any_more() {
    let mut world = World::new();
    let somebody = "email\njane@example.org\nerased@example.org\njohn@example.org\n";
    AUDIENCES.iter().for_each(|audience| world.write(audience, somebody));
    world.run().await;
    // One is dropped, one goes by a new activation, and one by none.
    let mut first = (*world.job.activation).clone();
    first.audiences = vec!["Cat owners".into(), "Big spenders".into()];
    world.job.activation = Arc::new(first);
    let run_now = world.run().await;
    assert_eq!(actions(&run_now)[2], ("dropped", ""));
    assert_eq!(world.run().await.audiences.len(), 2, "it is said once");
    let other = world.other(|it| it.audiences = vec!["Cat owners".into()]);
    run(&other).await;
    world.erased.store(1, Ordering::SeqCst);
    let cleaned = run(&other).await;
    assert_eq!(actions(&cleaned), [("sent", "erased"), ("dropped", "erased"), ("dropped", "erased")]);
    let files = world.files();
    assert_eq!(files.len(), 3);
    assert!(files.values().all(|text| text.contains("jane@") && !text.contains("erased@")), "{files:?}");
    assert_eq!(actions(&run(&other).await), [("unchanged", "")]);
}

#[tokio::test]
async fn what_an_activation_left_where_it_sends_no_more_is_gone_through_when_somebody_sends_there() {
    let world = World::new();
    world.write("Cat owners", "email\njane@example.org\nerased@example.org\n");
    world.run().await;
    let moved = AudienceDestination::Folder(world.home.path().join("elsewhere"));
    let mut there = world.job.clone();
    there.activation = Arc::new(Activation { destination: moved, ..(*world.job.activation).clone() });
    assert_eq!(actions(&run(&there).await), vec![("sent", "repaired"); 3]);
    world.erased.store(1, Ordering::SeqCst);
    let mut other = world.other(|it| it.audiences = vec!["Dog owners".into()]);
    other.known = Arc::new([Known { activation: (*there.activation).clone(), saved: false }]);
    run(&other).await;
    assert!(world.files()["Cat owners.csv"].contains("jane@"));
    assert!(!world.files()["Cat owners.csv"].contains("erased@"));
}

#[tokio::test]
async fn a_file_that_nobody_can_say_who_is_in_goes_when_somebody_is_not_to_be_known() {
    let world = World::new();
    world.run().await;
    world.delete("Dog owners");
    world.run().await;
    world.run().await;
    std::fs::write(world.targets().join("Dog owners.csv"), "emailAddress\nerased@example.org\n").unwrap();
    world.run().await;
    assert_eq!(world.files().len(), 3);
    world.erased.store(1, Ordering::SeqCst);
    assert_eq!(actions(&world.run().await)[1].0, "deleted");
    assert_eq!(world.files().len(), 2);
    world.put("Dog owners", 0..10);
    assert_eq!(actions(&world.run().await)[1], ("sent", "new"));
}

#[tokio::test]
async fn an_audience_that_cannot_be_read_is_kept_in_the_shape_that_it_has_without_who_is_not_to_be_known() {
    let mut world = World::new();
    world.write("Cat owners", "email\njane@example.org\nerased@example.org\n");
    world.run().await;
    world.write("Cat owners", "phone\n1\n");
    world.job.header = "address".into();
    world.erased.store(1, Ordering::SeqCst);
    let run = world.run().await;
    assert_eq!((actions(&run)[0].0, actions(&run)[1]), ("failed", ("sent", "repaired")));
    assert_eq!(world.files()["Cat owners.csv"], "emailAddress\njane@example.org\n");
    assert!(world.files()["Dog owners.csv"].starts_with("address\n"));
}

#[tokio::test]
async fn nothing_of_a_sending_that_broke_off_is_left_when_the_audience_goes() {
    for at in 0..30 {
        let world = World::with(|activation| activation.on_delete = OnDelete::Remove);
        AUDIENCES[1..].iter().for_each(|audience| world.delete(audience));
        world.try_run(Failing::at(at, true)).await.unwrap();
        world.put("Dog owners", 0..3);
        world.delete("Cat owners");
        world.run().await;
        world.run().await;
        let left: Vec<_> = files_of_any_name(&world.targets());
        assert_eq!(left, ["Dog owners.csv"], "operation {at}");
    }
}

#[tokio::test]
async fn while_an_audience_becomes_more_files_everybody_is_in_one_of_them() {
    for at in 0.. {
        let mut world =
            World::with(|activation| (activation.file.max_size, activation.file.too_large) = (1000, TooLarge::Split));
        let mut only = (*world.job.activation).clone();
        only.audiences = vec!["Cat owners".into()];
        world.job.activation = Arc::new(only);
        world.put("Cat owners", 0..40);
        world.run().await;
        assert_eq!(world.files().len(), 1);
        let old = world.files()["Cat owners.csv"].clone();
        world.put("Cat owners", 0..80);
        let failing = Failing::at(at, true);
        world.try_run(failing.clone()).await.unwrap();
        let now: String = world.files().into_values().collect();
        assert!(old.lines().all(|member| now.lines().any(|other| other == member)), "operation {at} loses somebody");
        // It shrinks to what one file could hold: the other one is not forgotten.
        world.put("Cat owners", 0..41);
        world.run().await;
        let people: usize = world.files().into_values().map(|text| text.lines().count() - 1).sum();
        assert_eq!(people, 41, "operation {at}");
        if failing.steps.load(Ordering::SeqCst) <= at {
            break;
        }
    }
}

#[tokio::test]
async fn the_match_count_follows_what_syncs_learn_although_nothing_is_sent() {
    let world = World::new();
    world.run().await;
    let confirm = |db: &_| rows::confirm(db, "shop", 1, (Some(1), mark("person-3@example.org")), 1);
    world.job.store.write(move |db| confirm(db)).await.unwrap();
    let run = world.run().await;
    assert_eq!((actions(&run)[0], of(&run, "Cat owners").matched), (("unchanged", ""), 1));
    assert_eq!(of(&run, "Cat owners").matched_before, Some(0));
    assert_eq!(of(&world.run().await, "Cat owners").matched_before, Some(1));
}

#[tokio::test]
async fn spellings_of_one_address_are_one_member() {
    let world = World::new();
    world.write("Cat owners", "email\nJane@Example.org\njane@example.org\nJohn@example.org\n");
    let run = world.run().await;
    assert_eq!((of(&run, "Cat owners").members, world.files()["Cat owners.csv"].lines().count()), (2, 3));
}

/// A run of a job to where it says itself.
async fn run(job: &Job) -> Summary {
    super::super::run::run(job, &CancellationToken::new()).await.unwrap()
}

fn files_of_any_name(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries.map(|it| it.file_name().into_string().unwrap()).collect()
}

impl World {
    /// The job of another activation.
    fn other(&self, change: impl FnOnce(&mut Activation)) -> Job {
        let mut activation = Activation { name: "Other".into(), ..(*self.job.activation).clone() };
        change(&mut activation);
        Job { activation: Arc::new(activation), ..self.job.clone() }
    }
}
