//! `reaid sync webhooks`: what Actito is told.

use reaid::sandbox::{Fault, FaultRule, Operation, Options, Service};
use serde_json::{Value, json};

use crate::support::house::HOOK_SECRET;
use crate::support::server::RunningSandbox;
use crate::support::{House, Settings};
use crate::{Stage, reaid};

async fn webhooks(house: &House, arguments: &[&str]) -> Value {
    let run = reaid(house, &[&["--json", "sync", "webhooks"], arguments].concat()).await;
    assert!(!run.stdout.contains(HOOK_SECRET) && !run.stderr.contains(HOOK_SECRET));
    run.json()
}

/// Event and action of each.
fn actions(done: &Value) -> Vec<(&str, &str)> {
    done.as_array()
        .unwrap()
        .iter()
        .map(|one| (one["event"].as_str().unwrap(), one["action"].as_str().unwrap()))
        .collect()
}

async fn stage() -> Stage {
    Stage::new(Options { profiles: 1, ..Options::default() }).await
}

fn count(vendors: &RunningSandbox) -> usize {
    vendors.handle.webhooks().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn installing_twice_changes_nothing_and_removing_leaves_nothing() {
    let Stage { vendors, house, .. } = stage().await;
    let would = webhooks(&house, &["install", "--dry-run"]).await;
    assert_eq!(actions(&would), [("create", "created"), ("update", "created")]);
    assert_eq!((would[0]["dry_run"].as_bool(), would[0]["id"].as_str(), count(&vendors)), (Some(true), None, 0));
    assert_eq!(actions(&webhooks(&house, &["install"]).await), [("create", "created"), ("update", "created")]);
    assert_eq!(actions(&webhooks(&house, &["install"]).await), [("create", "kept"), ("update", "kept")]);
    let forced = webhooks(&house, &["install", "--force", "--integration", "shop"]).await;
    assert_eq!(actions(&forced), [("create", "updated"), ("update", "updated")]);
    // Another size of block is another webhook.
    let smaller = webhooks(&house, &["install", "--block", "1", "--dry-run"]).await;
    assert_eq!(actions(&smaller), [("create", "updated"), ("update", "updated")]);
    let listed = webhooks(&house, &["list"]).await;
    let target = format!("{}/hooks/actito/shop", base_url(&house));
    let expected = |id: &str, event: &str| json!({"integration": "shop", "id": id, "event": event, "target": target, "active": true, "ours": true});
    assert_eq!(listed, json!([expected("1", "create"), expected("2", "update")]));
    let check = reaid(&house, &["check"]).await.good();
    assert!(check.contains("ok   webhooks of shop: Actito calls for new profiles and changed addresses"), "{check}");
    let would = webhooks(&house, &["remove", "--dry-run"]).await;
    assert_eq!((actions(&would), count(&vendors)), (vec![("create", "deleted"), ("update", "deleted")], 2));
    assert_eq!(actions(&webhooks(&house, &["remove"]).await).len(), 2);
    assert_eq!((webhooks(&house, &["remove"]).await, count(&vendors)), (json!([]), 0));
    let check = reaid(&house, &["check"]).await.good();
    assert!(check.contains("webhooks of shop: not installed: `reaid sync webhooks install`"), "{check}");
}

fn base_url(house: &House) -> String {
    let config = std::fs::read_to_string(house.config()).unwrap();
    config.lines().find_map(|line| line.strip_prefix("base_url = \"")).unwrap().trim_end_matches('"').to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_secret_is_mended_and_what_others_have_stays() {
    let Stage { vendors, house, .. } = stage().await;
    webhooks(&house, &["install"]).await;
    house.write_secret("data/hook-secret", "another-secret-of-the-tests");
    assert_eq!(actions(&webhooks(&house, &["install"]).await), [("create", "updated"), ("update", "updated")]);
    // The same table's webhooks to another installation are none of ours.
    let elsewhere = Settings { base_url: "http://127.0.0.1:9".to_owned(), ..Settings::default() };
    let elsewhere = House::new(&elsewhere.syncing_with(&vendors.base_url()).asked());
    webhooks(&elsewhere, &["install"]).await;
    assert_eq!(count(&vendors), 4);
    let listed = webhooks(&house, &["list"]).await;
    let ours: Vec<_> = listed.as_array().unwrap().iter().map(|one| one["ours"].as_bool().unwrap()).collect();
    assert_eq!(ours, [true, true, false, false]);
    webhooks(&house, &["remove"]).await;
    assert_eq!(actions(&webhooks(&elsewhere, &["install"]).await), [("create", "kept"), ("update", "kept")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_makes_no_second_webhook() {
    let Stage { vendors, house, .. } = stage().await;
    let lost = FaultRule::new(Service::Actito, Fault::ResetAfterEffect);
    vendors.handle.switch(lost.only(Operation::Subscription).spare(1).calls(1)).unwrap();
    assert_eq!(actions(&webhooks(&house, &["install"]).await), [("create", "created"), ("update", "created")]);
    assert_eq!(count(&vendors), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_said_before_anything_is_sent() {
    let Stage { vendors, house, .. } = stage().await;
    let base = Settings { base_url: "http://click.example".to_owned(), ..Settings::default() };
    house.configure(&base.clone().syncing_with(&vendors.base_url()).asked());
    let says = reaid(&house, &["sync", "webhooks", "install"]).await.failed_with(64);
    assert!(says.contains("edge.base_url: expected https:// for webhooks"), "{says}");
    house.configure(&base.syncing_with(&vendors.base_url()));
    let says = reaid(&house, &["sync", "webhooks", "install"]).await.failed_with(64);
    assert!(says.contains("no [[integration]] has webhook_secret"), "{says}");
    let says = reaid(&house, &["sync", "webhooks", "install", "--integration", "shop"]).await.failed_with(64);
    assert!(says.contains("integration `shop` has no webhook_secret"), "{says}");
    assert_eq!(count(&vendors), 0);
}
