//! The disk stalls, fills up, or may not be used further.

use std::process::Command;

use crate::clicks::{StalledDisk, WriteLock, click, metric, metric_reaches, stored, taken, terminate};
use crate::support::server::RunningSandbox;
use crate::support::{House, Serving, Settings};

const LATE: &str = "reaid_events_late_total";
const STORED: &str = "reaid_events_stored_total";

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_locked_every_click_lands_and_is_counted_late() {
    let raptor = RunningSandbox::start(0).await;
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let serving = Serving::start(&house);
    let lock = WriteLock::take(&house);
    let clicked = click(serving.edge, "locked", 40).await;
    assert_eq!((metric(&serving, LATE).await, metric(&serving, STORED).await), (40, 0));
    drop(lock);
    metric_reaches(&serving, STORED, 40).await;
    metric_reaches(&serving, "reaid_deliveries_total", 40).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(stored(&house.database()), Vec::from_iter(clicked.clone()));
    assert_eq!(taken(&raptor.handle), Vec::from_iter(clicked));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_disk_stalls_every_click_lands_and_is_counted_late() {
    let raptor = RunningSandbox::start(0).await;
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let serving = Serving::start(&house);
    let Some(stall) = StalledDisk::under(&serving) else { return };
    let clicked = click(serving.edge, "stalled", 500).await;
    assert_eq!((metric(&serving, LATE).await, metric(&serving, STORED).await), (500, 0));
    drop(stall);
    metric_reaches(&serving, STORED, 500).await;
    metric_reaches(&serving, "reaid_deliveries_total", 500).await;
    assert_eq!(terminate(serving).await, 0);
    assert_eq!(stored(&house.database()), Vec::from_iter(clicked.clone()));
    assert_eq!(taken(&raptor.handle), Vec::from_iter(clicked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_events_by_reason_and_takes_new_ones_once_there_is_room() {
    let raptor = RunningSandbox::start(0).await;
    let house = House::new(&Settings::delivering_to(&raptor.base_url()));
    let small = "mount -t tmpfs -o size=1m,mode=700 none data";
    if !in_namespace(&house, small).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    let script = format!("cp -a data kept && {small} && cp -a kept/. data/ && exec \"$0\" serve");
    let mut full = in_namespace(&house, &script);
    full.arg(env!("CARGO_BIN_EXE_reaid")).env("REAID_LOG", "info,reaid=trace");
    let serving = Serving::spawn(full);
    let lost = "reaid_events_lost_total{reason=\"disk_full\"}";
    let mut clicks = 0;
    while metric(&serving, lost).await == 0 {
        clicks += click(serving.edge, &format!("full-{clicks}"), 100).await.len();
        assert!(clicks < 20_000, "1 MiB never gets full");
    }
    let namespace = serving.pid().to_string();
    let grow = ["-t", &namespace, "-m", "-w", "mount", "-o", "remount,size=64m", "data"];
    assert!(Command::new("nsenter").args(grow).status().unwrap().success());
    let room = crate::support::until("room on the disk", async || {
        let before = metric(&serving, STORED).await;
        click(serving.edge, "again", 1).await;
        (metric(&serving, STORED).await > before).then_some(())
    });
    room.await;
    let lost_before = metric(&serving, lost).await;
    let clicked = click(serving.edge, "room", 100).await;
    crate::support::until("delivery", async || {
        let taken = taken(&raptor.handle);
        clicked.iter().all(|n| taken.binary_search(n).is_ok()).then_some(())
    })
    .await;
    assert_eq!(metric(&serving, lost).await, lost_before);
    assert_eq!(terminate(serving).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_largest_size_the_newest_are_dropped_and_counted() {
    let settings = Settings { store: "max_size = \"256KiB\"".to_owned(), ..Settings::default() };
    let house = House::new(&settings);
    let serving = Serving::start(&house);
    let lost = "reaid_events_lost_total{reason=\"max_size\"}";
    let mut clicked = std::collections::BTreeSet::new();
    while metric(&serving, lost).await == 0 {
        clicked.extend(click(serving.edge, &format!("some-{}", clicked.len()), 200).await);
        assert!(clicked.len() < 20_000, "256 KiB never get full");
    }
    let before = (metric(&serving, lost).await, metric(&serving, STORED).await);
    let newest = click(serving.edge, "newest", 50).await;
    metric_reaches(&serving, lost, before.0 + 50).await;
    assert_eq!(metric(&serving, STORED).await, before.1);
    assert_eq!(before.0 + before.1, clicked.len() as u64, "every click was stored or counted");
    assert_eq!(terminate(serving).await, 0);
    let kept = stored(&house.database());
    assert_eq!(kept.len() as u64, before.1);
    assert!(kept.iter().all(|n| clicked.contains(n) && !newest.contains(n)));
}

/// A shell with mounts of its own, in the house's folder.
fn in_namespace(house: &House, script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.current_dir(house.folder()).args(["-m", "sh", "-c", script]);
    command
}
