//! The process ends without a warning.

use std::collections::BTreeSet;

use crate::clicks::{Load, click, metric_reaches, stored, taken, terminate};
use crate::outage::status;
use crate::support::server::RunningSandbox;
use crate::support::{House, Serving, Settings};

/// How often it is killed.
const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn no_answered_click_is_lost_when_it_is_killed_under_load() {
    let raptor = RunningSandbox::start(0).await;
    let settings = Settings { edge: "commit_wait = \"5s\"".to_owned(), ..Settings::delivering_to(&raptor.base_url()) };
    let house = House::new(&settings);
    let mut answered = BTreeSet::new();
    for round in 0..ROUNDS {
        let serving = Serving::start(&house);
        let mut load = Load::start(serving.edge, &format!("round-{round}"));
        // Somewhere else in the life of a commit and of deliveries each time.
        load.answered(20 + 37 * round % 150).await;
        serving.kill();
        answered.extend(load.until_the_server_is_gone().await.answered);
    }
    assert!(answered.len() > 20 * ROUNDS);
    let serving = Serving::start(&house);
    metric_reaches(&serving, "reaid_events_recorded_total", 0).await;
    let kept = BTreeSet::from_iter(stored(&house.database()));
    assert_eq!(Vec::from_iter(answered.difference(&kept)), Vec::<&String>::new(), "answered, but not on disk");
    crate::support::until("everything delivered", async || {
        let waiting = crate::support::program::reaid(&house, &["--json", "outbox", "status"]).json();
        let states = waiting["counts"].as_array().unwrap().iter().map(|row| row["state"].clone());
        states.into_iter().all(|state| state == "delivered").then_some(())
    })
    .await;
    assert_eq!(BTreeSet::from_iter(taken(&raptor.handle)), kept, "delivered is what was kept");
    assert_eq!(terminate(serving).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_a_crash_is_delivered_after_it() {
    let raptor = RunningSandbox::start(0).await;
    raptor.handle.switch(status(503)).unwrap();
    let house = House::new(&Settings {
        edge: "commit_wait = \"5s\"".to_owned(),
        ..Settings::delivering_to(&raptor.base_url())
    });
    let serving = Serving::start(&house);
    let clicked = click(serving.edge, "before", 50).await;
    serving.kill();
    raptor.handle.clear_faults(None);
    let serving = Serving::start(&house);
    metric_reaches(&serving, "reaid_deliveries_total", 50).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(taken(&raptor.handle), Vec::from_iter(clicked));
}
