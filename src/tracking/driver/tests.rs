//! The driver itself; what it does with a store and an endpoint is in `tests/outbox.rs`.

use std::collections::HashMap;

use tokio::time::timeout;

use super::*;
use crate::raptor::Client;
use crate::store::outbox::Fate;
use crate::store::{Limits, State, Store};
use crate::tracking::lane::waiting;
use crate::tracking::{Counters, Settings, VisitorOf, Withheld};

fn driver(store: &Store) -> Driver {
    let client = Client::new(&"http://127.0.0.1:1".parse().unwrap(), "test", HashMap::new(), false).unwrap();
    let (withheld, counters) = (Withheld::new(Arc::new(|_| false)), Counters::beside(store));
    let hour = Duration::from_secs(3600);
    let visitor_of: VisitorOf = Arc::new(|_| unreachable!("nothing is called"));
    Driver::new(Delivery::new(store.clone(), client, visitor_of, withheld, Settings::new(hour, hour), counters))
}

#[tokio::test]
async fn at_the_end_what_is_known_is_written_though_a_call_does_not_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap();
    store.set_door(|_| State::Waiting);
    drop(store.append(waiting(1, "1234", clock::now()).event));
    store.flush().await;
    let mut driver = driver(&store);
    driver.tasks.spawn(std::future::pending());
    driver.tasks.spawn(async { Done::Noted(Ok(())) });
    let ack = Ack { seq: 1, account: "1234".into(), fate: Fate::Delivered, answer: None };
    driver.calls.lanes().keep(vec![ack]);
    driver.wrote = Instant::now();
    let draining = tokio::spawn(driver.drain());
    let written = async {
        while !store.read(outbox::backlog).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), written).await.expect("it is written");
    draining.abort();
}
