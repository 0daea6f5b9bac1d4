//! The process ends without a warning while it counts for campaigns.

use std::collections::BTreeSet;

use crate::clicks::{Load, metric, stored};
use crate::support::{House, Serving, Settings, until};

/// How often it is killed.
const ROUNDS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn every_click_is_counted_once_however_often_it_is_killed() {
    let house = House::new(&Settings { edge: "commit_wait = \"5s\"".to_owned(), ..Settings::default() });
    let mut answered = BTreeSet::new();
    for round in 0..ROUNDS {
        let serving = Serving::start(&house);
        let mut load = Load::start(serving.edge, &format!("round-{round}"));
        // Counting begins with the start and goes on each second: often in the middle of a step.
        load.answered(100 + 997 * round % 900).await;
        serving.kill();
        answered.extend(load.until_the_server_is_gone().await.answered);
    }
    let serving = Serving::start(&house);
    until("everything counted", async || {
        let counted = metric(&serving, "reaid_campaign_events_total").await;
        (counted > 0 && metric(&serving, "reaid_campaign_waiting").await == 0).then_some(())
    })
    .await;
    serving.kill();
    let kept = stored(&house.database());
    assert!(answered.iter().all(|name| kept.contains(name)));
    let connection = rusqlite::Connection::open(house.database()).unwrap();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(number("SELECT sum(events) FROM campaign_count"), kept.len() as i64);
    assert_eq!(number("SELECT sum(clicks) FROM campaign_link"), kept.len() as i64);
    assert_eq!(number("SELECT seq FROM folded"), number("SELECT max(seq) FROM event"));
}
