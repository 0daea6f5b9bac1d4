//! The sandbox over real sockets: what a client of Actito, of Raptor and of the shop meets.
#![expect(clippy::unwrap_used, reason = "a test may end at the first surprise")]

use std::time::Duration;

use reaid::sandbox::{
    AttributeFault, BEHAVIOURS, Certainty, Fault, FaultRule, Handle, Operation, Options, Sandbox, Service,
};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const COID: &str = "B784D44F-BAB1-EF17-BF97-31B7005ECC59";
const SID: &str = "68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B";
const PROFILES_V5: &str = "/profiles/v5/entities/shop/profile-tables/31/profiles";
const STRUCTURE: &str = "/profile-table-structure/v5/entities/shop/profile-tables/31";
const PROFILE_V4: &str = "/profiles/v4/entity/shop/table/Customers/profile";

/// A sandbox that runs, with a client.
struct World {
    handle: Handle,
    client: Client,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl World {
    async fn start(options: Options) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sandbox = Sandbox::bind(options).await.unwrap();
        let (handle, stop) = (sandbox.handle(), CancellationToken::new());
        let running = tokio::spawn(sandbox.run(stop.clone()));
        let client = Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self { handle, client, stop, running }
    }

    async fn with_profiles(profiles: usize) -> Self {
        Self::start(Options { profiles, ..Options::default() }).await
    }

    fn url(&self, target: &str) -> String {
        format!("{}{target}", self.handle.base_url())
    }

    async fn get(&self, target: &str) -> Response {
        self.client.get(self.url(target)).send().await.unwrap()
    }

    async fn get_json(&self, target: &str) -> Value {
        self.get(target).await.json().await.unwrap()
    }

    async fn token(&self) -> String {
        let answer = self.client.get(self.url("/auth/token")).header("authorization", "sandbox-key").send().await;
        let body: Value = answer.unwrap().error_for_status().unwrap().json().await.unwrap();
        body["accessToken"].as_str().unwrap().to_owned()
    }

    /// A call of Actito's API with `token`.
    async fn call(&self, token: &str, method: Method, target: &str, body: Option<Value>) -> reqwest::Result<Response> {
        let request = self.client.request(method, self.url(target)).bearer_auth(token);
        match body {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    async fn actito(&self, token: &str, target: &str) -> Response {
        self.call(token, Method::GET, target, None).await.unwrap()
    }

    async fn put_reaid(&self, token: &str, id: u64, reaid: &str) -> reqwest::Result<Response> {
        self.call(token, Method::PUT, &format!("{PROFILE_V4}/{id}"), Some(attributes(&[("reaid", reaid)]))).await
    }

    async fn track(&self, rest: &str) -> reqwest::Result<Response> {
        self.client.get(self.url(&format!("/1234.rsa?p1=newsletterclick&coid={COID}&sid={SID}{rest}"))).send().await
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    let list: Vec<Value> = pairs.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
    json!({ "attributes": list })
}

/// An attribute's value in a profile's body; `None` when the attribute is not there.
fn attribute<'a>(profile: &'a Value, name: &str) -> Option<&'a Value> {
    let list = profile["attributes"].as_array().unwrap();
    list.iter().find(|attribute| attribute["name"] == name).map(|attribute| &attribute["value"])
}

fn location(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

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
        "/webhooks/v4/entity/shop/webhookSubscription".to_owned(),
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
async fn raptor_keeps_a_right_call_and_says_what_is_wrong_with_others() {
    let world = World::with_profiles(0).await;
    assert_eq!(
        world.track("&reaid=abc&url=https%3A%2F%2Fshop.example%2F").await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    let calls = world.handle.raptor_received(1).await;
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].account.as_str(), calls[0].get("reaid").as_deref()), ("1234", Some("abc")));
    assert_eq!(calls[0].get("url").as_deref(), Some("https://shop.example/"));

    for (target, reason) in [
        (format!("/123.rsa?p1=x&coid={COID}&sid={SID}"), "customer id"),
        (format!("/1234.rsa?coid={COID}&sid={SID}"), "p1"),
        (format!("/1234.rsa?p1=x&coid={}&sid={SID}", COID.to_lowercase()), "coid"),
        (format!("/1234.rsa?p1=x&coid={COID}"), "sid"),
        (format!("/1234.rsa?p1=x&coid={COID}&sid={SID}&p7=jane%40example.org"), "at sign"),
    ] {
        let answer = world.get(&target).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{target}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(reason), "{text}");
    }
    let report = world.handle.raptor();
    assert_eq!((report.arrived, report.received, report.rejected.values().sum::<u64>()), (6, 1, 5));
    let seen = world.get_json("/sandbox/raptor").await;
    assert_eq!(seen["calls"][0]["params"]["reaid"], "abc");
    world.end().await;
}

#[tokio::test]
async fn waiting_for_calls_ends_when_they_come() {
    let world = World::with_profiles(0).await;
    let handle = world.handle.clone();
    let waiting = tokio::spawn(async move { handle.raptor_received(3).await });
    for _ in 0..3 {
        world.track("").await.unwrap();
    }
    assert!(waiting.await.unwrap().len() >= 3);
    world.end().await;
}

#[tokio::test]
async fn a_reset_closes_the_connection_before_or_after_the_effect() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.handle.switch(FaultRule::new(Service::Raptor, Fault::Reset).calls(1)).unwrap();
    assert!(world.track("").await.is_err());
    assert_eq!(world.handle.raptor().received, 0);
    world.handle.switch(FaultRule::new(Service::Raptor, Fault::ResetAfterEffect).calls(1)).unwrap();
    assert!(world.track("").await.is_err());
    assert_eq!(world.handle.raptor().received, 1);
    assert_eq!(world.track("").await.unwrap().status(), StatusCode::NO_CONTENT);

    let lost = FaultRule::new(Service::Actito, Fault::ResetAfterEffect).only(Operation::Write).calls(1);
    world.handle.switch(lost).unwrap();
    assert_eq!(world.actito(&token, STRUCTURE).await.status(), StatusCode::OK);
    assert!(world.put_reaid(&token, 801, "abc").await.is_err());
    assert_eq!(world.handle.profile(801).unwrap().get("reaid"), Some("abc"));
    assert!(world.handle.faults().is_empty());
    world.end().await;
}

#[tokio::test]
async fn an_expired_token_fault_ends_what_is_out_and_a_new_token_is_good() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.handle.switch(FaultRule::new(Service::Actito, Fault::ExpiredToken).calls(1)).unwrap();
    assert_eq!(world.actito(&token, STRUCTURE).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.actito(&token, STRUCTURE).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(world.actito(&world.token().await, STRUCTURE).await.status(), StatusCode::OK);
    world.end().await;
}

#[tokio::test]
async fn faults_are_switched_over_http() {
    let world = World::with_profiles(0).await;
    let faults = world.url("/sandbox/faults");
    let put = async |rule: Value| world.client.put(&faults).json(&rule).send().await.unwrap();
    let rule = json!({ "service": "raptor", "kind": "status", "code": 429, "retry_after": 7, "calls": 1 });
    assert_eq!(put(rule.clone()).await.json::<Value>().await.unwrap(), json!([rule]));
    let refused = world.track("").await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::TOO_MANY_REQUESTS, &"7".parse().unwrap())
    );
    assert_eq!(world.track("").await.unwrap().status(), StatusCode::NO_CONTENT);

    assert_eq!(put(json!({ "service": "shop", "kind": "status", "code": 503 })).await.status(), StatusCode::OK);
    assert_eq!(world.get("/p").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.handle.landings().is_empty());
    let cleared = world.client.delete(format!("{faults}?service=shop")).send().await.unwrap();
    assert_eq!(cleared.json::<Value>().await.unwrap(), json!([]));
    assert_eq!(world.get("/p").await.status(), StatusCode::OK);

    for nonsense in
        [json!({ "service": "bank", "kind": "reset" }), json!({ "service": "shop", "kind": "status", "code": 99 })]
    {
        assert_eq!(put(nonsense).await.status(), StatusCode::BAD_REQUEST);
    }
    world.end().await;
}

#[tokio::test]
async fn the_shop_keeps_what_it_was_asked_for_and_the_reaid_it_read() {
    let world = World::with_profiles(0).await;
    let page = world.get("/mugs/blue-mug?x=%7e&REAID=AVCX2Xn3&reaid=other").await;
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let text = page.text().await.unwrap();
    assert!(text.contains("Blue mug") && text.contains("AVCX2Xn3") && text.contains("rsaReaid"));
    assert!(!text.contains("http://") && !text.contains("https://"), "the page loads something from elsewhere");
    world.get("/").await;

    let landings = world.handle.shop_landed(2).await;
    assert_eq!(landings[0].target, "/mugs/blue-mug?x=%7e&REAID=AVCX2Xn3&reaid=other");
    assert_eq!((landings[0].reaid.as_deref(), landings[1].reaid.as_deref()), (Some("AVCX2Xn3"), None));
    let seen = world.get_json("/sandbox/shop").await;
    assert_eq!((&seen["count"], &seen["landings"][0]["reaid"]), (&json!(2), &json!("AVCX2Xn3")));
    world.end().await;
}

#[tokio::test]
async fn the_click_wrapper_redirects_with_actitos_parameters() {
    let world = World::with_profiles(0).await;
    let wrapped = world.get("/wrap?to=https%3A%2F%2Fclick.example%2Fc%2Fx%3Freaid%3Dabc%23top").await;
    assert_eq!(wrapped.status(), StatusCode::FOUND);
    let target = location(&wrapped);
    assert!(target.starts_with("https://click.example/c/x?reaid=abc&actId=%7E"), "{target}");
    assert!(target.ends_with("&actCampaignType=CAMPAIGN_MAIL&actSource=123456#top"), "{target}");
    for target in ["/wrap", "/wrap?to=javascript%3Aalert(1)", "/wrap?to=%2F%2Fclick.example"] {
        assert_eq!(world.get(target).await.status(), StatusCode::BAD_REQUEST, "{target}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_recipient_sees_the_newsletter_with_their_own_values() {
    let world = World::with_profiles(1).await;
    let token = world.token().await;
    world.put_reaid(&token, 801, "AVCX2Xn3").await.unwrap();
    assert_eq!(world.get("/sandbox/newsletter/801").await.status(), StatusCode::NOT_FOUND);
    let shop = world.url("/p");
    let html = format!(r#"<p>Dear ${{firstName}}</p><a href="{shop}?a=1&amp;reaid=${{reaid}}">go</a>"#);
    world.handle.publish_newsletter(html).unwrap();

    let page = world.get("/sandbox/newsletter/801").await.text().await.unwrap();
    assert_eq!(page, format!(r#"<p>Dear Jane</p><a href="{shop}?a=1&amp;reaid=AVCX2Xn3">go</a>"#));
    assert_eq!(world.get("/sandbox/newsletter/999").await.status(), StatusCode::NOT_FOUND);

    let wrapped = world.get("/sandbox/newsletter/801?wrapped=1").await.text().await.unwrap();
    let href = wrapped.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let click = world.client.get(href).send().await.unwrap();
    assert!(location(&click).starts_with(&format!("{shop}?a=1&reaid=AVCX2Xn3&actId=%7E")));
    world.client.get(location(&click)).send().await.unwrap();
    assert_eq!(world.handle.shop_landed(1).await[0].reaid.as_deref(), Some("AVCX2Xn3"));
    world.end().await;
}

#[tokio::test]
async fn the_sandbox_says_what_it_is_and_what_is_assumed() {
    let world = World::with_profiles(20).await;
    let overview = world.get_json("/sandbox").await;
    assert_eq!(overview["actito"]["report"]["profiles"], 20);
    let behaviours = world.get_json("/sandbox/behaviours").await;
    assert_eq!(behaviours.as_array().unwrap().len(), BEHAVIOURS.len());
    for certainty in [Certainty::Documented, Certainty::Assumed] {
        assert!(BEHAVIOURS.iter().any(|behaviour| behaviour.certainty == certainty));
    }
    assert!(behaviours[0]["source"].is_string());
    let actito = world.get_json("/sandbox/actito?limit=3").await;
    assert_eq!(actito["profiles"].as_array().unwrap().len(), 3);
    assert_eq!(world.get("/sandbox/nothing").await.status(), StatusCode::NOT_FOUND);
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

#[tokio::test]
async fn stopping_closes_the_listener() {
    let world = World::with_profiles(0).await;
    let url = world.url("/");
    world.get("/").await;
    let client = world.client.clone();
    world.end().await;
    assert!(client.get(url).send().await.expect_err("nobody listens").is_connect());
}
