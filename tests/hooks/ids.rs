//! Addresses that are asked for: answered at once, and waited for without being kept.

use reaid::sandbox::Options;
use serde_json::{Value, json};

use crate::bodies::holds_nobody;
use crate::support::client::post;
use crate::support::house::{ADMIN_TOKEN, IDS_KEY};
use crate::support::{Answer, Server, client, logs, until};
use crate::{NEWCOMER, Stage, alone, asked, reaid};

async fn ask(server: &Server, body: &[u8]) -> Answer {
    let more = format!("Authorization: Bearer {IDS_KEY}\r\nContent-Type: application/json\r\n");
    client::ask(server.admin, &post("localhost", "/GetOrCreate", &more, body)).await
}

fn of(addresses: &[String]) -> Vec<u8> {
    json!({ "emailAddresses": addresses }).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_was_asked_for_is_met_by_the_next_sync() {
    let Stage { vendors, edge, house } = Stage::new(Options { profiles: 5, ..Default::default() }).await;
    let server = Server::start_at(house, edge).await;
    until("the first sync", async || {
        let metrics = server.metrics().await;
        (metrics.get("reaid_sync_complete_timestamp_seconds{integration=\"shop\"}") > 0.0).then_some(())
    })
    .await;
    let answer = ask(&server, &of(&[NEWCOMER.to_owned()])).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let expected = server.mint(NEWCOMER);
    assert_eq!(answer, json!({ "results": [{ "emailAddress": NEWCOMER, "reaId": expected }] }));
    assert_eq!(asked(&server).await, 1);
    let id = vendors.handle.add_profile(&[("emailAddress", Some(NEWCOMER))]).unwrap();
    let status = reaid(&server.house, &["sync", "status", "--json"]).await.json();
    assert_eq!(status[0]["asked"], 1);
    let run = reaid(&server.house, &["sync", "run", "--json"]).await.json();
    assert_eq!(run["written"], 1, "once, though it was listed and met: {run}");
    assert_eq!(vendors.handle.profile(id).unwrap().get("reaid"), Some(expected.as_str()));
    assert_eq!(asked(&server).await, 0);
    let (_, house) = server.stop().await;
    holds_nobody(&house, &[NEWCOMER, &expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_who_is_erased_is_given_no_reaid_whoever_asks_for_one() {
    let Stage { vendors, edge, house } = Stage::new(Options { profiles: 5, ..Default::default() }).await;
    reaid(&house, &["sync", "webhooks", "install"]).await.good();
    let server = Server::start_at(house, edge).await;
    ask(&server, &of(&[NEWCOMER.to_owned()])).await;
    assert_eq!(asked(&server).await, 1);
    let more = format!("Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Type: application/json\r\n");
    let erasure = json!({ "address": NEWCOMER }).to_string();
    let erased = client::ask(server.admin, &post("localhost", "/v1/erasures", &more, erasure.as_bytes())).await;
    assert_eq!((erased.status, asked(&server).await), (200, 0), "{}", erased.text());

    assert_eq!(ask(&server, &of(&[NEWCOMER.to_owned()])).await.status, 400, "nobody is left");
    let both = ask(&server, &of(&[NEWCOMER.to_owned(), "other@example.org".to_owned()])).await;
    let both: Value = serde_json::from_slice(&both.body).unwrap();
    let only = json!([{ "emailAddress": "other@example.org", "reaId": server.mint("other@example.org") }]);
    assert_eq!(both["results"], only);

    // A webhook tells of the profile, and whole runs list it.
    let id = vendors.handle.add_profile(&[("emailAddress", Some(NEWCOMER)), ("reaid", Some("left over"))]).unwrap();
    vendors.handle.profiles_when(|all| all.iter().any(|it| it.id == id && it.get("reaid") != Some("left over"))).await;
    reaid(&server.house, &["sync", "run", "--json"]).await.json();
    assert_eq!(vendors.handle.profile(id).unwrap().get("reaid").unwrap_or_default(), "");
    assert_eq!(asked(&server).await, 1, "the other one");
    let (_, house) = server.stop().await;
    holds_nobody(&house, &[NEWCOMER]);
}

#[tokio::test]
async fn a_thousand_addresses_are_answered_and_one_more_is_too_many() {
    let server = alone().await;
    let mut addresses: Vec<String> = (0..1000).map(|number| format!("somebody-{number}@example.org")).collect();
    let answer = ask(&server, &of(&addresses)).await;
    let body: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((answer.status, body["results"].as_array().unwrap().len()), (200, 1000));
    assert_eq!(asked(&server).await, 1000);
    addresses.push("one-more@example.org".to_owned());
    let answer = ask(&server, &of(&addresses)).await;
    assert_eq!((answer.status, asked(&server).await), (413, 1000));
    assert!(answer.text().contains("at most 1000 valid addresses"), "{}", answer.text());
    let answer = ask(&server, &vec![b' '; 300_001]).await;
    assert_eq!(answer.status, 413);
    logs::must_not_hold("somebody-1@example.org");
    let (_, house) = server.stop().await;
    holds_nobody(&house, &["somebody-1@example.org", "somebody-999@"]);
}
