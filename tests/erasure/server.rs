//! A running server: it goes by an erasure at once when it was asked itself, and within two seconds when a
//! command was.

use std::time::Instant;

use crate::support::house::CLICK_HOST;
use crate::support::server::metrics;
use crate::support::{
    CAMPAIGN_TOKEN, House, JANE, JANE_ADDRESS, JANE_KEY_2, PAGE, PERSONAL_TOKEN, PIXEL_TOKEN, Server, Serving,
    Settings, client, until,
};
use crate::{click_of_jane, erase_jane, files_with, post, reaids_of_jane, with_address};

const LANDED: &str = "https://shop.example/p?x=1&y=%C3%A9";

async fn location(server: &Server, target: &str) -> String {
    let answer = server.get(target).await;
    assert_eq!(answer.status, 302);
    answer.header("location").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_api_has_answered_the_person_lands_without_identity_and_consent_brings_it_back() {
    let server = Server::start(&Settings::default()).await;
    let with_identity = format!("{LANDED}&reaid={JANE}#top");
    assert_eq!(location(&server, &click_of_jane()).await, with_identity);
    let receipt = post(&server, &format!(r#"{{"address":"{JANE_ADDRESS}"}}"#)).await;
    assert_eq!(receipt.status, 200, "{}", receipt.text());
    let targets = [
        click_of_jane(),
        format!("/c/{CAMPAIGN_TOKEN}?reaid={JANE_KEY_2}"),
        format!("/c/{PERSONAL_TOKEN}"),
        format!("/c/{PERSONAL_TOKEN}?reaid={JANE}"),
    ];
    for target in &targets {
        assert_eq!(location(&server, target).await, PAGE, "{target}");
    }
    let pixel = format!("/o/{PIXEL_TOKEN}.gif?reaid={JANE}");
    assert_eq!(server.get(&pixel).await.status, 200);
    let metrics = server.metrics().await;
    assert_eq!(metrics.get("reaid_clicks_total{agent=\"human\",identity=\"suppressed\"}"), 4.0);
    assert_eq!(metrics.get("reaid_opens_total{agent=\"human\",identity=\"suppressed\"}"), 1.0);
    let stored = "SELECT count(*), count(reaid), min(verdict), max(verdict) FROM event";
    let stored = move |db: &rusqlite::Connection| {
        db.query_row(stored, [], |row| Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
    };
    assert_eq!(server.store.read(stored).await.unwrap(), [5, 0, 5, 5], "five events of nobody");
    let lifted = post(&server, &format!(r#"{{"address":" {} ","lift":true}}"#, JANE_ADDRESS.to_uppercase())).await;
    assert_eq!(lifted.status, 200, "{}", lifted.text());
    assert_eq!(location(&server, &click_of_jane()).await, with_identity);
    assert_eq!(location(&server, &targets[2]).await, with_identity);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_does_as_well_as_an_address() {
    let server = Server::start(&Settings::default()).await;
    let digest = "7f73355bf032dcbb8e5a3f51f1e4a8ba92ef1344de2d95382634cf91da6d6181";
    assert_eq!(post(&server, &format!(r#"{{"digest":"{digest}"}}"#)).await.status, 200);
    assert_eq!(location(&server, &click_of_jane()).await, PAGE);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_link_is_made_for_a_person_who_is_erased() {
    let server = Server::start(&Settings::default()).await;
    assert_eq!(post(&server, &format!(r#"{{"address":"{JANE_ADDRESS}"}}"#)).await.status, 200);
    let line = |to: &str| format!("{{\"url\":\"https://shop.example/\",\"campaign\":\"demo\",\"to\":\"{to}\"}}\n");
    let body = format!("{}{}", line(JANE_ADDRESS), line(crate::JOHN_ADDRESS));
    let more = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n",
        crate::support::house::ADMIN_TOKEN
    );
    let answer = client::ask(server.admin, &client::post("localhost", "/v1/links", &more, body.as_bytes())).await;
    let lines: Vec<serde_json::Value> = answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["line"], &lines[0]["error"]["code"]), (&1.into(), &"suppressed".into()));
    assert!(lines[1]["url"].is_string() && lines.len() == 2, "{lines:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_beside_a_running_server_is_noticed_within_two_seconds() {
    let house = House::new(&Settings::default());
    let serving = Serving::start(&house);
    let request = client::get(CLICK_HOST, &click_of_jane(), "User-Agent: Mozilla/5.0 Firefox/140.0\r\n");
    let is_known = async || {
        let answer = client::ask(serving.edge, request.as_bytes()).await;
        answer.header("location").unwrap().contains(JANE)
    };
    assert!(is_known().await);
    assert!(!files_with(&house, &reaids_of_jane()).is_empty());
    let receipt = erase_jane(&house);
    let begun = Instant::now();
    assert_eq!(receipt["deleted"]["kept"], 1, "{receipt}");
    // Each of these clicks is recorded until the server knows.
    until("the server to know", async || (!is_known().await).then_some(())).await;
    let took = begun.elapsed();
    eprintln!("the running server knew after {took:?}");
    // Two seconds, and what a busy machine takes beside them.
    assert!(took.as_secs() < 4, "after {took:?}");
    until("what came between to be deleted", async || files_with(&house, &reaids_of_jane()).is_empty().then_some(()))
        .await;
    assert!(metrics(serving.admin).await.get("reaid_clicks_total{agent=\"human\",identity=\"suppressed\"}") >= 1.0);
    with_address(&house, &["erase", "--lift"], JANE_ADDRESS).good();
    until("the server to know of the consent", async || is_known().await.then_some(())).await;
    assert_eq!(serving.terminate(), 0);
}
