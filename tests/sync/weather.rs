//! What goes wrong while a run goes on, and what it makes of it.

use std::time::Duration;

use reaid::config::ApiGeneration;
use reaid::sandbox::{Api, AttributeFault, Fault, FaultRule, Gone, Operation, Options, Service};
use reaid::store::leases;
use reaid::sync::{Ended, Phase};

use crate::world::{AT_ONCE, WITH_ADDRESS, World, client, stop_when};

#[tokio::test]
async fn a_token_that_expires_on_the_way_costs_one_refresh() {
    let world = World::new().await;
    world.switch(Fault::ExpiredToken, Operation::Write, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed_in_all()), (Ended::Complete, WITH_ADDRESS, 0));
    assert_eq!(world.sandbox.actito().tokens_issued, 2);
    world.assert_all_right();
}

/// One run makes all profiles right though two calls go wrong.
async fn gets_over(world: &World, fault: Fault, only: Operation) {
    world.switch(fault.clone(), only, 2);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed_in_all()), (Ended::Complete, WITH_ADDRESS, 0), "{fault:?}");
    world.assert_all_right();
    assert!(world.sandbox.faults().is_empty(), "{fault:?} never happened");
}

#[tokio::test]
async fn what_fails_for_a_moment_is_tried_again_within_the_run() {
    let status = |code, retry_after| Fault::Status { code, retry_after };
    let faults = [
        (status(429, None), Operation::Write),
        (status(429, Some(1)), Operation::List),
        (status(503, None), Operation::Token),
        (status(500, None), Operation::Structure),
        (Fault::Reset, Operation::Write),
        (Fault::ResetAfterEffect, Operation::Write),
        (Fault::StatusAfterEffect { code: 503 }, Operation::Write),
        (Fault::Reset, Operation::List),
    ];
    let runs = faults.map(|(fault, only)| async move {
        let world = World::new().await;
        gets_over(&world, fault, only).await;
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_tried_again_whether_the_write_took_effect_or_not() {
    let runs = [Fault::Slow { ms: 60_000 }, Fault::SlowAfterEffect { ms: 60_000 }].map(|fault| async move {
        let mut world = World::new().await;
        world.configure(|integration| integration.actito.as_mut().unwrap().timeout = Duration::from_millis(300));
        gets_over(&world, fault, Operation::Write).await;
    });
    futures_util::future::join_all(runs).await;
}

#[tokio::test]
async fn a_bad_key_is_said_before_anything_is_written() {
    let mut world = World::new().await;
    world.job.client = client(&world.job.integration, "wrong");
    let error = world.sync().await.unwrap_err();
    assert_eq!(error.kind(), "bad_key");
    assert!(error.to_string().contains("check actito.api_key"));
    assert_eq!((world.calls(Operation::List), world.calls(Operation::Write)), (0, 0));
}

#[tokio::test]
async fn an_attribute_that_cannot_hold_a_reaid_is_refused_before_anything_is_written() {
    let cases = [
        (AttributeFault::Missing, "attribute_missing"),
        (AttributeFault::TooShort, "attribute_too_short"),
        (AttributeFault::NotAString, "attribute_not_a_string"),
    ];
    for (state, kind) in cases {
        let world = World::new().await;
        world.sandbox.switch(FaultRule::new(Service::Actito, Fault::ReaidAttribute { state })).unwrap();
        let error = world.sync().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.to_string().starts_with("attribute \"reaid\""), "{error}");
        assert_eq!((world.calls(Operation::List), world.calls(Operation::Write)), (0, 0));
    }
}

#[tokio::test]
async fn an_endpoint_whose_name_is_private_is_not_called_unless_allowed() {
    let mut world = World::new().await;
    let mut integration = (*world.job.integration).clone();
    let actito = integration.actito.as_mut().unwrap();
    actito.api_endpoint = world.sandbox.base_url().replace("127.0.0.1", "localhost").parse().unwrap();
    world.job.client = client(&integration, "sandbox-key");
    assert_eq!(world.sync().await.unwrap_err().kind(), "private_address");
    assert!(world.sandbox.actito().calls.is_empty());
}

#[tokio::test]
async fn a_forbidden_write_ends_the_run_at_once() {
    let world = World::new().await;
    world.switch(Fault::Status { code: 403, retry_after: None }, Operation::Write, 1000);
    let error = world.sync().await.unwrap_err();
    assert_eq!(error.to_string(), "Actito forbids writing a profile (403): give the API key the right to do that");
    assert!(world.calls(Operation::Write) <= 4);
    let status = world.status().await;
    let last = status.last.as_ref().unwrap();
    assert_eq!(last.error.as_deref(), Some(error.to_string().as_str()));
    assert_eq!(last.summary.as_ref().unwrap().ended, Ended::Early);
}

#[tokio::test]
async fn a_wrong_table_name_gives_up_and_says_what_to_check() {
    let mut world = World::new().await;
    world.configure(|integration| {
        let actito = integration.actito.as_mut().unwrap();
        (actito.profile_table, actito.profiles_api) = ("Custommers".to_owned(), ApiGeneration::V4);
    });
    let error = world.sync().await.unwrap_err();
    assert_eq!(error.kind(), "gave_up");
    assert!(
        error.to_string().contains("check api_endpoint, entity, profile_table, url_style and profiles_api"),
        "{error}"
    );
    assert!(world.calls(Operation::Write) < 20);
}

#[tokio::test]
async fn a_profile_deleted_between_list_and_write_is_gone_and_forgotten() {
    let mut world = World::new().await;
    world.delete_when_read(world.sandbox.profiles()[9].id);
    let run = world.sync().await.unwrap();
    assert_eq!((run.listed, run.written, run.gone, run.failed_in_all()), (60, WITH_ADDRESS - 1, 1, 0));
    let status = world.status().await;
    assert_eq!((status.confirmed, status.failed), (WITH_ADDRESS - 1, 0));
}

#[tokio::test]
async fn a_failed_row_is_kept_with_its_reason_and_tried_on_the_next_run() {
    let world = World::new().await;
    world.switch(Fault::Status { code: 400, retry_after: None }, Operation::Write, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed["refused"]), (Ended::Complete, WITH_ADDRESS - 1, 1));
    let status = world.status().await;
    let row = &status.failed_rows[0];
    assert_eq!((status.failed, row.reason.as_str(), row.failures), (1, "refused", 1));

    let next = world.sync().await.unwrap();
    assert_eq!((next.written, next.failed_in_all()), (1, 0));
    assert_eq!(world.status().await.failed, 0);
    world.assert_all_right();
}

#[tokio::test]
async fn an_interrupted_run_is_resumed_without_repeating_what_was_confirmed() {
    let mut world = World::new().await;
    let stop = stop_when(&mut world.job, |progress| progress.phase == Phase::Writing && progress.done >= 10);
    let first = reaid::sync::run(&world.job, &stop).await.unwrap();
    assert_eq!(first.ended, Ended::Early);
    assert!((10..WITH_ADDRESS).contains(&first.written), "{}", first.written);
    assert_eq!(world.calls(Operation::Write), first.written, "nothing was cut off");

    let second = world.sync().await.unwrap();
    assert_eq!(
        (second.ended, second.right, second.written),
        (Ended::Complete, first.written, WITH_ADDRESS - first.written)
    );
    assert_eq!(world.calls(Operation::Write), WITH_ADDRESS);
    world.assert_all_right();
}

#[tokio::test]
async fn a_list_of_many_pages_that_shifts_while_it_is_read_loses_nobody() {
    let mut world = World::with(Options { profiles: 1200, speed: 1000, ..Options::default() }).await;
    world.delete_when_read(world.sandbox.profiles()[0].id);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.list_shifted, run.listed, run.written), (Ended::Complete, false, 1199, 1197));
    assert_eq!(world.calls(Operation::List), 6, "three pages, twice");
    world.assert_all_right();
}

#[tokio::test]
async fn a_key_that_is_revoked_on_the_way_ends_the_run_and_what_was_confirmed_stays() {
    let world = World::new().await;
    let rule = FaultRule::new(Service::Actito, Fault::RevokedKey).only(Operation::Write).spare(10).calls(1000);
    world.sandbox.switch(rule).unwrap();
    world.sandbox.switch(FaultRule::new(Service::Actito, Fault::RevokedKey).only(Operation::Token).spare(1)).unwrap();
    assert_eq!(world.sync().await.unwrap_err().kind(), "bad_key");
    let confirmed = world.status().await.confirmed;
    assert!((1..=10).contains(&confirmed), "{confirmed}");
    world.sandbox.clear_faults(None);
    assert_eq!(world.sync().await.unwrap().written, WITH_ADDRESS - confirmed);
    world.assert_all_right();
}

#[tokio::test]
async fn an_address_that_changed_gets_its_new_reaid_and_one_that_went_loses_its_old_one() {
    let world = World::new().await;
    world.sync().await.unwrap();
    let profiles = world.sandbox.profiles();
    world.sandbox.change_profile(profiles[4].id, &[("emailAddress", Some("moved@example.org"))]).unwrap();
    world.sandbox.change_profile(profiles[5].id, &[("emailAddress", None)]).unwrap();
    world.sandbox.change_profile(profiles[6].id, &[("emailAddress", Some("nobody"))]).unwrap();
    let run = world.sync().await.unwrap();
    assert_eq!((run.written, run.cleared, run.skipped_in_all()), (1, 2, 4));
    let listed = |id: u64| run.rows.iter().any(|row| row.action == "skip" && row.profile_id.to_i64() == id as i64);
    assert!(listed(profiles[5].id) && listed(profiles[6].id));
    world.assert_all_right();
}

#[tokio::test]
async fn when_v4_is_gone_profiles_are_written_by_v5() {
    for status in [404, 410] {
        let world = World::new().await;
        world.sandbox.retire(&Gone { api: Api::V4Profiles, status, after: Duration::ZERO });
        let run = world.sync().await.unwrap();
        assert_eq!((run.ended, run.written, run.failed_in_all(), run.gone), (Ended::Complete, WITH_ADDRESS, 0, 0));
        world.assert_all_right();
    }
}

#[tokio::test]
async fn a_run_that_is_killed_repeats_nothing_that_was_confirmed() {
    let world = World::new().await;
    // After these, no write is answered while the run lives.
    let slow = FaultRule::new(Service::Actito, Fault::Slow { ms: 60_000 }).only(Operation::Write).spare(20);
    world.sandbox.switch(slow).unwrap();
    let job = world.job.clone();
    let run = tokio::spawn(async move { reaid::sync::run(&job, &Default::default()).await });
    let known = [(*world.job.integration).clone()];
    let confirmed =
        async || reaid::sync::status(&world.job.store, &known).await.unwrap().first().map(|it| it.confirmed);
    while confirmed().await.unwrap_or(0) < 20 {
        tokio::task::yield_now().await;
    }
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
    world.sandbox.clear_faults(None);
    // What a dead process leaves is taken over when it has shown no life for a minute.
    let dead = leases::Lease {
        name: "shop".into(),
        token: "theirs".into(),
        host: "elsewhere".into(),
        pid: 7,
        started_at: 0,
        beat_at: 0,
    };
    world.job.store.write(move |db| leases::put_lease(db, leases::Task::Sync, &dead)).await.unwrap();
    let next = world.sync().await.unwrap();
    assert_eq!((next.ended, next.failed_in_all()), (Ended::Complete, 0));
    assert_eq!((next.right, next.written), (20, WITH_ADDRESS - 20));
    let calls = world.calls(Operation::Write);
    assert!(calls <= WITH_ADDRESS + AT_ONCE, "{calls} writes: more than what was under way is repeated");
    world.assert_all_right();
}

#[tokio::test]
async fn a_profile_that_is_deleted_while_an_import_is_made_is_rejected_and_then_forgotten() {
    let mut world = World::with(Options { profiles: 2500, speed: 100, ..Options::default() }).await;
    world.delete_when_read(world.sandbox.profiles()[9].id);
    let run = world.sync().await.unwrap();
    assert_eq!(run.imports, 1);
    assert!(run.failed_in_all() <= 1, "{:?}", run.failed);
    let next = world.sync().await.unwrap();
    assert_eq!((next.written, next.failed_in_all()), (0, 0));
    assert_eq!(world.status().await.failed, 0);
    world.assert_all_right();
}
