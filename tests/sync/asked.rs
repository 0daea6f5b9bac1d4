//! People who were asked for by address: met by whoever comes by their profile.

use reaid::store::sync as rows;
use reaid::sync::plan::Stamp;
use reaid::sync::{Scope, Wanted};

use crate::world::{WITH_ADDRESS, World, wanted};

impl World {
    /// Asks for the person of the profile at this place.
    async fn ask(&self, at: usize) {
        let profile = self.sandbox.profiles().swap_remove(at);
        let Wanted::Reaid(reaid) = wanted(profile.get("emailAddress").unwrap()) else { unreachable!() };
        let (people, now) = ([Stamp::of(&reaid).fingerprint], reaid::clock::now().millis());
        self.job.store.write(move |db| rows::ask(db, "shop", &people, now)).await.unwrap();
    }
}

#[tokio::test]
async fn somebody_is_met_in_the_list_and_written_once() {
    let world = World::new().await;
    world.ask(3).await;
    let run = world.sync().await.unwrap();
    assert_eq!(run.written, WITH_ADDRESS);
    let status = world.status().await;
    assert_eq!((status.asked, status.hints), (0, 0));
    world.assert_all_right();
}

#[tokio::test]
async fn somebody_whose_reaid_is_there_costs_no_call() {
    let world = World::new().await;
    world.sync().await.unwrap();
    let before = world.sync().await.unwrap().calls;
    world.ask(3).await;
    let run = world.sync().await.unwrap();
    assert_eq!((run.calls, run.written, world.status().await.asked), (before, 0, 0));
}

#[tokio::test]
async fn a_hint_meets_them_too_and_a_dry_run_does_not() {
    let mut world = World::new().await;
    world.ask(3).await;
    world.job.dry_run = true;
    world.sync().await.unwrap();
    world.job.dry_run = false;
    world.job.scope = Scope::Urgent;
    let id = i64::try_from(world.sandbox.profiles()[3].id).unwrap();
    world.job.store.hint("shop", id, 1).await.unwrap();
    let asked = async |world: &World| world.job.store.read(|db| rows::count_asked(db, "shop")).await.unwrap();
    assert_eq!(asked(&world).await, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.calls, asked(&world).await), (1, 2, 0), "a read and a write");
}
