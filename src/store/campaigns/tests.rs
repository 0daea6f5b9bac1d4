//! What is kept of campaigns, seen from SQL's side.

use std::collections::HashMap;
use std::ops::ControlFlow;

use tempfile::TempDir;

use super::*;
use crate::store::{Agent, Kind, Limits, State, Store, Verdict, outbox};

const NOW: Timestamp = Timestamp::from_secs(1_796_000_000);

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("reaid.db"), Limits::of_size(1 << 30)).unwrap();
    (folder, store)
}

fn tally(from: i64, to: i64, campaign: &str) -> Tally {
    let clicks = LinkClicks { clicks: 3, human: 2, first: NOW, last: NOW, page: Some("https://shop.example/p".into()) };
    let part = Part {
        campaign: campaign.into(),
        account: "1234".into(),
        first: NOW,
        last: NOW,
        events: HashMap::from([((Kind::Click, Agent::Human, None), 3)]),
        links: HashMap::from([(7, clicks)]),
        people: vec![(Kind::Click, vec![1, 2, 3])],
    };
    Tally { from, to, parts: vec![part] }
}

fn counted(store: &Store, tally: Tally, now: Timestamp) -> Counted {
    store.write_blocking(move |transaction| count(transaction, &tally, now)).unwrap()
}

fn shown(store: &Store, campaign: &str) -> Option<Whole> {
    let found =
        store.read_blocking(|c| find(c, Some(campaign), Some("1234"))?.pop().map(|one| whole(c, one, 99)).transpose());
    found.unwrap()
}

#[test]
fn a_database_of_version_1_moves_on_with_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reaid.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch(include_str!("../v1.sql")).unwrap();
    let store = Store::open(&path, Limits::of_size(1 << 30)).unwrap();
    let states: Vec<_> =
        store.read_blocking(outbox::counts).unwrap().into_iter().map(|it| (it.state, it.events)).collect();
    assert_eq!(states, [(State::Waiting, 1), (State::Delivered, 1), (State::Dead, 1), (State::Kept, 1)]);
    let waiting = store.read_blocking(|c| {
        outbox::candidates(c, "1234", NOW.after(std::time::Duration::from_secs(9)), &Default::default(), 9)
    });
    assert_eq!(waiting.unwrap()[0].event.verdict, None, "that was not recorded");
    let letters = store.read_blocking(|c| outbox::dead(c, &outbox::Which::All, 9)).unwrap();
    assert_eq!((letters[0].reason.as_str(), letters[0].answer.as_str(), letters[0].attempts), ("rejected", "403", 3));
    let mut uncounted = Vec::new();
    let from = store.read_blocking(|c| {
        each_uncounted(c, 99, |event| {
            uncounted.push((event.seq, event.verdict, event.reaid.is_some()));
            ControlFlow::Continue(())
        })
    });
    assert_eq!(from.unwrap(), 0);
    assert_eq!(uncounted, [(1, None, true), (2, None, false), (3, None, false), (4, None, true)]);
    assert_eq!(store.read_blocking(progress).unwrap(), (4, Some(NOW.after(std::time::Duration::from_secs(1)))));
    drop(store);
    let version: u32 =
        rusqlite::Connection::open(&path).unwrap().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 9);
}

#[test]
fn what_was_counted_once_is_not_counted_again() {
    let (_folder, store) = store();
    assert_eq!(counted(&store, tally(0, 3, "demo"), NOW), Counted::Done { dropped: 0 });
    assert_eq!(counted(&store, tally(0, 3, "demo"), NOW), Counted::Overtaken);
    assert_eq!(counted(&store, tally(3, 6, "demo"), NOW), Counted::Done { dropped: 0 });
    let demo = shown(&store, "demo").unwrap();
    assert_eq!(demo.counts, [Count { kind: Kind::Click, agent: Agent::Human, verdict: None, events: 6 }]);
    assert_eq!((demo.links[0].clicks, demo.links[0].human), (6, 4));
}

#[test]
fn a_verdict_is_read_as_it_was_counted() {
    let (_folder, store) = store();
    let mut of_all = tally(0, 3, "demo");
    of_all.parts[0].events =
        Verdict::ALL.iter().map(|verdict| ((Kind::Open, Agent::Proxy, Some(*verdict)), 1)).collect();
    counted(&store, of_all, NOW);
    let verdicts = shown(&store, "demo").unwrap().counts.into_iter().filter_map(|count| count.verdict);
    assert_eq!(verdicts.collect::<Vec<_>>(), Verdict::ALL);
}

#[test]
fn a_newsletter_that_is_rewritten_again_names_its_links_anew() {
    let (_folder, store) = store();
    let link = |number, text: &str| Link { number, url: "https://shop.example/q".into(), text: Some(text.into()) };
    counted(&store, tally(0, 3, "demo"), NOW);
    assert_eq!(
        shown(&store, "demo").unwrap().links[0].url.as_deref(),
        Some("https://shop.example/p"),
        "as a click showed"
    );
    for links in [[link(7, "Cats"), link(8, "Dogs")], [link(7, "All cats"), link(9, "Birds")]] {
        store.write_blocking(move |t| remember(t, "demo", "1234", &links, NOW)).unwrap();
    }
    counted(&store, tally(3, 6, "demo"), NOW);
    let links = shown(&store, "demo").unwrap().links;
    let named: Vec<_> = links.iter().map(|it| (it.number, it.text.as_deref().unwrap(), it.clicks)).collect();
    assert_eq!(named, [(7, "All cats", 6), (8, "Dogs", 0), (9, "Birds", 0)]);
    assert_eq!(links[0].url.as_deref(), Some("https://shop.example/q"));
}

#[test]
fn of_too_many_campaigns_the_quietest_goes_with_all_that_is_its() {
    let (_folder, store) = store();
    let later = |secs| NOW.after(std::time::Duration::from_secs(secs));
    counted(&store, tally(0, 3, "old"), NOW);
    counted(&store, tally(3, 6, "quiet"), later(1));
    counted(&store, tally(6, 9, "old"), later(2));
    let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO campaign (campaign, account, touched) SELECT 'c' || i, '1', ?2 FROM n";
    let touched = later(3).millis() as i64;
    store.write_blocking(move |t| t.execute(fill, [MAX_CAMPAIGNS - 2, touched])).unwrap();
    assert_eq!(counted(&store, tally(9, 12, "old"), later(4)), Counted::Done { dropped: 0 }, "it is known");
    assert_eq!(counted(&store, tally(12, 15, "new"), later(5)), Counted::Done { dropped: 1 });
    assert!(shown(&store, "quiet").is_none());
    assert!(shown(&store, "old").is_some() && shown(&store, "new").is_some());
    let orphans = "SELECT count(*) FROM (SELECT id FROM campaign_count UNION ALL SELECT id FROM campaign_link
        UNION ALL SELECT id FROM campaign_people) WHERE id NOT IN (SELECT id FROM campaign)";
    assert_eq!(store.read_blocking(|c| c.query_row(orphans, [], |row| row.get::<_, i64>(0))).unwrap(), 0);
}
