//! What the store promises, seen from outside its writer.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rusqlite::params;
use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;

const ROOMY: u64 = 1 << 30;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data").join("reaid.db");
    (folder, path)
}

fn open(path: &Path) -> Store {
    let store = Store::open(path, Limits::of_size(ROOMY)).unwrap();
    store.set_door(|_| State::Waiting);
    store
}

fn event(count: u64) -> Event {
    let account = if count.is_multiple_of(2) { "1234" } else { "1235" };
    Event {
        id: EventId::new(*b"a-tester", count),
        kind: Kind::Click,
        verdict: Some(Verdict::Valid),
        number: 7,
        reaid: Some("AVCX2Xn3aHNLYEVZLOeLQLnM".into()),
        page: Some("https://shop.example/p".into()),
        ..Event::of_nobody(account, Timestamp::from_secs(1_796_000_000 + count))
    }
}

async fn settled(tickets: Vec<Ticket>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for ticket in tickets {
        outcomes.push(ticket.settled().await);
    }
    outcomes
}

async fn in_state(store: &Store, state: State) -> u64 {
    let counts = store.read(outbox::counts).await.unwrap();
    let tallied = counts.iter().filter(|count| count.state == state).map(|count| count.events).sum();
    let sql = "SELECT count(*) FROM event WHERE state = ?1";
    let counted: i64 = store.read(move |c| c.query_row(sql, [state], |row| row.get(0))).await.unwrap();
    assert_eq!(counted as u64, tallied, "the tally of {state:?} is what there is");
    tallied
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let (_folder, path) = place();
    let store = open(&path);
    let tickets = (0..100).map(|count| store.append(event(count))).collect();
    assert!(settled(tickets).await.iter().all(|outcome| *outcome == Outcome::Committed));
    drop(store);
    assert!(!file::wal_of(&path).exists(), "closing leaves no log behind");
    let store = open(&path);
    assert_eq!(in_state(&store, State::Waiting).await, 100);
    let now = Timestamp::from_secs(1_796_000_099);
    let read = store.read(move |c| outbox::candidates(c, "1234", now, &Default::default(), 1)).await.unwrap();
    assert_eq!(read[0].event, event(0));
}

#[tokio::test]
async fn events_that_wait_share_a_commit() {
    let (_folder, path) = place();
    let store = open(&path);
    let tickets = (0..2000).map(|count| store.append(event(count))).collect();
    settled(tickets).await;
    let commits = store.counters().commits.load(std::sync::atomic::Ordering::Relaxed);
    assert!(commits < 1000, "{commits} commits for 2000 events");
}

#[tokio::test]
async fn a_job_that_fails_undoes_only_itself() {
    let (_folder, path) = place();
    let store = open(&path);
    let ticket = store.append(event(1));
    let good = store.write(|t| meta::set(t, "good", "1"));
    let bad = store.write(|t| meta::set(t, "bad", "1").and_then(|()| t.execute_batch("nonsense")));
    let (good, bad) = tokio::join!(good, bad);
    good.unwrap();
    assert_eq!(bad.unwrap_err().kind(), "other");
    assert_eq!(ticket.settled().await, Outcome::Committed);
    assert_eq!(store.read(|c| meta::list(c, "")).await.unwrap(), [("good".to_string(), "1".to_string())]);
}

#[tokio::test]
async fn all_files_are_private_to_their_owner() {
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = open(&path);
    store.append(event(1)).settled().await;
    for suffix in ["", "-wal", "-shm"] {
        let mode = std::fs::metadata(format!("{}{suffix}", path.display())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "mode of the file ending in {suffix:?}");
    }
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_was() {
    let (_folder, path) = place();
    drop(open(&path));
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = (std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap());
    let refused = Store::open(&path, Limits::of_size(ROOMY)).err().unwrap();
    assert!(matches!(refused, StoreError::Newer { found: 99, known: 9, .. }), "{refused}");
    assert_eq!((std::fs::read(&path).unwrap(), std::fs::metadata(&path).unwrap().modified().unwrap()), before);
    let names = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(names, 1, "no file was created beside it");
}

#[test]
fn a_newer_version_that_stands_only_in_the_log_is_refused() {
    let (folder, path) = place();
    drop(open(&path));
    let connection = schema::connect(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    // What a crash leaves: the files as they are while the connection is still open.
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    std::fs::copy(file::wal_of(&path), file::wal_of(&copy)).unwrap();
    let before = (std::fs::read(&copy).unwrap(), std::fs::read(file::wal_of(&copy)).unwrap());
    let refused = Store::open(&copy, Limits::of_size(ROOMY)).err().unwrap();
    assert_eq!(refused.kind(), "newer_version");
    assert_eq!((std::fs::read(&copy).unwrap(), std::fs::read(file::wal_of(&copy)).unwrap()), before);
}

#[test]
fn a_foreign_file_is_refused() {
    let (_folder, path) = place();
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "my diary").unwrap();
    assert_eq!(Store::open(&path, Limits::of_size(ROOMY)).err().unwrap().kind(), "foreign_file");
    assert_eq!(std::fs::read(&path).unwrap(), b"my diary");
}

#[test]
fn a_foreign_database_is_refused_and_left_as_it_was() {
    for journal_mode in ["DELETE", "WAL"] {
        let (_folder, path) = place();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", journal_mode).unwrap();
        connection.execute_batch("CREATE TABLE diary (entry TEXT)").unwrap();
        let before = std::fs::read(&path).unwrap();
        assert_eq!(Store::open(&path, Limits::of_size(ROOMY)).err().unwrap().kind(), "foreign_file", "{journal_mode}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{journal_mode}");
    }
}

#[tokio::test]
async fn a_full_disk_loses_events_by_reason_and_recovers() {
    let (_folder, path) = place();
    let store = open(&path);
    store.append(event(0)).settled().await;
    let pages =
        |limit: &'static str| store.write(move |t| t.execute_batch(&format!("PRAGMA max_page_count = {limit}")));
    pages("1").await.unwrap();
    let tickets = (1..500).map(|count| store.append(event(count))).collect();
    let outcomes = settled(tickets).await;
    let lost = outcomes.iter().filter(|outcome| **outcome == Outcome::Lost).count() as u64;
    assert!(lost > 0, "a full disk holds nothing more");
    assert_eq!(store.counters().lost(Loss::DiskFull), lost);
    pages("1000000").await.unwrap();
    assert_eq!(store.append(event(501)).settled().await, Outcome::Committed);
    assert_eq!(in_state(&store, State::Waiting).await, 501 - lost);
}

#[tokio::test]
async fn trouble_that_ends_soon_loses_nothing() {
    let (_folder, path) = place();
    let store = open(&path);
    let (held, other) = (store.append(event(0)), Connection::open(&path).unwrap());
    held.settled().await;
    store.write(|t| t.execute_batch("PRAGMA max_page_count = 1")).await.unwrap();
    let mut ticket = Box::pin(store.append(Event { page: Some("x".repeat(100_000)), ..event(1) }).settled());
    tokio::time::timeout(Duration::from_millis(300), &mut ticket).await.expect_err("it is held back");
    store.write(|t| t.execute_batch("PRAGMA max_page_count = 1000000")).await.unwrap();
    assert_eq!(ticket.await, Outcome::Committed);
    assert_eq!(store.counters().lost_in_all(), 0);
    drop(other);
}

#[tokio::test]
async fn the_newest_are_dropped_at_the_largest_size() {
    let (_folder, path) = place();
    let store = Store::open(&path, Limits::of_size(256 << 10)).unwrap();
    store.set_door(|_| State::Waiting);
    let outcomes = settled((0..5000).map(|count| store.append(event(count))).collect()).await;
    let stored = outcomes.iter().filter(|outcome| **outcome == Outcome::Committed).count();
    assert!(outcomes[..stored].iter().all(|outcome| *outcome == Outcome::Committed), "the oldest stay");
    assert!(stored > 256 && stored < 5000, "{stored} stored");
    assert_eq!(store.counters().lost(Loss::MaxSize), 5000 - stored as u64);
    drop(store);
    assert!(path.metadata().unwrap().len() < 512 << 10);
}

#[tokio::test]
async fn a_full_queue_never_blocks_and_is_counted() {
    let (_folder, path) = place();
    let store = Store::open(&path, Limits { max_size: ROOMY, max_queue: 10 }).unwrap();
    let (entered, gate) = (std::sync::mpsc::channel(), std::sync::mpsc::channel::<()>());
    let (enter, leave) = (entered.0, gate.1);
    let stalled = store.submit(move |_| {
        enter.send(()).unwrap();
        leave.recv().ok();
        Ok(())
    });
    entered.1.recv().unwrap();
    let tickets: Vec<Ticket> = (0..15).map(|count| store.append(event(count))).collect();
    assert_eq!(store.counters().lost(Loss::QueueFull), 5);
    drop(gate.0);
    stalled.await.unwrap().unwrap();
    let outcomes = settled(tickets).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Committed).count(), 10);
}

#[tokio::test]
async fn flushing_waits_for_everything_before_it() {
    let (_folder, path) = place();
    let store = open(&path);
    for count in 0..1000 {
        drop(store.append(event(count)));
    }
    store.flush().await;
    assert_eq!(in_state(&store, State::Waiting).await, 1000);
}

fn ack(seq: i64, fate: outbox::Fate, answer: Option<&str>) -> outbox::Ack {
    let account = event(seq.unsigned_abs() - 1).account;
    outbox::Ack { seq, account, fate, answer: answer.map(str::to_owned) }
}

#[tokio::test]
async fn an_event_moves_through_its_states_with_its_tally() {
    let (_folder, path) = place();
    let store = open(&path);
    settled((0..6).map(|count| store.append(event(count))).collect()).await;
    let now = Timestamp::from_secs(1_796_001_000);
    let later = now.after(Duration::from_secs(5));
    let acks = vec![
        ack(1, outbox::Fate::Delivered, Some("204")),
        ack(2, outbox::Fate::Dead("rejected"), Some("403")),
        ack(3, outbox::Fate::Retry { due: later }, Some("503")),
        ack(1, outbox::Fate::Dead("rejected"), None),
    ];
    store.write(move |t| outbox::settle(t, now, &acks)).await.unwrap();
    assert_eq!(in_state(&store, State::Delivered).await, 1);
    assert_eq!(in_state(&store, State::Waiting).await, 4);
    let due = |at: Timestamp| store.read(move |c| outbox::candidates(c, "1234", at, &[5].into(), 9));
    assert!(due(now).await.unwrap().is_empty(), "one is leased, the other not due");
    let retried = due(later).await.unwrap();
    assert_eq!((retried.len(), retried[0].attempts), (1, 1));
    let letters = store.read(|c| outbox::dead(c, &outbox::Which::All, 9)).await.unwrap();
    assert_eq!((letters[0].reason.as_str(), letters[0].answer.as_str(), letters[0].attempts), ("rejected", "403", 1));
    let oldest = async |account: &str| {
        let counts = store.read(outbox::counts).await.unwrap();
        counts.into_iter().find(|it| it.account == account && it.state == State::Waiting).unwrap().oldest.unwrap()
    };
    assert_eq!(oldest("1234").await, event(2).at, "it was tried and is due later");
    assert_eq!(oldest("1235").await, event(3).at);
    let which = outbox::Which::Id(event(1).id);
    let retry = |which: outbox::Which| store.write(move |t| outbox::retry_dead(t, &which, later));
    assert_eq!(retry(outbox::Which::Account("1234".into())).await.unwrap(), 0);
    assert_eq!(retry(which).await.unwrap(), 1);
    assert_eq!((in_state(&store, State::Dead).await, in_state(&store, State::Waiting).await), (0, 5));
    assert_eq!(oldest("1235").await, event(1).at, "another try changes nothing about when it happened");
}

#[tokio::test]
async fn what_was_kept_long_enough_goes_and_nothing_else() {
    let (_folder, path) = place();
    let store = open(&path);
    settled((0..2500).map(|count| store.append(event(count))).collect()).await;
    store.set_door(|_| State::Kept);
    settled((2500..2510).map(|count| store.append(event(count))).collect()).await;
    let now = Timestamp::from_secs(1_796_010_000);
    let acks: Vec<_> = (1..=2400)
        .map(|seq| {
            let fate = if seq > 2390 { outbox::Fate::Dead("expired") } else { outbox::Fate::Delivered };
            ack(seq, fate, None)
        })
        .collect();
    store.write(move |t| outbox::settle(t, now, &acks)).await.unwrap();
    let kept = Kept { delivered: Duration::from_secs(60), dead: Duration::from_secs(600) };
    assert_eq!(sweep(&store, kept, now.after(Duration::from_secs(9999))).await.unwrap(), 0, "nothing is counted yet");
    store.write(|t| t.execute("UPDATE folded SET seq = 2510", [])).await.unwrap();
    assert_eq!(sweep(&store, kept, now).await.unwrap(), 10, "kept events are as old as they are");
    assert_eq!(sweep(&store, kept, now.after(Duration::from_secs(61))).await.unwrap(), 2390);
    assert_eq!((in_state(&store, State::Dead).await, in_state(&store, State::Waiting).await), (10, 100));
    assert_eq!(sweep(&store, kept, now.after(Duration::from_secs(601))).await.unwrap(), 10);
    assert_eq!(in_state(&store, State::Waiting).await, 100);
}

#[tokio::test]
async fn the_log_is_emptied_while_it_grows() {
    let (_folder, path) = place();
    let store = open(&path);
    let page = "x".repeat(50_000);
    for round in 0..200 {
        let tickets = (0..20).map(|n| store.append(Event { page: Some(page.clone()), ..event(round * 20 + n) }));
        settled(tickets.collect()).await;
    }
    let log = file::wal_of(&path).metadata().unwrap().len();
    assert!(log < 150 << 20, "200 MB were written, the log has {log} bytes");
}

#[test]
fn hot_queries_use_their_index() {
    let (_folder, path) = place();
    let store = open(&path);
    let plan = |sql: &str| {
        let sql = format!("EXPLAIN QUERY PLAN {sql}");
        let lines = store.read_blocking(|c| {
            c.prepare(&sql)?.query_map(params![], |row| row.get::<_, String>(3))?.collect::<Result<Vec<_>, _>>()
        });
        lines.unwrap().join("\n")
    };
    let due = plan("SELECT seq FROM event WHERE state = 0 AND account = '1' AND due <= 5 ORDER BY due LIMIT 3");
    assert!(due.contains("COVERING INDEX event_due") && !due.contains("TEMP"), "{due}");
    let oldest = plan("SELECT min(due) FROM event WHERE state = 0 AND account = '1'");
    assert!(oldest.contains("SEARCH") && oldest.contains("COVERING INDEX event_due"), "{oldest}");
    let tried = plan("SELECT min(at) FROM event WHERE state = 0 AND due <> at AND account = '1'");
    assert!(tried.contains("SEARCH") && tried.contains("event_tried"), "{tried}");
    let done = plan("SELECT seq FROM event WHERE state = 1 AND state <> 0 AND done < 5 ORDER BY done LIMIT 3");
    assert!(done.contains("event_done") && !done.contains("TEMP"), "{done}");
}
