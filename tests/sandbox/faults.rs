//! Every fault that a sync of a whole licence can meet, each switched on over the handle.

use std::collections::BTreeSet;
use std::time::Duration;

use reaid::sandbox::{AttributeFault, Fault, FaultRule, ImportFault, Meanwhile, Operation, Options, Progress, Service};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::{IMPORT_V4, PROFILE_V4, PROFILES_V5, STRUCTURE, World, attribute, attributes, parameters, zip_of};

const KEYS: [&str; 2] = ["profileId", "reaid"];
const ROWS: &str = "profileId;reaid\n801;aaaaaaaaaaaaaaaaaaaaaaaa\n802;b\n803;c\n";

fn actito(fault: Fault) -> FaultRule {
    FaultRule::new(Service::Actito, fault)
}

fn meanwhile(change: Meanwhile, profile_id: Option<u64>) -> FaultRule {
    actito(Fault::Meanwhile { change, profile_id }).only(Operation::List).calls(1)
}

impl World {
    fn switch(&self, rule: FaultRule) {
        self.handle.switch(rule).unwrap();
    }

    /// The ids of one page of the list, and the profiles.
    async fn page(&self, query: &str) -> (Vec<u64>, Value) {
        let (_, page) = self.ask(Method::GET, &format!("{PROFILES_V5}?{query}"), None).await;
        let id = |profile: &Value| attribute(profile, "profileId").unwrap().as_str().unwrap().parse().unwrap();
        (page["profiles"].as_array().unwrap().iter().map(id).collect(), page)
    }
}

#[tokio::test]
async fn a_key_is_revoked_and_comes_back() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.switch(actito(Fault::RevokedKey).calls(2));
    assert_eq!(world.actito(&token, STRUCTURE).await.status(), StatusCode::UNAUTHORIZED);
    let again = world.client.get(world.url("/auth/token")).header("authorization", "sandbox-key").send().await;
    assert_eq!(again.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.actito(&world.token().await, STRUCTURE).await.status(), StatusCode::OK);
    world.end().await;
}

#[tokio::test]
async fn an_error_or_a_late_answer_can_follow_a_write_that_took_effect() {
    let world = World::with_profiles(3).await;
    let token = world.token().await;
    world.switch(actito(Fault::Status { code: 503, retry_after: None }).only(Operation::Write).calls(1));
    assert_eq!(world.put_reaid(&token, 801, "a").await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(world.handle.profile(801).unwrap().get("reaid"), None);
    world.switch(actito(Fault::StatusAfterEffect { code: 502 }).only(Operation::Write).calls(1));
    assert_eq!(world.put_reaid(&token, 801, "a").await.unwrap().status(), StatusCode::BAD_GATEWAY);
    assert_eq!(world.handle.profile(801).unwrap().get("reaid"), Some("a"));

    // A client that gives up: before the effect nothing happened, after it everything did.
    let put = |id: u64| {
        let request = world.client.put(world.url(&format!("{PROFILE_V4}/{id}"))).bearer_auth(&token);
        request.json(&attributes(&[("reaid", "late")])).timeout(Duration::from_millis(300)).send()
    };
    world.switch(actito(Fault::Slow { ms: 60_000 }).only(Operation::Write).calls(1));
    assert!(put(802).await.unwrap_err().is_timeout());
    world.switch(actito(Fault::SlowAfterEffect { ms: 60_000 }).only(Operation::Write).calls(1));
    assert!(put(803).await.unwrap_err().is_timeout());
    let reaid = |id| world.handle.profile(id).unwrap().get("reaid").map(str::to_owned);
    assert_eq!((reaid(802), reaid(803).as_deref()), (None, Some("late")));
    world.end().await;
}

#[tokio::test]
async fn a_path_can_be_gone_from_its_third_call_on() {
    let world = World::with_profiles(1).await;
    let gone = actito(Fault::Status { code: 410, retry_after: None }).path("*/v4/*").spare(2);
    world.switch(gone);
    let get = async |target: String| world.ask(Method::GET, &target, None).await.0;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(get(format!("{PROFILE_V4}/801")).await);
        assert_eq!(get(format!("{PROFILES_V5}/801")).await, StatusCode::OK);
    }
    assert_eq!(seen, [StatusCode::OK, StatusCode::OK, StatusCode::GONE, StatusCode::GONE]);
    world.end().await;
}

#[tokio::test]
async fn the_quota_of_imports_can_be_spent_by_others() {
    let world = World::with_profiles(1).await;
    world.switch(actito(Fault::QuotaSpent { retry_after: Some(30) }).calls(1));
    let zip = zip_of(&[("rows.csv", b"profileId;reaid\n801;a\n")]);
    let import = async || world.import(IMPORT_V4, &zip, &parameters("UPDATE_ONLY", &KEYS)).await.unwrap();
    let refused = import().await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert_eq!(import().await.status(), StatusCode::OK);
    world.end().await;
}

#[tokio::test]
async fn an_import_meets_what_is_wrong_with_the_attribute() {
    let world = World::with_profiles(3).await;
    let attribute = |state| actito(Fault::ReaidAttribute { state });
    world.switch(attribute(AttributeFault::TooShort));
    let report = world.imported(ROWS, &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!((report.updated, report.rejected), (2, 1));
    world.switch(attribute(AttributeFault::NotAString));
    let report = world.imported(ROWS, &parameters("UPDATE_ONLY", &KEYS)).await;
    assert_eq!((report.updated, report.rejected), (0, 3));
    world.switch(attribute(AttributeFault::Missing));
    let zip = zip_of(&[("rows.csv", ROWS.as_bytes())]);
    let refused = world.import(IMPORT_V4, &zip, &parameters("UPDATE_ONLY", &KEYS)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    world.end().await;
}

#[tokio::test]
async fn imports_go_wrong_in_every_way() {
    let world = World::with_profiles(3).await;
    let fault = |outcome| actito(Fault::Import { outcome }).calls(1);
    let all = parameters("UPDATE_ONLY", &KEYS);
    let result = async |id| world.look(id, "result").await;

    world.switch(fault(ImportFault::RejectsRows));
    let report = world.imported(ROWS, &all).await;
    assert_eq!((report.updated, report.rejected), (1, 2));

    world.switch(fault(ImportFault::Fails));
    let report = world.imported(ROWS, &all).await;
    assert_eq!((report.updated, report.rejected), (0, 3));
    assert_eq!(result(report.id).await.json::<Value>().await.unwrap()["rowsInError"], 3);

    world.switch(fault(ImportFault::NeverEnds));
    let never = world.import_csv(ROWS, &all).await;
    world.switch(fault(ImportFault::Lost));
    let lost = world.import_csv(ROWS, &all).await;
    world.handle.change_profile(801, &[("reaid", None)]).unwrap();
    world.switch(fault(ImportFault::LostAfterEffect));
    let done_and_lost = world.imported(ROWS, &all).await;
    assert_eq!(done_and_lost.updated, 3);
    assert_eq!(world.look(never, "status").await.json::<Value>().await.unwrap()["status"], "RUNNING");
    assert_eq!(result(never).await.status(), StatusCode::NOT_FOUND);
    for id in [lost, done_and_lost.id] {
        assert_eq!(world.look(id, "status").await.status(), StatusCode::NOT_FOUND);
    }
    let still = world.handle.imports().into_iter().filter(|one| one.progress == Progress::Running).count();
    assert_eq!(still, 2);
    world.end().await;
}

#[tokio::test]
async fn profiles_change_between_the_list_and_the_write() {
    let world = World::with_profiles(4).await;
    let address = |id| world.handle.profile(id).unwrap().get("emailAddress").unwrap_or_default().to_owned();
    world.switch(meanwhile(Meanwhile::Delete, Some(801)));
    assert_eq!(world.page("").await.0, [801, 802, 803, 804]);
    assert!(world.handle.profile(801).is_none());
    world.switch(meanwhile(Meanwhile::ChangeAddress, Some(802)));
    let before = address(802);
    world.page("").await;
    assert_ne!(address(802), before);
    world.switch(meanwhile(Meanwhile::DoubleAddress, Some(803)));
    world.page("").await;
    assert_eq!(address(803), address(802));
    world.switch(meanwhile(Meanwhile::InvalidAddress, Some(804)));
    world.page("").await;
    assert!(!address(804).contains('@'));
    world.switch(meanwhile(Meanwhile::EmptyAddress, Some(804)));
    world.page("").await;
    assert_eq!(address(804), "");
    world.switch(meanwhile(Meanwhile::Add, None));
    world.page("").await;
    assert_eq!(world.page("").await.0, [802, 803, 804, 805]);
    world.end().await;
}

#[tokio::test]
async fn whom_it_hits_is_chosen_by_the_seed() {
    let deleted = async |seed| {
        let world = World::with_profiles(50).await;
        world.switch(meanwhile(Meanwhile::Delete, None).at_random(100, seed));
        let before: BTreeSet<u64> = world.page("").await.0.into_iter().collect();
        let after: BTreeSet<u64> = world.page("").await.0.into_iter().collect();
        world.end().await;
        before.difference(&after).copied().collect::<Vec<_>>()
    };
    assert_eq!(deleted(1).await.len(), 1);
    assert_eq!(deleted(1).await, deleted(1).await);
}

#[tokio::test]
async fn the_list_shifts_while_it_is_paged() {
    let world = World::with_profiles(6).await;
    world.switch(actito(Fault::ListShift { by: -1 }));
    assert_eq!(world.page("page=0&pageSize=3").await.0, [801, 802, 803]);
    assert_eq!(world.page("page=1&pageSize=3").await.0, [805, 806]);
    world.switch(actito(Fault::ListShift { by: 2 }));
    assert_eq!(world.page("page=1&pageSize=3").await.0, [802, 803, 804]);
    world.end().await;
}

/// A table whose addresses are not unique: two profiles with one address are there from the start, and the
/// address is no key.
#[tokio::test]
async fn addresses_need_not_be_unique() {
    let world = World::start(Options { profiles: 2, unique_addresses: false, ..Options::default() }).await;
    let jane = attributes(&[("emailAddress", "jane.doe.1@example.org")]);
    assert_eq!(world.ask(Method::PUT, &format!("{PROFILE_V4}/802"), Some(jane)).await.0, StatusCode::OK);
    let by_address = format!("{PROFILE_V4}/emailAddress=jane.doe.1%40example.org");
    assert_eq!(world.ask(Method::GET, &by_address, None).await.0, StatusCode::BAD_REQUEST);
    let (_, structure) = world.ask(Method::GET, STRUCTURE, None).await;
    let email = structure["attributes"].as_array().unwrap().iter().find(|one| one["name"] == "emailAddress").unwrap();
    assert_eq!(email["unique"], false);
    world.end().await;
}
