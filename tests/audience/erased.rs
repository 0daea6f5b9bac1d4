//! Who asked to be forgotten is in no file: not in the next one, not by a source or a database from before.

use std::fs;

use serde_json::json;

use crate::support::house::ADMIN_TOKEN;
use crate::support::{Serving, client, until};
use crate::world::{World, actions, of, stranger};

const CATS: &str = "5d822e81";

/// A member of every audience, by address and by id.
fn somebody(world: &World) -> (String, String) {
    let member = world.sandbox.handle.audience(CATS).into_iter().find(|it| {
        let others = ["8a0f3c12", "c44e7b90"].map(|audience| world.sandbox.handle.audience(audience));
        let has_address = it.email.as_ref().is_some_and(|email| email.contains('@'));
        has_address && others.iter().all(|members| members.contains(it))
    });
    let member = member.unwrap();
    (member.email.unwrap(), member.user_id.unwrap())
}

/// The next run reads the first audience as a whole: the changes that it would ask for are kept no longer.
fn read_all_again(world: &World, number: u32) {
    world.sandbox.handle.enter_audience(CATS, &stranger(number));
    world.sandbox.handle.forget_changes();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_run_sends_files_without_them_although_nothing_changed_at_the_source() {
    let world = World::new().await;
    world.run().await;
    let (address, _) = somebody(&world);
    let before = world.lines("Cat owners");
    assert!(before.contains(&address));
    let read = world.sandbox.handle.cdp().members_told;
    let receipt = world.erase(&address, &[]).await;
    assert_eq!(receipt["pending"], json!(["audiences", "actito"]), "{receipt}");
    let summary = world.run().await;
    assert_eq!(actions(&summary), "sent sent sent", "{summary}");
    assert_eq!(
        (&of(&summary, "Cat owners")["reason"], &of(&summary, "Cat owners")["erased"]),
        (&"erased".into(), &1.into())
    );
    assert_eq!(world.sandbox.handle.cdp().members_told, read, "nothing is read for it");
    let expected: Vec<_> = before.iter().filter(|line| **line != address).cloned().collect();
    assert_eq!(world.lines("Cat owners"), expected);
    assert_eq!(actions(&world.run().await), "unchanged unchanged unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_source_and_no_database_from_before_brings_them_back() {
    let world = World::new().await;
    let cats = world.sandbox.handle.audience(CATS);
    world.run().await;
    fs::copy(world.house.database(), world.house.path("yesterday.db")).unwrap();
    let (address, _) = somebody(&world);
    world.erase(&address, &[]).await;
    world.run().await;
    assert!(!world.lines("Cat owners").contains(&address));
    // The source forgot of whom it was told, and says so by changes, then as a whole.
    let few: Vec<_> = cats.iter().filter(|it| it.email.as_ref() != Some(&address)).cloned().collect();
    world.sandbox.handle.put_audience(CATS, "Cat owners", few);
    world.sandbox.handle.put_audience(CATS, "Cat owners", cats);
    world.run().await;
    read_all_again(&world, 1);
    let summary = world.run().await;
    assert_eq!(of(&summary, "Cat owners")["erased"], 1, "{summary}");
    assert!(!world.lines("Cat owners").contains(&address));
    // The database and a file from before.
    fs::copy(world.house.path("yesterday.db"), world.house.database()).unwrap();
    world.run().await;
    for audience in ["Cat owners", "Dog owners", "Big spenders"] {
        assert!(!world.lines(audience).contains(&address), "{audience}");
    }
    // New consent: with the next whole reading.
    world.erase(&address, &["--lift"]).await;
    read_all_again(&world, 2);
    world.run().await;
    assert!(world.lines("Cat owners").contains(&address));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_user_id_the_profile_is_left_out_before_and_after_the_sync_that_empties_it() {
    let world = World::identified_by("UserID", "").await;
    world.program(&["sync", "run"]).await.good();
    world.run().await;
    let (address, id) = somebody(&world);
    assert!(world.lines("Cat owners").contains(&id));
    world.erase(&address, &[]).await;
    let summary = world.run().await;
    assert_eq!(
        (actions(&summary).as_str(), &of(&summary, "Cat owners")["erased"]),
        ("sent sent sent", &1.into()),
        "{summary}"
    );
    assert!(!world.lines("Cat owners").contains(&id));
    world.program(&["sync", "run"]).await.good();
    read_all_again(&world, 3);
    world.run().await;
    assert!(!world.lines("Cat owners").contains(&id));
    world.erase(&address, &["--lift"]).await;
    world.program(&["sync", "run"]).await.good();
    read_all_again(&world, 4);
    world.run().await;
    assert!(world.lines("Cat owners").contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn by_user_id_who_was_erased_before_there_was_a_sync_is_known_by_the_address_beside_the_id() {
    let world = World::identified_by("UserID", "").await;
    let (address, id) = somebody(&world);
    world.erase(&address, &[]).await;
    let summary = world.run().await;
    assert_eq!(of(&summary, "Cat owners")["unresolved"]["erased"], 1, "{summary}");
    assert!(!world.lines("Cat owners").contains(&id));
    world.program(&["sync", "run"]).await.good();
    world.run().await;
    assert!(!world.lines("Cat owners").contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn under_serve_an_erasure_waits_for_no_schedule() {
    let world = World::with("schedule = { every = \"24h\", start = \"2100-01-01T00:00:00Z\" }").await;
    world.run().await;
    let (address, _) = somebody(&world);
    let serving = Serving::start(&world.house);
    let body = json!({ "address": address }).to_string();
    let more = format!("Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n");
    let request = client::post("localhost", "/v1/erasures", &more, body.as_bytes());
    assert_eq!(client::ask(serving.admin, &request).await.status, 200);
    until("the files without the person", async || {
        let audiences = ["Cat owners", "Dog owners", "Big spenders"];
        audiences.iter().all(|audience| !world.lines(audience).contains(&address)).then_some(())
    })
    .await;
    assert_eq!(serving.terminate(), 0);
}
