//! Tokens, the structure, profiles one by one and in lists, and the limits on calls.

use std::time::Duration;

use reaid::sandbox::{AttributeFault, Fault, FaultRule, Operation, Options, Service};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PROFILE_V4, PROFILES_V5, STRUCTURE, World, attribute, attributes};

#[tokio::test]
async fn a_token_costs_the_right_key_and_expires_in_sandbox_time() {
    let world = World::with_profiles(1).await;
    let wrong = world.client.get(world.url("/auth/token")).header("authorization", "wrong").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(wrong.json::<Value>().await.unwrap()["status"], 401);

    let answer = world.client.get(world.url("/auth/token")).header("authorization", "sandbox-key").send().await;
    let body: Value = answer.unwrap().json().await.unwrap();
    assert_eq!((&body["tokenType"], &body["expiresIn"]), (&json!("bearer"), &json!("900s")));
    let token = body["accessToken"].as_str().unwrap();
    assert_eq!(world.actito(token, STRUCTURE).await.status(), StatusCode::OK);
    assert_eq!(world.actito("made-up", STRUCTURE).await.status(), StatusCode::UNAUTHORIZED);

    world.handle.advance(Duration::from_secs(901));
    assert_eq!(world.actito(token, STRUCTURE).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.actito(&world.token().await, STRUCTURE).await.status(), StatusCode::OK);
    world.end().await;
}

#[tokio::test]
async fn the_structure_shows_the_reaid_attribute_and_what_a_fault_does_to_it() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    let reaid = async || {
        let body: Value = world.actito(&token, STRUCTURE).await.json().await.unwrap();
        body["attributes"].as_array().unwrap().iter().find(|attribute| attribute["name"] == "reaid").cloned()
    };
    let healthy = reaid().await.unwrap();
    assert_eq!((&healthy["valueType"], &healthy["valueRestriction"]["maxLength"]), (&json!("STRING"), &json!(255)));

    let switch = |state| world.handle.switch(FaultRule::new(Service::Actito, Fault::ReaidAttribute { state })).unwrap();
    switch(AttributeFault::TooShort);
    assert!(reaid().await.unwrap()["valueRestriction"]["maxLength"].as_u64().unwrap() < 24);
    switch(AttributeFault::NotAString);
    assert_eq!(reaid().await.unwrap()["valueType"], "INTEGER");
    switch(AttributeFault::Missing);
    assert_eq!(reaid().await, None);
    assert_eq!(world.put_reaid(&token, 801, "abc").await.unwrap().status(), StatusCode::BAD_REQUEST);
    world.handle.clear_faults(None);
    assert_eq!(reaid().await, Some(healthy));
    world.end().await;
}

#[tokio::test]
async fn the_v5_list_gives_every_profile_once_page_by_page() {
    let world = World::with_profiles(25).await;
    let token = world.token().await;
    let mut ids = Vec::new();
    for page in 0..4 {
        let target = format!("{PROFILES_V5}?page={page}&pageSize=10");
        let body: Value = world.actito(&token, &target).await.json().await.unwrap();
        assert_eq!(body["page"], json!({ "number": page, "size": 10, "totalElements": 25, "totalPages": 3 }));
        let profiles = body["profiles"].as_array().unwrap();
        ids.extend(
            profiles.iter().map(|profile| attribute(profile, "profileId").unwrap().as_str().unwrap().to_owned()),
        );
    }
    let expected: Vec<String> = (801..826).map(|id: u64| id.to_string()).collect();
    assert_eq!(ids, expected);
    let too_large = world.actito(&token, &format!("{PROFILES_V5}?pageSize=1001")).await;
    assert_eq!(too_large.status(), StatusCode::BAD_REQUEST);
    world.end().await;
}

#[tokio::test]
async fn v5_gives_nulls_only_when_asked_and_v4_always() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    let reaid = async |target: String| {
        let body: Value = world.actito(&token, &target).await.json().await.unwrap();
        attribute(&body, "reaid").cloned()
    };
    assert_eq!(reaid(format!("{PROFILES_V5}/801")).await, None);
    assert_eq!(reaid(format!("{PROFILES_V5}/801?includeNulls=true")).await, Some(Value::Null));
    assert_eq!(reaid(format!("{PROFILE_V4}/801")).await, Some(Value::Null));
    world.end().await;
}

#[tokio::test]
async fn v4_reads_writes_creates_and_deletes_under_both_url_styles() {
    let world = World::with_profiles(2).await;
    let token = world.token().await;
    assert_eq!(
        world.put_reaid(&token, 801, "abc").await.unwrap().json::<Value>().await.unwrap(),
        json!({ "profileId": 801 })
    );
    let by_address = "/v4/entity/shop/table/Customers/profile/emailAddress=jane.doe.1%40example.org";
    let body: Value = world.actito(&token, by_address).await.json().await.unwrap();
    assert_eq!(attribute(&body, "reaid"), Some(&json!("abc")));
    assert_eq!(attribute(&body, "firstName"), Some(&json!("Jane")));

    let jane = attributes(&[("emailAddress", "jane.doe.1@example.org"), ("lastName", "New")]);
    let create =
        async |target: &str, body: &Value| world.call(&token, Method::POST, target, Some(body.clone())).await.unwrap();
    assert_eq!(create(PROFILE_V4, &jane).await.status(), StatusCode::CONFLICT);
    let updated = create(&format!("{PROFILE_V4}?allowUpdate=true"), &jane).await;
    assert_eq!(updated.json::<Value>().await.unwrap(), json!({ "profileId": 801 }));
    let created = create(PROFILE_V4, &attributes(&[("emailAddress", "new@example.org")])).await;
    assert_eq!(created.json::<Value>().await.unwrap(), json!({ "profileId": 803 }));

    let gone = world.call(&token, Method::DELETE, "/v4/entity/shop/table/Customers/profile/803", None).await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(world.handle.profiles().len(), 2);
    assert_eq!(world.handle.profile(801).unwrap().get("lastName"), Some("New"));
    world.end().await;
}

#[tokio::test]
async fn what_does_not_exist_is_404_and_what_cannot_be_is_400() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    for target in [
        format!("{PROFILE_V4}/999"),
        format!("{PROFILE_V4}/emailAddress=nobody@example.org"),
        "/v4/entity/other/table/Customers/profile/801".to_owned(),
        "/webhooks/v4/entity/shop/webhookSubscription/1".to_owned(),
        "/v4/entity/shop/import/1/status".to_owned(),
    ] {
        let answer = world.actito(&token, &target).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{target}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["status"], 404);
        assert!(body["message"].is_string());
    }
    let long = "x".repeat(256);
    for body in [
        attributes(&[("nothing", "x")]),
        attributes(&[("profileId", "1")]),
        attributes(&[("reaid", &long)]),
        json!({ "attributes": [{ "name": "reaid", "value": 5 }] }),
        json!([]),
    ] {
        let answer = world.call(&token, Method::PUT, &format!("{PROFILE_V4}/801"), Some(body)).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
    assert_eq!(world.handle.actito().answers[&400], 5);
    world.end().await;
}

#[tokio::test]
async fn the_sixth_call_at_once_gets_429() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.handle.switch(FaultRule::new(Service::Actito, Fault::Slow { ms: 60_000 })).unwrap();
    let calls = (0..6).map(|_| Box::pin(world.actito(&token, STRUCTURE)));
    let (first_answered, _, waiting) = futures_util::future::select_all(calls).await;
    assert_eq!(first_answered.status(), StatusCode::TOO_MANY_REQUESTS);
    drop(waiting);
    assert_eq!(world.handle.actito().peak_concurrent, 6);
    world.end().await;
}

#[tokio::test]
async fn calls_over_a_hundred_a_minute_are_slowed_and_not_rejected() {
    let world = World::start(Options { profiles: 1, speed: 30, ..Options::default() }).await;
    let token = world.token().await;
    for _ in 0..104 {
        assert_eq!(world.actito(&token, STRUCTURE).await.status(), StatusCode::OK);
    }
    let report = world.handle.actito();
    assert!(report.slowed > 0, "{report:?}");
    assert!(report.peak_per_minute >= 100, "{report:?}");
    assert_eq!(report.calls[&Operation::Structure], 104);
    world.end().await;
}

#[tokio::test]
async fn profiles_change_by_hand_and_whoever_waits_is_told() {
    let world = World::with_profiles(1).await;
    let handle = world.handle.clone();
    let waiting = tokio::spawn(async move {
        handle.profiles_when(|profiles| profiles.iter().all(|profile| profile.get("reaid").is_some())).await
    });
    let id = world.handle.add_profile(&[("emailAddress", Some("new@example.org"))]).unwrap();
    world.handle.change_profile(id, &[("reaid", Some("b"))]).unwrap();
    world.handle.change_profile(801, &[("reaid", Some("a"))]).unwrap();
    assert_eq!(waiting.await.unwrap().len(), 2);
    world.handle.delete_profile(id).unwrap();
    assert!(world.handle.delete_profile(id).is_err());
    assert_eq!(world.handle.actito().profiles_with_reaid, 1);
    world.end().await;
}
