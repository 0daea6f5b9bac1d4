//! The process is asked to end.

use std::collections::BTreeSet;

use reaid::sandbox::{Fault, FaultRule, Service};

use crate::clicks::{Load, StalledDisk, click, metric_reaches, stored, taken, terminate};
use crate::support::client::{ask, get};
use crate::support::program::{command, reaid};
use crate::support::server::RunningSandbox;
use crate::support::{Connection, House, Serving, Settings, until};

/// Longer than any call of ours waits for Raptor.
fn stalled() -> FaultRule {
    FaultRule::new(Service::Raptor, Fault::Slow { ms: 60_000 })
}

fn settings(raptor: &RunningSandbox, edge: &str) -> Settings {
    Settings { edge: edge.to_owned(), ..Settings::delivering_to(&raptor.base_url()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_request_is_answered_and_every_answer_is_kept() {
    let raptor = RunningSandbox::start(0).await;
    let house = House::new(&settings(&raptor, ""));
    let mut answered = BTreeSet::new();
    for round in 0..5 {
        let serving = Serving::start(&house);
        let mut load = Load::start(serving.edge, &format!("stop-{round}"));
        load.answered(100).await;
        assert_eq!(terminate(serving).await, 0);
        let clicked = load.until_the_server_is_gone().await;
        assert_eq!(clicked.unanswered, Vec::<String>::new(), "in round {round}");
        answered.extend(clicked.answered);
    }
    let kept = stored(&house.database());
    assert_eq!(kept.len(), BTreeSet::from_iter(&kept).len(), "nothing is kept twice");
    assert_eq!(Vec::from_iter(answered.difference(&BTreeSet::from_iter(kept))), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_holds_a_request_open_is_not_waited_for_beyond_the_deadline() {
    let house = House::new(&Settings { edge: "drain = \"1s\"".to_owned(), ..Settings::default() });
    let serving = Serving::start(&house);
    let mut holding = tokio::net::TcpStream::connect(serving.edge).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut holding, b"GET /robots.txt HTTP/1.1\r\nHost: cl").await.unwrap();
    let clicked = click(serving.edge, "meanwhile", 20).await;
    assert_eq!(terminate(serving).await, 75);
    assert_eq!(stored(&house.database()), Vec::from_iter(clicked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_raptor_that_does_not_end_is_cut_off_and_made_again() {
    let raptor = RunningSandbox::start(0).await;
    raptor.handle.switch(stalled()).unwrap();
    let house = House::new(&settings(&raptor, "drain = \"2s\""));
    let serving = Serving::start(&house);
    let clicked = click(serving.edge, "stalled", 3).await;
    until("calls under way", async || (raptor.handle.raptor().arrived >= 3).then_some(())).await;
    assert_eq!(terminate(serving).await, 75);
    raptor.handle.clear_faults(None);
    let serving = Serving::start(&house);
    metric_reaches(&serving, "reaid_deliveries_total", 3).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(BTreeSet::from_iter(taken(&raptor.handle)), clicked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_nothing_cannot_hold_the_end_beyond_the_deadline() {
    let house = House::new(&Settings { edge: "drain = \"1s\"".to_owned(), ..Settings::default() });
    let serving = Serving::start(&house);
    let Some(stall) = StalledDisk::under(&serving) else { return };
    click(serving.edge, "late", 10).await;
    serving.signal("TERM");
    until("the deadline", async || serving.logged().contains("drain deadline passed").then_some(())).await;
    drop(stall);
    assert_eq!(terminate(serving).await, 75);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let raptor = RunningSandbox::start(0).await;
    raptor.handle.switch(stalled()).unwrap();
    let house = House::new(&settings(&raptor, "commit_wait = \"5s\"\ndrain = \"10m\""));
    let serving = Serving::start(&house);
    let clicked = click(serving.edge, "urgent", 3).await;
    until("calls under way", async || (raptor.handle.raptor().arrived >= 3).then_some(())).await;
    serving.signal("INT");
    let ready = get("localhost", "/readyz", "");
    until("the drain", async || (ask(serving.admin, ready.as_bytes()).await.status == 503).then_some(())).await;
    until("nobody new let in", async || Connection::open(serving.edge).await.is_err().then_some(())).await;
    assert_eq!(terminate(serving).await, 130);
    assert_eq!(stored(&house.database()), Vec::from_iter(clicked));
}

/// A new version beside an older one that serves, as in the middle of an upgrade.
#[test]
fn the_schema_of_who_serves_is_not_changed() {
    let house = House::new(&Settings::default());
    std::fs::create_dir_all(house.database().parent().unwrap()).unwrap();
    let older = rusqlite::Connection::open(house.database()).unwrap();
    older.execute_batch(include_str!("../../src/store/v1.sql")).unwrap();
    drop(older);
    let claim = std::fs::File::create(format!("{}.serve-lock", house.database().display())).unwrap();
    claim.lock().unwrap();
    let before = std::fs::read(house.database()).unwrap();
    for command in [&["check"][..], &["outbox", "status"]] {
        let said = reaid(&house, command).failed_with(1);
        assert!(said.contains("is served by an older version") && said.contains("stop it first"), "{said}");
    }
    let mut succeeding = command(house.folder(), &["serve"]);
    let succeeding = succeeding.env("REAID_SUCCEEDS", "1").output().unwrap();
    assert_eq!(succeeding.status.code(), Some(1), "{}", String::from_utf8_lossy(&succeeding.stderr));
    assert_eq!(std::fs::read(house.database()).unwrap(), before);
    drop(claim);
    let counts = reaid(&house, &["outbox", "status", "--json"]).json();
    assert_eq!(counts["counts"].as_array().unwrap().len(), 4, "{counts}");
}
