//! Activations that are saved through the admin API, and what `serve` makes of them.

use serde_json::{Value, json};

use crate::support::house::ADMIN_TOKEN;
use crate::support::{Serving, client, until};
use crate::world::World;

async fn ask(serving: &Serving, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = client::ask(serving.admin, request.as_bytes()).await;
    (answer.status, serde_json::from_str(answer.text()).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_activation_runs_at_once_and_is_held_to_the_rules_of_the_file() {
    let world = World::new().await;
    let serving = Serving::start(&world.house);
    let new = json!({
        "name": "Birds", "integration": "shop", "person_identifier": "Email", "audiences": ["Bird owners"],
        "schedule": {"every": "1h"}, "like": "Newsletter audiences", "description": null,
    });
    for (key, value, says) in [
        ("like", json!("Nothing"), "there is no activation named `Nothing`"),
        ("person_identifier", json!("Name"), "unknown variant `Name`"),
        ("source", json!({"cdp_api": "https://elsewhere.example", "api_key": {"env": "PATH"}}), "proxy.toml"),
        ("audiences", json!(["Cat owners"]), "already goes there by activation `Newsletter audiences`"),
        ("schedule", json!({"every": "1s"}), "expected at least 1m"),
        ("colour", json!(1), "unknown field `colour`"),
    ] {
        let mut wrong = new.clone();
        wrong[key] = value;
        let (status, answer) = ask(&serving, "POST", "/v1/activations", &wrong).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(status == 422 && message.contains(says), "{key}: {status} {answer}");
    }
    world.sandbox.handle.put_audience("b1", "Bird owners", world.sandbox.handle.audience("c44e7b90"));
    assert_eq!(ask(&serving, "POST", "/v1/activations", &new).await, (201, json!({"name": "Birds"})));
    assert_eq!(ask(&serving, "POST", "/v1/activations", &new).await.0, 409);
    until("the saved activation to run", async || {
        world.sandbox.handle.references().iter().any(|it| it.reference[2] == "Bird owners").then_some(())
    })
    .await;
    // The file is there a moment before that is written down.
    runs(&serving, 1).await;
    let (_, birds) = ask(&serving, "GET", "/v1/activations/Birds", &Value::Null).await;
    assert_eq!((birds["saved"].as_bool(), birds["every"].as_str()), (Some(true), Some("1h")), "{birds}");
    let (_, audiences) = ask(&serving, "GET", "/v1/audiences", &Value::Null).await;
    let of = |name: &str| audiences.as_array().unwrap().iter().filter(|it| it["activation"] == name).count();
    assert_eq!((of("Newsletter audiences"), of("Birds")), (3, 1), "{audiences}");
    assert!(
        audiences.as_array().unwrap().iter().any(|it| it["references"][0] == "Raptor CDP → Audiences → Bird owners")
    );
    assert_eq!(ask(&serving, "POST", "/v1/audiences", &new).await.0, 405);
    let mut other = new.clone();
    other["schedule"]["every"] = json!("2h");
    assert_eq!(ask(&serving, "PUT", "/v1/activations/Birds", &other).await.0, 200);
    runs(&serving, 2).await;
    assert_eq!(ask(&serving, "PUT", "/v1/activations/Fish", &other).await.0, 422);
    assert_eq!(ask(&serving, "DELETE", "/v1/activations/Newsletter%20audiences", &Value::Null).await.0, 409);
    assert_eq!(ask(&serving, "DELETE", "/v1/activations/Birds", &Value::Null).await.0, 200);
    assert_eq!(ask(&serving, "POST", "/v1/activations", &new).await.0, 201);
    runs(&serving, 1).await;
    assert_eq!(ask(&serving, "DELETE", "/v1/activations/Birds", &Value::Null).await.0, 200);
    let (_, left) = ask(&serving, "GET", "/v1/activations", &Value::Null).await;
    assert_eq!(left.as_array().map(Vec::len), Some(1), "{left}");
    assert_eq!(ask(&serving, "PATCH", "/v1/activations", &Value::Null).await.0, 405);
    assert_eq!(serving.terminate(), 0);
}

/// Waits until so many runs of the saved activation are remembered.
async fn runs(serving: &Serving, count: usize) {
    until("the activation to run as soon as it is saved", async || {
        let (_, birds) = ask(serving, "GET", "/v1/activations/Birds", &Value::Null).await;
        birds["runs"].as_array().is_some_and(|runs| runs.len() >= count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_activation_with_a_schedule_runs_as_soon_as_serve_does() {
    let world = World::with("schedule = { every = \"24h\" }").await;
    let serving = Serving::start(&world.house);
    until("three references", async || (world.sandbox.handle.references().len() == 3).then_some(())).await;
    until("the run in the metrics", async || {
        let metrics = crate::support::server::metrics(serving.admin).await;
        (metrics.get("reaid_audience_runs_total{ended=\"complete\"}") == 1.0).then_some(())
    })
    .await;
    assert_eq!(serving.terminate(), 0);
}
