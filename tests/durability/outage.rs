//! Raptor is down, loses answers, or refuses.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use reaid::sandbox::{Fault, FaultRule, Service};

use crate::clicks::{click, metric, metric_reaches, taken, terminate};
use crate::support::program::reaid;
use crate::support::server::RunningSandbox;
use crate::support::{House, Serving, Settings, until};

pub(crate) fn status(code: u16) -> FaultRule {
    FaultRule::new(Service::Raptor, Fault::Status { code, retry_after: None })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_clicks_during_an_outage_arrive_once_each() {
    let raptor = RunningSandbox::start(0).await;
    raptor.handle.switch(status(503)).unwrap();
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let serving = Serving::start(&house);
    let clicked = click(serving.edge, "outage", 1000).await;
    metric_reaches(&serving, "reaid_outbox_held{account=\"1234\"}", 1).await;
    assert_eq!(raptor.handle.raptor().received, 0);
    raptor.handle.clear_faults(None);
    metric_reaches(&serving, "reaid_deliveries_total", 1000).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(taken(&raptor.handle), Vec::from_iter(clicked));
    // After a restart nothing is sent again.
    let serving = Serving::start(&house);
    let after = click(serving.edge, "after", 1).await;
    raptor.handle.raptor_received(1001).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(raptor.handle.tracking_calls().len(), 1000 + after.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_lost_answers_are_delivered_twice() {
    let raptor = RunningSandbox::start(0).await;
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let serving = Serving::start(&house);
    let mut clicked = BTreeSet::new();
    // Fewer in a row than open the breaker.
    let (rounds, lost, clicks) = (3, 15, 100);
    for round in 1..=rounds {
        raptor.handle.switch(FaultRule::new(Service::Raptor, Fault::ResetAfterEffect).calls(lost)).unwrap();
        clicked.extend(click(serving.edge, &format!("lost-{round}"), clicks).await);
        metric_reaches(&serving, "reaid_deliveries_total", round * clicks as u64).await;
    }
    assert_eq!(metric(&serving, "reaid_delivery_retries_total").await, rounds * lost);
    assert_eq!(terminate(serving).await, 0);
    let taken = taken(&raptor.handle);
    assert_eq!(BTreeSet::from_iter(taken.iter().cloned()), clicked);
    assert_eq!(taken.len(), clicked.len() + (rounds * lost) as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_survive_a_crash_and_are_retried_while_it_serves() {
    let raptor = RunningSandbox::start(0).await;
    raptor.handle.switch(status(400)).unwrap();
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let serving = Serving::start(&house);
    let clicked = click(serving.edge, "refused", 5).await;
    metric_reaches(&serving, "reaid_dead_letters_total{reason=\"rejected\"}", 5).await;
    until("dead letters on disk", async || {
        let dead = reaid(&house, &["--json", "outbox", "dead"]).json();
        (dead.as_array().unwrap().len() == 5).then_some(())
    })
    .await;
    serving.kill();
    let serving = Serving::start(&house);
    assert_eq!(reaid(&house, &["--json", "outbox", "dead"]).json().as_array().unwrap().len(), 5);
    raptor.handle.clear_faults(None);
    assert_eq!(reaid(&house, &["--json", "outbox", "retry"]).json()["retried"], 5);
    let retried = Instant::now();
    raptor.handle.raptor_received(5).await;
    assert!(retried.elapsed() < Duration::from_secs(2), "noticed after {:?}", retried.elapsed());
    assert_eq!(taken(&raptor.handle), Vec::from_iter(clicked));
    assert_eq!(terminate(serving).await, 0);
}
