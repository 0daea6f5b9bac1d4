//! What runs send, what Actito makes of it, and what no failure changes.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use reaid::sandbox::{CdpMember, Fault, FaultRule, Operation, Service};

use crate::support::program::command;
use crate::support::until;
use crate::world::{AUDIENCES, PROFILES, World, actions, of, stranger};

/// Profiles of the sandbox whose address is one, of every so many.
fn with_address(every: usize) -> u64 {
    // The sixteenth has none, the seventeenth an invalid one.
    let without = [15, 16].iter().filter(|index| *index % every == 0).count();
    (PROFILES.div_ceil(every) - without) as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn three_audiences_appear_in_actito_and_match_their_profiles() {
    let world = World::new().await;
    world.program(&["sync", "run"]).await.good();
    let (code, summary) = world.run_with(&[]).await;
    assert_eq!((code, actions(&summary).as_str()), (0, "sent sent sent"), "{summary}");
    let references: Vec<_> = world.sandbox.handle.references();
    assert_eq!(references.len(), 3);
    for (_, name, every) in AUDIENCES {
        let target = world.target(name, "emailAddress").unwrap();
        assert_eq!((target.rows, target.matched, target.expired), (with_address(every), with_address(every), false));
        // Our own count, from what the sync remembers.
        let ours = of(&summary, name);
        assert_eq!((ours["members"].as_u64(), ours["matched"].as_u64()), (Some(target.rows), Some(target.matched)));
    }
    let unresolved = &of(&summary, "Cat owners")["unresolved"];
    assert_eq!(unresolved["invalid_address"].as_u64(), Some(1), "{summary}");
    let shown = world.program(&["audience", "show"]).await.good();
    assert!(shown.contains("Raptor CDP → Audiences → Cat owners"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn user_ids_are_profile_ids() {
    let world = World::identified_by("UserID", "").await;
    world.program(&["sync", "run"]).await.good();
    world.sandbox.handle.enter_audience("5d822e81", &stranger(1));
    let summary = world.run().await;
    let target = world.target("Cat owners", "profileId").unwrap();
    // Exact, but for profiles that no sync ever wrote to: those without an address.
    assert_eq!((target.rows, target.matched), (31, 30), "{summary}");
    let known = of(&summary, "Cat owners")["matched"].as_u64().unwrap();
    assert_eq!(known, with_address(2), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_changes_only_what_changed_is_transferred() {
    let world = World::new().await;
    world.run().await;
    let before = world.sandbox.handle.cdp();
    world.sandbox.handle.enter_audience("8a0f3c12", &stranger(1));
    let is_leaver = |it: &CdpMember| *it != stranger(1) && it.email.as_ref().is_some_and(|email| email.contains('@'));
    let leaver = world.sandbox.handle.audience("8a0f3c12").into_iter().find(is_leaver).unwrap();
    world.sandbox.handle.leave_audience("8a0f3c12", &leaver);
    let summary = world.run().await;
    assert_eq!(actions(&summary), "unchanged sent unchanged", "{summary}");
    let dogs = of(&summary, "Dog owners");
    assert_eq!((dogs["added"].as_u64(), dogs["removed"].as_u64()), (Some(1), Some(1)), "{summary}");
    let after = world.sandbox.handle.cdp();
    assert_eq!(after.members_told, before.members_told, "no membership was read again");
    assert_eq!((after.changes_told - before.changes_told, summary["calls"].as_u64()), (2, Some(2)));
    let references: BTreeMap<_, _> =
        world.sandbox.handle.references().into_iter().map(|it| (it.reference[2].clone(), it.picked_up)).collect();
    assert_eq!(references["Dog owners"], 1, "picked up once, now");
    assert!(world.target("Dog owners", "emailAddress").unwrap().rows == with_address(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_are_gone_are_made_up_for_by_whole_memberships() {
    let world = World::new().await;
    world.run().await;
    world.sandbox.handle.enter_audience("5d822e81", &stranger(1));
    world.sandbox.handle.forget_changes();
    let summary = world.run().await;
    assert_eq!(actions(&summary), "sent unchanged unchanged", "{summary}");
    assert_eq!(of(&summary, "Cat owners")["added"].as_u64(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_audience_is_not_sent_and_a_shrunken_one_is_held_back() {
    let world = World::with("on_delete = \"remove\"").await;
    world.run().await;
    let cats = world.target("Cat owners", "emailAddress").unwrap();
    let few: Vec<CdpMember> = world.sandbox.handle.audience("5d822e81").into_iter().take(3).collect();
    world.sandbox.handle.put_audience("5d822e81", "Cat owners", few);
    world.sandbox.handle.delete_audience("c44e7b90");
    let (code, summary) = world.run_with(&[]).await;
    assert_eq!((code, actions(&summary).as_str()), (1, "held unchanged absent"), "{summary}");
    let (_, summary) = world.run_with(&[]).await;
    assert_eq!(actions(&summary), "held unchanged deleted", "{summary}");
    assert_eq!(world.target("Cat owners", "emailAddress").unwrap(), cats, "what was sent stays");
    let (code, summary) = world.run_with(&["Newsletter audiences", "--accept-shrink"]).await;
    assert_eq!((code, actions(&summary).as_str()), (0, "sent unchanged deleted"), "{summary}");
    assert!(world.target("Cat owners", "emailAddress").unwrap().rows <= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_is_made_anew_under_its_name_is_read_as_a_whole() {
    let world = World::new().await;
    world.run().await;
    world.sandbox.handle.delete_audience("c44e7b90");
    let strangers: Vec<CdpMember> = (1..9).map(stranger).collect();
    world.sandbox.handle.put_audience("d1", "Big spenders", strangers);
    world.sandbox.handle.enter_audience("d1", &stranger(9));
    let (_, summary) = world.run_with(&["Newsletter audiences", "--accept-shrink"]).await;
    assert_eq!(actions(&summary), "unchanged unchanged sent", "{summary}");
    let expected: Vec<String> = (1..=9).map(|number| stranger(number).email.unwrap()).collect();
    assert_eq!(world.lines("Big spenders"), expected);
    world.sandbox.handle.enter_audience("d1", &stranger(10));
    let told = world.sandbox.handle.cdp().members_told;
    assert_eq!(actions(&world.run().await), "unchanged unchanged sent");
    assert_eq!((world.lines("Big spenders").len(), world.sandbox.handle.cdp().members_told), (10, told));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_can_read_what_is_sent_whatever_the_umask_of_the_service() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new().await;
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "umask 0077; exec \"$0\" audience run", env!("CARGO_BIN_EXE_reaid")]);
    let mut run = shell.current_dir(world.house.folder()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(tokio::task::spawn_blocking(move || run.wait()).await.unwrap().unwrap().success());
    let folder = world.sandbox.handle.options().drop.clone().unwrap().join("Raptor CDP");
    let mode = |path: &str| fs::metadata(folder.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("Audiences"), mode("Audiences/Cat owners.csv")), (0o750, 0o750, 0o640));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_leaves_every_old_file_whole() {
    let world = World::new().await;
    world.run().await;
    let before = files(&world);
    world.sandbox.handle.enter_audience("5d822e81", &stranger(1));
    world.sandbox.handle.forget_changes();
    let broken = FaultRule::new(Service::Cdp, Fault::BreakOff { after: 700 }).path("*/5d822e81");
    world.sandbox.handle.switch(broken).unwrap();
    let (code, summary) = world.run_with(&[]).await;
    assert_eq!((code, actions(&summary).as_str()), (1, "failed unchanged unchanged"), "{summary}");
    assert_eq!(files(&world), before);
    world.sandbox.handle.clear_faults(None);
    world.switch(Fault::Status { code: 503, retry_after: None }, Operation::Audiences);
    let run = world.program(&["audience", "run"]).await;
    assert!(run.failed_with(1).contains("503"));
    assert_eq!(files(&world), before);
    // It passes.
    world.sandbox.handle.clear_faults(None);
    world.switch(Fault::Slow { ms: 200 }, Operation::Membership);
    world.sandbox.handle.switch(FaultRule::new(Service::Cdp, Fault::Reset).calls(2)).unwrap();
    assert_eq!(actions(&world.run().await), "sent unchanged unchanged");
    let history = world.program(&["--json", "audience", "show"]).await.json();
    let errors: Vec<bool> = history[0]["runs"].as_array().unwrap().iter().map(|run| run["error"].is_string()).collect();
    assert_eq!(errors, [false, true, false, false], "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_run_of_an_activation_goes_on_at_a_time_and_a_second_caller_is_told_whose() {
    let world = World::new().await;
    world.switch(Fault::Slow { ms: 600_000 }, Operation::Membership);
    let first = command(world.house.folder(), &["audience", "run"]).stderr(Stdio::null()).spawn().unwrap();
    let mut first = Killed(first);
    until("the first run to read", async || {
        let calls = world.sandbox.handle.cdp().calls;
        (calls.get(&Operation::Membership).copied().unwrap_or(0) > 0).then_some(())
    })
    .await;
    let told = world.program(&["audience", "run"]).await.failed_with(1);
    assert!(told.contains(&format!("is run by process {}", first.0.id())), "{told}");
    let shown = world.program(&["--json", "audience", "show"]).await.json();
    assert_eq!(shown[0]["running"]["pid"], first.0.id(), "{shown}");
    // Who dies leaves nothing that another one would have to wait for.
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    world.sandbox.handle.clear_faults(None);
    assert_eq!(actions(&world.run().await), "sent sent sent");
}

/// A process that does not outlive its test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_sends_nothing_and_a_wrong_name_is_bad_usage() {
    let world = World::new().await;
    let (code, summary) = world.run_with(&["--dry-run"]).await;
    assert_eq!((code, actions(&summary).as_str()), (0, "sent sent sent"));
    assert!(files(&world).is_empty());
    world.program(&["audience", "run", "Nobody"]).await.failed_with(64);
    let list = world.program(&["audience", "list"]).await.good();
    assert!(list.contains("Newsletter audiences"), "{list}");
}

fn files(world: &World) -> BTreeMap<String, Vec<u8>> {
    let folder = world.sandbox.handle.options().drop.clone().unwrap().join("Raptor CDP/Audiences");
    let entries = fs::read_dir(folder).into_iter().flatten().map(Result::unwrap);
    entries.map(|it| (it.file_name().into_string().unwrap(), fs::read(it.path()).unwrap())).collect()
}
