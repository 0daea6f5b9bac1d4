//! What a run writes and what it leaves, in good weather.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use reaid::config;
use reaid::sandbox::{Fault, Operation, Options};
use reaid::store::leases;
use reaid::sync::{Ended, Wanted, WantedFn};
use tokio_util::sync::CancellationToken;

use crate::world::{WITH_ADDRESS, World, wanted};

#[tokio::test]
async fn one_run_makes_all_profiles_right_and_the_next_writes_nothing() {
    let world = World::new().await;
    let first = world.sync().await.unwrap();
    assert_eq!((first.ended, first.listed, first.written), (Ended::Complete, 60, WITH_ADDRESS));
    assert_eq!((first.skipped["empty_address"], first.skipped["invalid_address"]), (1, 1));
    world.assert_all_right();

    let second = world.sync().await.unwrap();
    assert_eq!((second.right, second.written, second.cleared, second.failed_in_all()), (WITH_ADDRESS, 0, 0, 0));
    assert_eq!(second.calls, 2, "one structure, one page");
    assert_eq!(world.calls(Operation::Write), WITH_ADDRESS);
    assert!(world.sandbox.actito().peak_concurrent <= 4);
}

#[tokio::test]
async fn one_drifted_profile_costs_one_write() {
    let world = World::new().await;
    world.sync().await.unwrap();
    world.sandbox.change_profile(world.sandbox.profiles()[6].id, &[("reaid", Some("scribble"))]).unwrap();
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.right, run.calls), (1, WITH_ADDRESS - 1, 3));
    world.assert_all_right();
}

#[tokio::test]
async fn a_suppressed_person_gets_an_empty_attribute_once() {
    let mut world = World::new().await;
    world.sync().await.unwrap();
    let profile = world.sandbox.profiles().swap_remove(3);
    let address = profile.get("emailAddress").unwrap().to_owned();
    let suppressed = move |other: &str| if other == address { Wanted::None } else { wanted(other) };
    world.job.wanted = Arc::new(suppressed);
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.cleared), (0, 1));
    assert_eq!(world.sandbox.profile(profile.id).unwrap().get("reaid").unwrap_or_default(), "");
    assert_eq!(world.sync().await.unwrap().cleared, 0);
}

#[tokio::test]
async fn a_profile_that_left_the_list_is_forgotten() {
    let world = World::new().await;
    world.sync().await.unwrap();
    world.sandbox.delete_profile(world.sandbox.profiles()[9].id).unwrap();
    assert_eq!(world.sync().await.unwrap().gone, 1);
    assert_eq!(world.status().await.confirmed, WITH_ADDRESS - 1);
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_leaves_no_trace() {
    let mut world = World::new().await;
    world.job.dry_run = true;
    let run = world.sync().await.unwrap();
    assert_eq!((run.dry_run, run.ended, run.written), (true, Ended::Complete, WITH_ADDRESS));
    assert_eq!(run.rows.iter().filter(|row| row.action == "write" && row.reason == "new").count(), 20);
    assert_eq!(world.calls(Operation::Write), 0);
    assert!(reaid::sync::status(&world.job.store, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_disabled_integration_is_not_synced_and_says_so() {
    let mut world = World::new().await;
    let integration = config::Integration { enable_email_synchronization: false, ..(*world.job.integration).clone() };
    world.job.integration = Arc::new(integration);
    assert_eq!(world.sync().await.unwrap().ended, Ended::Disabled);
    assert!(world.sandbox.actito().calls.is_empty());
}

#[tokio::test]
async fn the_second_of_two_callers_hears_who_runs() {
    let world = World::new().await;
    let (first, second) = tokio::join!(world.sync(), world.sync());
    let (runs, refusals): (Vec<_>, Vec<_>) = [first, second].into_iter().partition(Result::is_ok);
    assert_eq!((runs.len(), refusals.len()), (1, 1));
    let refusal = refusals[0].as_ref().unwrap_err();
    let who = format!("\"shop\" is being synced by process {} on ", std::process::id());
    assert!(refusal.to_string().contains(&who), "{refusal}");
    assert_eq!(world.calls(Operation::Write), WITH_ADDRESS);
    assert!(world.sync().await.is_ok(), "the lease was given back");
}

#[tokio::test]
async fn a_holder_that_shows_no_life_is_taken_over() {
    let world = World::new().await;
    let lease = |beat_at| leases::Lease {
        name: "shop".into(),
        token: "theirs".into(),
        host: "elsewhere".into(),
        pid: 7,
        started_at: beat_at,
        beat_at,
    };
    let now = reaid::clock::now();
    world.job.store.write(move |db| leases::put_lease(db, leases::Task::Sync, &lease(now.millis()))).await.unwrap();
    assert_eq!(world.sync().await.unwrap_err().kind(), "running");
    assert_eq!(world.status().await.running.as_ref().unwrap().pid, 7);
    let silent = now.before(Duration::from_secs(61)).millis();
    world.job.store.write(move |db| leases::put_lease(db, leases::Task::Sync, &lease(silent))).await.unwrap();
    assert_eq!(world.sync().await.unwrap().written, WITH_ADDRESS);
}

#[tokio::test]
async fn no_address_and_no_reaid_is_kept_or_said() {
    let world = World::new().await;
    world.switch(Fault::Status { code: 400, retry_after: None }, Operation::Write, 3);
    let run = world.sync().await.unwrap();
    let status = world.status().await;
    let mut said = format!("{run:?} {status:?} {}", serde_json::to_string(&status).unwrap()).into_bytes();
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        said.extend(std::fs::read(file.unwrap().path()).unwrap());
    }
    let profiles = world.sandbox.profiles();
    let values = profiles.iter().flat_map(|profile| [profile.get("emailAddress"), profile.get("reaid")]);
    let secrets: HashSet<&str> = values.flatten().filter(|value| value.len() > 5).collect();
    assert!(secrets.len() > 100);
    for secret in secrets {
        assert!(memchr::memmem::find(&said, secret.as_bytes()).is_none(), "{secret}");
    }
}

#[tokio::test]
async fn the_side_task_syncs_at_once_and_ends_when_told() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let task = tokio::spawn(reaid::sync::side_task(world.job.clone(), Some(Duration::from_secs(3600)), stop.clone()));
    let filled = |profiles: &[reaid::sandbox::Profile]| {
        profiles.iter().filter(|profile| profile.get("reaid").is_some()).count() as u64 == WITH_ADDRESS
    };
    world.sandbox.profiles_when(filled).await;
    stop.cancel();
    task.await.unwrap();
    world.assert_all_right();
}

#[tokio::test]
async fn two_profiles_with_one_address_get_one_reaid() {
    let world = World::new().await;
    world.sync().await.unwrap();
    let profiles = world.sandbox.profiles();
    let of = |address: &str| profiles.iter().find(|profile| profile.get("emailAddress") == Some(address)).unwrap();
    let (one, other) = (of("emil.peeters.18@example.org"), of("Emil.Peeters.18@Example.org"));
    assert_ne!(one.id, other.id);
    assert_eq!(one.get("reaid"), other.get("reaid"));
}

/// Read before the erasure, written after it: by either way of writing.
#[tokio::test]
async fn whoever_is_suppressed_while_a_run_is_under_way_gets_no_reaid() {
    for profiles in [60, 3000] {
        let mut world = World::with(Options { profiles, speed: 100, ..Options::default() }).await;
        let victim = world.sandbox.profiles().iter().find_map(|it| Some(it.get("emailAddress")?.to_owned())).unwrap();
        let Wanted::Reaid(erased) = wanted(&victim) else { panic!("{victim} is an address") };
        world.job.is_suppressed = Arc::new(move |reaid| reaid == erased);
        let run = world.sync().await.unwrap();
        assert_eq!((run.ended, run.failed_in_all(), run.imports > 0), (Ended::Complete, 0, profiles > 60));
        let all = world.sandbox.profiles();
        let of = |address: &str| all.iter().find(|it| it.get("emailAddress") == Some(address)).unwrap();
        assert_eq!(of(&victim).get("reaid").unwrap_or_default(), "");
        assert!(all.iter().filter(|it| it.get("reaid").is_some_and(|value| !value.is_empty())).count() > profiles / 2);
    }
}

/// The handle is what app gives: any closure that can be shared.
#[test]
fn a_wanted_handle_is_any_shared_closure() {
    let handle: WantedFn = Arc::new(|_| Wanted::None);
    assert_eq!(handle("jane@example.org"), Wanted::None);
}
