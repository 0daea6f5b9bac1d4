//! Profiles that somebody wants looked at: written at once, without reading the whole list.

use std::time::Duration;

use reaid::sandbox::{Fault, Operation};
use reaid::sync::{Ended, Scope};
use tokio_util::sync::CancellationToken;

use crate::world::{WITH_ADDRESS, World};

async fn hint(world: &World, id: u64) {
    let now = reaid::clock::now().millis();
    world.job.store.hint("shop", i64::try_from(id).unwrap(), now).await.unwrap();
}

#[tokio::test]
async fn a_hint_costs_one_read_and_one_write() {
    let mut world = World::new().await;
    world.job.scope = Scope::Urgent;
    let profile = world.sandbox.profiles().swap_remove(3);
    hint(&world, profile.id).await;
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.calls), (Ended::Complete, 1, 3), "a token, a read and a write");
    assert_eq!((world.calls(Operation::List), world.calls(Operation::Write)), (0, 1));
    let again = world.sync().await.unwrap();
    assert_eq!((again.calls, world.sandbox.actito().profiles_with_reaid), (0, 1), "the hint was followed");
}

#[tokio::test]
async fn an_address_that_changed_or_went_is_seen() {
    let mut world = World::new().await;
    world.sync().await.unwrap();
    world.job.scope = Scope::Urgent;
    let profiles = world.sandbox.profiles();
    let (moved, left) = (profiles[4].id, profiles[5].id);
    world.sandbox.change_profile(moved, &[("emailAddress", Some("moved@example.org"))]).unwrap();
    world.sandbox.change_profile(left, &[("emailAddress", None)]).unwrap();
    hint(&world, moved).await;
    hint(&world, left).await;
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.cleared), (1, 1));
    world.assert_all_right();
}

#[tokio::test]
async fn a_hint_that_cannot_be_followed_now_is_kept() {
    let mut world = World::new().await;
    world.job.scope = Scope::Urgent;
    let id = world.sandbox.profiles()[3].id;
    hint(&world, id).await;
    world.switch(Fault::Status { code: 403, retry_after: None }, Operation::Read, 1);
    assert_eq!(world.sync().await.unwrap_err().kind(), "forbidden");
    assert_eq!(world.sync().await.unwrap().written, 1);
}

#[tokio::test]
async fn a_hint_for_a_profile_that_is_gone_is_dropped() {
    let mut world = World::new().await;
    world.job.scope = Scope::Urgent;
    hint(&world, 999_999).await;
    assert_eq!(world.sync().await.unwrap().ended, Ended::Complete);
    assert_eq!(world.sync().await.unwrap().calls, 0);
}

#[tokio::test]
async fn the_side_task_wakes_for_a_hint() {
    let world = World::new().await;
    let stop = CancellationToken::new();
    let task = tokio::spawn(reaid::sync::side_task(world.job.clone(), Some(Duration::from_secs(3600)), stop.clone()));
    world.sandbox.reaids_written(usize::try_from(WITH_ADDRESS).unwrap()).await;
    let scribbled = world.sandbox.profiles()[8].id;
    world.sandbox.change_profile(scribbled, &[("reaid", Some("scribble"))]).unwrap();
    hint(&world, scribbled).await;
    let mended = |profiles: &[reaid::sandbox::Profile]| profiles[8].get("reaid") != Some("scribble");
    world.sandbox.profiles_when(mended).await;
    stop.cancel();
    task.await.unwrap();
    assert_eq!(world.calls(Operation::List), 1, "the list is read by whole runs alone");
    world.assert_all_right();
}
