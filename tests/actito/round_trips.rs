//! The client against the sandbox: whole round trips, with everything assumed set to either side.

use std::time::Duration;

use reaid::actito::{
    ApiKey, Client, Error, Generation, ImportFile, ImportId, ImportState, ImportWriter, ProfileId, Right, WebhookEvent,
    WebhookSpec,
};
use reaid::sandbox::{
    self, Api, Fault, FaultRule, Gone, Handle, ImportFault, ImportOptions, ItemShape, Limits, Operation, Options,
    Sandbox, Service, V5Write, WireOptions,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{REAID, id, settings_for};

/// A sandbox of ten profiles, 801 to 810, and a client for it.
struct World {
    sandbox: Handle,
    client: Client,
    /// `proxy.toml` of the client.
    more: String,
    _stop: DropGuard,
}

impl World {
    async fn new(options: Options) -> Self {
        Self::with(options, "").await
    }

    async fn with(options: Options, more: &str) -> Self {
        // A busy machine is slow enough; the sandbox's own limit need not slow it further.
        let limits = Limits { calls_per_minute: 1_000_000, ..options.limits.clone() };
        let sandbox = Sandbox::bind(Options { profiles: 10, limits, ..options }).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        tokio::spawn(sandbox.run(stop.clone()));
        let settings = settings_for(&handle.base_url(), more);
        let client = Client::new(&settings, ApiKey::new("sandbox-key")).unwrap();
        Self { sandbox: handle, client, more: more.to_owned(), _stop: stop.drop_guard() }
    }

    fn file(&self, ids: impl IntoIterator<Item = i64>) -> ImportFile {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings_for(&self.sandbox.base_url(), &self.more);
        let mut writer = ImportWriter::create(folder.path(), &settings).unwrap();
        for number in ids {
            assert!(writer.push(id(number), REAID).unwrap());
        }
        writer.finish().unwrap()
    }

    fn switch(&self, fault: Fault, only: Operation, calls: u64) {
        self.sandbox.switch(FaultRule::new(Service::Actito, fault).only(only).calls(calls)).unwrap();
    }

    /// Lets the import end.
    async fn end(&self, import: &ImportId) -> ImportState {
        self.sandbox.advance(Duration::from_secs(60));
        self.sandbox.imports_over(1).await;
        self.client.import_state(import).await.unwrap()
    }

    async fn rejected(&self, import: &ImportId) -> Vec<(Option<ProfileId>, String)> {
        let mut rejected = Vec::new();
        self.client.import_errors(import, |row| rejected.push((row.profile, row.code))).await.unwrap();
        rejected
    }

    fn written(&self) -> usize {
        self.sandbox.profiles().iter().filter(|profile| profile.get("reaid") == Some(REAID)).count()
    }
}

#[tokio::test]
async fn an_import_writes_what_exists_and_names_what_it_rejected() {
    let world = World::new(Options::default()).await;
    let import = world.client.start_import(&world.file((801..=810).chain([999]))).await.unwrap();
    assert_eq!(world.client.import_state(&import).await.unwrap(), ImportState::Running);
    assert_eq!(world.end(&import).await, ImportState::Done { rejected: 1 });
    assert_eq!(world.rejected(&import).await, [(Some(id(999)), "UNKNOWN_PROFILE".to_owned())]);
    assert_eq!((world.written(), world.client.settled().imports), (10, Some(Generation::V4)));
}

#[tokio::test]
async fn words_that_nobody_documented_do_no_harm() {
    let imports = ImportOptions {
        word_running: "Digesting".into(),
        word_finished: "Digested".into(),
        word_with_error: "Indigestion".into(),
        ..ImportOptions::default()
    };
    let world = World::new(Options { imports, ..Options::default() }).await;
    let import = world.client.start_import(&world.file([801, 999])).await.unwrap();
    assert_eq!(world.client.import_state(&import).await.unwrap(), ImportState::Running);
    assert_eq!(world.end(&import).await, ImportState::Done { rejected: 1 });
}

#[tokio::test]
async fn an_import_that_failed_as_a_whole_is_not_taken_for_clean() {
    let world = World::new(Options::default()).await;
    world.switch(Fault::Import { outcome: ImportFault::Fails }, Operation::Import, 1);
    let import = world.client.start_import(&world.file([801])).await.unwrap();
    let state = world.end(&import).await;
    assert!(matches!(state, ImportState::Done { rejected: 1.. } | ImportState::Failed { .. }), "{state:?}");
    assert_eq!(world.written(), 0);
}

#[tokio::test]
async fn where_v4_imports_are_gone_v5_does_the_same() {
    let world = World::new(Options { gone: vec![Gone::now(Api::V4Imports)], ..Options::default() }).await;
    let import = world.client.start_import(&world.file(801..=810)).await.unwrap();
    assert_eq!(world.client.import_state(&import).await.unwrap(), ImportState::Running);
    assert_eq!(world.end(&import).await, ImportState::Done { rejected: 0 });
    assert_eq!((world.written(), import.generation()), (10, Generation::V5));
}

#[tokio::test]
async fn a_generation_that_goes_and_one_that_comes_back_are_followed() {
    let world = World::new(Options::default()).await;
    world.client.put_reaid(id(801), REAID).await.unwrap();
    world.sandbox.retire(&Gone::now(Api::V4Profiles));
    world.client.put_reaid(id(802), REAID).await.unwrap();
    assert_eq!(world.client.settled().profiles, Some(Generation::V5));
    world.sandbox.restore(Api::V4Profiles);
    world.sandbox.retire(&Gone::now(Api::V5Profiles));
    world.sandbox.retire(&Gone::now(Api::V5Writes));
    world.client.put_reaid(id(803), REAID).await.unwrap();
    assert_eq!((world.client.settled().profiles, world.written()), (Some(Generation::V4), 3));
    assert_eq!(world.client.put_reaid(id(999), REAID).await.unwrap_err().kind(), "not_found");
}

#[tokio::test]
async fn every_assumption_of_the_wire_can_be_switched() {
    let wire = WireOptions {
        first_page: 1,
        item: ItemShape::Flat,
        v5_write: V5Write::Put,
        file_part: "file".into(),
        parameters_part: "definition".into(),
        ..WireOptions::default()
    };
    let gone = vec![Gone::now(Api::V4Profiles), Gone::now(Api::V4Imports)];
    let more = r#"
        email = "crm@shop.example"
        assumed = { list_first_page = 1, list_page_size = 4, v5_write = "put", import_file_part = "file", import_parameters_part = "definition", import_report_field = "reportRecipients" }
        "#;
    let world = World::with(Options { wire, gone, ..Options::default() }, more).await;
    let (first, last) = (world.client.list_page(0).await.unwrap(), world.client.list_page(2).await.unwrap());
    assert_eq!((first.profiles[0].id, first.profiles.len(), first.last), (id(801), 4, false));
    assert_eq!((last.profiles.len(), last.last, last.total), (2, true, Some(10)));
    world.client.put_reaid(id(801), REAID).await.unwrap();
    let import = world.client.start_import(&world.file(802..=810)).await.unwrap();
    assert_eq!(world.end(&import).await, ImportState::Done { rejected: 0 });
    assert_eq!(world.written(), 10);
    assert_eq!(world.sandbox.imports()[0].recipients, ["crm@shop.example"]);
}

#[tokio::test]
async fn plain_urls_work_where_prefixed_ones_do() {
    let world = World::with(Options::default(), "url_style = \"plain\"").await;
    world.client.check_structure().await.unwrap();
    world.client.put_reaid(id(801), REAID).await.unwrap();
    world.client.start_import(&world.file([802])).await.unwrap();
    assert!(world.client.webhooks().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_that_expires_with_an_import_under_way_costs_no_second_import() {
    let world = World::new(Options::default()).await;
    world.client.check_structure().await.unwrap();
    world.switch(Fault::ExpiredToken, Operation::Import, 1);
    let import = world.client.start_import(&world.file(801..=810)).await.unwrap();
    assert_eq!(world.end(&import).await, ImportState::Done { rejected: 0 });
    assert_eq!(world.sandbox.imports().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_leaves_one_import_and_says_that_it_may_have_arrived() {
    let world = World::new(Options::default()).await;
    for fault in [Fault::ResetAfterEffect, Fault::StatusAfterEffect { code: 500 }] {
        let before = world.sandbox.imports().len();
        world.switch(fault, Operation::Import, 1);
        assert!(world.client.start_import(&world.file([801])).await.unwrap_err().may_have_arrived());
        assert_eq!(world.sandbox.imports().len() - before, 1);
    }
    world.switch(Fault::Status { code: 429, retry_after: None }, Operation::Import, 1);
    assert!(!world.client.start_import(&world.file([801])).await.unwrap_err().may_have_arrived());
    assert_eq!(world.sandbox.imports().len(), 2);
}

#[tokio::test]
async fn beyond_the_days_imports_429_is_throttled_with_what_actito_says() {
    let limits = Limits { imports_per_day: 1, quota_retry_after: Some(7200), ..Limits::default() };
    let world = World::new(Options { limits, ..Options::default() }).await;
    world.client.start_import(&world.file([801])).await.unwrap();
    let error = world.client.start_import(&world.file([802])).await.unwrap_err();
    assert_eq!((error.kind(), error.retry_after()), ("throttled", Some(Duration::from_secs(7200))));
}

#[tokio::test]
async fn a_full_file_is_taken_when_actito_means_the_csv_by_its_limit() {
    let imports = ImportOptions { max_csv_bytes: 1_000_000, max_zip_bytes: 1_000_000, ..ImportOptions::default() };
    let world = World::with(Options { imports, ..Options::default() }, "assumed = { import_max_size = \"1MB\" }").await;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings_for(&world.sandbox.base_url(), &world.more);
    let mut writer = ImportWriter::create(folder.path(), &settings).unwrap();
    let mut rows = 0;
    while writer.push(id(801 + rows), REAID).unwrap() {
        rows += 1;
    }
    let import = world.client.start_import(&writer.finish().unwrap()).await.unwrap();
    let rejected = rows.cast_unsigned() - 10;
    assert_eq!(world.end(&import).await, ImportState::Done { rejected });
    assert_eq!((world.rejected(&import).await.len() as u64, world.written()), (rejected, 10));
    assert!(rejected > 30_000, "{rejected}");
}

#[tokio::test]
async fn an_import_that_actito_lost_is_not_found() {
    let world = World::new(Options::default()).await;
    world.switch(Fault::Import { outcome: ImportFault::Lost }, Operation::Import, 1);
    let import = world.client.start_import(&world.file([801])).await.unwrap();
    assert!(matches!(world.client.import_state(&import).await, Err(Error::NotFound { .. })));
}

#[tokio::test]
async fn a_profile_is_found_by_its_address_by_either_generation() {
    let world = World::new(Options::default()).await;
    let known = world.sandbox.profiles().into_iter().find(|profile| profile.get("emailAddress").is_some()).unwrap();
    let address = known.get("emailAddress").unwrap();
    for gone in [None, Some(Api::V4Profiles)] {
        if let Some(api) = gone {
            world.sandbox.retire(&Gone::now(api));
        }
        let found = world.client.profile_by_address(address).await.unwrap().unwrap();
        assert_eq!((found.id, found.address.as_str()), (id(known.id.cast_signed()), address));
        assert_eq!(world.client.profile_by_address("nobody@nowhere.example").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_key_with_every_right_has_them_and_each_missing_one_is_named() {
    let world = World::new(Options::default()).await;
    for (lacks, named) in [
        (vec![], vec![]),
        (vec![sandbox::Right::Structure], vec![Right::Structure]),
        (vec![sandbox::Right::ReadProfiles], vec![Right::List, Right::ReadProfiles]),
        (vec![sandbox::Right::WriteProfiles], vec![Right::WriteProfiles]),
        (vec![sandbox::Right::Imports, sandbox::Right::Webhooks], vec![Right::Import, Right::Webhooks]),
    ] {
        world.sandbox.lack_rights(&lacks);
        let rights = world.client.rights().await;
        let missing: Vec<_> = rights.iter().filter(|(_, has)| has.is_err()).map(|(right, _)| *right).collect();
        assert_eq!(missing, named, "{rights:?}");
    }
    assert_eq!((world.written(), world.sandbox.imports().len()), (0, 0));
}

#[tokio::test]
async fn webhooks_are_created_seen_changed_and_deleted() {
    let world = World::new(Options::default()).await;
    let create = WebhookSpec {
        event: WebhookEvent::Create,
        target: "http://127.0.0.1:9/hooks/actito/shop".parse().unwrap(),
        secret: "very-secret".to_owned().into(),
        block: 1,
    };
    let webhook = world.client.create_webhook(&create).await.unwrap();
    let update = WebhookSpec { event: WebhookEvent::Update, block: 20, ..create.clone() };
    let seen = world.client.webhooks().await.unwrap();
    assert!(world.client.is_as_wanted(&seen[0], &create) && !world.client.is_as_wanted(&seen[0], &update));
    world.client.update_webhook(&webhook, &update).await.unwrap();
    let seen = world.client.webhooks().await.unwrap();
    assert!(seen[0].id == webhook && world.client.is_as_wanted(&seen[0], &update));
    world.client.delete_webhook(&webhook).await.unwrap();
    world.client.delete_webhook(&webhook).await.unwrap();
    assert!(world.client.webhooks().await.unwrap().is_empty());
}
