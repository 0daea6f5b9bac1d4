//! Raptor, the shop, newsletters, and the sandbox's own pages.

use reaid::sandbox::{BEHAVIOURS, Certainty, Fault, FaultRule, Operation, Service};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{COID, SID, STRUCTURE, World};

fn location(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
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
async fn stopping_closes_the_listener() {
    let world = World::with_profiles(0).await;
    let url = world.url("/");
    world.get("/").await;
    let client = world.client.clone();
    world.end().await;
    assert!(client.get(url).send().await.expect_err("nobody listens").is_connect());
}
