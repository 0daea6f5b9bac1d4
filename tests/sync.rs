//! Syncs against the sandbox, over real HTTP: what is written, what is not, and what survives faults.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reaid::actito::{ApiKey, Client};
use reaid::config;
use reaid::identity::{EmailAddress, Identities, Keyring, Secret};
use reaid::sandbox::{AttributeFault, Fault, FaultRule, Handle, Operation, Options, Sandbox, Service};
use reaid::store::{Limits, Store, profiles};
use reaid::sync::{Ended, Job, Phase, Progress, Summary, SyncError, Wanted, WantedFn};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Of the sandbox's 60 profiles one has no address and one an invalid one.
const WITH_ADDRESS: u64 = 58;

/// A sandbox, a store and a job between them.
struct World {
    sandbox: Handle,
    job: Job,
    folder: tempfile::TempDir,
    _stop: DropGuard,
}

impl World {
    /// Sixty profiles; time runs fast enough that the sandbox's own limit slows nothing.
    async fn new() -> Self {
        Self::with(Options { speed: 100, ..Options::default() }).await
    }

    async fn with(options: Options) -> Self {
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        tokio::spawn(sandbox.run(stop.clone()));
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap();
        let integration = integration(&handle, "Customers");
        let job = Job {
            client: client(&integration, "sandbox-key"),
            integration: Arc::new(integration),
            store,
            wanted: Arc::new(wanted),
            dry_run: false,
            progress: None,
        };
        Self { sandbox: handle, job, folder, _stop: stop.drop_guard() }
    }

    async fn sync(&self) -> Result<Summary, SyncError> {
        reaid::sync::run(&self.job, &CancellationToken::new()).await
    }

    fn calls(&self, operation: Operation) -> u64 {
        self.sandbox.actito().calls.get(&operation).copied().unwrap_or(0)
    }

    fn switch(&self, fault: Fault, only: Operation, calls: u64) {
        self.sandbox.switch(FaultRule::new(Service::Actito, fault).only(only).calls(calls)).unwrap();
    }

    /// Every profile holds what it must.
    fn assert_all_right(&self) {
        for profile in self.sandbox.profiles() {
            let must = match wanted(profile.get("emailAddress").unwrap_or_default()) {
                Wanted::Reaid(reaid) => reaid,
                Wanted::None | Wanted::Invalid(_) => String::new(),
            };
            assert_eq!(profile.get("reaid").unwrap_or_default(), must, "profile {}", profile.id);
        }
    }
}

/// As an operator writes it, for the sandbox and without waiting.
fn integration(sandbox: &Handle, profile_table: &str) -> config::Integration {
    let text = format!(
        r#"
        edge = {{ listen = ["127.0.0.1:8080"], base_url = "http://127.0.0.1:8080" }}
        admin = {{ token = {{ env = "ADMIN_TOKEN" }} }}
        keys = {{ path = "keyring.toml" }}
        store = {{ path = "reaid.db" }}
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        [integration.actito]
        api_endpoint = "{endpoint}"
        entity = "shop"
        email = "crm@shop.example"
        api_key = {{ env = "ACTITO_API_KEY" }}
        profile_table = "{profile_table}"
        profile_table_id = "31"
        email_attribute = "emailAddress"
        reaid_attribute = "reaid"
        calls_per_minute = 600000
        concurrency = 4
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
        "#,
        endpoint = sandbox.base_url()
    );
    let mut config = config::Config::parse(Path::new("proxy.toml"), &text).unwrap();
    config.integrations.swap_remove(0)
}

fn client(integration: &config::Integration, key: &str) -> Arc<Client> {
    Arc::new(Client::new(integration.actito.as_ref().unwrap(), ApiKey::new(key)).unwrap())
}

/// What app gives a sync: what the integration's identities say.
fn wanted(address: &str) -> Wanted {
    let (key, suppression) = (Secret::from_bytes([1; 32]), Secret::from_bytes([2; 32]));
    let identities = Identities::derive(&Keyring::init(key, suppression, reaid::clock::now()), "shop");
    match EmailAddress::parse(address) {
        Ok(address) => Wanted::Reaid(identities.mint(&address.digest()).as_str().to_owned()),
        Err(error) => Wanted::Invalid(error.to_string()),
    }
}

/// Cancels when `when` holds of the progress.
fn stop_when(job: &mut Job, when: impl Fn(&Progress) -> bool + Send + 'static) -> CancellationToken {
    let (sender, mut progress) = watch::channel(Progress::default());
    job.progress = Some(sender);
    let stop = CancellationToken::new();
    let cancel = stop.clone();
    tokio::spawn(async move {
        if progress.wait_for(when).await.is_ok() {
            cancel.cancel();
        }
    });
    stop
}

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
async fn a_token_that_expires_on_the_way_costs_one_refresh() {
    let world = World::new().await;
    world.switch(Fault::ExpiredToken, Operation::Write, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed_in_all()), (Ended::Complete, WITH_ADDRESS, 0));
    assert_eq!(world.sandbox.actito().tokens_issued, 2);
    world.assert_all_right();
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
        (Fault::Reset, Operation::List),
    ];
    let runs = faults.map(|(fault, only)| async move {
        let world = World::new().await;
        world.switch(fault.clone(), only, 2);
        let run = world.sync().await.unwrap();
        assert_eq!((run.ended, run.written, run.failed_in_all()), (Ended::Complete, WITH_ADDRESS, 0), "{fault:?}");
        world.assert_all_right();
        assert!(world.sandbox.faults().is_empty(), "{fault:?} never happened");
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
    let status = reaid::sync::status(&world.job.store).await.unwrap();
    let last = status[0].last.as_ref().unwrap();
    assert_eq!(last.error.as_deref(), Some(error.to_string().as_str()));
    assert_eq!(last.summary.as_ref().unwrap().ended, Ended::Early);
}

#[tokio::test]
async fn a_wrong_table_name_gives_up_and_says_what_to_check() {
    let mut world = World::new().await;
    let mut integration = integration(&world.sandbox, "Custommers");
    // V5 finds tables by their ids, so that with both this would be no mistake.
    integration.actito.as_mut().unwrap().profiles_api = config::ApiGeneration::V4;
    world.job.client = client(&integration, "sandbox-key");
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
    let (sandbox, deleted) = (world.sandbox.clone(), AtomicBool::new(false));
    let victim = sandbox.profiles()[9].id;
    // The page with the victim is here when its first address is looked at.
    world.job.wanted = Arc::new(move |address: &str| {
        if !deleted.swap(true, Ordering::SeqCst) {
            sandbox.delete_profile(victim).unwrap();
        }
        wanted(address)
    });
    let run = world.sync().await.unwrap();
    assert_eq!((run.listed, run.written, run.gone, run.failed_in_all()), (60, WITH_ADDRESS - 1, 1, 0));
    let status = reaid::sync::status(&world.job.store).await.unwrap();
    assert_eq!((status[0].confirmed, status[0].failed), (WITH_ADDRESS - 1, 0));
}

#[tokio::test]
async fn a_profile_that_left_the_list_is_forgotten() {
    let world = World::new().await;
    world.sync().await.unwrap();
    world.sandbox.delete_profile(world.sandbox.profiles()[9].id).unwrap();
    assert_eq!(world.sync().await.unwrap().gone, 1);
    assert_eq!(reaid::sync::status(&world.job.store).await.unwrap()[0].confirmed, WITH_ADDRESS - 1);
}

#[tokio::test]
async fn a_failed_row_is_kept_with_its_reason_and_tried_on_the_next_run() {
    let world = World::new().await;
    world.switch(Fault::Status { code: 400, retry_after: None }, Operation::Write, 1);
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.written, run.failed["refused"]), (Ended::Complete, WITH_ADDRESS - 1, 1));
    let status = reaid::sync::status(&world.job.store).await.unwrap();
    let row = &status[0].failed_rows[0];
    assert_eq!((status[0].failed, row.reason.as_str(), row.failures), (1, "refused", 1));

    let next = world.sync().await.unwrap();
    assert_eq!((next.written, next.failed_in_all()), (1, 0));
    assert_eq!(reaid::sync::status(&world.job.store).await.unwrap()[0].failed, 0);
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
    let (sandbox, seen) = (world.sandbox.clone(), AtomicBool::new(false));
    let first = sandbox.profiles()[0].id;
    world.job.wanted = Arc::new(move |address: &str| {
        if !seen.swap(true, Ordering::SeqCst) {
            sandbox.delete_profile(first).unwrap();
        }
        wanted(address)
    });
    let run = world.sync().await.unwrap();
    assert_eq!((run.ended, run.list_shifted, run.listed, run.written), (Ended::Complete, false, 1199, 1197));
    assert_eq!(world.calls(Operation::List), 6, "three pages, twice");
    world.assert_all_right();
}

#[tokio::test]
async fn a_dry_run_says_what_it_would_do_and_leaves_no_trace() {
    let mut world = World::new().await;
    world.job.dry_run = true;
    let run = world.sync().await.unwrap();
    assert_eq!((run.dry_run, run.ended, run.written), (true, Ended::Complete, WITH_ADDRESS));
    assert_eq!(run.rows.iter().filter(|row| row.action == "write" && row.reason == "new").count(), 20);
    assert_eq!(world.calls(Operation::Write), 0);
    assert!(reaid::sync::status(&world.job.store).await.unwrap().is_empty());
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
    let lease = |beat_at| profiles::Lease {
        integration: "shop".into(),
        token: "theirs".into(),
        host: "elsewhere".into(),
        pid: 7,
        started_at: beat_at,
        beat_at,
    };
    let now = reaid::clock::now();
    world.job.store.write(move |db| profiles::put_lease(db, &lease(now.millis()))).await.unwrap();
    assert_eq!(world.sync().await.unwrap_err().kind(), "running");
    assert_eq!(reaid::sync::status(&world.job.store).await.unwrap()[0].running.as_ref().unwrap().pid, 7);
    let silent = now.before(Duration::from_secs(61)).millis();
    world.job.store.write(move |db| profiles::put_lease(db, &lease(silent))).await.unwrap();
    assert_eq!(world.sync().await.unwrap().written, WITH_ADDRESS);
}

#[tokio::test]
async fn no_address_and_no_reaid_is_kept_or_said() {
    let world = World::new().await;
    world.switch(Fault::Status { code: 400, retry_after: None }, Operation::Write, 3);
    let run = world.sync().await.unwrap();
    let status = reaid::sync::status(&world.job.store).await.unwrap();
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
    let task = tokio::spawn(reaid::sync::side_task(world.job.clone(), Duration::from_secs(3600), stop.clone()));
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

/// The handle is what app gives: any closure that can be shared.
#[test]
fn a_wanted_handle_is_any_shared_closure() {
    let handle: WantedFn = Arc::new(|_| Wanted::None);
    assert_eq!(handle("jane@example.org"), Wanted::None);
}
