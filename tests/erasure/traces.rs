//! What is left of a person in the files: nothing but a keyed tag and what only the keyring opens.

use reaid::clock;
use reaid::store::{Agent, Event, EventId, Kind, State, Verdict, outbox, sync as memory};

use crate::support::{House, JANE, JANE_ADDRESS, JANE_KEY_2, Server, Settings};
use crate::{JOHN_ADDRESS, erase_jane, files_with, post, reaids_of_jane, show_jane};

/// Enough for several pages of each table and index, and for more than one slice of a deletion.
const EVENTS: u64 = 6000;

/// Events wait, because nobody listens there.
fn raptor_is_down() -> Settings {
    Settings::delivering_to("http://127.0.0.1:9")
}

fn event(count: u64, reaid: &str) -> Event {
    Event {
        id: EventId::new(*b"a-tester", count),
        at: clock::now(),
        kind: Kind::Click,
        agent: Agent::Human,
        verdict: Some(Verdict::Valid),
        account: if count.is_multiple_of(2) { "1234" } else { "1235" }.into(),
        campaign: "demo".into(),
        number: 1,
        reaid: Some(reaid.into()),
        page: Some(format!("https://shop.example/{}", "p".repeat(count as usize % 200))),
        withheld: false,
        cookies: Default::default(),
    }
}

/// Two of three events are Jane's, by either key; some of each are delivered, some dead. Syncs remember her, too.
async fn furnish(server: &Server, john: &str) {
    let store = &server.store;
    store.set_door(|_| State::Waiting);
    for count in 0..EVENTS {
        drop(store.append(event(count, [JANE, JANE_KEY_2, john][count as usize % 3])));
    }
    store.flush().await;
    let acks = (1..=EVENTS as i64).filter(|seq| seq % 4 != 0).map(|seq| outbox::Ack {
        seq,
        account: if seq % 2 == 1 { "1234" } else { "1235" }.into(),
        fate: if seq % 4 == 1 { outbox::Fate::Delivered } else { outbox::Fate::Dead("rejected") },
        answer: Some("200".into()),
    });
    let acks: Vec<_> = acks.collect();
    store.write(move |db| outbox::settle(db, clock::now(), &acks)).await.unwrap();
    let marks = [JANE, john].map(reaid::sync::Stamp::of);
    store
        .write(move |db| {
            for (id, mark) in (1..).zip(marks) {
                memory::confirm(db, "shop", id, (mark.key_id, mark.fingerprint), 1000)?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

fn column(house: &House, sql: &str) -> Vec<String> {
    let db = rusqlite::Connection::open(house.database()).unwrap();
    let mut rows = db.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_person_is_left_in_any_table_or_byte_and_everybody_elses_is() {
    let server = Server::start(&raptor_is_down()).await;
    let john = server.mint(JOHN_ADDRESS);
    furnish(&server, &john).await;
    assert!(!files_with(&server.house, &reaids_of_jane()).is_empty());
    let answer = post(&server, &format!(r#"{{"address":"{JANE_ADDRESS}"}}"#)).await;
    let receipt: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let deleted = |state: &str| receipt["deleted"][state].as_u64().unwrap();
    assert_eq!(deleted("waiting") + deleted("delivered") + deleted("dead"), EVENTS * 2 / 3, "{receipt}");
    assert!(deleted("waiting") > 0 && deleted("delivered") > 0 && deleted("dead") > 0, "{receipt}");
    assert_eq!((deleted("kept"), deleted("profiles")), (0, 1), "{receipt}");
    assert_eq!(receipt["pending"], serde_json::json!([]), "{receipt}");
    // While the server runs: database, log and index of the log.
    assert_eq!(files_with(&server.house, &reaids_of_jane()), Vec::<std::path::PathBuf>::new());
    let (_, house) = server.stop().await;
    assert_eq!(files_with(&house, &reaids_of_jane()), Vec::<std::path::PathBuf>::new());
    assert_eq!(column(&house, "SELECT DISTINCT reaid FROM event"), std::slice::from_ref(&john));
    assert!(!files_with(&house, &[john]).is_empty());
    let tallied = "SELECT account || state || ':' || events FROM tally WHERE events <> 0 ORDER BY account, state";
    let counted =
        "SELECT account || state || ':' || count(*) FROM event GROUP BY account, state ORDER BY account, state";
    assert_eq!(column(&house, tallied), column(&house, counted), "the tally is what there is");
    assert_eq!(column(&house, "SELECT CAST(profile_id AS TEXT) FROM sync_rows"), ["2"]);
    let shown = show_jane(&house);
    assert_eq!((&shown["events"], &shown["profiles"]), (&serde_json::json!([]), &serde_json::json!([])), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_before_the_erasure_leaves_no_bytes_either() {
    let server = Server::start(&raptor_is_down()).await;
    let john = server.mint(JOHN_ADDRESS);
    furnish(&server, &john).await;
    // As retention does.
    server.store.write(|db| db.execute("DELETE FROM event WHERE seq % 5 <> 0", [])).await.unwrap();
    assert_eq!(post(&server, &format!(r#"{{"address":"{JANE_ADDRESS}"}}"#)).await.status, 200);
    assert_eq!(files_with(&server.house, &reaids_of_jane()), Vec::<std::path::PathBuf>::new());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_crash_cut_off_is_gone_on_with_by_the_next_command() {
    let server = Server::start(&raptor_is_down()).await;
    let john = server.mint(JOHN_ADDRESS);
    let (_, house) = server.stop().await;
    erase_jane(&house);
    // As if the process had ended between writing it down and deleting.
    let server = Server::start_in(house).await;
    furnish(&server, &john).await;
    server.store.write(|db| db.execute("UPDATE suppression SET purged = 0", [])).await.unwrap();
    let (_, house) = server.stop().await;
    assert!(!files_with(&house, &reaids_of_jane()).is_empty());
    crate::support::program::reaid(&house, &["mint", JOHN_ADDRESS]).good();
    assert_eq!(files_with(&house, &reaids_of_jane()), Vec::<std::path::PathBuf>::new());
}
