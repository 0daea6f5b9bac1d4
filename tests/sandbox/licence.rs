//! What a licence limits, allows and still has: quotas, rights, generations of the API.

use std::time::Duration;

use reaid::sandbox::{Api, Gone, ImportDay, ItemShape, Limits, Operation, Options, Right, V5Write, WireOptions};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    HOOKS, IMPORT_V4, IMPORT_V5, PROFILE_V4, PROFILES_V5, STRUCTURE, World, attribute, attributes, parameters, zip_of,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn rows() -> Vec<u8> {
    zip_of(&[("rows.csv", b"profileId;reaid\n801;a\n")])
}

/// Documented: 12 imports per table and day (24 in some contracts), both generations together; beyond, 429.
#[tokio::test]
async fn the_thirteenth_import_of_a_day_gets_429_and_the_next_day_begins_anew() {
    let world = World::with_profiles(1).await;
    let parameters = parameters("UPDATE_ONLY", &["profileId", "reaid"]);
    let import = async |target: &str| world.import(target, &rows(), &parameters).await.unwrap();
    for number in 0..12 {
        let target = if number % 2 == 0 { IMPORT_V4 } else { IMPORT_V5 };
        assert_eq!(import(target).await.status(), StatusCode::OK);
    }
    let refused = import(IMPORT_V4).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().get("retry-after").is_none());
    world.handle.advance(DAY);
    assert_eq!(import(IMPORT_V4).await.status(), StatusCode::OK);

    let report = world.handle.actito();
    let days: Vec<ImportDay> = report.imports_by_day.into_values().collect();
    assert_eq!(days, [ImportDay { taken: 12, refused: 1 }, ImportDay { taken: 1, refused: 0 }]);
    assert_eq!((report.writing_calls, report.calls[&Operation::Import]), (14, 14));
    world.end().await;
}

/// No Retry-After is documented; one can be switched on. Some contracts have another number.
#[tokio::test]
async fn the_number_of_a_day_and_its_retry_after_are_options() {
    let limits = Limits { imports_per_day: 1, quota_retry_after: Some(600), ..Limits::default() };
    let world = World::start(Options { profiles: 1, limits, ..Options::default() }).await;
    let parameters = parameters("UPDATE_ONLY", &["profileId", "reaid"]);
    world.import(IMPORT_V4, &rows(), &parameters).await.unwrap().error_for_status().unwrap();
    let refused = world.import(IMPORT_V4, &rows(), &parameters).await.unwrap();
    assert_eq!(refused.headers()["retry-after"], "600");
    world.end().await;
}

/// Documented: calls beyond the minute's number are slowed; the report keeps the calls of every minute.
#[tokio::test]
async fn the_calls_of_every_minute_are_kept() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.actito(&token, STRUCTURE).await;
    world.handle.advance(Duration::from_secs(300));
    world.actito(&token, STRUCTURE).await;
    let report = world.handle.actito();
    assert_eq!(report.calls_by_minute.values().sum::<u64>(), 3);
    assert!(report.calls_by_minute.len() >= 2, "{:?}", report.calls_by_minute);
    assert_eq!(report.writing_calls, 0);
    world.end().await;
}

/// Documented: 403 when the key lacks the right.
#[tokio::test]
async fn a_key_that_lacks_a_right_gets_403_there_and_nowhere_else() {
    let world = World::start(Options { profiles: 1, rights_missing: vec![Right::Imports], ..Options::default() }).await;
    let status = async |method: Method, target: &str, body: Option<Value>| world.ask(method, target, body).await.0;
    let import = async || {
        world.import(IMPORT_V4, &rows(), &parameters("UPDATE_ONLY", &["profileId", "reaid"])).await.unwrap().status()
    };
    assert_eq!(import().await, StatusCode::FORBIDDEN);
    let profile = format!("{PROFILE_V4}/801");
    assert_eq!(status(Method::GET, &profile, None).await, StatusCode::OK);
    for (right, method, target) in [
        (Right::ReadProfiles, Method::GET, profile.as_str()),
        (Right::ReadProfiles, Method::GET, PROFILES_V5),
        (Right::WriteProfiles, Method::PUT, profile.as_str()),
        (Right::Webhooks, Method::GET, HOOKS),
        (Right::Structure, Method::GET, STRUCTURE),
    ] {
        world.handle.lack_rights(&[right]);
        let body = (method == Method::PUT).then(|| attributes(&[("reaid", "a")]));
        assert_eq!(status(method.clone(), target, body.clone()).await, StatusCode::FORBIDDEN, "{right:?}");
        world.handle.lack_rights(&[]);
        assert_eq!(status(method, target, body).await, StatusCode::OK, "{right:?}");
    }
    assert_eq!(import().await, StatusCode::OK);
    world.end().await;
}

/// Announced: V4 ends, and URLs without a category. Here from the start, at a moment, and back again.
#[tokio::test]
async fn parts_of_the_api_go_and_come() {
    let gone = vec![Gone { status: 410, ..Gone::now(Api::V4Profiles) }, Gone::now(Api::PlainUrls)];
    let world = World::start(Options { profiles: 1, gone, ..Options::default() }).await;
    let get = async |target: &str| world.ask(Method::GET, target, None).await.0;
    let (v4, v5, plain) =
        (format!("{PROFILE_V4}/801"), format!("{PROFILES_V5}/801"), "/v5/entities/shop/profile-tables/31");
    assert_eq!(get(&v4).await, StatusCode::GONE);
    assert_eq!((get(&v5).await, get(plain).await), (StatusCode::OK, StatusCode::NOT_FOUND));
    world.handle.restore(Api::V4Profiles);
    world.handle.restore(Api::PlainUrls);
    assert_eq!((get(&v4).await, get(plain).await), (StatusCode::OK, StatusCode::OK));

    world.handle.retire(&Gone { api: Api::V5Profiles, status: 404, after: Duration::from_secs(3600) });
    assert_eq!(get(&v5).await, StatusCode::OK);
    world.handle.advance(Duration::from_secs(3601));
    assert_eq!(get(&v5).await, StatusCode::NOT_FOUND);
    world.end().await;
}

/// Assumed: V5 writes with PATCH and the attributes of V4; it answers the profileId.
#[tokio::test]
async fn v5_writes_a_profile_in_both_url_styles() {
    let world = World::with_profiles(1).await;
    let by_address = "/v5/entities/shop/profile-tables/31/profiles/emailAddress=jane.doe.1%40example.org";
    let (status, body) = world.ask(Method::PATCH, by_address, Some(attributes(&[("reaid", "a")]))).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "profileId": 801 })));
    let (_, profile) = world.ask(Method::GET, &format!("{PROFILES_V5}/801"), None).await;
    assert_eq!(attribute(&profile, "reaid"), Some(&json!("a")));
    let unknown = world.ask(Method::PATCH, &format!("{PROFILES_V5}/999"), Some(attributes(&[("reaid", "a")]))).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
    let put = world.ask(Method::PUT, &format!("{PROFILES_V5}/801"), Some(attributes(&[("reaid", "b")]))).await;
    assert_eq!(put.0, StatusCode::METHOD_NOT_ALLOWED);
    world.end().await;
}

/// Not known: paging, totals, the shape of an item, filters, the method of a V5 write.
#[tokio::test]
async fn what_is_not_known_of_v5_can_be_the_other_way() {
    let wire = WireOptions {
        first_page: 1,
        page_totals: false,
        item: ItemShape::Flat,
        v5_write: V5Write::Put,
        ..WireOptions::default()
    };
    let world = World::start(Options { profiles: 3, wire, ..Options::default() }).await;
    let (_, page) = world.ask(Method::GET, &format!("{PROFILES_V5}?page=2&pageSize=2"), None).await;
    assert_eq!(page["page"], json!({ "number": 2, "size": 2 }));
    assert_eq!(page["profiles"][0]["profileId"], "803");
    assert_eq!(page["profiles"].as_array().unwrap().len(), 1);
    let put = world.ask(Method::PUT, &format!("{PROFILES_V5}/801"), Some(attributes(&[("reaid", "b")]))).await;
    assert_eq!(put.0, StatusCode::OK);
    world.end().await;
}

/// Assumed: the list takes `attribute=value` filters.
#[tokio::test]
async fn the_list_can_be_filtered_by_attribute() {
    let world = World::with_profiles(25).await;
    let (_, found) = world.ask(Method::GET, &format!("{PROFILES_V5}?firstName=Jane&pageSize=2"), None).await;
    assert_eq!((&found["page"]["totalElements"], found["profiles"].as_array().unwrap().len()), (&json!(3), 2));
    let unknown = world.ask(Method::GET, &format!("{PROFILES_V5}?nothing=1"), None).await;
    assert_eq!(unknown.0, StatusCode::BAD_REQUEST);
    world.end().await;
}
