//! Mass imports: what they save, and what becomes of their rows when something goes wrong.

use std::time::Duration;

use reaid::sandbox::{Api, Fault, FaultRule, Gone, ImportFault, Operation, Options, Service};
use reaid::store::sync as memory;
use reaid::sync::{Ended, Phase};

use crate::world::{World, stop_when};

/// More than single writes are worth, and few enough for a test.
const MANY: usize = 2500;

async fn many() -> World {
    World::with(Options { profiles: MANY, speed: 1000, ..Options::default() }).await
}

fn import_goes(outcome: ImportFault) -> FaultRule {
    FaultRule::new(Service::Actito, Fault::Import { outcome }).calls(1)
}

#[tokio::test]
async fn twenty_thousand_profiles_are_right_after_one_run_with_a_handful_of_calls() {
    let world = World::with(Options { profiles: 20_000, speed: 1000, ..Options::default() }).await;
    let first = world.sync().await.unwrap();
    let report = world.sandbox.actito();
    assert_eq!((first.ended, first.listed, first.imports, first.failed_in_all()), (Ended::Complete, 20_000, 1, 0));
    assert!(report.writing_calls <= 12, "{} writing calls", report.writing_calls);
    assert!(report.peak_concurrent <= 4, "{} at once", report.peak_concurrent);
    world.assert_all_right();

    let second = world.sync().await.unwrap();
    assert_eq!((second.written, second.cleared, second.imports, second.right), (0, 0, 0, first.written));
    assert_eq!(world.sandbox.actito().writing_calls, report.writing_calls);

    let drifted = world.sandbox.profiles_page(777, 1)[0].id;
    world.sandbox.change_profile(drifted, &[("reaid", Some("scribble"))]).unwrap();
    assert_eq!(world.sync().await.unwrap().written, 1);
    assert_eq!(world.sandbox.actito().writing_calls, report.writing_calls + 1);
    world.assert_all_right();
}

#[tokio::test]
async fn a_row_that_an_import_rejects_is_kept_with_its_number_and_code_and_written_on_the_next_run() {
    let world = many().await;
    world.sandbox.switch(import_goes(ImportFault::RejectsRows)).unwrap();
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.imports), (Ended::Complete, 1));
    assert_eq!(run.failed["rejected"] + run.written, MANY as u64 - run.skipped_in_all());
    let status = world.status().await;
    assert_eq!((status.failed, status.confirmed), (run.failed["rejected"], run.written));
    let detail = status.failed_rows[0].detail.as_deref().unwrap();
    assert!(detail.starts_with("rejected row "), "{detail}");

    let next = world.sync().await.unwrap();
    assert_eq!((next.written, next.failed_in_all()), (status.failed, 0));
    assert_eq!(world.status().await.failed, 0);
    world.assert_all_right();
}

#[tokio::test]
async fn an_import_that_is_lost_or_fails_counts_for_nothing_and_the_next_run_makes_it_good() {
    for (outcome, reason) in [
        (ImportFault::Lost, "import_unknown"),
        (ImportFault::LostAfterEffect, "import_unknown"),
        (ImportFault::Fails, "rejected"),
    ] {
        let world = many().await;
        world.sandbox.switch(import_goes(outcome)).unwrap();
        let run = world.sync().await.unwrap();
        assert_eq!(run.written, 0, "{outcome:?}");
        assert!(run.failed.contains_key(reason), "{outcome:?}: {:?}", run.failed);
        let next = world.sync().await.unwrap();
        assert_eq!((next.ended, next.failed_in_all()), (Ended::Complete, 0), "{outcome:?}");
        assert_eq!(world.status().await.failed, 0, "{outcome:?}");
        world.assert_all_right();
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_import_is_counted_and_costs_no_second_one_when_the_rows_are_there() {
    let world = many().await;
    world.switch(Fault::ResetAfterEffect, Operation::Import, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.imports, run.written), (1, 0));
    assert_eq!(run.failed["import_unknown"], MANY as u64 - run.skipped_in_all());
    world.sandbox.imports_over(1).await;
    let next = world.sync().await.unwrap();
    assert_eq!((next.written, next.imports, next.failed_in_all()), (0, 0, 0));
    assert_eq!(world.status().await.quotas.unwrap().imports_today, 1);
    world.assert_all_right();
}

#[tokio::test]
async fn too_many_at_once_is_no_spent_quota() {
    let world = many().await;
    world.switch(Fault::Status { code: 429, retry_after: None }, Operation::Import, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.imports, run.failed_in_all()), (Ended::Complete, 1, 0));
    world.assert_all_right();
}

#[tokio::test]
async fn when_the_imports_of_today_are_spent_the_run_says_until_when_it_waits_and_sends_nothing() {
    let mut world = World::with(Options { profiles: 4000, speed: 1000, ..Options::default() }).await;
    world.configure(|integration| {
        let actito = integration.actito.as_mut().unwrap();
        // Half an hour of single writes is 3,600 then.
        (actito.imports_per_day, actito.calls_per_minute) = (1, 120);
    });
    assert_eq!(world.sync().await.unwrap().imports, 1);
    let profiles = world.sandbox.profiles();
    let filled: Vec<_> = profiles.iter().filter(|profile| profile.get("reaid").is_some()).collect();
    for profile in &filled {
        world.sandbox.change_profile(profile.id, &[("reaid", Some("scribble"))]).unwrap();
    }
    let calls = world.sandbox.actito().writing_calls;
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.imports, run.written, run.left), (Ended::Waiting, 0, 0, filled.len() as u64));
    assert_eq!(run.waiting_until, Some(world.day_ends.rfc3339()));
    assert_eq!(world.sandbox.actito().writing_calls, calls);
    assert_eq!(world.status().await.waiting_until, run.waiting_until);
}

#[tokio::test]
async fn when_others_spent_the_imports_of_today_a_long_retry_after_is_believed_at_once() {
    let mut options = Options { profiles: 4000, speed: 1000, ..Options::default() };
    (options.limits.imports_per_day, options.limits.quota_retry_after) = (1, Some(7200));
    // The other one's import.
    let mut world = World::with(options).await;
    assert_eq!(world.sync().await.unwrap().imports, 1);
    for profile in world.sandbox.profiles().iter().filter(|profile| profile.get("reaid").is_some()) {
        world.sandbox.change_profile(profile.id, &[("reaid", Some("scribble"))]).unwrap();
    }
    world.configure(|integration| integration.actito.as_mut().unwrap().calls_per_minute = 120);
    let calls = world.sandbox.actito().writing_calls;
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed_in_all()), (Ended::Waiting, 0, 0));
    assert!(world.sandbox.actito().writing_calls <= calls + 1, "one refusal says it all");
    let quotas = world.status().await.quotas.unwrap();
    assert_eq!(quotas.imports_today, quotas.imports_per_day);
}

#[tokio::test]
async fn a_run_that_is_stopped_while_an_import_runs_leaves_its_result_to_the_next() {
    let mut world = World::with(Options { profiles: MANY, speed: 10, ..Options::default() }).await;
    let stop = stop_when(&mut world.job, |progress| progress.phase == Phase::Importing);
    let first = reaid::sync::run(&world.job, &stop).await.unwrap();
    assert_eq!((first.ended, first.imports, first.written), (Ended::Early, 1, 0));
    let under_way = world.status().await.imports;
    assert_eq!((under_way.len(), under_way[0].id.is_some()), (1, true));
    let next = world.sync().await.unwrap();
    assert_eq!((next.ended, next.imports), (Ended::Complete, 0));
    assert_eq!(world.calls(Operation::Import), 1);
    assert!(world.status().await.imports.is_empty());
    world.assert_all_right();
}

#[tokio::test]
async fn an_import_that_was_cut_off_before_it_was_sent_leaves_no_trace() {
    let world = many().await;
    let key = world.job.store.write(|db| memory::prepare(db, "shop", 1000)).await.unwrap();
    let first = world.sandbox.profiles_page(0, 1)[0].id;
    let pending = [(i64::try_from(first).unwrap(), (Some(1), [7; 8]))];
    world.job.store.write(move |db| memory::pend(db, "shop", key, &pending)).await.unwrap();
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.failed_in_all()), (Ended::Complete, 0));
    let next = world.sync().await.unwrap();
    assert_eq!(next.failed_in_all(), 0);
    world.assert_all_right();
}

#[tokio::test]
async fn when_one_generation_of_imports_is_gone_the_other_is_used() {
    let world = many().await;
    world.sandbox.retire(&Gone { api: Api::V4Imports, status: 410, after: Duration::ZERO });
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.imports, run.failed_in_all()), (Ended::Complete, 1, 0));
    world.assert_all_right();
}

#[tokio::test]
async fn a_large_table_goes_in_several_imports_none_larger_than_allowed() {
    let mut world = World::with(Options { profiles: 5000, speed: 1000, ..Options::default() }).await;
    world.configure(|integration| integration.sync.import_rows = 2000);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.failed_in_all()), (Ended::Complete, 0));
    let imports = world.sandbox.imports();
    assert!(imports.len() >= 2 && imports.iter().all(|import| import.rows <= 2000), "{imports:?}");
    world.assert_all_right();
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_spend() {
    let mut world = many().await;
    world.job.dry_run = true;
    let run = world.sync().await.unwrap();
    let spending = run.would_spend.unwrap();
    assert_eq!((spending.imports, spending.waiting_until), (1, None));
    assert_eq!(world.sandbox.actito().writing_calls, 0);
}
